#include "edge/daemon/steer_event.h"

#include "ebpf/hop.h"
#include "edge/base/bytes.h"
#include "edge/daemon/daemon.h"
#include "edge/daemon/steer_status.h"
#include "edge/io/sockaddr.h"
#include "edge/ops/json.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (5 * NS_PER_S)
#define NOTICE_INTERVAL_NS NS_PER_S /* to one node */
#define NOWHERE 0xffff

/* ---- trace */

bool steer_trace_start(struct steer_feed *feed, const struct control_selector *selector, ns_t now)
{
    struct hf_control *control = steering_control(feed->steering);
    uint64_t addr[2] = {0}, spi = 0;
    if (selector->type == SELECT_ADDRESS) {
        memcpy(addr, selector->addr.bytes, sizeof(addr)); /* as hf_word_load() reads them */
    } else if (selector->type == SELECT_SPI) {
        spi = selector->session_id;
    } else {
        return false;
    }
    feed->trace.looked = now;
    if (control->trace != 0 && control->trace_spi == spi && memcmp(control->trace_addr, addr, 16) == 0) {
        return true;
    }
    feed->trace.count = 0;
    __atomic_store_n(&control->trace, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&control->trace_addr[0], addr[0], __ATOMIC_RELAXED);
    __atomic_store_n(&control->trace_addr[1], addr[1], __ATOMIC_RELAXED);
    __atomic_store_n(&control->trace_spi, spi, __ATOMIC_RELAXED);
    __atomic_store_n(&control->trace, 1, __ATOMIC_RELEASE);
    return true;
}

void steer_trace_tick(struct steer_feed *feed, ns_t now)
{
    if (feed->trace.looked != 0 && now >= feed->trace.looked + PATIENCE_NS) {
        __atomic_store_n(&steering_control(feed->steering)->trace, 0, __ATOMIC_RELEASE);
        feed->trace.looked = 0;
        feed->trace.count = 0;
    }
}

static void trace_add(struct steer_trace *trace, const struct hf_event *event)
{
    if (trace->count == TRACE_EVENTS_MAX) {
        trace->lost++;
        return;
    }
    trace->events[(trace->first + trace->count++) % TRACE_EVENTS_MAX] = *event;
}

static struct endpoint endpoint_of(const uint64_t words[2], uint16_t port)
{
    struct endpoint endpoint = {.port = port};
    memcpy(endpoint.addr.bytes, words, sizeof(endpoint.addr.bytes));
    return endpoint;
}

/* Unix time of the kernel's monotonic clock. */
static int64_t wall_of(uint64_t time_ns)
{
    struct timespec up, wall;
    clock_gettime(CLOCK_MONOTONIC, &up);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)(wall.tv_sec - up.tv_sec) * (int64_t)NS_PER_S + (wall.tv_nsec - up.tv_nsec) +
           (int64_t)time_ns;
}

static void put_place(struct json *j, const char *key, uint16_t number)
{
    if (number != NOWHERE) {
        json_u64(j, key, number);
    }
}

size_t steer_trace_next(struct steer_feed *feed, char ret_line[TRACE_LINE_MAX])
{
    struct steer_trace *trace = &feed->trace;
    char time[TIME_TEXT_MAX];
    if (trace->count == 0) {
        return 0;
    }
    const struct hf_event *event = &trace->events[trace->first];
    struct endpoint src = endpoint_of(event->src, event->src_port);
    struct endpoint dst = endpoint_of(event->dst, event->dst_port);
    struct json j = json_of(ret_line, TRACE_LINE_MAX);
    trace->first = (trace->first + 1) % TRACE_EVENTS_MAX;
    trace->count--;
    json_object_begin(&j, NULL);
    json_object_begin(&j, "trace");
    json_string(&j, "time", time_format(wall_of(event->time_ns), time));
    json_endpoint(&j, "source", &src);
    json_endpoint(&j, "destination", &dst);
    json_u64(&j, "protocol", event->proto);
    json_u64(&j, "bytes", event->len);
    if (event->spi != 0) {
        json_hex(&j, "spi", event->spi, event->spi >> 32 != 0 ? 16 : 8);
    }
    put_place(&j, "shard", event->shard);
    put_place(&j, "node", event->node);
    put_place(&j, "worker", event->worker);
    json_u64(&j, "hop", event->hop);
    json_string(&j, "verdict", steer_verdict_name(event->verdict));
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

/* ---- other nodes' tables */

void steer_events_open(struct steer_feed *feed)
{
    union sockaddr_ip addr;
    struct endpoint local = {.addr = feed->nodes->local.addr};
    feed->notice_fd = -1;
    if (feed->others == NULL) {
        return;
    }
    socklen_t len = sockaddr_from(&local, &addr);
    int fd = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, &addr.any, len) == 0) {
        feed->notice_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
}

/* The header alone, without a packet (steer.h): my table is newer than yours. */
static void notice_send(struct steer_feed *feed, uint32_t id)
{
    const struct hf_config *config = steering_config(feed->steering);
    struct hf_hop hop = {.hop = 1,
                         .epoch = config->hop_epoch,
                         .is_notice = 1,
                         .node = config->self,
                         .table_version = config->table_version};
    struct hf_hop_inner nothing = {0};
    uint8_t header[HF_HOP_BYTES];
    union sockaddr_ip addr;
    struct steer_node *node = feed->others == NULL || id >= HF_NODES_MAX ? NULL : &feed->others[id];
    ns_t now = feed->now;
    if (node == NULL || !node->is_there || feed->notice_fd < 0 ||
        (node->noticed != 0 && now < node->noticed + NOTICE_INTERVAL_NS)) {
        return;
    }
    node->noticed = now;
    uint64_t word = hf_hop_word(&hop);
    hf_word_store(header, word);
    be64_store(header + 8, hf_hop_mac(config->hop_keys[config->hop_epoch & 3], word, id, &nothing));
    struct endpoint remote = {.addr = node->addr, .port = config->hop_port};
    socklen_t len = sockaddr_from(&remote, &addr);
    (void)sendto(feed->notice_fd, header, sizeof(header), 0, &addr.any, len);
}

static void table_is_old(struct steer_feed *feed, const struct hf_event *event)
{
    if (event->table_version <= feed->newest_seen) {
        return;
    }
    feed->newest_seen = event->table_version;
    log_event(feed->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "table_old",
              LOG_FIELDS(LOG_NUMBER("node", event->node), LOG_NUMBER("version", event->table_version)),
              "node %u works with version %u of the shard table, which is newer than ours", event->node,
              event->table_version);
}

static void take(void *context, const struct hf_event *event)
{
    struct steer_feed *feed = context;
    switch ((enum hf_event_kind)event->kind) {
    case HF_EVENT_TRACE:
        trace_add(&feed->trace, event);
        break;
    case HF_EVENT_PEER_OLD:
        notice_send(feed, event->node);
        break;
    case HF_EVENT_SELF_OLD:
        table_is_old(feed, event);
        break;
    case HF_EVENT_ICMP_CLIENT: /* the packet itself has gone to the kernel here */
        steer_icmp_relay(feed, event);
        break;
    }
}

void steer_events_take(struct steer_feed *feed)
{
    if (feed->steering != NULL) {
        steering_events(feed->steering, take, feed);
    }
}
