/* Bounded writer into the caller's memory with slots that are filled in later: lengths that count their
 * own header, and the next-payload byte that stands in the payload before. A write past the end sets
 * `overflow` and writes nothing more. */
#pragma once

#include "edge/base/bytes.h"
#include "edge/base/span.h"

struct writer {
    uint8_t *data;
    size_t cap;
    size_t len;
    bool overflow;
};

static inline struct writer writer_of(void *data, size_t cap)
{
    return (struct writer){.data = data, .cap = cap};
}

/* Room for `len` bytes, to be filled by the caller; NULL (and overflow) when there is none. */
static inline uint8_t *writer_room(struct writer *w, size_t len)
{
    if (w->overflow || w->cap - w->len < len) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *room = w->len == 0 ? w->data : w->data + w->len; /* data is NULL in a writer of no bytes */
    w->len += len;
    return room;
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
    uint8_t *p = writer_room(w, 1);
    if (p != NULL) {
        *p = value;
    }
}

static inline void writer_u16(struct writer *w, uint16_t value)
{
    uint8_t *p = writer_room(w, 2);
    if (p != NULL) {
        be16_store(p, value);
    }
}

static inline void writer_u32(struct writer *w, uint32_t value)
{
    uint8_t *p = writer_room(w, 4);
    if (p != NULL) {
        be32_store(p, value);
    }
}

static inline void writer_u64(struct writer *w, uint64_t value)
{
    uint8_t *p = writer_room(w, 8);
    if (p != NULL) {
        be64_store(p, value);
    }
}

static inline void writer_bytes(struct writer *w, const void *bytes, size_t len)
{
    uint8_t *p = writer_room(w, len);
    if (p != NULL && len > 0) {
        memcpy(p, bytes, len);
    }
}

static inline void writer_span(struct writer *w, struct span s)
{
    writer_bytes(w, s.data, s.len);
}

/* Fills a slot written before; nothing happens after an overflow, so that callers check once at the end. */
static inline void writer_patch_u8(struct writer *w, size_t at, uint8_t value)
{
    if (!w->overflow) {
        hf_assert(at < w->len);
        w->data[at] = value;
    }
}

static inline void writer_patch_u16(struct writer *w, size_t at, uint16_t value)
{
    if (!w->overflow) {
        hf_assert(at + 2 <= w->len);
        be16_store(w->data + at, value);
    }
}

static inline void writer_patch_u32(struct writer *w, size_t at, uint32_t value)
{
    if (!w->overflow) {
        hf_assert(at + 4 <= w->len);
        be32_store(w->data + at, value);
    }
}

/* What has been written so far. */
static inline struct span writer_span_of(const struct writer *w)
{
    return span_of(w->data, w->overflow ? 0 : w->len);
}
