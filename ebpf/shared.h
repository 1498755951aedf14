/* What the BPF program and the daemon must agree on bit by bit: SipHash, SPIs that say where they belong, the
 * cookie, and the worker of a first packet. Compiled by clang for BPF and by gcc for the daemon, so: no
 * includes but fixed-width types, no calls that remain after inlining, loops with a constant bound.
 *
 *   IKE SPI, 64 bits:  epoch 2 | tag 24 | masked 38 { shard s | index 30-s | generation 8 }
 *                      tag = SipHash-1-3(k1; epoch, the 38 bits), mask = SipHash-1-3(k2; epoch, tag)
 *   ESP SPI, 32 bits:  epoch 2 | index 30-s | shard s XOR SipHash-1-3(k3; epoch, index)
 *
 * The first field named is the most significant; of a hash the least significant bits are used. An SPI is
 * the number whose big-endian bytes are on the wire. Epochs are 1..3, so an ESP SPI is never reserved
 * (0..255, RFC 4303 2.1) and never looks like the non-ESP marker (RFC 3948 2.2), and no IKE SPI is zero. */
#pragma once

#ifdef __bpf__
/* The same types as in vmlinux.h, which may be included beside this. */
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

/* The program's size counts, and the verifier walks loops. */
#ifdef __clang__
#define HF_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define HF_NO_UNROLL
#endif

#define HF_SHARED static inline __attribute__((always_inline, unused))

/* Fixed for a fleet, in every node the same. Integers of keys are in the order of the machine. */
struct hf_spi_keys {
    uint64_t k1[2]; /* tag of IKE SPIs */
    uint64_t k2[2]; /* mask of IKE SPIs */
    uint64_t k3[2]; /* shard of ESP SPIs */
};

struct hf_spi_config {
    struct hf_spi_keys epochs[4]; /* [0] is unused; an epoch whose keys are all zero does not exist */
    uint8_t shard_bits;           /* s: 4..14 */
    uint8_t mint_epoch;           /* 1..3, for new SPIs */
    uint8_t pad[6];
};

struct hf_spi {
    uint32_t index; /* below 2^(30-s) */
    uint16_t shard; /* below 2^s */
    uint8_t epoch;
    uint8_t generation; /* 0 for ESP */
};

struct hf_cookie_key {
    uint64_t k[2];
};

enum {
    HF_SHARD_BITS_MIN = 4,
    HF_SHARD_BITS_MAX = 14,
    HF_PLACE_BITS = 30, /* shard and index together */
    HF_GENERATION_BITS = 8,
    HF_MASKED_BITS = HF_PLACE_BITS + HF_GENERATION_BITS,
    HF_TAG_BITS = 24,
    HF_COOKIE_BYTES = 9,
    HF_COOKIE_NONCE_MAX = 256, /* RFC 7296 2.10 */
};

#define HF_BITS(n) ((1ULL << (n)) - 1) /* the n least significant bits */

/* SipHash-c-d (Aumasson, Bernstein 2012) over messages of whole 64-bit words; `rounds` is c, then d. */
struct hf_sip {
    uint64_t v0, v1, v2, v3;
};

HF_SHARED uint64_t hf_rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

HF_SHARED void hf_sip_round(struct hf_sip *h)
{
    h->v0 += h->v1;
    h->v2 += h->v3;
    h->v1 = hf_rotate(h->v1, 13) ^ h->v0;
    h->v3 = hf_rotate(h->v3, 16) ^ h->v2;
    h->v0 = hf_rotate(h->v0, 32) + h->v3;
    h->v2 += h->v1;
    h->v3 = hf_rotate(h->v3, 21) ^ h->v0;
    h->v1 = hf_rotate(h->v1, 17) ^ h->v2;
    h->v2 = hf_rotate(h->v2, 32);
}

HF_SHARED struct hf_sip hf_sip_start(const uint64_t key[2])
{
    return (struct hf_sip){
        key[0] ^ 0x736f6d6570736575ULL,
        key[1] ^ 0x646f72616e646f6dULL,
        key[0] ^ 0x6c7967656e657261ULL,
        key[1] ^ 0x7465646279746573ULL,
    };
}

HF_SHARED void hf_sip_word(struct hf_sip *h, uint64_t word, int rounds)
{
    h->v3 ^= word;
    for (int i = 0; i < rounds; i++) {
        hf_sip_round(h);
    }
    h->v0 ^= word;
}

HF_SHARED uint64_t hf_sip_end(struct hf_sip *h, int rounds)
{
    h->v2 ^= 0xff;
    for (int i = 0; i < rounds; i++) {
        hf_sip_round(h);
    }
    return h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
}

/* SipHash-1-3 of 16 bytes: a, then b, each little-endian. */
HF_SHARED uint64_t hf_siphash13_2(const uint64_t key[2], uint64_t a, uint64_t b)
{
    struct hf_sip h = hf_sip_start(key);
    hf_sip_word(&h, a, 1);
    hf_sip_word(&h, b, 1);
    hf_sip_word(&h, 16ULL << 56, 1);
    return hf_sip_end(&h, 3);
}

/* Eight bytes as a little-endian number, which is how SipHash reads its message. In BPF one load: the kernels
 * that run XDP at speed allow it unaligned. */
HF_SHARED uint64_t hf_word_load(const uint8_t *p)
{
#ifdef __bpf__
    uint64_t word = *(const uint64_t *)(const void *)p;
#else
    uint64_t word;
    __builtin_memcpy(&word, p, sizeof(word));
#endif
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

HF_SHARED int hf_shard_bits_valid(const struct hf_spi_config *config)
{
    return config->shard_bits >= HF_SHARD_BITS_MIN && config->shard_bits <= HF_SHARD_BITS_MAX;
}

/* 1 when SPIs of this epoch may exist: 1..3, and its keys have been set. */
HF_SHARED int hf_epoch_exists(const struct hf_spi_config *config, uint32_t epoch)
{
    if (epoch < 1 || epoch > 3) {
        return 0;
    }
    const struct hf_spi_keys *keys = &config->epochs[epoch];
    return (keys->k1[0] | keys->k1[1] | keys->k2[0] | keys->k2[1] | keys->k3[0] | keys->k3[1]) != 0;
}

/* 1 when the configuration can write these fields into an SPI. */
HF_SHARED int hf_spi_fits(const struct hf_spi_config *config, const struct hf_spi *spi)
{
    return hf_shard_bits_valid(config) && hf_epoch_exists(config, spi->epoch) &&
           spi->shard >> config->shard_bits == 0 && spi->index >> (HF_PLACE_BITS - config->shard_bits) == 0;
}

HF_SHARED uint64_t hf_ike_tag(const struct hf_spi_keys *keys, uint64_t epoch, uint64_t plain)
{
    return hf_siphash13_2(keys->k1, epoch, plain) & HF_BITS(HF_TAG_BITS);
}

HF_SHARED uint64_t hf_ike_mask(const struct hf_spi_keys *keys, uint64_t epoch, uint64_t tag)
{
    return hf_siphash13_2(keys->k2, epoch, tag) & HF_BITS(HF_MASKED_BITS);
}

HF_SHARED uint32_t hf_esp_mask(const struct hf_spi_config *config, uint32_t epoch, uint32_t index)
{
    uint64_t hash = hf_siphash13_2(config->epochs[epoch & 3].k3, epoch, index);
    return (uint32_t)(hash & HF_BITS(config->shard_bits));
}

/* The SPI; 0, which no peer accepts, when its epoch does not exist or a field is out of range. */
HF_SHARED uint64_t hf_ike_spi_encode(const struct hf_spi_config *config, const struct hf_spi *spi)
{
    if (!hf_spi_fits(config, spi)) {
        return 0;
    }
    const struct hf_spi_keys *keys = &config->epochs[spi->epoch & 3];
    uint64_t plain = (uint64_t)spi->shard << (HF_MASKED_BITS - config->shard_bits) |
                     (uint64_t)spi->index << HF_GENERATION_BITS | spi->generation;
    uint64_t tag = hf_ike_tag(keys, spi->epoch, plain);
    uint64_t masked = plain ^ hf_ike_mask(keys, spi->epoch, tag);
    return (uint64_t)spi->epoch << (HF_TAG_BITS + HF_MASKED_BITS) | tag << HF_MASKED_BITS | masked;
}

/* 1 when a holder of the keys made this SPI (a guess: once in 2^24); 0, and `ret` untouched, when not. */
HF_SHARED int hf_ike_spi_decode(const struct hf_spi_config *config, uint64_t spi, struct hf_spi *ret)
{
    uint32_t epoch = (uint32_t)(spi >> (HF_TAG_BITS + HF_MASKED_BITS));
    if (!hf_shard_bits_valid(config) || !hf_epoch_exists(config, epoch)) {
        return 0;
    }
    const struct hf_spi_keys *keys = &config->epochs[epoch & 3];
    uint64_t tag = spi >> HF_MASKED_BITS & HF_BITS(HF_TAG_BITS);
    uint64_t plain = (spi & HF_BITS(HF_MASKED_BITS)) ^ hf_ike_mask(keys, epoch, tag);
    if (hf_ike_tag(keys, epoch, plain) != tag) {
        return 0;
    }
    uint64_t place = plain >> HF_GENERATION_BITS;
    ret->index = (uint32_t)(place & HF_BITS(HF_PLACE_BITS - config->shard_bits));
    ret->shard = (uint16_t)(place >> (HF_PLACE_BITS - config->shard_bits));
    ret->epoch = (uint8_t)epoch;
    ret->generation = (uint8_t)plain;
    return 1;
}

/* The SPI (the generation is not in it); 0 when its epoch does not exist or a field is out of range. */
HF_SHARED uint32_t hf_esp_spi_encode(const struct hf_spi_config *config, const struct hf_spi *spi)
{
    if (!hf_spi_fits(config, spi)) {
        return 0;
    }
    uint32_t shard = spi->shard ^ hf_esp_mask(config, spi->epoch, spi->index);
    return (uint32_t)spi->epoch << HF_PLACE_BITS | spi->index << config->shard_bits | shard;
}

/* 1 when the SPI's epoch exists. There is no tag: of garbage every shard and index comes out equally often,
 * and only the owner's table knows. On 0 `ret` is untouched. */
HF_SHARED int hf_esp_spi_decode(const struct hf_spi_config *config, uint32_t spi, struct hf_spi *ret)
{
    uint32_t epoch = spi >> HF_PLACE_BITS;
    if (!hf_shard_bits_valid(config) || !hf_epoch_exists(config, epoch)) {
        return 0;
    }
    uint32_t index = (spi & (uint32_t)HF_BITS(HF_PLACE_BITS)) >> config->shard_bits;
    uint32_t masked = spi & (uint32_t)HF_BITS(config->shard_bits);
    ret->index = index;
    ret->shard = (uint16_t)(masked ^ hf_esp_mask(config, epoch, index));
    ret->epoch = (uint8_t)epoch;
    ret->generation = 0;
    return 1;
}

/* The cookie (RFC 7296 2.6) on the wire: version 1 | MAC 8. The version is the low 8 bits of the hour since
 * 1970 and says which of the fleet's hourly keys made the MAC.
 *
 *   MAC = SipHash-2-4(key; SPIi 8 | source address 16, IPv4 v4-mapped | Ni | zeros up to a multiple of 8 |
 *                          length of Ni 8)
 *
 * with every integer, the MAC on the wire too, in network byte order. The source port is not in it: a NAT may
 * change it between two tries. */

/* The MAC without Ni, whose words stand between these two, each as hf_word_load() reads it. */
HF_SHARED struct hf_sip hf_cookie_mac_start(const uint64_t key[2], uint64_t spi_i, const uint8_t addr[16])
{
    struct hf_sip h = hf_sip_start(key);
    hf_sip_word(&h, __builtin_bswap64(spi_i), 2);
    hf_sip_word(&h, hf_word_load(addr), 2);
    hf_sip_word(&h, hf_word_load(addr + 8), 2);
    return h;
}

HF_SHARED uint64_t hf_cookie_mac_end(struct hf_sip *h, uint32_t nonce_len)
{
    uint64_t words = (nonce_len + 7) / 8;
    hf_sip_word(h, __builtin_bswap64(nonce_len), 2);
    hf_sip_word(h, ((32 + 8 * words) & 0xff) << 56, 2);
    return hf_sip_end(h, 4);
}

#ifndef __bpf__ /* the program reads Ni in the packet (cookie.h) */
/* `nonce_len` is 16..256, which the parser of the NONCE payload checks; more counts as 256. */
HF_SHARED uint64_t hf_cookie_mac(const uint64_t key[2], uint64_t spi_i, const uint8_t addr[16],
                                 const uint8_t *nonce, uint32_t nonce_len)
{
    uint32_t len = nonce_len < HF_COOKIE_NONCE_MAX ? nonce_len : HF_COOKIE_NONCE_MAX;
    struct hf_sip h = hf_cookie_mac_start(key, spi_i, addr);
    for (uint32_t at = 0; at < len; at += 8) {
        uint8_t padded[8] = {0};
        __builtin_memcpy(padded, nonce + at, len - at < 8 ? len - at : 8);
        hf_sip_word(&h, hf_word_load(padded), 2);
    }
    return hf_cookie_mac_end(&h, len);
}
#endif

HF_SHARED void hf_cookie_write(uint8_t version, uint64_t mac, uint8_t ret_cookie[HF_COOKIE_BYTES])
{
    ret_cookie[0] = version;
    for (int i = 0; i < 8; i++) {
        ret_cookie[1 + i] = (uint8_t)(mac >> (56 - 8 * i));
    }
}

/* 1 when the cookie carries this MAC; the caller has chosen the key by cookie[0]. As one number, so in time
 * that tells nothing of how much of a guess was right. */
HF_SHARED int hf_cookie_has_mac(const uint8_t cookie[HF_COOKIE_BYTES], uint64_t mac)
{
    uint64_t given = 0;
    for (int i = 0; i < 8; i++) {
        given = given << 8 | cookie[1 + i];
    }
    return given == mac;
}

/* The worker of a first packet (SPIr is zero), below `num_workers`: by SPIi and source address, not by port,
 * so that retransmissions and the retries after COOKIE and INVALID_KE_PAYLOAD meet the same worker. Keyed, so
 * that nobody without the key can aim at one worker. */
HF_SHARED uint32_t hf_first_worker(const uint64_t key[2], uint64_t spi_i, const uint8_t addr[16],
                                   uint32_t num_workers)
{
    struct hf_sip h = hf_sip_start(key);
    hf_sip_word(&h, __builtin_bswap64(spi_i), 1);
    hf_sip_word(&h, hf_word_load(addr), 1);
    hf_sip_word(&h, hf_word_load(addr + 8), 1);
    hf_sip_word(&h, 24ULL << 56, 1);
    /* The hash as a fraction of 2^32, times the count: no division. */
    return (uint32_t)((hf_sip_end(&h, 3) >> 32) * num_workers >> 32);
}
