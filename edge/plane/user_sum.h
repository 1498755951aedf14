/* The Internet checksum (RFC 1071), over words in the machine's order: the sum is the same either way, and
 * only folded sums meet memory, as they are. */
#pragma once

#include "edge/base/span.h"

/* Adds bytes to a sum; all but the last piece of one sum have even length. Start with 0. */
uint64_t sum_add(uint64_t sum, const void *data, size_t len);
/* The same while copying. */
uint64_t sum_copy(uint64_t sum, void *ret_copy, const void *data, size_t len);
/* Pseudo header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1): addresses in their own family, 4 or 16 bytes
 * each, one behind the other. */
uint64_t sum_pseudo(const uint8_t *addresses, size_t addresses_len, uint8_t protocol, uint32_t l4_len);
/* The 16 bits of a sum, not complemented; sum_load() and sum_store() move them to and from a packet. */
uint16_t sum_fold(uint64_t sum);

static inline uint16_t sum_load(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static inline void sum_store(uint8_t *p, uint16_t value)
{
    memcpy(p, &value, sizeof(value));
}

/* Writes the header checksum of an IPv4 header. */
void sum_ipv4(uint8_t *header, size_t header_len);
