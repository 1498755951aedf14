#include "edge/daemon/heartbeat.h"

#include "edge/base/bytes.h"
#include "edge/base/secret.h"
#include "edge/io/sockaddr.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VERSION = 1 };

/* Ten times what the largest fleet sends to one node; opening so many takes some milliseconds of a second. */
enum { PER_S = 10 * FLEET_MEMBERS_MAX * 10, BURST = PER_S / 10 };

static const uint8_t magic[4] = {'H', 'F', 'H', 'B'};

const char *heartbeat_fault_name(enum heartbeat_fault fault)
{
    static const char *const names[HEARTBEAT_FAULTS] = {"good",   "strange",   "astray",
                                                        "forged", "malformed", "too_many"};
    hf_assert(fault < HEARTBEAT_FAULTS);
    return names[fault];
}

/* ---- packets */

size_t heartbeat_seal(const struct heartbeats *h, uint16_t to, const struct fleet_heartbeat *heartbeat,
                      uint8_t ret_packet[HEARTBEAT_PACKET_MAX])
{
    uint8_t plain[FLEET_HEARTBEAT_BYTES_MAX];
    size_t len = fleet_heartbeat_encode(heartbeat, plain, sizeof(plain));
    if (len == 0) {
        return 0;
    }
    memcpy(ret_packet, magic, sizeof(magic));
    ret_packet[4] = VERSION;
    ret_packet[5] = 0;
    be16_store(ret_packet + 6, h->node);
    be16_store(ret_packet + 8, to);
    bool sealed = seal_record(h->key, &h->rand, span_of(ret_packet, HEARTBEAT_HEAD_BYTES),
                              span_of(plain, len), ret_packet + HEARTBEAT_HEAD_BYTES);
    return sealed ? HEARTBEAT_HEAD_BYTES + len + SEAL_OVERHEAD_BYTES : 0;
}

static enum heartbeat_fault head_judge(const struct heartbeats *h, struct span packet, uint16_t *ret_from)
{
    if (packet.len <= HEARTBEAT_HEAD_BYTES + SEAL_OVERHEAD_BYTES || packet.len > HEARTBEAT_PACKET_MAX ||
        memcmp(packet.data, magic, sizeof(magic)) != 0 || packet.data[4] != VERSION) {
        return HEARTBEAT_STRANGE;
    }
    *ret_from = be16_load(packet.data + 6);
    if (*ret_from == 0 || *ret_from > FLEET_NODE_MAX) {
        return HEARTBEAT_STRANGE;
    }
    return be16_load(packet.data + 8) == h->node ? HEARTBEAT_GOOD : HEARTBEAT_ASTRAY;
}

void heartbeat_open(const struct heartbeats *h, struct span packet, struct heartbeat_in *ret_in)
{
    uint8_t plain[FLEET_HEARTBEAT_BYTES_MAX];
    ret_in->from = 0;
    ret_in->fault = head_judge(h, packet, &ret_in->from);
    if (ret_in->fault != HEARTBEAT_GOOD) {
        return;
    }
    struct span sealed = span_of(packet.data + HEARTBEAT_HEAD_BYTES, packet.len - HEARTBEAT_HEAD_BYTES);
    if (!unseal_record(h->key, span_of(packet.data, HEARTBEAT_HEAD_BYTES), sealed, plain)) {
        ret_in->fault = HEARTBEAT_FORGED;
    } else if (!fleet_heartbeat_decode(span_of(plain, sealed.len - SEAL_OVERHEAD_BYTES),
                                       &ret_in->heartbeat) ||
               ret_in->heartbeat.node != ret_in->from) {
        ret_in->fault = HEARTBEAT_MALFORMED;
    }
}

/* ---- the socket */

int heartbeats_open(struct heartbeats *h, const struct endpoint *local, uint16_t node,
                    const uint8_t fleet_key[FLEET_KEY_BYTES])
{
    union sockaddr_ip addr;
    *h = (struct heartbeats){.fd = -1, .node = node, .port = local->port, .rand = rand_system()};
    fleet_derive(fleet_key, "heartbeat", 0, h->key, sizeof(h->key));
    socklen_t len = sockaddr_from(local, &addr);
    int fd = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (bind(fd, &addr.any, len) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    h->fd = fd;
    return 0;
}

void heartbeats_close(struct heartbeats *h)
{
    if (h->node != 0 && h->fd >= 0) {
        close(h->fd);
        h->fd = -1;
    }
    secret_wipe(h->key, sizeof(h->key));
}

void heartbeats_send(struct heartbeats *h, uint16_t to, const struct ip_addr *address,
                     const struct fleet_heartbeat *heartbeat)
{
    uint8_t packet[HEARTBEAT_PACKET_MAX];
    union sockaddr_ip addr;
    struct endpoint remote = {.addr = *address, .port = h->port};
    size_t bytes = heartbeat_seal(h, to, heartbeat, packet);
    socklen_t len = sockaddr_from(&remote, &addr);
    if (bytes > 0 && sendto(h->fd, packet, bytes, 0, &addr.any, len) == (ssize_t)bytes) {
        h->sent++;
    } else {
        h->send_failed++;
    }
}

static bool may_look(struct heartbeats *h, ns_t now)
{
    uint64_t more = (now - h->refilled) / (NS_PER_S / PER_S);
    if (h->refilled == 0 || more >= BURST) {
        h->tokens = BURST;
        h->refilled = now;
    } else {
        h->tokens = HF_MIN(h->tokens + (uint32_t)more, (uint32_t)BURST);
        h->refilled += more * (NS_PER_S / PER_S);
    }
    h->tokens -= h->tokens > 0;
    return h->tokens > 0;
}

bool heartbeats_next(struct heartbeats *h, ns_t now, struct heartbeat_in *ret_in)
{
    uint8_t packet[HEARTBEAT_PACKET_MAX + 1]; /* what is longer is none */
    union sockaddr_ip addr;
    socklen_t addr_len = sizeof(addr);
    ssize_t len = recvfrom(h->fd, packet, sizeof(packet), MSG_DONTWAIT, &addr.any, &addr_len);
    if (len < 0) {
        return false;
    }
    ret_in->from = 0;
    ret_in->remote = (struct endpoint){0};
    (void)!sockaddr_to(&addr, addr_len, &ret_in->remote);
    if (may_look(h, now)) {
        heartbeat_open(h, span_of(packet, (size_t)len), ret_in);
    } else {
        ret_in->fault = HEARTBEAT_TOO_MANY;
    }
    h->received[ret_in->fault]++;
    return true;
}
