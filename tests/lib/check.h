/* Checkers of the invariants (docs/INVARIANTS.md), outside of the core: they see what it sends, stores and
 * installs, and its public views. The first violation is kept. */
#pragma once

#include "edge/core/core.h"

struct world;
struct item;

enum { CHECK_TEXT = 256 };

/* One sealed datagram of the gateway. */
struct check_seal {
    uint64_t spi_i, spi_r;
    bool by_initiator;
    uint64_t iv[2];
    uint64_t digest;
};

/* One answer of the gateway, or one fragment of it. */
struct check_answer {
    uint64_t spi_i, spi_r;
    uint32_t id;
    uint16_t fragment;
    uint8_t exchange;
    uint64_t digest;
    size_t len;
    uint32_t ops_open; /* when it was sent first */
    uint32_t restarts; /* of the gateway, when it was sent last */
};

struct check {
    char id[8]; /* "N1", empty when all is well */
    char text[CHECK_TEXT];
    struct check_seal *seals;
    uint32_t num_seals, cap_seals;
    struct check_answer *answers;
    uint32_t num_answers, cap_answers;
    uint64_t last_deadline;
    ns_t timer_at;
    uint32_t timers; /* handled at timer_at */
    uint32_t num_checks;
    bool deaf_clients;  /* they do things behind their own back, so they need not agree with the gateway */
    bool lenient_store; /* records may lag behind: the store failed */
};

void check_done(struct check *check);
HF_PRINTF(3, 4) void check_fail(struct world *world, const char *id, const char *format, ...);
bool check_failed(const struct world *world);

/* N1, M1: a datagram leaves. */
void check_sent(struct world *world, struct span bytes);
/* E1: the client learned something from this datagram. */
void check_gained(struct world *world, struct span bytes);
/* Gauges, leases, what plane and core have of each other: after each event. */
void check_step(struct world *world);
/* T1: a timer was handled. */
void check_timer(struct world *world);
/* Plane, store and clients agree: while nothing is under way. */
void check_settled(struct world *world);
/* P1, P2: everybody has left and nothing is left. */
void check_empty(struct world *world);
/* A1: a number for all that a forged datagram must leave alone. */
uint64_t check_state_hash(struct world *world);
uint64_t check_hash(uint64_t hash, const void *bytes, size_t len);
