/* NAT detection (RFC 7296 2.23). */
#include "edge/ike/internal.h"

void nat_hash(uint64_t spi_i, uint64_t spi_r, const struct endpoint *ep, uint8_t ret_hash[20])
{
    uint8_t spis[16], port[2];
    be64_store(spis, spi_i);
    be64_store(spis + 8, spi_r);
    be16_store(port, ep->port);
    struct span parts[] = {span_of(spis, sizeof(spis)), ip_span(&ep->addr), span_of(port, sizeof(port))};
    hash_sha1(parts, HF_COUNT(parts), ret_hash);
}

/* True when the peer's claims about its source or our address do not hold: something between us rewrites
 * them. */
bool nat_is_between(const struct ike_input *input)
{
    uint8_t source[20], destination[20];
    nat_hash(input->header.spi_i, input->header.spi_r, &input->datagram->remote, source);
    nat_hash(input->header.spi_i, input->header.spi_r, &input->datagram->local, destination);
    bool any_source = false, source_matches = false, destination_matches = true;
    for (uint32_t i = 0; i < input->message->num_notifies; i++) {
        const struct notify *notify = &input->message->notifies[i];
        if (notify->type == NOTIFY_NAT_DETECTION_SOURCE_IP) {
            any_source = true;
            source_matches |= span_equal(notify->data, span_of(source, sizeof(source)));
        } else if (notify->type == NOTIFY_NAT_DETECTION_DESTINATION_IP) {
            destination_matches = span_equal(notify->data, span_of(destination, sizeof(destination)));
        }
    }
    return any_source && (!source_matches || !destination_matches);
}

void nat_build(const struct ike *ike, struct builder *b, uint64_t spi_i, uint64_t spi_r,
               const struct endpoint *local, const struct endpoint *remote)
{
    uint8_t source[20], destination[20];
    /* A source hash of zeros matches no address: the client then believes in a NAT and encapsulates ESP in
     * UDP, which is what a data plane without native ESP needs. */
    memset(source, 0, sizeof(source));
    if (!ike->policy->force_encap) {
        nat_hash(spi_i, spi_r, local, source);
    }
    nat_hash(spi_i, spi_r, remote, destination);
    struct span none = {0};
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_NAT_DETECTION_SOURCE_IP, span_of(source, sizeof(source)));
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_NAT_DETECTION_DESTINATION_IP,
                 span_of(destination, sizeof(destination)));
}
