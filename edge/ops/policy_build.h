/* The engine's policy, from the config and the files that it names. */
#pragma once

#include "edge/ike/policy.h"
#include "edge/ops/config.h"

struct policy_setup {
    uint32_t workers;   /* how many share the node's limits, at least 1 */
    bool force_encap;   /* the data plane has no native ESP */
    int64_t now_unix_s; /* for warnings about certificates that have expired or soon will */
};

/* Loads credentials, CAs, CRLs and secrets and builds the policy. NULL with errors added to `errors`
 * (findings that are there already stay); warnings may be added in both cases. The policy refers to nothing
 * of the config. */
struct policy *policy_build(const struct config *config, const struct policy_setup *setup,
                            struct config_errors *errors);
void policy_free(struct policy *policy); /* NULL is fine; wipes secrets */

/* When the leaf certificate of an identity ends; false for an identity without certificate. */
HF_MUST bool policy_not_after(const struct policy_identity *identity, int64_t *ret_unix_s);
