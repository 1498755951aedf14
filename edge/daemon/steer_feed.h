/* What the daemon tells the steering program, and hears from it: keys by the hour, the shard table, where
 * workers run, whether cookies are wanted. Without `steering:` in the config, or where the kernel does not
 * let us, there is no program, and all of this does nothing: the workers hand each other what is theirs. */
#pragma once

#include "ebpf/steer.h"
#include "edge/core/core.h"
#include "edge/daemon/loop.h"
#include "edge/daemon/nodes.h"
#include "edge/daemon/steer_event.h"
#include "edge/io/steer.h"
#include "edge/io/udp_socket.h"
#include "edge/ops/config.h"
#include "edge/ops/log.h"
#include "edge/plane/neighbour.h"
#include "edge/steering/steering.h"

struct steer_link {
    const char *interface; /* belongs to the config */
    enum steering_mode mode;
};

/* How a packet that is on this node reaches its worker's socket. */
enum steer_delivery {
    STEER_BY_MAIL,    /* SO_REUSEPORT by hash, then the mailboxes */
    STEER_BY_PROGRAM, /* sk_reuseport */
    STEER_BY_CPU,     /* cpumap and SO_INCOMING_CPU */
};

struct steer_feed {
    struct steering *steering; /* NULL: off */
    struct log *log;
    const struct config *config_start;
    const struct steer *steer;
    const uint8_t *fleet_key;
    struct steer_link links[CONFIG_INTERFACES_MAX];
    uint32_t num_links;
    enum steer_delivery delivery;
    uint64_t shards_key[2];
    struct neighbours *neighbours; /* NULL without other nodes */
    bool is_resolved[CONFIG_NODES_MAX];
    ns_t looked; /* for neighbours, last */
    int64_t hour;
    ns_t committed;
    struct loop_source source; /* the program's events */
    struct steer_trace trace;
    int notice_fd;
    ns_t noticed[CONFIG_NODES_MAX]; /* that its table is old, last */
    uint32_t newest_seen;           /* table version of other nodes */
    ns_t now;                       /* of the last tick */
    uint32_t key_epoch;
    bool is_stale; /* the configuration that counts is not the one that should */
    bool is_ready;
};

struct steer_feed_options {
    const struct config *config;
    const struct steer *steer; /* outlives the feed, as do the next two */
    const uint8_t *fleet_key;
    struct log *log;
    struct udp_sockets *sockets; /* of each worker */
    uint32_t num_workers;
    uint8_t live_bits;
    uid_t uid;
    gid_t gid;
};

/* Before privileges are dropped. What does not work is logged, and done without. */
void steer_feed_open(struct steer_feed *feed, const struct steer_feed_options *options);
/* In the log: what does not work, and why. */
void steer_feed_missing(struct steer_feed *feed, const char *what, const char *error);

/* steer_nodes.c */
/* Enters the other nodes, and finds out their link addresses; again about once in a second. */
void steer_nodes_open(struct steer_feed *feed);
void steer_nodes_look(struct steer_feed *feed);
/* What workers need to know of other nodes, when there are any; `local` is set already. */
void steer_feed_nodes(struct steer_feed *feed, struct nodes *ret_nodes);
/* Events of the program are taken as they come. */
void steer_feed_listen(struct steer_feed *feed, struct loop *loop);
/* Every worker has read back its sessions. */
void steer_feed_ready(struct steer_feed *feed);
/* At least once in a second. */
void steer_feed_tick(struct steer_feed *feed, const struct config *config, ns_t now, int64_t wall_ns);
/* A new config counts. */
void steer_feed_reload(struct steer_feed *feed, const struct config *config);
/* `keep`: the program goes on for the next start (steering_close()). */
void steer_feed_close(struct steer_feed *feed, bool keep);

const char *steer_mode_name(enum steering_mode mode);
const char *steer_delivery_name(enum steer_delivery delivery);

/* Whether this node is the primary of a shard; without nodes it is, of all. */
bool steer_feed_owns(const struct config *config, const uint8_t fleet_key[FLEET_KEY_BYTES], uint32_t shard);
