#include "edge/daemon/store_open.h"

#include "edge/store/valkey.h"

#include <stdio.h>
#include <string.h>

enum { SECRET_BYTES_MAX = 64 << 10 };

/* ---- files */

static bool secret_read(const char *path, struct file *ret_file, char *ret_error)
{
    if (path == NULL) {
        return true;
    }
    const char *error = file_read(path, SECRET_BYTES_MAX, ret_file);
    if (error != NULL) {
        *ret_file = (struct file){0};
        snprintf(ret_error, STORE_ERROR_MAX, "%.180s: %.60s", path, error);
    }
    return error == NULL;
}

bool store_secrets_read(const struct config_store *config, struct store_secrets *ret_secrets,
                        char ret_error[STORE_ERROR_MAX])
{
    *ret_secrets = (struct store_secrets){0};
    return secret_read(config->password_file, &ret_secrets->password, ret_error) &&
           secret_read(config->tls.ca, &ret_secrets->ca, ret_error) &&
           secret_read(config->tls.certificate, &ret_secrets->certificate, ret_error) &&
           secret_read(config->tls.key, &ret_secrets->key, ret_error);
}

void store_secrets_free(struct store_secrets *secrets)
{
    file_free(&secrets->password);
    file_free(&secrets->ca);
    file_free(&secrets->certificate);
    file_free(&secrets->key);
    *secrets = (struct store_secrets){0};
}

/* ---- stores */

const char *store_type_name(enum config_store_type type)
{
    static const char *const names[] = {
        [CONFIG_STORE_LMDB] = "lmdb", [CONFIG_STORE_MEMORY] = "memory", [CONFIG_STORE_VALKEY] = "valkey"};
    return names[type];
}

static struct span span_of_file(const struct file *file)
{
    return span_of(file->data, file->len);
}

static struct span first_line(const struct file *file)
{
    size_t len = 0;
    while (len < file->len && file->data[len] != '\n' && file->data[len] != '\r') {
        len++;
    }
    return span_of(file->data, len);
}

static struct store *valkey_open(const struct config_store *config, const struct store_options *store,
                                 const struct store_secrets *secrets, char *ret_error)
{
    struct store_valkey_server servers[CONFIG_SERVERS_MAX];
    char hosts[CONFIG_SERVERS_MAX][IP_TEXT_MAX];
    for (uint32_t i = 0; i < config->num_servers; i++) {
        servers[i] = (struct store_valkey_server){ip_format(&config->endpoints[i].addr, hosts[i]),
                                                  config->endpoints[i].port};
    }
    struct store_valkey_options options = {
        .store = *store,
        .servers = servers,
        .num_servers = config->num_servers,
        .fleet = config->fleet,
        .user = config->user,
        .password = first_line(&secrets->password),
        .tls = config->tls.is_on,
        .ca_pem = span_of_file(&secrets->ca),
        .cert_pem = span_of_file(&secrets->certificate),
        .key_pem = span_of_file(&secrets->key),
        .tls_name = config->tls.name,
        .min_replicas = config->replicas,
    };
    return store_valkey_open(&options, ret_error);
}

struct store *store_of_config(const struct config *config, const struct store_secrets *secrets,
                              uint32_t num_workers, uint64_t instance, char ret_error[STORE_ERROR_MAX])
{
    struct store_options options = {
        .path = config->store.path,
        .size_mb = config->store.size_mb,
        .num_workers = num_workers + config->fleet.is_on,
        .node = config->fleet.is_on ? config->fleet.node : 0,
        .instance = instance,
        .num_shards = UINT32_C(1) << config->shard_bits,
    };
    switch (config->store.type) {
    case CONFIG_STORE_LMDB:
        return store_lmdb_open(&options, ret_error);
    case CONFIG_STORE_MEMORY:
        return store_memory_new(&options);
    case CONFIG_STORE_VALKEY:
        return valkey_open(&config->store, &options, secrets, ret_error);
    }
    return NULL;
}
