/* The session store that the config names. */
#pragma once

#include "edge/ops/config.h"
#include "edge/ops/file.h"
#include "edge/store/store.h"

/* What is read of files that the user whom we become need not be able to read. */
struct store_secrets {
    struct file password, ca, certificate, key; /* empty: none */
};

/* Before privileges are dropped. False with a reason. */
HF_MUST bool store_secrets_read(const struct config_store *config, struct store_secrets *ret_secrets,
                                char ret_error[STORE_ERROR_MAX]);
void store_secrets_free(struct store_secrets *secrets);

/* In a fleet one handle more than workers, for the fleet engine. NULL with a reason; a store that does not
 * work now and may later is opened all the same, with the reason, too. */
struct store *store_of_config(const struct config *config, const struct store_secrets *secrets,
                              uint32_t num_workers, uint64_t instance, char ret_error[STORE_ERROR_MAX]);
const char *store_type_name(enum config_store_type type);
