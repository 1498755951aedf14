/* Shared by the files of the world alone. */
#pragma once

#include "tests/lib/world.h"

/* world_items.c */
struct item *item_add(struct world *world, enum item_type type, ns_t at);
/* Index of the earliest; WORLD_ITEMS when there is none. */
uint32_t item_first(const struct world *world);
struct item item_take(struct world *world, uint32_t index);
void item_done(struct item *item);

/* world_effects.c */
void world_effects(struct world *world);
void world_store_item(struct world *world, struct item *item);
void world_plane_item(struct world *world, struct item *item);
/* A write that an answer may have to wait for. */
bool store_item_counts(const struct item *item);

/* world_net.c */
void net_from_gateway(struct world *world, const struct effect_send *send);
void net_from_client(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                     struct span bytes);
void net_to_gateway(struct world *world, struct item *item);
void net_to_client(struct world *world, struct item *item);

/* planted.c: what the world does to the core's memory, so that a checker has something to find */
void plant_at_session_up(struct world *world);
void plant_after_datagram(struct world *world, bool forged);
void plant_after_event(struct world *world);
