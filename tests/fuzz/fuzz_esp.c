/* Target functions: plane_user_inbound, plane_user_outbound, plane_user_flush. The first byte says what the
 * rest is: 0  datagrams from a client, as they are (SPI of an installed child or not); the next two bytes are
 * the gso_size 1  plaintexts of a client, sealed here, so that the fuzzer gets past the ICV: each a length
 * (2) and its bytes 2  reads from the TUN device: each a length (2) and its bytes, vnet header first Oracle:
 * rooms are given back once and not overrun, bursts are as the kernel takes them, what is written into the
 * TUN device can be cut again, and a packet that leaves through one plane enters through the other. */
#include "edge/base/bytes.h"
#include "edge/crypto/esp_cipher.h"
#include "edge/plane/user_segment.h"
#include "edge/plane/user.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { SHARD_BITS = 4, NUM_SHARDS = 1 << SHARD_BITS, MTU = 1400, BYTES_MAX = 65536 };

static const struct ip_addr client_v4 = {{[10] = 0xff, 0xff, 10, 0, 0, 5}};
static const struct ip_addr client_v6 = {{0x20, 1, 0x0d, 0xb8, [15] = 5}};
static const struct endpoint gateway_at = {{{[10] = 0xff, 0xff, 198, 51, 100, 1}}, 4500};
static const struct endpoint client_at = {{{[10] = 0xff, 0xff, 203, 0, 113, 9}}, 4500};

static struct plane_user_config config;
static uint16_t shards[NUM_SHARDS];
static struct plane_user *gateway, *client;
static struct plane_child at_gateway, at_client;
static struct esp_cipher sealer;
static int num_lent;

static uint8_t *room_lend(void *context)
{
    (void)context;
    num_lent++;
    return malloc(PLANE_BURST_BYTES);
}

static void room_drop(void *context, uint8_t *room)
{
    (void)context;
    num_lent--;
    free(room);
}

static void udp_send(void *context, uint8_t *room, size_t len, size_t gso_size, const struct endpoint *local,
                     const struct endpoint *remote)
{
    hf_assert(len > 0 && len <= 65507 && gso_size < len);
    hf_assert(gso_size == 0 || (len + gso_size - 1) / gso_size <= 64);
    hf_assert(endpoint_equal(local, &gateway_at) && endpoint_equal(remote, &client_at));
    uint64_t count = gso_size == 0 ? 1 : (len + gso_size - 1) / gso_size;
    uint64_t before = plane_user_counters(client)->packets_in;
    plane_user_inbound(client, 1, remote, local, room, len, gso_size);
    hf_assert(plane_user_counters(client)->packets_in == before + count);
    room_drop(context, room);
}

static void tun_write(void *context, uint8_t *room, size_t len)
{
    struct super super;
    uint8_t *copy = malloc(len);

    hf_assert(len > VNET_HEADER && len <= PLANE_BURST_BYTES);
    memcpy(copy, room, len);
    enum cause cause = super_read(copy, len, UINT16_MAX, &super);
    hf_assert(cause == CAUSE_NONE);
    hf_assert(super.inner.len == len - VNET_HEADER);
    free(copy);
    room_drop(context, room);
}

static bool event_ignore(void *context, const struct plane_event *event)
{
    (void)context;
    (void)event;
    return true;
}

static uint32_t spi_of(uint32_t shard)
{
    struct hf_spi place = {.index = 1, .shard = (uint16_t)shard, .epoch = 1};

    return hf_esp_spi_encode(&config.spi, &place);
}

static struct ts_range any_of(uint8_t first, uint8_t last)
{
    struct ts_range range = {0, 0, UINT16_MAX, {{0}}, {{0}}};

    memset(range.first.bytes, first, 16);
    memset(range.last.bytes, last, 16);
    return range;
}

static struct ts_range any_v4(void)
{
    const uint8_t lowest[4] = {0}, highest[4] = {255, 255, 255, 255};

    return (struct ts_range){0, 0, UINT16_MAX, ip_from_v4(lowest), ip_from_v4(highest)};
}

static struct plane_user *plane_make(void)
{
    void *memory = aligned_alloc(64, plane_user_bytes(&config));

    hf_assert(memory != NULL);
    memset(memory, 0, plane_user_bytes(&config));
    return plane_user_init(memory, &config);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (uint16_t i = 0; i < NUM_SHARDS; i++) {
        shards[i] = i;
    }
    config = (struct plane_user_config){
        .spi = {.epochs = {[1] = {{1, 2}, {3, 4}, {5, 6}}}, .shard_bits = SHARD_BITS, .mint_epoch = 1},
        .shards = shards,
        .num_shards = NUM_SHARDS,
        .children_max = 2 * NUM_SHARDS,
        .mtu = MTU,
        .tun_uso = true,
        .hash_key = {1, 2},
        .host = {NULL, room_lend, udp_send, room_drop, room_lend, tun_write, room_drop, event_ignore},
    };
    gateway = plane_make();
    client = plane_make();
    at_gateway = (struct plane_child){
        .child = 1,
        .spi_in = spi_of(3),
        .spi_out = spi_of(4),
        .suite = {ENCR_AES_GCM_16, 128, INTEG_NONE, KE_NONE, false},
        .local = gateway_at,
        .remote = client_at,
        .iv_epoch = 1,
        .sequence_limit = UINT32_MAX,
        .addresses = {client_v4, client_v6},
        .num_addresses = 2,
        .ts_local = {any_v4(), any_of(0, 255)},
        .ts_remote = {any_v4(), any_of(0, 255)},
        .num_ts_local = 2,
        .num_ts_remote = 2,
        .outbound = true,
    };
    at_client = at_gateway;
    at_client.spi_in = at_gateway.spi_out;
    at_client.spi_out = at_gateway.spi_in;
    hf_assert(esp_cipher_init(&sealer, &at_gateway.suite, &at_gateway.key_in));
    return 0;
}

/* The next length (2) and as many bytes, in a block of just that size; NULL at the end. */
static uint8_t *piece_next(const uint8_t **data, size_t *size, size_t *ret_len)
{
    if (*size < 2) {
        return NULL;
    }
    *ret_len = HF_MIN(be16_load(*data), *size - 2);
    uint8_t *piece = malloc(*ret_len + 1);
    memcpy(piece, *data + 2, *ret_len);
    *data += 2 + *ret_len;
    *size -= 2 + *ret_len;
    return piece;
}

static void datagrams_run(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return;
    }
    size_t len = size - 2;
    uint8_t *bytes = malloc(len + 1);
    memcpy(bytes, data + 2, len);
    plane_user_inbound(gateway, 1, &gateway_at, &client_at, bytes, len, be16_load(data));
    free(bytes);
}

static void plaintexts_run(const uint8_t *data, size_t size)
{
    uint32_t sequence = 0;
    size_t len;
    uint8_t *piece;

    while ((piece = piece_next(&data, &size, &len)) != NULL) {
        size_t plain_len = (len + 3) / 4 * 4, packet_len = 16 + plain_len + 16;
        uint8_t *packet = calloc(1, packet_len);
        be32_store(packet, at_gateway.spi_in);
        be32_store(packet + 4, ++sequence);
        memcpy(packet + 16, piece, len);
        hf_assert(esp_cipher_seal(&sealer, packet, plain_len, 0, sequence));
        plane_user_inbound(gateway, 1, &gateway_at, &client_at, packet, packet_len, 0);
        free(packet);
        free(piece);
    }
}

static void reads_run(const uint8_t *data, size_t size)
{
    size_t len;
    uint8_t *piece;

    while ((piece = piece_next(&data, &size, &len)) != NULL) {
        plane_user_outbound(gateway, 1, piece, len);
        free(piece);
    }
}

static void child_op(struct plane_user *plane, enum plane_op_type type, const struct plane_child *child)
{
    struct plane_op op = {.type = type, .child = 1, .install = child};
    struct plane_done done;

    plane_user_op(plane, 1, &op, &done);
    hf_assert(done.cause == CAUSE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BYTES_MAX) {
        return 0;
    }
    child_op(gateway, PLANE_INSTALL, &at_gateway);
    child_op(client, PLANE_INSTALL, &at_client);
    switch (data[0] % 3) {
    case 0:
        datagrams_run(data + 1, size - 1);
        break;
    case 1:
        plaintexts_run(data + 1, size - 1);
        break;
    default:
        reads_run(data + 1, size - 1);
        break;
    }
    plane_user_flush(gateway, 1);
    plane_user_flush(client, 1);
    hf_assert(num_lent == 0);
    child_op(gateway, PLANE_REMOVE, NULL);
    child_op(client, PLANE_REMOVE, NULL);
    return 0;
}
