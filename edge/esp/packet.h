/* ESP packets in tunnel mode (RFC 4303): SPI | sequence | IV | inner packet | padding | trailer | ICV. */
#pragma once

#include "edge/esp/inner.h"
#include "edge/esp/sa.h"

enum {
    ESP_NEXT_IPV4 = 4,
    ESP_NEXT_IPV6 = 41,
    ESP_NEXT_NONE = 59, /* a dummy packet: made to be discarded (RFC 4303 2.6) */
};

struct esp_opened {
    uint8_t *packet; /* the inner packet, inside the buffer; NULL for a dummy */
    struct inner inner;
    uint64_t sequence;
    bool authentic; /* the ICV was right and the number new, even if something else was then wrong */
    bool is_newest; /* authentic, and the highest number so far: the peer's latest word on where it is */
};

/* Opens a packet in place. The replay window is asked before the ICV is checked and moves only after. The
 * inner packet ends where its own header says: what lies behind is traffic flow padding (RFC 4303 2.7).
 *
 * CAUSE_NONE, or CAUSE_ESP_SHORT, _REPLAY, _ICV, _PADDING (RFC 4303 2.4), _INNER: neither IP nor a dummy, or
 * malformed. Selectors are the caller's. */
HF_MUST enum cause esp_open(struct esp_in *sa, struct esp_cipher *cipher, uint8_t *packet, size_t len,
                            struct esp_opened *ret_opened);

/* Length of the sealed packet around an inner packet of `inner_len` bytes. */
static inline size_t esp_sealed_len(const struct esp_shape *shape, size_t inner_len)
{
    size_t plain_len = inner_len + ESP_TRAILER;
    plain_len += (0 - plain_len) & (shape->block_len - 1u);
    return shape->head_len + plain_len + shape->icv_len;
}

/* Seals an inner packet that the caller has put at packet + shape.head_len; esp_sealed_len() bytes of
 * `packet` are written. CAUSE_NONE, or CAUSE_ESP_SEQUENCE: no number is left below the limit; it does not
 * wrap (RFC 4303 3.3.3). CAUSE_PLANE when the library fails. */
HF_MUST enum cause esp_seal(struct esp_out *sa, struct esp_cipher *cipher, uint8_t *packet, size_t inner_len);
