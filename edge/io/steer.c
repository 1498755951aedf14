#include "edge/io/steer.h"

#include "edge/base/bytes.h"

enum {
    IKE_HEADER_BYTES = 28,
    IKE_NEXT_PAYLOAD_AT = 16,
    IKE_EXCHANGE_AT = 18,
    IKE_FLAGS_AT = 19,
    IKE_FLAG_INITIATOR = 0x08,
    IKE_FLAG_RESPONSE = 0x20,
    EXCHANGE_SA_INIT = 34,
    EXCHANGE_SESSION_RESUME = 38, /* RFC 5723 */
    PAYLOAD_TYPE_NOTIFY = 41,
    NOTIFY_TYPE_AT = IKE_HEADER_BYTES + 6, /* of the first payload */
    NOTIFY_TYPE_COOKIE = 16390,
};

enum datagram_kind datagram_classify(bool natt, struct span bytes)
{
    if (!natt) {
        return DATAGRAM_IKE;
    }
    if (bytes.len == 1 && bytes.data[0] == 0xff) {
        return DATAGRAM_KEEPALIVE;
    }
    if (bytes.len < NON_ESP_MARKER_BYTES) {
        return DATAGRAM_SHORT;
    }
    return be32_load(bytes.data) == 0 ? DATAGRAM_IKE : DATAGRAM_ESP;
}

enum first_message first_message_kind(struct span message)
{
    uint8_t exchange = message.len < IKE_HEADER_BYTES ? 0 : message.data[IKE_EXCHANGE_AT];
    if ((exchange != EXCHANGE_SA_INIT && exchange != EXCHANGE_SESSION_RESUME) ||
        (message.data[IKE_FLAGS_AT] & (IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE)) != IKE_FLAG_INITIATOR) {
        return FIRST_NOT;
    }
    bool cookie = message.data[IKE_NEXT_PAYLOAD_AT] == PAYLOAD_TYPE_NOTIFY &&
                  message.len >= NOTIFY_TYPE_AT + 2 &&
                  be16_load(message.data + NOTIFY_TYPE_AT) == NOTIFY_TYPE_COOKIE;
    return cookie ? FIRST_WITH_COOKIE : FIRST_BARE;
}

uint32_t steer_first_shard(uint8_t shard_bits, uint32_t num_workers, uint32_t worker)
{
    return (uint32_t)(((uint64_t)worker << shard_bits) / num_workers);
}

void steer_init(struct steer *steer, const struct hf_spi_config *spi, const uint64_t first_key[2],
                uint32_t num_workers)
{
    hf_assert(num_workers >= 1 && num_workers <= WORKERS_MAX && hf_shard_bits_valid(spi));
    memset(steer, 0, sizeof(*steer));
    steer->spi = *spi;
    steer->first_key[0] = first_key[0];
    steer->first_key[1] = first_key[1];
    steer->num_workers = num_workers;
    for (uint32_t worker = 0; worker < num_workers; worker++) {
        uint32_t end = steer_first_shard(spi->shard_bits, num_workers, worker + 1);
        for (uint32_t s = steer_first_shard(spi->shard_bits, num_workers, worker); s < end; s++) {
            steer->worker_of[s] = (uint8_t)worker;
        }
    }
}

/* RFC 7296 3.1: the I flag is set by the original initiator of the IKE SA. When the peer is, we are the
 * responder and ours is SPIr; else we started the SA (by rekeying) and ours is SPIi. */
static uint32_t shard_of_ike(const struct steer *steer, struct span message)
{
    struct hf_spi spi;
    if (message.len < IKE_HEADER_BYTES) {
        return STEER_NO_SHARD;
    }
    bool from_initiator = (message.data[IKE_FLAGS_AT] & IKE_FLAG_INITIATOR) != 0;
    uint64_t ours = be64_load(message.data + (from_initiator ? 8 : 0));
    return hf_ike_spi_decode(&steer->spi, ours, &spi) ? spi.shard : STEER_NO_SHARD;
}

uint32_t steer_shard(const struct steer *steer, enum datagram_kind kind, struct span bytes)
{
    struct hf_spi spi;
    if (kind == DATAGRAM_IKE) {
        return shard_of_ike(steer, bytes);
    }
    bool decoded =
        kind == DATAGRAM_ESP && bytes.len >= 4 && hf_esp_spi_decode(&steer->spi, be32_load(bytes.data), &spi);
    return decoded ? spi.shard : STEER_NO_SHARD;
}

static bool is_first(struct span message)
{
    return message.len >= IKE_HEADER_BYTES && (message.data[IKE_FLAGS_AT] & IKE_FLAG_INITIATOR) != 0 &&
           be64_load(message.data + 8) == 0;
}

uint32_t steer_ike(const struct steer *steer, const struct ip_addr *source, struct span message,
                   uint32_t here)
{
    if (steer->num_workers == 1) {
        return here;
    }
    if (is_first(message)) {
        return hf_first_worker(steer->first_key, be64_load(message.data), source->bytes, steer->num_workers);
    }
    uint32_t shard = shard_of_ike(steer, message);
    return shard == STEER_NO_SHARD ? here : steer->worker_of[shard];
}

uint32_t steer_esp(const struct steer *steer, struct span packet, uint32_t here)
{
    uint32_t shard = steer->num_workers == 1 ? STEER_NO_SHARD : steer_shard(steer, DATAGRAM_ESP, packet);
    return shard == STEER_NO_SHARD ? here : steer->worker_of[shard];
}

static void classify(const struct steer *steer, const struct datagram *datagram, uint32_t here, size_t at,
                     struct datagram_run *ret_run)
{
    uint32_t segment = datagram->segment != 0 ? datagram->segment : (uint32_t)datagram->len;
    struct span bytes = span_of(datagram->bytes + at, HF_MIN(segment, datagram->len - at));
    *ret_run = (struct datagram_run){
        .kind = datagram_classify(datagram->natt, bytes),
        .worker = here,
        .bytes = datagram->bytes + at,
        .len = bytes.len,
        .count = 1,
    };
    if (ret_run->kind == DATAGRAM_ESP) {
        ret_run->worker = steer_esp(steer, bytes, here);
    } else if (ret_run->kind == DATAGRAM_IKE) {
        uint32_t marker = datagram->natt ? NON_ESP_MARKER_BYTES : 0;
        ret_run->bytes += marker;
        ret_run->len -= marker;
        ret_run->worker =
            steer_ike(steer, &datagram->remote.addr, span_of(ret_run->bytes, ret_run->len), here);
    }
}

bool steer_run(const struct steer *steer, const struct datagram *datagram, uint32_t here, size_t *offset,
               struct datagram_run *ret_run)
{
    size_t step = datagram->segment != 0 ? datagram->segment : HF_MAX(datagram->len, (size_t)1);
    if (*offset >= HF_MAX(datagram->len, (size_t)1)) {
        return false;
    }
    classify(steer, datagram, here, *offset, ret_run);
    *offset += step;
    while (ret_run->kind != DATAGRAM_IKE && *offset < datagram->len) {
        struct datagram_run next;
        classify(steer, datagram, here, *offset, &next);
        if (next.kind != ret_run->kind || next.worker != ret_run->worker) {
            break;
        }
        ret_run->len += next.len;
        ret_run->count++;
        ret_run->segment = datagram->segment;
        *offset += step;
    }
    return true;
}
