#include "edge/plane/user_sum.h"

#include "edge/base/bytes.h"

enum { BLOCK = 32 };

/* Four lanes of 64 bits, so that the processor need not wait for one addition before the next. A 64-bit word
 * counts as two of 32 bits, whose sums cannot overflow within 2^32 words. */
struct lanes {
    uint64_t v[4];
};

static inline void lanes_add(struct lanes *lanes, const uint8_t *block)
{
    uint64_t words[4];

    memcpy(words, block, BLOCK);
    for (int i = 0; i < 4; i++) {
        lanes->v[i] += (words[i] & UINT32_MAX) + (words[i] >> 32);
    }
}

static uint64_t tail_add(uint64_t sum, const uint8_t *data, size_t len)
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

uint64_t sum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct lanes lanes = {{sum}};

    for (; len >= BLOCK; p += BLOCK, len -= BLOCK) {
        lanes_add(&lanes, p);
    }
    return tail_add(lanes.v[0] + lanes.v[1] + lanes.v[2] + lanes.v[3], p, len);
}

uint64_t sum_copy(uint64_t sum, void *ret_copy, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint8_t *to = ret_copy;
    struct lanes lanes = {{sum}};

    for (; len >= BLOCK; p += BLOCK, to += BLOCK, len -= BLOCK) {
        lanes_add(&lanes, p);
        memcpy(to, p, BLOCK);
    }
    memcpy(to, p, len);
    return tail_add(lanes.v[0] + lanes.v[1] + lanes.v[2] + lanes.v[3], p, len);
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
