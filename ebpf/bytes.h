/* Numbers in packets and Internet checksums, for BPF and C. */
#pragma once

#include "ebpf/shared.h"

/* In BPF one load or store: clang would take bytes, because it does not know that unaligned access is fine.
 */
#ifdef __bpf__
#define HF_COPY(type, to, from) (*(type *)(void *)(to) = *(const type *)(const void *)(from))
#else
#define HF_COPY(type, to, from) __builtin_memcpy((to), (from), sizeof(type))
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "words of addresses are hashed as they lie in memory");

/* Keeps clang from looking through x, where what it then does is too clever for the verifier. */
#define HF_OPAQUE(x) __asm__ volatile("" : "+r"(x))

HF_SHARED uint32_t hf_load16(const uint8_t *p)
{
    uint16_t x;
    HF_COPY(uint16_t, &x, p);
    return __builtin_bswap16(x);
}

HF_SHARED uint32_t hf_load32(const uint8_t *p)
{
    uint32_t x;
    HF_COPY(uint32_t, &x, p);
    return __builtin_bswap32(x);
}

HF_SHARED uint64_t hf_load64(const uint8_t *p)
{
    return __builtin_bswap64(hf_word_load(p));
}

/* A link address. */
HF_SHARED void hf_copy6(uint8_t *to, const uint8_t *from)
{
    HF_COPY(uint32_t, to, from);
    HF_COPY(uint16_t, to + 4, from + 4);
}

HF_SHARED void hf_store16(uint8_t *p, uint32_t value)
{
    uint16_t x = __builtin_bswap16((uint16_t)value);
    HF_COPY(uint16_t, p, &x);
}

HF_SHARED void hf_store32(uint8_t *p, uint32_t value)
{
    uint32_t x = __builtin_bswap32(value);
    HF_COPY(uint32_t, p, &x);
}

/* What hf_word_load() read. */
HF_SHARED void hf_word_store(uint8_t *p, uint64_t word)
{
    HF_COPY(uint64_t, p, &word);
}

HF_SHARED void hf_store64(uint8_t *p, uint64_t value)
{
    hf_word_store(p, __builtin_bswap64(value));
}

/* Addresses are kept as words; an IPv4 address is the upper half of the second. */
#define HF_V4_MAPPED 0xffff0000ULL

HF_SHARED uint64_t hf_v4_word(const uint8_t *addr)
{
    return HF_V4_MAPPED | (uint64_t)__builtin_bswap32(hf_load32(addr)) << 32;
}

HF_SHARED int hf_is_v4(const uint64_t addr[2])
{
    return addr[0] == 0 && (uint32_t)addr[1] == HF_V4_MAPPED;
}

HF_SHARED void hf_v4_store(uint8_t *p, uint64_t word)
{
    hf_store32(p, __builtin_bswap32((uint32_t)(word >> 32)));
}

/* The Internet checksum (RFC 1071) works in any byte order, so it is summed in words as hf_word_load() reads
 * them, or the halves of such, and stored the same way. */
HF_SHARED uint64_t hf_sum_add(uint64_t sum, uint64_t word)
{
    return sum + (word & 0xffffffff) + (word >> 32);
}

/* A 16-bit number at an even place. */
HF_SHARED uint64_t hf_sum_add16(uint64_t sum, uint32_t value)
{
    return sum + __builtin_bswap16((uint16_t)value);
}

HF_SHARED void hf_sum_store(uint8_t *p, uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    hf_store16(p, __builtin_bswap16((uint16_t)~sum));
}
