/* What one core spends in the user plane per inner packet: TUN -> ESP and back, super-packets as the kernel's
 * offloads make them, and single packets. No system calls are in it. */
#include "edge/base/bytes.h"
#include "edge/plane/user.h"
#include "edge/plane/user_segment.h"
#include "edge/plane/user_sum.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHARD_BITS = 4, NUM_SHARDS = 1 << SHARD_BITS, MTU = 1400, BURSTS_MAX = 64, HEADER = 40 };

struct burst_copy {
    uint8_t *bytes;
    size_t len, gso_size;
};

static const struct endpoint gateway_at = {{{[10] = 0xff, 0xff, 198, 51, 100, 1}}, 4500};
static const struct endpoint client_at = {{{[10] = 0xff, 0xff, 203, 0, 113, 9}}, 4500};
static struct burst_copy bursts[BURSTS_MAX];
static uint32_t num_bursts;
static uint8_t *spare; /* the one room that is always free */

static uint8_t *room_lend(void *context)
{
    (void)context;
    uint8_t *room = spare != NULL ? spare : malloc(PLANE_BURST_BYTES);
    spare = NULL;
    return room;
}

static void room_drop(void *context, uint8_t *room)
{
    (void)context;
    if (spare == NULL) {
        spare = room;
    } else {
        free(room);
    }
}

/* Keeps the room as it is: copying it would be measured too. */
static void udp_keep(void *context, uint8_t *room, size_t len, size_t gso_size, const struct endpoint *local,
                     const struct endpoint *remote)
{
    (void)context;
    (void)local;
    (void)remote;
    hf_assert(num_bursts < BURSTS_MAX);
    bursts[num_bursts++] = (struct burst_copy){room, len, gso_size};
}

static void tun_write(void *context, uint8_t *room, size_t len)
{
    (void)len;
    room_drop(context, room);
}

static bool event_ignore(void *context, const struct plane_event *event)
{
    (void)context;
    (void)event;
    return true;
}

static double now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static struct plane_user *plane_make(const struct plane_child *child)
{
    static uint16_t shards[NUM_SHARDS];
    struct plane_user_config config = {
        .spi = {.epochs = {[1] = {{1, 2}, {3, 4}, {5, 6}}}, .shard_bits = SHARD_BITS, .mint_epoch = 1},
        .shards = shards,
        .num_shards = NUM_SHARDS,
        .children_max = 10000,
        .mtu = MTU,
        .tun_uso = true,
        .host = {NULL, room_lend, udp_keep, room_drop, room_lend, tun_write, room_drop, event_ignore},
    };
    struct plane_child own = *child;
    struct hf_spi place = {.index = 7, .shard = 3, .epoch = 1};
    struct plane_done done;
    struct plane_op op = {.type = PLANE_INSTALL, .install = &own};

    for (uint16_t i = 0; i < NUM_SHARDS; i++) {
        shards[i] = i;
    }
    own.spi_in = own.spi_out = hf_esp_spi_encode(&config.spi, &place);
    void *memory = aligned_alloc(64, plane_user_bytes(&config));
    memset(memory, 0, plane_user_bytes(&config));
    struct plane_user *plane = plane_user_init(memory, &config);
    plane_user_op(plane, 1, &op, &done);
    hf_assert(done.cause == CAUSE_NONE);
    return plane;
}

static struct plane_child child_make(uint16_t encr, uint16_t bits, uint16_t integ)
{
    static const uint8_t lowest[4], highest[4] = {255, 255, 255, 255}, server[4] = {192, 0, 2, 80};
    struct ts_range any = {0, 0, UINT16_MAX, ip_from_v4(lowest), ip_from_v4(highest)};

    return (struct plane_child){
        .child = 1,
        .suite = {encr, bits, integ, KE_NONE, true},
        .local = gateway_at,
        .remote = client_at,
        .iv_epoch = 1,
        .sequence_limit = UINT32_MAX,
        .addresses = {ip_from_v4(server)},
        .num_addresses = 1,
        .ts_local = {any},
        .ts_remote = {any},
        .num_ts_local = 1,
        .num_ts_remote = 1,
        .outbound = true,
    };
}

/* A TCP packet to 192.0.2.80 with `payload_len` bytes, its checksum partial. */
static size_t packet_make(uint8_t *bytes, uint32_t sequence, size_t payload_len, size_t gso_size)
{
    static const uint8_t header[HEADER] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 63, 6, 0, 0, 10, 0, 0, 5,    192,
                                           0,    2, 80, 1, 1, 2, 2,    0, 0,  0, 0, 0, 0,  0, 0, 0x50, 0x10};
    struct virtio_net_hdr vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                  .gso_type =
                                      gso_size > 0 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE,
                                  .gso_size = (uint16_t)gso_size,
                                  .csum_start = 20,
                                  .csum_offset = 16};
    uint8_t *packet = bytes + VNET_HEADER;

    memcpy(bytes, &vnet, VNET_HEADER);
    memcpy(packet, header, HEADER);
    be16_store(packet + 2, (uint16_t)(HEADER + payload_len));
    be32_store(packet + 24, sequence);
    sum_ipv4(packet, 20);
    sum_store(packet + 36, sum_fold(sum_pseudo(packet + 12, 8, 6, (uint32_t)(20 + payload_len))));
    return VNET_HEADER + HEADER + payload_len;
}

static void bench(const char *name, const struct plane_child *child, size_t gso_size)
{
    enum { BYTES = 512 << 20, ROUND = 12 }; /* what is in flight fits a cache, as the daemon's rooms do */
    static uint8_t bytes[VNET_HEADER + 65536];
    size_t payload_len = gso_size > 0 ? 46 * gso_size : MTU - HEADER;
    struct plane_user *out = plane_make(child), *in = plane_make(child);
    uint32_t count = BYTES / (uint32_t)payload_len;

    double out_ns = 0, in_ns = 0;
    for (uint32_t i = 0; i < count;) {
        double start = now_ns();
        for (uint32_t end = i + ROUND; i < end; i++) {
            size_t len = packet_make(bytes, i * (uint32_t)payload_len, payload_len, gso_size);
            plane_user_outbound(out, 1, bytes, len);
        }
        plane_user_flush(out, 1);
        double middle = now_ns();
        for (uint32_t k = 0; k < num_bursts; k++) {
            plane_user_inbound(in, 1, &client_at, &gateway_at, bursts[k].bytes, bursts[k].len,
                               bursts[k].gso_size);
        }
        plane_user_flush(in, 1);
        out_ns += middle - start;
        in_ns += now_ns() - middle;
        while (num_bursts > 0) {
            free(bursts[--num_bursts].bytes);
        }
    }
    const struct plane_user_counters *counters = plane_user_counters(in);
    double packets = (double)plane_user_counters(out)->packets_out;
    hf_assert(counters->packets_in == plane_user_counters(out)->packets_out);
    printf("%-28s %4.0f ns out, %4.0f ns in; %.1f packets a write\n", name, out_ns / packets, in_ns / packets,
           packets / (double)counters->tun_writes);
    free(out);
    free(in);
}

int main(void)
{
    struct plane_child gcm = child_make(ENCR_AES_GCM_16, 128, INTEG_NONE);
    struct plane_child gcm256 = child_make(ENCR_AES_GCM_16, 256, INTEG_NONE);
    struct plane_child chacha = child_make(ENCR_CHACHA20_POLY1305, 256, INTEG_NONE);
    struct plane_child cbc = child_make(ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128);

    /* Memory once touched stays, and is touched by the first run, so that no page fault is measured. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    bench("(warming up)", &gcm, MTU - HEADER);
    printf("per inner packet of %u bytes, CPU time\n", MTU);
    bench("AES-128-GCM, super-packets", &gcm, MTU - HEADER);
    bench("AES-128-GCM, singles", &gcm, 0);
    bench("AES-256-GCM, super-packets", &gcm256, MTU - HEADER);
    bench("ChaCha20, super-packets", &chacha, MTU - HEADER);
    bench("AES-256-CBC, super-packets", &cbc, MTU - HEADER);
    return 0;
}
