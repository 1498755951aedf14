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

/* An interface that the config names. */
struct steer_link {
    char interface[STEERING_NAME_MAX];
    uint32_t ifindex;
    enum steering_mode wanted, mode;
    bool is_attached;
    bool is_missed; /* why it is not attached, or not for long, has been said */
    ns_t retry;
};

/* How a packet that is on this node reaches its worker's socket. */
enum steer_delivery {
    STEER_BY_MAIL,    /* SO_REUSEPORT by hash, then the mailboxes */
    STEER_BY_PROGRAM, /* sk_reuseport */
    STEER_BY_CPU,     /* cpumap and SO_INCOMING_CPU */
};

/* Another node. */
struct steer_node {
    struct ip_addr addr; /* where it is reached */
    uint16_t mtu;        /* of the way to it */
    bool is_there, is_alive;
    bool is_resolved;
    ns_t noticed; /* that its table is old, last */
};

enum { STEER_HOP_EPOCH = 1 };

struct steer_feed {
    struct steering *steering; /* NULL: off */
    struct log *log;
    const struct config *config_start;
    const struct steer *steer;
    const uint8_t *fleet_key;
    struct steer_link links[CONFIG_INTERFACES_MAX];
    uint32_t num_links;
    enum steer_delivery delivery;
    bool has_cpus;                 /* there are queues to CPUs */
    struct nodes *nodes;           /* as the workers know them */
    struct steer_node *others;     /* by number, HF_NODES_MAX; NULL: there can be none */
    struct neighbours *neighbours; /* NULL without other nodes */
    uint64_t *rows;                /* the shard table; NULL: nobody looks at one */
    uint64_t *rows_own;            /* that of workers without a program */
    bool has_fleet;                /* rows are nobody's, and nodes none, until the fleet says */
    ns_t looked;                   /* for neighbours, last */
    int64_t hour;
    ns_t committed;
    struct loop_source source; /* the program's events */
    struct steer_trace trace;
    struct steer_relay relay;
    int notice_fd;
    uint32_t newest_seen; /* table version of other nodes */
    ns_t now;             /* of the last tick */
    uint32_t key_epoch;
    bool is_stale; /* the configuration that counts is not the one that should */
    bool is_ready;
};

struct steer_feed_options {
    const struct config *config;
    const struct steer *steer; /* outlives the feed, as do the next two */
    const uint8_t *fleet_key;
    struct nodes *nodes; /* the workers'; `self` and `local` are set (nodes_self()), the rest is set here */
    struct log *log;
    struct udp_sockets *sockets; /* of each worker */
    uint32_t num_workers;
    uint32_t children_per_shard; /* at most */
    uid_t uid;
    gid_t gid;
};

/* Before privileges are dropped. What does not work is logged, and done without. */
void steer_feed_open(struct steer_feed *feed, const struct steer_feed_options *options);
/* The program's configuration counts as it is, now and not within some seconds. */
void steer_feed_commit(struct steer_feed *feed);
/* In the log: what does not work, and why. */
void steer_feed_missing(struct steer_feed *feed, const char *what, const char *error);

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

/* steer_links.c: which interfaces the program is on. */
/* From now on those of the config, in its mode; what is on others comes off. */
void steer_links_set(struct steer_feed *feed, const struct config_steering *steering);
/* At least once in a second: interfaces that have come, gone, or come anew. */
void steer_links_look(struct steer_feed *feed);
uint32_t steer_links_attached(const struct steer_feed *feed);
/* Packets go to their worker's CPU where that works, which is on native drivers. Counts with the next commit.
 */
void steer_links_mode(struct steer_feed *feed);
/* It is attached, and no other. */
bool steer_links_is_only(const struct steer_feed *feed, uint32_t ifindex);

/* steer_nodes.c: who the nodes are, and whose the shards. For the main thread, at any time after
 * steer_feed_open(); each takes effect at once, here and in all workers. Without a program the workers
 * forward by hand, by the same tables. Where there can be no other nodes nothing happens. */

/* Enters a node, or changes it; `id` is below HF_NODES_MAX, this node's is ignored. One that is not alive is
 * passed over in favour of its shards' secondaries. */
void steer_feed_node_set(struct steer_feed *feed, uint16_t id, const struct ip_addr *addr, uint16_t mtu,
                         bool is_alive);
void steer_feed_node_forget(struct steer_feed *feed, uint16_t id);
/* Who has the shard, and who if that node is dead; NODES_NOBODY, or in a fleet 0, where nobody. */
void steer_feed_row_set(struct steer_feed *feed, uint32_t shard, uint16_t primary, uint16_t secondary);
/* Open: the shard's sessions are being read, and ESP for ones that are not known yet reaches the worker. */
void steer_feed_row_open(struct steer_feed *feed, uint32_t shard, bool is_open);
/* Nodes with another version tell each other (steer.h). Counts within some seconds. */
void steer_feed_version_set(struct steer_feed *feed, uint32_t table_version);
/* For steer_feed.c. Rows are filled as the config says. */
void steer_nodes_open(struct steer_feed *feed);
void steer_nodes_close(struct steer_feed *feed);
void steer_nodes_look(struct steer_feed *feed);
void steer_rows_fill(struct steer_feed *feed, const struct config_steering *steering, uint16_t flags);

/* steer_reload.c: nodes of the config. `old` is in force. False with findings: what would move a shard, or
 * takes a restart. */
HF_MUST bool steer_reload_fits(const struct steer_feed *feed, const struct config *old,
                               const struct config *config, struct config_errors *errors);
void steer_reload_nodes(struct steer_feed *feed, const struct config *config);

const char *steer_mode_name(enum steering_mode mode);
const char *steer_delivery_name(enum steer_delivery delivery);

/* Whether this node is the primary of a shard; without nodes it is, of all. */
bool steer_feed_owns(const struct config *config, const uint8_t fleet_key[FLEET_KEY_BYTES], uint32_t shard);
