#include "edge/plane/user_sum.h"

#include "edge/base/bytes.h"

enum { BLOCK = 32 };

/* Four words of 64 bits at once, each counted as two of 32 bits, whose sums cannot overflow within 2^32
 * words. */
typedef uint64_t lanes __attribute__((vector_size(BLOCK)));

static inline uint64_t tail_add(uint64_t sum, const uint8_t *data, size_t len)
{
    uint32_t word;

    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    word = 0;
    memcpy(&word, data, len); /* an odd byte is the first of a pair whose second is zero */
    return sum + word;
}

/* Adds, and copies when `to` is not NULL, which is known where this is inlined. */
static inline __attribute__((always_inline)) uint64_t blocks_add(uint64_t sum, uint8_t *to, const uint8_t *p,
                                                                 size_t len)
{
    lanes low = {sum & UINT32_MAX, sum >> 32}, high = {0}, words;

    for (; len >= BLOCK; p += BLOCK, len -= BLOCK) {
        memcpy(&words, p, BLOCK);
        low += words & UINT32_MAX;
        high += words >> 32;
        if (to != NULL) {
            memcpy(to, &words, BLOCK);
            to += BLOCK;
        }
    }
    low += high;
    if (to != NULL) {
        memcpy(to, p, len);
    }
    return tail_add(low[0] + low[1] + low[2] + low[3], p, len);
}

#ifdef __x86_64__
/* A quarter of the time of the baseline's instructions, for each byte that goes through the plane. */
__attribute__((target("avx2"))) static uint64_t add_avx2(uint64_t sum, const uint8_t *data, size_t len)
{
    return blocks_add(sum, NULL, data, len);
}

__attribute__((target("avx2"))) static uint64_t copy_avx2(uint64_t sum, uint8_t *to, const uint8_t *data,
                                                          size_t len)
{
    return blocks_add(sum, to, data, len);
}
#endif

uint64_t sum_add(uint64_t sum, const void *data, size_t len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        return add_avx2(sum, data, len);
    }
#endif
    return blocks_add(sum, NULL, data, len);
}

uint64_t sum_copy(uint64_t sum, void *ret_copy, const void *data, size_t len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        return copy_avx2(sum, ret_copy, data, len);
    }
#endif
    return blocks_add(sum, ret_copy, data, len);
}

uint64_t sum_pseudo(const uint8_t *addresses, size_t addresses_len, uint8_t protocol, uint32_t l4_len)
{
    uint8_t rest[8] = {[7] = protocol};

    be32_store(rest, l4_len);
    return sum_add(sum_add(0, addresses, addresses_len), rest, sizeof(rest));
}

uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

void sum_ipv4(uint8_t *header, size_t header_len)
{
    sum_store(header + 10, 0);
    sum_store(header + 10, (uint16_t)~sum_fold(sum_add(0, header, header_len)));
}
