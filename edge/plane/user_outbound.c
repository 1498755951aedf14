/* From the TUN device to the client: find the Child SA, cut, seal, send as bursts. */
#include "edge/plane/user_internal.h"
#include "edge/plane/user_segment.h"

void burst_flush(struct plane_user *plane)
{
    struct burst *burst = &plane->burst;
    const struct plane_host *host = &plane->config.host;
    uint8_t *room = burst->room;

    if (room == NULL) {
        return;
    }
    burst->room = NULL;
    if (burst->count == 0) {
        host->udp_drop(host->context, room);
        return;
    }
    plane->counters.udp_bursts++;
    host->udp_send(host->context, room, burst->len, burst->count > 1 ? burst->size : 0, &burst->local,
                   &burst->remote);
}

static bool burst_takes(const struct burst *burst, const struct user_child *child, size_t len)
{
    if (burst->room == NULL) {
        return false;
    }
    return burst->count == 0 ||
           (!burst->is_closed && burst->count < UDP_BURST_SEGMENTS && len <= burst->size &&
            burst->len + len <= UDP_BURST_MAX && endpoint_equal(&burst->remote, &child->remote) &&
            endpoint_equal(&burst->local, &child->local));
}

/* Where the next sealed packet of `len` bytes goes; NULL when the host has no room. */
static uint8_t *burst_place(struct plane_user *plane, const struct user_child *child, size_t len)
{
    struct burst *burst = &plane->burst;

    if (!burst_takes(burst, child, len)) {
        burst_flush(plane);
        burst->room = plane->config.host.udp_room(plane->config.host.context);
        burst->count = 0;
        if (burst->room == NULL) {
            return NULL;
        }
    }
    if (burst->count == 0) {
        burst->len = 0;
        burst->size = len;
        burst->is_closed = false;
        burst->local = child->local;
        burst->remote = child->remote;
    }
    return burst->room + burst->len;
}

static void burst_grow(struct burst *burst, size_t len)
{
    burst->len += len;
    burst->count++;
    burst->is_closed = len < burst->size;
}

static enum cause segment_send(struct plane_user *plane, struct user_child *child, const struct super *super,
                               uint32_t index)
{
    size_t inner_len = super_len(super, index);
    size_t len = esp_sealed_len(&child->out.shape, inner_len);
    uint8_t *place = burst_place(plane, child, len);

    if (place == NULL) {
        return CAUSE_SEND_FAILED;
    }
    super_cut(super, index, place + child->out.shape.head_len);
    enum cause cause = esp_seal(&child->out, &child_warm(plane, child)->out, place, inner_len);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    burst_grow(&plane->burst, len);
    child->packets_out++;
    child->bytes_out += inner_len;
    plane->counters.packets_out++;
    plane->counters.bytes_out += inner_len;
    return CAUSE_NONE;
}

static void sequence_watch(struct plane_user *plane, struct user_child *child)
{
    if (!child->told_half && esp_out_wants_limit(&child->out)) {
        child->told_half = event_send(plane, child, PLANE_EVENT_SEQUENCE);
    }
    if (!child->told_spent && esp_out_is_spent(&child->out)) {
        child->told_spent = event_send(plane, child, PLANE_EVENT_SPENT);
    }
}

void plane_user_outbound(struct plane_user *plane, ns_t now, uint8_t *packet, size_t len)
{
    struct super super;
    enum cause cause = super_read(packet, len, plane->config.mtu, &super);

    if (cause == CAUSE_TOO_BIG) {
        icmp_too_big(plane, now, super.packet, &super.inner);
    }
    if (cause != CAUSE_NONE) {
        drop_count(plane, cause);
        return;
    }
    struct user_child *child = table_for_outbound(plane, &super.inner);
    if (child == NULL) {
        drop_count(plane, CAUSE_TUN_NO_SA);
        return;
    }
    if (child->is_worn) {
        volume_reached(plane, child);
        drop_count(plane, CAUSE_ESP_VOLUME);
        return;
    }
    for (uint32_t i = 0; i < super.count; i++) {
        cause = segment_send(plane, child, &super, i);
        if (cause != CAUSE_NONE) {
            drop_count(plane, cause);
        }
    }
    sequence_watch(plane, child);
    volume_watch(plane, child, child->bytes_out, child->packets_out);
}
