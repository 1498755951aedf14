/* A changed config under running sessions: checked whole, then taken whole, or refused while everything goes
 * on.
 */
#include "edge/daemon/daemon.h"

#include "edge/pool/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#define RELEASE_WAIT_MS 2000
#define RELOAD_PATIENCE_NS (60 * NS_PER_S) /* thousands of certificates and secrets are read */

struct reload {
    struct daemon *d;
    struct stream *stream;
    struct config *config;
    struct policy *policy;
    struct config_errors errors;
    struct config_changes changes;
    struct mail_policy mails[WORKERS_MAX];
};

static void log_findings(struct log *log, const struct config_errors *errors)
{
    char line[CONFIG_LINE_MAX];
    for (uint32_t i = 0; i < errors->count; i++) {
        const struct config_finding *finding = &errors->v[i];
        config_finding_format(errors, finding, line);
        log_event(log, daemon_wall_ns(), finding->warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "config",
                  LOG_FIELDS(LOG_TEXT("file", errors->file), LOG_NUMBER("line", finding->line)), "%s", line);
    }
}

/* After logrotate; whatever comes of the config. */
static void log_file_again(struct daemon *d)
{
    if (!log_reopen(&d->log)) {
        int error = errno;
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "log_not_reopened",
                  LOG_FIELDS(LOG_TEXT("file", d->log.path), LOG_NUMBER("errno", error)),
                  "%s cannot be opened anew, the log goes on in the old file: %s", d->log.path,
                  strerror(error));
    }
}

static void refuse(struct reload *r, const char *error, const char *why)
{
    struct daemon *d = r->d;
    d->reload_ok = false;
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "reload_refused",
              LOG_FIELDS(LOG_NUMBER("errors", r->errors.num_errors)),
              "config not reloaded, the one before stays in force: %s", why);
    stream_findings(r->stream, &r->errors);
    stream_error(r->stream, error, why);
}

/* Pools are cut into the shards of the running daemon, whatever the new file says about shards. */
static bool pools_fit(struct reload *r)
{
    const struct config *config = r->config;
    uint8_t shard_bits = worker_core_config(r->d->workers[0])->shard_bits;
    for (uint32_t i = 0; i < config->num_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        char path[48];
        snprintf(path, sizeof(path), "pools[%u]", i);
        if ((pool->has_v4 && !pool_fits(&pool->v4, shard_bits)) ||
            (pool->has_v6 && !pool_fits(&pool->v6, shard_bits))) {
            config_find(config, &r->errors, false, path, "too small for the running daemon's shard_bits (%u)",
                        shard_bits);
        }
    }
    return r->errors.num_errors == 0;
}

static bool prefix_conflicts(bool has_old, const struct ip_prefix *old, bool has_new,
                             const struct ip_prefix *new)
{
    return has_old && has_new && prefix_overlaps(old, new) &&
           (old->bits != new->bits || !ip_equal(&old->addr, &new->addr));
}

/* Another division of the same addresses would give those in use to other shards, and so to other workers,
 * which would lease them again. */
static bool pools_keep_shards(struct reload *r)
{
    const struct config *old = r->d->config, *new = r->config;
    for (uint32_t i = 0; i < new->num_pools; i++) {
        for (uint32_t k = 0; k < old->num_pools; k++) {
            const struct config_pool *a = &old->pools[k], *b = &new->pools[i];
            if (prefix_conflicts(a->has_v4, &a->v4, b->has_v4, &b->v4) ||
                prefix_conflicts(a->has_v6, &a->v6, b->has_v6, &b->v6)) {
                char path[48];
                snprintf(path, sizeof(path), "pools[%u]", i);
                config_find(new, &r->errors, false, path,
                            "divides addresses of pool %s anew, which sessions may hold; drain and restart",
                            a->name);
            }
        }
    }
    return r->errors.num_errors == 0;
}

/* SPIs of the epoch before the one that mints now cease to exist when the next one mints: nobody may have one
 * any more. */
static bool epochs_fit(struct reload *r)
{
    struct daemon *d = r->d;
    uint32_t old = d->config->steering.key_epoch, new = r->config->steering.key_epoch, counts[4];
    if (new == old) {
        return true;
    }
    if (new != old + 1) {
        config_find(r->config, &r->errors, false, "steering.key_epoch",
                    "goes up by one at a time, on all nodes, to %u next", old + 1);
    } else if (!daemon_ask_epochs(d, counts)) {
        config_find(r->config, &r->errors, false, "steering.key_epoch", "a worker does not answer");
    } else if (old > 1 && counts[core_spi_epoch(old - 1)] > 0) {
        config_find(r->config, &r->errors, false, "steering.key_epoch",
                    "%u SAs still have SPIs of epoch %u; wait for their rekeys",
                    counts[core_spi_epoch(old - 1)], old - 1);
    }
    return r->errors.num_errors == 0;
}

static void mails_free(struct reload *r, uint32_t count)
{
    while (count-- > 0) {
        worker_pool_pages_free(r->mails[count].pool_memory, r->mails[count].pool_bytes);
    }
}

/* All memory is there before the first worker hears of it. */
static bool mails_prepare(struct reload *r)
{
    for (uint32_t i = 0; i < r->d->num_workers; i++) {
        size_t bytes = core_pool_bytes(worker_core_config(r->d->workers[i]), r->policy);
        r->mails[i] = (struct mail_policy){
            .mail = {.type = MAIL_POLICY},
            .policy = r->policy,
            .pool_memory = worker_pool_pages(bytes),
            .pool_bytes = bytes,
        };
        core_spi_config(r->d->fleet_key, worker_core_config(r->d->workers[0])->shard_bits,
                        r->config->steering.key_epoch, &r->mails[i].spi);
        if (r->mails[i].pool_memory == NULL) {
            mails_free(r, i);
            return false;
        }
    }
    return true;
}

/* A worker that has just answered has an empty mailbox, so that nothing can fail half way. */
static bool workers_answer(struct daemon *d)
{
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_ask ask = {.type = ASK_STATUS};
        if (daemon_ask(d, i, &ask) == NULL) {
            return false;
        }
    }
    return true;
}

static void mails_send(struct reload *r)
{
    for (uint32_t i = 0; i < r->d->num_workers; i++) {
        struct mail_policy *mail = mesh_room(&r->d->port, i, sizeof(*mail));
        hf_assert(mail != NULL);
        *mail = r->mails[i];
    }
    mesh_flush(&r->d->port);
}

void daemon_release(struct daemon *d)
{
    if (d->policy_old == NULL) {
        return;
    }
    for (uint32_t i = 0; i < d->num_workers; i++) {
        if (worker_released(d->workers[i]) != d->policy_old) {
            return;
        }
    }
    policy_free(d->policy_old);
    d->policy_old = NULL;
}

static void wait_for_release(struct daemon *d)
{
    for (int ms = 0; d->policy_old != NULL && ms < RELEASE_WAIT_MS; ms++) {
        daemon_release(d);
        if (d->policy_old != NULL) {
            (void)poll(NULL, 0, 1);
        }
    }
}

static void commit(struct reload *r)
{
    struct daemon *d = r->d;
    mails_send(r);
    d->policy_old = d->policy;
    d->policy = r->policy;
    if (d->config != d->config_start) {
        config_free(d->config);
    }
    d->config = r->config;
    steer_feed_reload(&d->feed, d->config);
    bgp_reload(d);
    atomic_store(&d->log.level, (int)d->config->log.level);
    d->config_loaded_unix_s = daemon_wall_ns() / (int64_t)NS_PER_S;
    d->reload_ok = true;
    wait_for_release(d);
}

static void report(struct reload *r)
{
    struct daemon *d = r->d;
    log_findings(&d->log, &r->errors);
    for (uint32_t i = 0; i < r->changes.count; i++) {
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "config_changed", LOG_NO_FIELDS, "%s%s",
                  r->changes.v[i].text, r->changes.v[i].restart ? " (at the next start)" : "");
    }
    stream_findings(r->stream, &r->errors);
    stream_changes(r->stream, &r->changes);
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "reloaded",
              LOG_FIELDS(LOG_NUMBER("changes", r->changes.total),
                         LOG_NUMBER("at_next_start", r->changes.num_restart)),
              "config reloaded: %u changes, of which %u take effect at the next start", r->changes.total,
              r->changes.num_restart);
    stream_done(r->stream, r->changes.total);
}

static void reload_run(struct reload *r, const char *path)
{
    struct daemon *d = r->d;
    char error[NETWORK_ERROR_MAX];
    daemon_release(d);
    if (d->state == NODE_STARTING || d->policy_old != NULL) {
        refuse(r, "busy", "the daemon is still busy with its start or the reload before");
        return;
    }
    if (!daemon_load(path, d->num_workers, &r->config, &r->policy, &r->errors) || !pools_fit(r) ||
        !pools_keep_shards(r) || !epochs_fit(r) ||
        !steer_reload_fits(&d->feed, d->config, r->config, &r->errors)) {
        log_findings(&d->log, &r->errors);
        refuse(r, "config_refused", "it has errors");
    } else if (!workers_answer(d) || !mails_prepare(r)) {
        refuse(r, "failed", "no memory, or a worker does not answer");
    } else if (!network_reload(&d->network, d->config, r->config, error)) {
        mails_free(r, d->num_workers);
        refuse(r, "failed", error);
    } else {
        r->policy->half_open_max =
            HF_MIN(r->policy->half_open_max, worker_core_config(d->workers[0])->half_open_max);
        config_diff(d->config, r->config, &r->changes);
        commit(r);
        report(r);
        return;
    }
    policy_free(r->policy);
    config_free(r->config);
}

void daemon_reload(struct daemon *d, const char *path, struct stream *stream)
{
    struct reload *r = calloc(1, sizeof(*r));
    log_file_again(d);
    if (r == NULL) {
        stream_error(stream, "failed", "no memory");
        return;
    }
    r->d = d;
    r->stream = stream;
    bgp_patience(d, RELOAD_PATIENCE_NS);
    (void)sd_notifyf(0, "RELOADING=1\nSTATUS=reloading %s", path);
    reload_run(r, path);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", d->ready_text);
    free(r);
}
