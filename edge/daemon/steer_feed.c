#include "edge/daemon/daemon.h"

#include "edge/base/secret.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HOUR_S 3600
#define COMMIT_INTERVAL_NS (2 * NS_PER_S) /* until no CPU reads the configuration before any more, */
#define COMMIT_PAUSE_US 10000             /* and at the very least */
#define LOOK_INTERVAL_NS NS_PER_S         /* for the link addresses of other nodes */
#define EVENTS_PER_S 1000
#define ICMP_SOURCES 100 /* so many may use up what is theirs at once */

/* ---- log */

void steer_feed_missing(struct steer_feed *feed, const char *what, const char *error)
{
    log_event(feed->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "steering_missing",
              LOG_FIELDS(LOG_TEXT("what", what)), "%s: %s", what, error);
}

const char *steer_mode_name(enum steering_mode mode)
{
    static const char *const names[] = {"auto", "native", "generic"};
    return names[mode];
}

const char *steer_delivery_name(enum steer_delivery delivery)
{
    static const char *const names[] = {"mailbox", "socket", "cpu"};
    return names[delivery];
}

/* ---- the configuration */

static void local_add(struct hf_config *out, uint32_t *count, const struct ip_addr *addr, uint32_t kind)
{
    hf_assert(*count < HF_LOCAL_MAX);
    out->local[(*count)++] = (struct hf_local){
        .addr = {hf_word_load(addr->bytes), hf_word_load(addr->bytes + 8)},
        .mask = {UINT64_MAX, UINT64_MAX},
        .kind = kind,
    };
}

static void locals_fill(struct hf_config *out, const struct config *config, const struct nodes *nodes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->listen.num_addresses; i++) {
        local_add(out, &count, &config->listen.addrs[i], HF_LOCAL_ANYCAST);
    }
    if (!ip_is_zero(&nodes->local.addr)) {
        local_add(out, &count, &nodes->local.addr, HF_LOCAL_NODE);
    }
}

/* A second's worth may come at once. */
static struct hf_rate rate_of(uint64_t per_s)
{
    return per_s == 0 ? (struct hf_rate){0} : (struct hf_rate){NS_PER_S / per_s, NS_PER_S};
}

/* Wider networks as in edge/ike/source.c. */
static void rates_fill(struct hf_config *out, const struct config_rates *rates)
{
    const uint64_t per_s[HF_RATE_COUNT] = {
        [HF_BUDGET_FIRST] = rates->first_per_source,
        [HF_BUDGET_FIRST_56] = (uint64_t)rates->first_per_source * SOURCE_WIDER,
        [HF_BUDGET_FIRST_48] = (uint64_t)rates->first_per_source * SOURCE_WIDER * SOURCE_WIDER,
        [HF_BUDGET_PROVEN] = rates->proven_per_source,
        [HF_BUDGET_COOKIE] = rates->cookies_per_source,
        [HF_BUDGET_IKE] = rates->ike_per_session,
        [HF_BUDGET_FRAGMENT] = rates->fragments_per_source,
        [HF_BUDGET_ICMP] = rates->icmp_per_source,
        [HF_RATE_SHARD] = rates->esp_per_shard,
        [HF_RATE_NODE_OUT_ESP] = rates->esp_per_node,
        [HF_RATE_NODE_OUT_IKE] = rates->ike_per_node,
        [HF_RATE_NODE_IN_ESP] = rates->esp_per_node,
        [HF_RATE_NODE_IN_IKE] = rates->ike_per_node,
        [HF_RATE_FRAGMENTS] = rates->fragments,
        [HF_RATE_FRAGMENTS_NODE] =
            rates->fragments, /* as many again, which those to clients' address leave */
        [HF_RATE_ICMP_CLIENT] = (uint64_t)rates->icmp_per_source * ICMP_SOURCES,
        [HF_RATE_VERSION] = rates->other_versions,
        [HF_RATE_TOO_BIG] = rates->too_big,
        [HF_RATE_EVENT] = EVENTS_PER_S,
    };
    for (uint32_t i = 0; i < HF_RATE_COUNT; i++) {
        out->rates[i] = rate_of(per_s[i]);
    }
}

/* This hour's mints; last hour's counts still, and, for nodes whose clock is ahead, the next one's. */
static void cookies_fill(struct steer_feed *feed, struct hf_config *out, int64_t hour)
{
    static const int offsets[HF_COOKIE_KEYS_MAX] = {0, -1, 1};
    for (uint32_t i = 0; i < HF_COOKIE_KEYS_MAX; i++) {
        struct hf_cookie_slot *slot = &out->cookies[i];
        fleet_derive(feed->fleet_key, "cookie", (uint64_t)(hour + offsets[i]), (uint8_t *)slot->key.k,
                     sizeof(slot->key.k));
        slot->version = (uint8_t)(hour + offsets[i]);
        slot->present = 1;
    }
    feed->hour = hour;
}

/* Bits of an ESP index that a child can have. */
static uint8_t live_bits_of(const struct steer_feed_options *options)
{
    uint8_t bits = 1;
    while (UINT32_C(1) << bits < options->children_per_shard) {
        bits++;
    }
    return bits;
}

/* What does not change while we run. */
static void config_fill(struct steer_feed *feed, const struct steer_feed_options *options)
{
    const struct config *config = options->config;
    struct hf_config *out = steering_config(feed->steering);
    struct rand_source rand = rand_system();
    memset(out, 0, sizeof(*out));
    out->spi = options->steer->spi;
    memcpy(out->first_key, options->steer->first_key, sizeof(out->first_key));
    rand_fill(&rand, (uint8_t *)out->fragment_key, sizeof(out->fragment_key));
    rand_fill(&rand, (uint8_t *)out->budget_key, sizeof(out->budget_key));
    fleet_derive(feed->fleet_key, "hop", STEER_HOP_EPOCH, (uint8_t *)out->hop_keys[STEER_HOP_EPOCH],
                 sizeof(out->hop_keys[0]));
    out->hop_epoch = STEER_HOP_EPOCH;
    locals_fill(out, config, feed->nodes);
    rates_fill(out, &config->steering.rates);
    out->table_version = feed->nodes->table_version;
    out->self = feed->nodes->self;
    out->num_workers = (uint16_t)options->num_workers;
    out->ike_port = config->listen.ike_port;
    out->natt_port = config->listen.natt_port;
    out->hop_port = config->steering.hop_port;
    out->live_bits = live_bits_of(options);
    cookies_fill(feed, out, daemon_wall_ns() / (int64_t)NS_PER_S / HOUR_S);
}

static void commit(struct steer_feed *feed, ns_t now)
{
    int error = steering_commit(feed->steering);
    if (error != 0) {
        steer_feed_missing(feed, "steering: new configuration", strerror(-error));
    }
    feed->is_stale = false;
    feed->committed = now;
}

void steer_feed_commit(struct steer_feed *feed)
{
    (void)usleep(COMMIT_PAUSE_US);
    commit(feed, daemon_now());
}

/* ---- packets to the right worker */

/* With more workers than CPUs, several share one. False when a packet can be on the CPU of one only. */
static bool cpus_fill(struct hf_config *out, uint32_t num_workers)
{
    cpu_set_t allowed;
    int cpus[CPU_SETSIZE], count = 0;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return false;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            cpus[count++] = cpu;
        }
    }
    for (uint32_t worker = 0; worker < num_workers; worker++) {
        out->worker_cpu[worker] = (uint16_t)cpus[worker % (uint32_t)count];
    }
    return count > 1 && num_workers > 1;
}

/* A queue for each CPU in use. */
static bool cpus_open(struct steer_feed *feed, uint32_t num_workers)
{
    struct hf_config *out = steering_config(feed->steering);
    for (uint32_t worker = 0; worker < num_workers; worker++) {
        int error = steering_cpu_set(feed->steering, out->worker_cpu[worker]);
        if (error != 0) {
            steer_feed_missing(feed, "steering: cpumap", strerror(-error));
            return false;
        }
    }
    return true;
}

/* SO_INCOMING_CPU with SO_REUSEPORT works from Linux 6.2 on (b261eda84ec1). */
static bool kernel_has_incoming_cpu(void)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 2));
}

static bool sockets_by_cpu(struct steer_feed *feed, const struct steer_feed_options *options)
{
    const struct hf_config *out = steering_config(feed->steering);
    for (uint32_t worker = 0; worker < options->num_workers; worker++) {
        int cpu = out->worker_cpu[worker];
        for (uint32_t i = 0; i < options->sockets[worker].count; i++) {
            int fd = options->sockets[worker].v[i].fd;
            if (setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu)) != 0) {
                return false;
            }
        }
    }
    return true;
}

static bool sockets_by_program(struct steer_feed *feed, const struct steer_feed_options *options)
{
    char error[STEERING_ERROR_MAX];
    int fds[WORKERS_MAX];
    for (uint32_t group = 0; group < options->sockets[0].count; group++) {
        if (options->sockets[0].v[group].hop) {
            continue; /* any worker may take these apart */
        }
        for (uint32_t worker = 0; worker < options->num_workers; worker++) {
            fds[worker] = options->sockets[worker].v[group].fd;
        }
        if (!steering_sockets(feed->steering, group, fds, error)) {
            steer_feed_missing(feed, "steering of sockets", error);
            return false;
        }
    }
    return true;
}

static bool workers_have_cpus(const struct hf_config *out, uint32_t num_workers)
{
    for (uint32_t i = 0; i < num_workers; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (out->worker_cpu[i] == out->worker_cpu[k]) {
                return false;
            }
        }
    }
    return true;
}

static void sockets_open(struct steer_feed *feed, const struct steer_feed_options *options)
{
    const struct hf_config *out = steering_config(feed->steering);
    if (options->num_workers == 1) {
        feed->delivery = STEER_BY_MAIL;
    } else if (out->mode == HF_MODE_CPUMAP && workers_have_cpus(out, options->num_workers) &&
               kernel_has_incoming_cpu() && sockets_by_cpu(feed, options)) {
        feed->delivery = STEER_BY_CPU;
    } else {
        feed->delivery = sockets_by_program(feed, options) ? STEER_BY_PROGRAM : STEER_BY_MAIL;
    }
}

/* ---- the program */

static bool load(struct steer_feed *feed, const struct steer_feed_options *options)
{
    char error[STEERING_ERROR_MAX] = "";
    struct steering_options steering = {
        .pins = options->config->steering.pins,
        .uid = options->uid,
        .gid = options->gid,
        .shard_bits = options->steer->spi.shard_bits,
        .live_bits = live_bits_of(options),
        .num_groups = options->sockets[0].count,
        .num_workers = options->num_workers,
    };
    bool loaded = steering_open(&steering, &feed->steering, error);
    if (error[0] != '\0') {
        steer_feed_missing(feed, loaded ? "steering does not survive a restart" : "steering is off", error);
    }
    return loaded;
}

/* The shard table is the program's, or, without one, the workers' alone. */
static bool rows_open(struct steer_feed *feed, bool is_loaded)
{
    bool has_others = feed->has_fleet || !ip_is_zero(&feed->nodes->local.addr);
    if (is_loaded) {
        feed->rows = steering_rows(feed->steering);
    } else if (has_others) {
        feed->rows = feed->rows_own = calloc(HF_SHARDS_MAX, sizeof(*feed->rows_own));
        hf_assert(feed->rows != NULL);
    }
    if (feed->rows != NULL) {
        steer_rows_fill(feed, &feed->config_start->steering, HF_ROW_OPEN);
    }
    return has_others;
}

static void program_open(struct steer_feed *feed, const struct steer_feed_options *options)
{
    struct hf_control *control = steering_control(feed->steering);
    __atomic_store_n(&control->cookie_wanted, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&control->trace, 0, __ATOMIC_RELAXED);
    memset(steering_live(feed->steering), 0, steering_live_words(feed->steering) * sizeof(uint64_t));
    config_fill(feed, options);
    bool cpus = cpus_fill(steering_config(feed->steering), options->num_workers);
    steer_links_set(feed, &options->config->steering); /* without a configuration everything passes */
    steering_attach_done(feed->steering);
    feed->has_cpus = cpus && cpus_open(feed, options->num_workers);
    steer_links_mode(feed);
    commit(feed, 0);
    sockets_open(feed, options);
}

static void say_open(struct steer_feed *feed)
{
    log_event(feed->log, daemon_wall_ns(), LOG_LEVEL_INFO, "steering",
              LOG_FIELDS(LOG_NUMBER("interfaces", steer_links_attached(feed)),
                         LOG_TEXT("delivery", steer_delivery_name(feed->delivery))),
              "steering %s: %u interfaces, to workers by %s",
              steering_is_continued(feed->steering) ? "goes on" : "begins", steer_links_attached(feed),
              steer_delivery_name(feed->delivery));
}

void steer_feed_open(struct steer_feed *feed, const struct steer_feed_options *options)
{
    const struct config_steering *steering = &options->config->steering;
    *feed = (struct steer_feed){
        .log = options->log,
        .config_start = options->config,
        .steer = options->steer,
        .fleet_key = options->fleet_key,
        .nodes = options->nodes,
        .has_fleet = options->config->fleet.is_on,
        .key_epoch = steering->key_epoch,
        .notice_fd = -1,
    };
    feed->nodes->table_version = steering->table_version;
    if (!steering->is_on) {
        steering_forget(CONFIG_PINS_DEFAULT);
    }
    bool is_loaded = steering->is_on && load(feed, options);
    bool has_others = rows_open(feed, is_loaded);
    if (is_loaded) {
        program_open(feed, options);
    }
    if (has_others) {
        steer_nodes_open(feed);
    }
    if (is_loaded) {
        steer_events_open(feed);
        say_open(feed);
    }
}

static void events_ready(struct loop_source *source, uint32_t events)
{
    struct steer_feed *feed = (struct steer_feed *)((char *)source - offsetof(struct steer_feed, source));
    (void)events;
    steer_events_take(feed);
}

void steer_feed_listen(struct steer_feed *feed, struct loop *loop)
{
    if (feed->steering != NULL) {
        feed->source = (struct loop_source){
            .fd = steering_event_fd(feed->steering), .events = EPOLLIN, .ready = events_ready};
        if (loop_add(loop, &feed->source) != 0) {
            steer_feed_missing(feed, "steering: events", strerror(errno)); /* they are taken at each tick */
        }
    }
}

void steer_feed_ready(struct steer_feed *feed)
{
    if (feed->rows != NULL && !feed->has_fleet && !feed->is_ready) {
        feed->is_ready = true;
        steer_rows_fill(feed, &feed->config_start->steering, 0);
    }
}

void steer_feed_reload(struct steer_feed *feed, const struct config *config)
{
    steer_reload_nodes(feed, config);
    if (feed->steering != NULL && config->steering.is_on) {
        struct hf_config *out = steering_config(feed->steering);
        rates_fill(out, &config->steering.rates);
        core_spi_config(feed->fleet_key, out->spi.shard_bits, config->steering.key_epoch, &out->spi);
        feed->key_epoch = config->steering.key_epoch;
        feed->is_stale = true;
        steer_links_set(feed, &config->steering);
    }
}

void steer_feed_tick(struct steer_feed *feed, const struct config *config, ns_t now, int64_t wall_ns)
{
    (void)config;
    if (feed->steering == NULL) {
        return;
    }
    feed->now = now;
    steer_events_take(feed);
    steer_trace_tick(feed, now);
    int64_t hour = wall_ns / (int64_t)NS_PER_S / HOUR_S;
    if (hour != feed->hour) {
        cookies_fill(feed, steering_config(feed->steering), hour);
        feed->is_stale = true;
    }
    if (feed->committed == 0) {
        feed->committed = now;
    }
    if (now >= feed->looked + LOOK_INTERVAL_NS) {
        steer_links_look(feed);
        steer_nodes_look(feed);
        feed->looked = now;
    }
    if (feed->is_stale && now >= feed->committed + COMMIT_INTERVAL_NS) {
        commit(feed, now);
    }
}

void steer_feed_close(struct steer_feed *feed, bool keep)
{
    if (feed->steering != NULL && feed->notice_fd >= 0) {
        close(feed->notice_fd);
    }
    steer_nodes_close(feed);
    steering_close(feed->steering, keep);
    feed->steering = NULL;
    free(feed->rows_own);
    feed->rows = feed->rows_own = NULL;
}
