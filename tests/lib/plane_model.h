/* A data plane as the core sees one: which Child SAs are installed, and when installing fails. */
#pragma once

#include "edge/core/plane.h"
#include "tests/lib/rand.h"

enum { PLANE_MODEL_CHILDREN = 128, PLANE_MODEL_KEYS = 512 };

struct plane_faults {
    uint32_t fail_nth; /* installs counted from arming, the first is 1; 0: none */
    bool for_ever;
    uint32_t fail_permille; /* by chance */
    /* Planted bugs of a plane: */
    bool forgets_installs; /* says yes and installs nothing */
    bool keeps_removed;
};

struct plane_model_child {
    bool used;
    uint32_t child, session, spi_in, spi_out;
    bool outbound;
    uint32_t carries_since; /* the plane prefers the highest of those that carry an address */
    struct endpoint local, remote;
    uint64_t sequence_out, sequence_limit, replay_start;
    uint64_t sent, heard; /* highest numbers, of a test's making; sent ones have 100 bytes each */
    bool is_deaf;
    uint8_t digest[32]; /* of the outbound key */
    struct plane_volume soft, hard;
};

/* An outbound key as it was installed: not twice with one epoch and node, for these make its IVs new; but
 * above what it has sent when it was removed in between. */
struct plane_model_key {
    uint8_t digest[32];
    uint16_t iv_epoch, iv_node;
    uint64_t last;
};

struct plane_model {
    struct plane_model_child children[PLANE_MODEL_CHILDREN];
    struct plane_model_key keys[PLANE_MODEL_KEYS];
    uint32_t num_keys;
    uint32_t carried;
    bool key_reused;  /* a key came twice under one epoch */
    bool child_twice; /* a handle was installed that was in use */
    struct plane_faults faults;
    bool traffic;                  /* every child has just heard from its client */
    uint32_t installs, num_failed; /* since arming */
    struct sim_rand *fate;
};

void plane_model_arm(struct plane_model *plane, const struct plane_faults *faults);
/* Carries an operation out; CAUSE_PLANE when it fails. */
enum cause plane_model_apply(struct plane_model *plane, const struct plane_op *op);
/* The numbers of a child; false when there is none. */
bool plane_model_counters(struct plane_model *plane, uint32_t child, struct plane_counters *ret_counters);
/* All SAs are gone, as after the end of the process that held them; the record of keys stays. */
void plane_model_reset(struct plane_model *plane);
uint32_t plane_model_count(const struct plane_model *plane);
/* NULL when there is none. */
const struct plane_model_child *plane_model_find(const struct plane_model *plane, uint32_t spi_in);
