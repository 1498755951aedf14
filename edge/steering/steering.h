/* The steering program in the kernel: loaded, attached, pinned, and fed through its maps (ebpf/steer.h says
 * what each holds). Everything that needs privileges happens in steering_open(), steering_sockets() and
 * steering_attach(); afterwards the maps are reached through memory and through descriptors that are held. */
#pragma once

#include "ebpf/steer.h"
#include "edge/base/compiler.h"

#include <sys/types.h>

enum {
    STEERING_INTERFACES_MAX = 32, /* a reload may bring as many new ones */
    STEERING_NAME_MAX = 16,       /* IFNAMSIZ */
    STEERING_ERROR_MAX = 320,
};

enum steering_mode {
    STEERING_AUTO, /* native where the driver can, else generic */
    STEERING_NATIVE,
    STEERING_GENERIC,
};

struct steering_options {
    const char *pins; /* folder for pins; NULL: none, and a restart begins anew */
    uid_t uid;        /* who may take the pins away, */
    gid_t gid;        /* at the end */
    uint8_t shard_bits;
    uint8_t live_bits;   /* of an index, 1.. */
    uint32_t num_groups; /* addresses x ports that are listened on */
    uint32_t num_workers;
};

struct steering;

/* Loads the programs and makes the maps, or takes those that are pinned and have the same shape. False with a
 * reason: a kernel too old, privileges, a mistake. */
HF_MUST bool steering_open(const struct steering_options *options, struct steering **ret_steering,
                           char ret_error[STEERING_ERROR_MAX]);
/* `keep`: programs, maps and pins stay as they are for the next start; else all of it is taken away. NULL is
 * fine. */
void steering_close(struct steering *steering, bool keep);
/* Takes away what an earlier process left pinned, when this one does not steer. */
void steering_forget(const char *pins);

/* Some maps were there already: the program may be running with them. */
bool steering_is_continued(const struct steering *steering);
/* In memory, shared with the program. Rows by shard; bits by ESP index. */
struct hf_control *steering_control(struct steering *steering);
uint64_t *steering_rows(struct steering *steering);
uint64_t *steering_live(struct steering *steering);
size_t steering_live_words(const struct steering *steering);

/* The configuration that will count next; change it, then steering_commit(), which may be done once a second
 * (the program may still be reading the one before). 0 or -errno. */
struct hf_config *steering_config(struct steering *steering);
HF_MUST int steering_commit(struct steering *steering);
/* 0 or -errno. */
HF_MUST int steering_node_set(struct steering *steering, uint32_t id, const struct hf_node *node);
/* A queue to a CPU, for HF_MODE_CPUMAP. 0 or -errno. */
HF_MUST int steering_cpu_set(struct steering *steering, uint32_t cpu);

/* Attaches to an interface, which it is not on yet: replaces the program where one of ours is pinned, without
 * a packet lost. False with a reason; true and how it is attached, and perhaps why it cannot be pinned. Also
 * later, with CAP_NET_ADMIN alone. */
HF_MUST bool steering_attach(struct steering *steering, const char *interface, enum steering_mode mode,
                             enum steering_mode *ret_mode, char ret_error[STEERING_ERROR_MAX]);
/* Takes it off; nothing happens where it is not. */
void steering_detach(struct steering *steering, const char *interface);
/* After the first steering_attach() of each: what is pinned for other interfaces is detached. */
void steering_attach_done(struct steering *steering);

/* Sockets of one address and port, one of each worker, get what is their worker's (sk_reuseport). False with
 * a reason. */
HF_MUST bool steering_sockets(struct steering *steering, uint32_t group, const int *fds,
                              char ret_error[STEERING_ERROR_MAX]);

/* The sum over all CPUs. 0 or -errno. */
HF_MUST int steering_counters(const struct steering *steering,
                              struct hf_counter ret_counters[HF_VERDICT_COUNT]);

/* Events: a descriptor that becomes readable, and what to call then. */
int steering_event_fd(const struct steering *steering);
void steering_events(struct steering *steering, void (*take)(void *context, const struct hf_event *event),
                     void *context);
