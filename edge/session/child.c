/* The encoding of a Child SA within a session's record. */
#include "edge/session/field.h"

enum child_field {
    CHILD_SPIS = 1,
    CHILD_SUITE,
    CHILD_KEYS,
    CHILD_SEQUENCES,
    CHILD_TS_LOCAL,
    CHILD_TS_REMOTE,
    CHILD_LAST_REQUIRED = CHILD_TS_REMOTE,
    CHILD_DOOMED, /* there or not */
    CHILD_VOLUME, /* not there: nothing */
};

/* ---- writing */

static void ranges_write(struct writer *w, uint8_t tag, const struct ts_range *ranges, uint32_t count)
{
    hf_assert(count <= SELECTORS_PER_CHILD_MAX);
    size_t at = field_begin(w, tag);
    for (uint32_t i = 0; i < count; i++) {
        hf_assert(ip_is_v4(&ranges[i].first) == ip_is_v4(&ranges[i].last));
        writer_u8(w, ip_is_v4(&ranges[i].first) ? 4 : 6);
        writer_u8(w, ranges[i].protocol);
        writer_u16(w, ranges[i].port_first);
        writer_u16(w, ranges[i].port_last);
        writer_span(w, ip_span(&ranges[i].first));
        writer_span(w, ip_span(&ranges[i].last));
    }
    field_end(w, at);
}

static void child_suite_write(struct writer *w, const struct esp_suite *suite)
{
    size_t at = field_begin(w, CHILD_SUITE);
    writer_u16(w, suite->encr);
    writer_u16(w, suite->encr_bits);
    writer_u16(w, suite->integ);
    writer_u16(w, suite->ke);
    writer_u8(w, suite->esn ? 1 : 0);
    field_end(w, at);
}

void child_write(struct writer *w, uint8_t tag, const struct record_child *child)
{
    const struct esp_suite *suite = &child->suite;
    size_t encr = encr_key_bytes(suite->encr, suite->encr_bits);
    size_t integ = integ_key_bytes(suite->integ);
    hf_assert(encr > 0);
    size_t outer_at = field_begin(w, tag);
    pair32_write(w, CHILD_SPIS, child->spi_in, child->spi_out);
    child_suite_write(w, suite);
    size_t at = field_begin(w, CHILD_KEYS);
    writer_bytes(w, child->key_in.encr, encr);
    writer_bytes(w, child->key_in.integ, integ);
    writer_bytes(w, child->key_out.encr, encr);
    writer_bytes(w, child->key_out.integ, integ);
    field_end(w, at);
    pair64_write(w, CHILD_SEQUENCES, child->sequence_limit, child->sequence_in);
    ranges_write(w, CHILD_TS_LOCAL, child->ts_local, child->num_ts_local);
    ranges_write(w, CHILD_TS_REMOTE, child->ts_remote, child->num_ts_remote);
    if (child->doomed) {
        field_write(w, CHILD_DOOMED, (struct span){0});
    }
    if (child->bytes > 0 || child->packets > 0) {
        pair64_write(w, CHILD_VOLUME, child->bytes, child->packets);
    }
    field_end(w, outer_at);
}

/* ---- reading */

/* One end of a range, `len` bytes; an IPv6 range has no v4-mapped ends. */
static bool range_end_read(struct reader *r, size_t len, struct ip_addr *ret_addr)
{
    uint8_t bytes[16] = {0};
    reader_copy(r, bytes, len);
    *ret_addr = len == 4 ? ip_from_v4(bytes) : ip_from_v6(bytes);
    return !r->failed && ip_is_v4(ret_addr) == (len == 4);
}

static bool range_read(struct reader *r, struct ts_range *ret_range)
{
    uint8_t family = reader_u8(r);
    size_t len = family == 4 ? 4 : 16;
    ret_range->protocol = reader_u8(r);
    ret_range->port_first = reader_u16(r);
    ret_range->port_last = reader_u16(r);
    bool opaque = ret_range->port_first == UINT16_MAX && ret_range->port_last == 0; /* RFC 7296 3.13.1 */
    return (family == 4 || family == 6) && range_end_read(r, len, &ret_range->first) &&
           range_end_read(r, len, &ret_range->last) && ip_compare(&ret_range->first, &ret_range->last) <= 0 &&
           (opaque || ret_range->port_first <= ret_range->port_last);
}

static bool ranges_read(struct span body, struct ts_range *ret_ranges, uint32_t *ret_count)
{
    struct reader r = reader_of(body);
    uint32_t count = 0;
    while (r.rest.len > 0 && count < SELECTORS_PER_CHILD_MAX) {
        if (!range_read(&r, &ret_ranges[count++])) {
            return false;
        }
    }
    *ret_count = count;
    return reader_done(&r) && count > 0;
}

static bool child_suite_read(struct span body, struct esp_suite *ret_suite)
{
    struct reader r = reader_of(body);
    ret_suite->encr = reader_u16(&r);
    ret_suite->encr_bits = reader_u16(&r);
    ret_suite->integ = reader_u16(&r);
    ret_suite->ke = reader_u16(&r);
    uint8_t esn = reader_u8(&r);
    ret_suite->esn = esn == 1;
    return reader_done(&r) && esn <= 1 &&
           encryption_is_known(ret_suite->encr, ret_suite->encr_bits, ret_suite->integ);
}

static bool child_keys_read(struct span body, struct record_child *ret_child)
{
    size_t encr = encr_key_bytes(ret_child->suite.encr, ret_child->suite.encr_bits);
    size_t integ = integ_key_bytes(ret_child->suite.integ);
    struct reader r = reader_of(body);
    reader_copy(&r, ret_child->key_in.encr, encr);
    reader_copy(&r, ret_child->key_in.integ, integ);
    reader_copy(&r, ret_child->key_out.encr, encr);
    reader_copy(&r, ret_child->key_out.integ, integ);
    return reader_done(&r);
}

bool child_read(struct span bytes, struct record_child *ret_child)
{
    struct fields fields;
    const struct span *body = fields.body;
    bool whole = fields_read(bytes, CHILD_LAST_REQUIRED, 0, &fields);
    ret_child->doomed = (fields.seen >> CHILD_DOOMED & 1) != 0;
    bool carried = (fields.seen >> CHILD_VOLUME & 1) != 0;
    ret_child->bytes = ret_child->packets = 0;
    return whole && (!carried || pair64_read(body[CHILD_VOLUME], &ret_child->bytes, &ret_child->packets)) &&
           pair32_read(body[CHILD_SPIS], &ret_child->spi_in, &ret_child->spi_out) && ret_child->spi_in != 0 &&
           ret_child->spi_out != 0 && child_suite_read(body[CHILD_SUITE], &ret_child->suite) &&
           child_keys_read(body[CHILD_KEYS], ret_child) &&
           pair64_read(body[CHILD_SEQUENCES], &ret_child->sequence_limit, &ret_child->sequence_in) &&
           ranges_read(body[CHILD_TS_LOCAL], ret_child->ts_local, &ret_child->num_ts_local) &&
           ranges_read(body[CHILD_TS_REMOTE], ret_child->ts_remote, &ret_child->num_ts_remote);
}
