/* How much a Child SA's keys may protect: what is counted per packet anyway is compared with one limit, which
 * is the soft one until it is reached, and then the hard one. */
#include "edge/plane/user_internal.h"

static struct plane_volume volume_of(const struct user_child *child)
{
    return (struct plane_volume){.bytes = HF_MAX(child->bytes_in, child->bytes_out),
                                 .packets = HF_MAX(child->packets_in, child->packets_out)};
}

static struct plane_volume limit_of(const struct plane_volume *volume)
{
    return (struct plane_volume){.bytes = volume->bytes == 0 ? UINT64_MAX : volume->bytes,
                                 .packets = volume->packets == 0 ? UINT64_MAX : volume->packets};
}

bool event_send(struct plane_user *plane, const struct user_child *child, enum plane_event_type type)
{
    const struct plane_host *host = &plane->config.host;
    struct plane_event event = {
        .type = type, .child = child->child, .sequence_out = child->out.sequence, .volume = volume_of(child)};

    return host->event(host->context, &event);
}

void volume_init(struct user_child *child, const struct plane_child *install)
{
    struct plane_volume soft = limit_of(&install->soft);

    child->hard = limit_of(&install->hard);
    child->watch.bytes = HF_MIN(soft.bytes, child->hard.bytes);
    child->watch.packets = HF_MIN(soft.packets, child->hard.packets);
    child->told_aged = child->told_worn = child->is_worn = false;
}

void volume_reached(struct plane_user *plane, struct user_child *child)
{
    struct plane_volume volume = volume_of(child);

    if (!child->told_aged) {
        child->told_aged = event_send(plane, child, PLANE_EVENT_AGED);
        child->watch = child->told_aged ? child->hard : child->watch;
    }
    child->is_worn = volume.bytes >= child->hard.bytes || volume.packets >= child->hard.packets;
    if (child->is_worn && !child->told_worn) {
        child->told_worn = event_send(plane, child, PLANE_EVENT_WORN);
    }
}
