/* From the client to the TUN device: find the Child SA, open, check the selectors, join, write. */
#include "edge/base/bytes.h"
#include "edge/plane/user_internal.h"

enum { KEEPALIVE_BYTE = 0xff };

/* An authentic packet with the highest number so far is the peer's latest word on where it is: an older one
 * may have been held back by somebody who replays it from elsewhere. */
static void move_watch(struct plane_user *plane, ns_t now, struct user_child *child,
                       const struct endpoint *local, const struct endpoint *remote,
                       const struct esp_opened *opened)
{
    const struct plane_host *host = &plane->config.host;

    bool moved = !endpoint_equal(remote, &child->remote) || !endpoint_equal(local, &child->local);
    if (!opened->is_newest || !moved || now < child->moved_again) {
        return;
    }
    struct plane_event event = {.type = PLANE_EVENT_MOVED,
                                .child = child->child,
                                .sequence_out = child->out.sequence,
                                .local = *local,
                                .remote = *remote};
    if (host->event(host->context, &event)) {
        child->moved_again = now + NS_PER_S;
    }
}

static enum cause esp_take(struct plane_user *plane, ns_t now, const struct endpoint *local,
                           const struct endpoint *remote, uint8_t *bytes, size_t len)
{
    struct user_child *child = table_by_spi(plane, be32_load(bytes));
    struct esp_opened opened;

    if (child == NULL) {
        return CAUSE_ESP_SPI;
    }
    if (child->is_deaf) {
        return CAUSE_ESP_TAKEOVER;
    }
    if (child->is_worn) {
        volume_reached(plane, child);
        return CAUSE_ESP_VOLUME;
    }
    enum cause cause = esp_open(&child->in, &child_warm(plane, child)->in, bytes, len, &opened);
    if (opened.authentic) {
        child->last_in = now;
        move_watch(plane, now, child, local, remote, &opened);
    }
    if (cause != CAUSE_NONE) {
        return cause;
    }
    if (opened.packet == NULL) {
        plane->counters.dummies++;
        return CAUSE_NONE;
    }
    if (!inner_allowed(&opened.inner, ranges_remote(child->ts), child->ts->num_remote, child->ts->v,
                       child->ts->num_local)) {
        return CAUSE_ESP_SELECTOR;
    }
    child->packets_in++;
    child->bytes_in += opened.inner.len;
    plane->counters.packets_in++;
    plane->counters.bytes_in += opened.inner.len;
    volume_watch(plane, child, child->bytes_in, child->packets_in);
    merge_packet(plane, opened.packet, &opened.inner);
    return CAUSE_NONE;
}

static enum cause datagram_take(struct plane_user *plane, ns_t now, const struct endpoint *local,
                                const struct endpoint *remote, uint8_t *bytes, size_t len)
{
    if (len == 1 && bytes[0] == KEEPALIVE_BYTE) {
        return CAUSE_KEEPALIVE;
    }
    if (len < ESP_HEADER) {
        return CAUSE_ESP_SHORT;
    }
    return esp_take(plane, now, local, remote, bytes, len);
}

void plane_user_inbound(struct plane_user *plane, ns_t now, const struct endpoint *local,
                        const struct endpoint *remote, uint8_t *bytes, size_t len, size_t gso_size)
{
    size_t size = gso_size > 0 ? gso_size : len;

    for (size_t at = 0; at < len; at += size) {
        enum cause cause = datagram_take(plane, now, local, remote, bytes + at, HF_MIN(size, len - at));
        if (cause != CAUSE_NONE) {
            drop_count(plane, cause);
        }
    }
}
