/* A member's record, as its lease carries it: tagged fields, so that a newer version may say more. */
#include "edge/session/field.h"
#include "edge/session/fleet.h"

enum { TAG_NODE = 1, TAG_INSTANCE, TAG_ADDRESS, TAG_SITE, TAG_VERSION, TAGS = TAG_VERSION };

enum { FLAG_DRAINING = 1 };

static bool text_read(struct span body, char *ret_text, size_t cap)
{
    if (body.len >= cap || memchr(body.data, 0, body.len) != NULL) {
        return false;
    }
    memset(ret_text, 0, cap);
    memcpy(ret_text, body.data, body.len);
    return true;
}

static void node_write(struct writer *w, const struct fleet_member *member)
{
    size_t at = field_begin(w, TAG_NODE);
    writer_u16(w, member->node);
    writer_u16(w, member->weight);
    writer_u16(w, member->mtu);
    writer_u8(w, member->is_draining ? FLAG_DRAINING : 0);
    field_end(w, at);
}

static bool node_read(struct span body, struct fleet_member *ret_member)
{
    struct reader r = reader_of(body);
    ret_member->node = reader_u16(&r);
    ret_member->weight = reader_u16(&r);
    ret_member->mtu = reader_u16(&r);
    ret_member->is_draining = (reader_u8(&r) & FLAG_DRAINING) != 0;
    return reader_done(&r) && ret_member->node >= 1 && ret_member->node <= FLEET_NODE_MAX;
}

size_t fleet_member_encode(const struct fleet_member *member, uint8_t *ret_bytes, size_t cap)
{
    struct writer w = writer_of(ret_bytes, cap);
    node_write(&w, member);
    size_t at = field_begin(&w, TAG_INSTANCE);
    writer_u64(&w, member->instance);
    field_end(&w, at);
    field_write(&w, TAG_ADDRESS, span_of(member->address.bytes, sizeof(member->address.bytes)));
    field_write(&w, TAG_SITE, span_of(member->site_name, strnlen(member->site_name, FLEET_SITE_BYTES - 1)));
    field_write(&w, TAG_VERSION, span_of(member->version, strnlen(member->version, FLEET_VERSION_BYTES - 1)));
    return w.overflow ? 0 : w.len;
}

bool fleet_member_decode(struct span bytes, struct fleet_member *ret_member)
{
    struct fields fields;
    struct fleet_member member = {.node = 0};
    *ret_member = member;
    if (bytes.len > FLEET_MEMBER_BYTES_MAX || !fields_read(bytes, TAGS, 0, &fields)) {
        return false;
    }
    struct reader r = reader_of(fields.body[TAG_INSTANCE]);
    member.instance = reader_u64(&r);
    struct span address = fields.body[TAG_ADDRESS];
    if (!node_read(fields.body[TAG_NODE], &member) || !reader_done(&r) || member.instance == 0 ||
        address.len != sizeof(member.address.bytes) ||
        !text_read(fields.body[TAG_SITE], member.site_name, FLEET_SITE_BYTES) ||
        !text_read(fields.body[TAG_VERSION], member.version, FLEET_VERSION_BYTES)) {
        return false;
    }
    memcpy(member.address.bytes, address.data, address.len);
    *ret_member = member;
    return true;
}
