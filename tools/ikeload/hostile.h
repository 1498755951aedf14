/* Datagrams that no honest client sends, in numbers: damaged messages, forged SPIs, garbage for ESP, first
 * messages from everywhere. The sessions that were opened before are their targets, and the witnesses. */
#pragma once

#include "tools/ikeload/load.h"

#include "tests/lib/rand.h"

enum {
    HOSTILE_BATCH = 64,
    HOSTILE_BYTES_MAX = 1472, /* no fragments of IP */
    HOSTILE_SEEDS_MAX = 128,
};

struct hostile_seed {
    uint8_t bytes[HOSTILE_BYTES_MAX];
    size_t len;
};

/* One datagram and where it goes. */
struct hostile_shot {
    uint8_t bytes[HOSTILE_BYTES_MAX + 4];
    size_t len;
    bool natt; /* to port 4500, as it stands */
};

struct hostile {
    struct load *load;
    struct sim_rand rand;
    struct hostile_seed seeds[HOSTILE_SEEDS_MAX];
    uint32_t num_seeds;
    uint32_t num_sealed; /* the first of them: authentic messages with ids that are past */
    uint64_t sent, unsent, asked;
    uint32_t next_session;
    ns_t started, ended, next_line;
    struct hostile_shot shots[HOSTILE_BATCH];
};

/* Collects what is to be damaged; false with a message on standard error. */
HF_MUST bool hostile_init(struct hostile *hostile, struct load *load);
/* Sends some and listens; false when all are sent. */
HF_MUST bool hostile_step(struct hostile *hostile);
/* Asks in every session whether it still lives, and says on standard error how it went. */
void hostile_end(struct hostile *hostile);

/* hostile_kinds.c: the next datagram. */
void hostile_make(struct hostile *hostile, struct hostile_shot *ret_shot);
