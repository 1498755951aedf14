/* The two halves of an ESP SA pair: what opens packets and what seals them. The cipher of each is apart: it
 * is large, can be made again from the keys, and an idle SA needs none. */
#pragma once

#include "edge/base/iv.h"
#include "edge/crypto/esp_cipher.h"
#include "edge/esp/replay.h"

enum {
    ESP_HEADER = 8,  /* SPI and sequence number */
    ESP_TRAILER = 2, /* pad length and next header */
    /* The most that sealing adds: header, IV of 16, padding up to a block of 16, trailer, ICV of 32. */
    ESP_OVERHEAD_MAX = ESP_HEADER + 16 + 15 + ESP_TRAILER + 32,
};

/* Lengths of the packet's parts, kept because every packet needs them. */
struct esp_shape {
    uint8_t head_len; /* header and IV: where the inner packet begins */
    uint8_t icv_len;
    uint8_t block_len; /* what inner packet and trailer are padded to */
};

struct esp_in {
    struct replay replay;
    uint32_t spi;
    struct esp_shape shape;
    bool esn;
};

struct esp_out {
    uint64_t sequence; /* last one used */
    uint64_t limit;   /* highest one that may be used: reserved in the store, and within the number's width */
    uint64_t half;    /* esp_out_wants_limit() from here on */
    uint64_t spent;   /* esp_out_is_spent() from here on */
    uint64_t max;     /* 2^32 - 1; with ESN IV_COUNTER_MAX: the IV has room for no more */
    uint64_t iv_high; /* iv_high() */
    uint32_t spi;
    struct esp_shape shape;
};

/* The suite is one that esp_cipher_init() takes. Numbers up to `replay_start` are old. */
void esp_in_init(struct esp_in *sa, const struct esp_suite *suite, uint32_t spi, uint64_t replay_start);

/* `sequence` is the last number that may have been used, `limit` the last that may be.
 *
 * The sequence number is the IV's counter. Numbers are used once under a key by one owner, `high` (iv_high())
 * is of one owner: so no IV comes twice under a key, even when two nodes believe to own it. */
void esp_out_init(struct esp_out *sa, const struct esp_suite *suite, uint32_t spi, uint64_t high,
                  uint64_t sequence, uint64_t limit);
/* Raises the limit, and half counts from now; a lower one than before is ignored. */
void esp_out_limit(struct esp_out *sa, uint64_t limit);

/* Half of what was left when the limit was set is used: more should be reserved. */
static inline bool esp_out_wants_limit(const struct esp_out *sa)
{
    return sa->sequence >= sa->half;
}

/* Less than an eighth of all numbers is left: the SA should be rekeyed. */
static inline bool esp_out_is_spent(const struct esp_out *sa)
{
    return sa->sequence >= sa->spent;
}
