/* A heartbeat's bytes: tagged fields, so that a newer version may say more. */
#include "edge/session/field.h"
#include "edge/session/fleet.h"

enum { TAG_NODE = 1, TAG_INSTANCES, TAG_NUMBERS, TAGS = TAG_NUMBERS, TAG_CHANGES };

enum { FLAG_DRAINING = 1, FLAG_LEASE = 2 };

enum { CHANGE_BYTES = 6 };

static void changes_write(struct writer *w, const struct fleet_heartbeat *heartbeat)
{
    hf_assert(heartbeat->num_changes <= FLEET_CHANGES_MAX);
    size_t at = field_begin(w, TAG_CHANGES);
    for (uint32_t i = 0; i < heartbeat->num_changes; i++) {
        writer_u16(w, heartbeat->changes[i].shard);
        writer_u16(w, heartbeat->changes[i].owner);
        writer_u16(w, heartbeat->changes[i].epoch);
    }
    field_end(w, at);
}

static bool changes_read(struct span body, struct fleet_heartbeat *ret_heartbeat)
{
    if (body.len % CHANGE_BYTES != 0 || body.len / CHANGE_BYTES > FLEET_CHANGES_MAX) {
        return false;
    }
    struct reader r = reader_of(body);
    while (r.rest.len > 0) {
        struct fleet_change *change = &ret_heartbeat->changes[ret_heartbeat->num_changes++];
        change->shard = reader_u16(&r);
        change->owner = reader_u16(&r);
        change->epoch = reader_u16(&r);
        if (change->owner > FLEET_NODE_MAX && change->owner != FLEET_OWNER_UNKNOWN) {
            return false;
        }
    }
    return true;
}

size_t fleet_heartbeat_encode(const struct fleet_heartbeat *heartbeat, uint8_t *ret_bytes, size_t cap)
{
    struct writer w = writer_of(ret_bytes, cap);
    size_t at = field_begin(&w, TAG_NODE);
    writer_u16(&w, heartbeat->node);
    writer_u8(&w, (uint8_t)((heartbeat->is_draining ? FLAG_DRAINING : 0) |
                            (heartbeat->has_lease ? FLAG_LEASE : 0)));
    field_end(&w, at);
    pair64_write(&w, TAG_INSTANCES, heartbeat->instance, heartbeat->your_instance);
    pair64_write(&w, TAG_NUMBERS, heartbeat->number, heartbeat->view);
    if (heartbeat->num_changes > 0) {
        changes_write(&w, heartbeat);
    }
    return w.overflow ? 0 : w.len;
}

static bool node_read(struct span body, struct fleet_heartbeat *ret_heartbeat)
{
    struct reader r = reader_of(body);
    ret_heartbeat->node = reader_u16(&r);
    uint8_t flags = reader_u8(&r);
    ret_heartbeat->is_draining = (flags & FLAG_DRAINING) != 0;
    ret_heartbeat->has_lease = (flags & FLAG_LEASE) != 0;
    return reader_done(&r) && ret_heartbeat->node >= 1 && ret_heartbeat->node <= FLEET_NODE_MAX;
}

bool fleet_heartbeat_decode(struct span bytes, struct fleet_heartbeat *ret_heartbeat)
{
    struct fields fields;
    memset(ret_heartbeat, 0, sizeof(*ret_heartbeat));
    if (bytes.len <= FLEET_HEARTBEAT_BYTES_MAX && fields_read(bytes, TAGS, 0, &fields) &&
        node_read(fields.body[TAG_NODE], ret_heartbeat) &&
        pair64_read(fields.body[TAG_INSTANCES], &ret_heartbeat->instance, &ret_heartbeat->your_instance) &&
        pair64_read(fields.body[TAG_NUMBERS], &ret_heartbeat->number, &ret_heartbeat->view) &&
        changes_read(fields.body[TAG_CHANGES], ret_heartbeat) && ret_heartbeat->instance != 0) {
        return true;
    }
    memset(ret_heartbeat, 0, sizeof(*ret_heartbeat));
    return false;
}
