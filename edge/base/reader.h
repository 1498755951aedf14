/* Sticky-error reader: a read past the end sets `failed` and yields zeros, every later read is a no-op, so
 * a parser checks once at its end with reader_done(), which also demands that every byte was consumed. */
#pragma once

#include "edge/base/bytes.h"
#include "edge/base/span.h"

struct reader {
    struct span rest;
    bool failed;
};

static inline struct reader reader_of(struct span input)
{
    return (struct reader){.rest = input};
}

/* The next `len` bytes as a view; empty and failed when fewer are left. */
static inline struct span reader_take(struct reader *r, size_t len)
{
    if (r->failed || r->rest.len < len) {
        *r = (struct reader){.failed = true};
        return (struct span){0};
    }
    struct span taken = span_of(r->rest.data, len);
    r->rest = len == 0 ? r->rest : span_of(r->rest.data + len, r->rest.len - len);
    return taken;
}

static inline uint8_t reader_u8(struct reader *r)
{
    struct span s = reader_take(r, 1);
    return r->failed ? 0 : s.data[0];
}

static inline uint16_t reader_u16(struct reader *r)
{
    struct span s = reader_take(r, 2);
    return r->failed ? 0 : be16_load(s.data);
}

static inline uint32_t reader_u32(struct reader *r)
{
    struct span s = reader_take(r, 4);
    return r->failed ? 0 : be32_load(s.data);
}

static inline uint64_t reader_u64(struct reader *r)
{
    struct span s = reader_take(r, 8);
    return r->failed ? 0 : be64_load(s.data);
}

/* Copies `len` bytes out; zeros when fewer are left. */
static inline void reader_copy(struct reader *r, uint8_t *ret_bytes, size_t len)
{
    struct span s = reader_take(r, len);
    if (len > 0) {
        if (r->failed) {
            memset(ret_bytes, 0, len);
        } else {
            memcpy(ret_bytes, s.data, len);
        }
    }
}

/* All that is left; the reader is then at its end. */
static inline struct span reader_rest(struct reader *r)
{
    return reader_take(r, r->failed ? 1 : r->rest.len);
}

/* True when no read failed and nothing is left over. */
HF_MUST static inline bool reader_done(const struct reader *r)
{
    return !r->failed && r->rest.len == 0;
}
