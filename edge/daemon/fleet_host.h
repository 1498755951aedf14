/* This node as a member of a fleet: the main thread hosts the fleet engine (edge/session/fleet.h). Its store
 * operations have a handle of their own, behind the workers'; its wishes go to the workers by mail, and what
 * came of them comes back so; the shard table and the other nodes go to the steering feed, routes of inner
 * addresses to the network. Without `fleet:` in the config all of this does nothing. */
#pragma once

#include "edge/core/core.h"
#include "edge/daemon/heartbeat.h"
#include "edge/daemon/loop.h"

struct daemon;

/* A shard, as the host sees it. */
struct fleet_host_shard {
    uint16_t primary, secondary; /* as the engine wants the row */
    bool is_going;               /* from the wish to give it until it is given, and some moments more */
    bool is_served;              /* ready, until it is given or lost */
    bool is_routed;              /* its inner addresses, to its worker */
    ns_t row_from;               /* given: the row turns then; 0: at once */
    ns_t route_until;            /* given: the route of its inner addresses goes then; 0: it does not wait */
};

struct fleet_wrong_key {
    uint16_t node;
    ns_t said;
};

enum { FLEET_WRONG_KEYS_MAX = 16, FLEET_LATER_MAX = 64 };

struct fleet_host {
    struct fleet *engine; /* NULL: not in a fleet */
    size_t engine_bytes;
    uint32_t num_shards;
    uint64_t instance;
    bool is_started;        /* others' records can be read: the engine runs */
    ns_t key_look;          /* whether they can, next */
    uint32_t num_read;      /* of those that live, of the last look */
    uint16_t unread_node;   /* one that cannot be */
    uint8_t member_key[32]; /* of what nodes say of themselves */
    struct heartbeats heartbeats;
    struct loop_source socket_source, store_source;
    struct fleet_host_shard *shards;
    uint32_t num_turning;      /* rows that wait for row_from */
    struct effect_shard *news; /* of workers, for the next round: a ring */
    uint32_t news_first, news_count, news_cap;
    struct event_shard *wishes; /* that did not fit a worker's mailbox, in their order */
    uint32_t num_wishes, wishes_cap;
    bool may_begin, is_lease_untold;
    bool routes_changed;
    struct store_done later[FLEET_LATER_MAX]; /* of what the store did not take */
    uint32_t num_later;
    struct fleet_effects effects;
    struct fleet_wrong_key wrong_keys[FLEET_WRONG_KEYS_MAX];
    ns_t strange_said;
    bool is_draining, is_unfit; /* by the operator's word; because it cannot serve */
    ns_t leave_until;                                       /* 0: not leaving */
    ns_t given_at;                                          /* the last shard */
    bool is_forgotten;                                      /* STORE_FORGET has been answered, */
    enum store_result forgotten;                            /* with this */
    uint64_t sessions_taken, sessions_given, sessions_lost; /* that came with shards, and went */
};

/* The sockets, before privileges are dropped. False with a reason. */
HF_MUST bool fleet_host_listen(struct daemon *d, char *ret_error, size_t cap);
/* After the workers were started. False without memory. */
HF_MUST bool fleet_host_start(struct daemon *d);
void fleet_host_close(struct daemon *d);
/* Once in each round of the main loop: all that has come in, and what is due. */
void fleet_host_round(struct daemon *d);
/* How long the loop may wait; NS_NEVER. */
ns_t fleet_host_timeout(const struct daemon *d);
/* What a worker says of a shard, to be worked on in the next round. */
void fleet_host_news(struct daemon *d, const struct effect_shard *news);

void fleet_host_drain(struct daemon *d, bool is_draining);
/* Whether this node can serve clients: one that does not reach them keeps nobody waiting. Does nothing when
 * it is as before. */
void fleet_host_fit(struct daemon *d, bool is_fit);
/* Begins to leave; fleet_host_is_left() when all is given, or the time for it is over. */
void fleet_host_leave(struct daemon *d);
bool fleet_host_is_left(struct daemon *d);
/* Waits for the store's answer; STORE_FENCED: the node has a lease. */
enum store_result fleet_host_forget(struct daemon *d, uint16_t node);

/* One event through the engine, its effects carried out; and one without anything more. */
void fleet_host_event(struct daemon *d, struct fleet_event *event);
void fleet_host_step(struct daemon *d, enum fleet_event_type type);

/* fleet_store.c */
void fleet_store_ask(struct daemon *d, const struct store_op *op);
/* Takes what the store has answered. */
void fleet_store_look(struct daemon *d);

/* fleet_log.c */
void fleet_log_news(struct daemon *d, const struct fleet_effect *effect);
void fleet_log_shard(struct daemon *d, const struct effect_shard *news);
/* Nothing that the others say can be read. */
void fleet_log_key(struct daemon *d, uint16_t node);
/* Something came that is no heartbeat of the fleet; said once a minute for each node that it names. */
void fleet_log_fault(struct daemon *d, const struct heartbeat_in *in);
