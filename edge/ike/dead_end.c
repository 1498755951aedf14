/* Messages for sessions that nobody has (RFC 7296 2.21.4, RFC 6290). INVALID_IKE_SPI alone proves nothing, so
 * clients go on asking for minutes; a token that they were given under the IKE SA proves that we have lost
 * it. We are token makers only.
 *
 * A token is a function of the fleet key and both SPIs, so every node makes the same (RFC 6290 5.1), and none
 * may show one for a session that lives (RFC 6290 9.2). It is shown only for an SPI that was minted by the
 * fleet and whose shard is this node's, with all of its records read. */
#include "edge/base/secret.h"
#include "edge/crypto/prf.h"
#include "edge/crypto/seal.h"
#include "edge/ike/internal.h"

/* RFC 6290 5: at least. With it the answer is hardly longer than the shortest request there is. */
#define TOKEN_BYTES 16

/* A token costs a few microseconds. After a loss of many sessions their clients come at once, and many of
 * them by one carrier's address. */
#define ALL_INTERVAL_NS (50 * NS_PER_US)
#define ALL_BURST 20000
#define ONE_INTERVAL_NS (10 * NS_PER_MS)
#define ONE_BURST 200

void dead_end_init(struct ike *ike)
{
    fleet_derive(ike->config.fleet_key, "crash token", 0, ike->token_key, sizeof(ike->token_key));
}

static void token_of(const struct ike *ike, uint64_t spi_i, uint64_t spi_r, uint8_t ret_token[TOKEN_BYTES])
{
    uint8_t spis[16], mac[PRF_BYTES_MAX];
    be64_store(spis, spi_i);
    be64_store(spis + 8, spi_r);
    const struct span input = span_of(spis, sizeof(spis));
    prf_compute(PRF_HMAC_SHA2_256, span_of(ike->token_key, sizeof(ike->token_key)), &input, 1, mac);
    memcpy(ret_token, mac, TOKEN_BYTES);
}

void token_build(const struct ike *ike, const struct ike_sa *sa, struct builder *b)
{
    uint8_t token[TOKEN_BYTES];
    if (ike->policy->crash_detection) {
        token_of(ike, sa->spi_i, sa->spi_r, token);
        build_notify(b, PROTOCOL_IKE, (struct span){0}, NOTIFY_QCD_TOKEN, span_of(token, sizeof(token)));
    }
}

void token_renew(struct ike *ike, struct ike_sa *sa)
{
    sa->token_due = ike->policy->crash_detection;
    if (sa->token_due && sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING &&
        !sa->request.message.valid) {
        request_dpd(ike, sa);
    }
}

/* Prefixes share buckets by a keyed hash; who shares one with a flood waits with it. */
static struct bucket *bucket_of(struct ike *ike, const struct ip_addr *addr)
{
    size_t bytes = ip_is_v4(addr) ? 16 : 8; /* IPv6: a /64 */
    return &ike->dead_ends[ike_hash(ike, span_of(addr->bytes, bytes), (struct span){0}) % DEAD_END_BUCKETS];
}

static bool token_allowed(struct ike *ike, const struct ip_addr *addr)
{
    return ike->policy->crash_detection &&
           bucket_take(bucket_of(ike, addr), ike->time.now, ONE_INTERVAL_NS, ONE_BURST, 1) &&
           bucket_take(&ike->dead_ends_all, ike->time.now, ALL_INTERVAL_NS, ALL_BURST, 1);
}

/* RFC 6290 4.5: both notifies together, for clients that know the one or the other. */
static void answer_token(struct ike *ike, const struct ike_input *input)
{
    uint8_t token[TOKEN_BYTES];
    struct builder b;
    token_of(ike, input->header.spi_i, input->header.spi_r, token);
    plain_begin(ike, &input->header, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_INVALID_IKE_SPI, (struct span){0});
    build_notify(&b, PROTOCOL_IKE, (struct span){0}, NOTIFY_QCD_TOKEN, span_of(token, sizeof(token)));
    plain_send(ike, input->datagram, &b);
    ike->counters.tokens++;
}

void dead_end_answer(struct ike *ike, const struct ike_input *input, enum cause cause)
{
    const struct ike_header *header = &input->header;
    bool from_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    struct hf_spi spi;
    if ((header->flags & IKE_FLAG_RESPONSE) != 0) {
        return;
    }
    if (cause != CAUSE_SPI_FORGED &&
        hf_ike_spi_decode(&ike->config.spi, from_initiator ? header->spi_r : header->spi_i, &spi)) {
        uint32_t position = ike->position_of[spi.shard];
        if (position == SHARD_ABSENT || !ike->config.host.shard_is_read(ike->config.host.context, position)) {
            return; /* it lives elsewhere, or is not here yet */
        }
        if (token_allowed(ike, &input->datagram->remote.addr)) {
            answer_token(ike, input);
            return;
        }
    }
    answer_plain(ike, input->datagram, header, NOTIFY_INVALID_IKE_SPI, (struct span){0});
}
