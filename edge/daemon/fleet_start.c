/* The fleet's host: its start and its end. */
#include "edge/daemon/daemon.h"

#include "edge/base/secret.h"
#include "edge/daemon/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEWS_PER_SHARD = 8 };

bool fleet_host_listen(struct daemon *d, char *ret_error, size_t cap)
{
    const struct config_fleet *fleet = &d->config_start->fleet;
    struct endpoint local = {.addr = fleet->addr, .port = fleet->port};
    char text[ENDPOINT_TEXT_MAX];
    if (!fleet->is_on) {
        return true;
    }
    int error = heartbeats_open(&d->fleet.heartbeats, &local, fleet->node, d->fleet_key);
    if (error != 0) {
        snprintf(ret_error, cap, "fleet.address and port: %s: %s", endpoint_format(&local, text),
                 strerror(-error));
    }
    return error == 0;
}

static struct fleet_config engine_config(const struct daemon *d)
{
    const struct config_fleet *fleet = &d->config_start->fleet;
    struct fleet_config config = {
        .self = {.node = fleet->node,
                 .weight = fleet->weight,
                 .mtu = fleet->mtu,
                 .instance = d->fleet.instance,
                 .address = fleet->addr},
        .shard_bits = d->config_start->shard_bits,
        .lease = fleet->lease_ns,
        .heartbeat = fleet->heartbeat_ns,
        .takes_per_s = fleet->takes_per_s,
        .gives_per_s = fleet->gives_per_s,
        .rand = rand_system(),
    };
    snprintf(config.self.site_name, sizeof(config.self.site_name), "%s", fleet->site);
    snprintf(config.self.version, sizeof(config.self.version), "%s", HOLDFAST_VERSION);
    fleet_derive(d->fleet_key, "shards", 0, (uint8_t *)config.shards_key, sizeof(config.shards_key));
    return config;
}

/* What they are for is looked for in every round. */
static void source_ready(struct loop_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

static bool memory_take(struct fleet_host *h, const struct fleet_config *config)
{
    h->num_shards = UINT32_C(1) << config->shard_bits;
    h->news_cap = NEWS_PER_SHARD * h->num_shards;
    h->wishes_cap = NEWS_PER_SHARD * h->num_shards;
    h->engine_bytes = fleet_bytes(config);
    h->shards = calloc(h->num_shards, sizeof(*h->shards));
    h->news = calloc(h->news_cap, sizeof(*h->news));
    h->wishes = calloc(h->wishes_cap, sizeof(*h->wishes));
    void *memory = memory_new(h->engine_bytes);
    h->engine = memory == NULL ? NULL : fleet_init(memory, config);
    return h->engine != NULL && h->shards != NULL && h->news != NULL && h->wishes != NULL;
}

bool fleet_host_start(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    if (!d->config_start->fleet.is_on) {
        return true;
    }
    struct fleet_config config = engine_config(d);
    if (!memory_take(h, &config)) {
        return false;
    }
    h->socket_source = (struct loop_source){.fd = h->heartbeats.fd, .events = EPOLLIN, .ready = source_ready};
    h->store_source = (struct loop_source){
        .fd = store_event_fd(d->shared.store, d->num_workers), .events = EPOLLIN, .ready = source_ready};
    if (loop_add(&d->loop, &h->socket_source) != 0 || loop_add(&d->loop, &h->store_source) != 0) {
        return false;
    }
    fleet_derive(d->fleet_key, "member", 0, h->member_key, sizeof(h->member_key));
    return true;
}

void fleet_host_close(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    if (h->engine != NULL) {
        loop_remove(&d->loop, &h->socket_source);
        loop_remove(&d->loop, &h->store_source);
        memory_free(h->engine, h->engine_bytes);
        h->engine = NULL;
    }
    heartbeats_close(&h->heartbeats);
    secret_wipe(h->member_key, sizeof(h->member_key));
    free(h->shards);
    free(h->news);
    free(h->wishes);
    h->shards = NULL;
    h->news = NULL;
    h->wishes = NULL;
}
