#include "ebpf/shared.h"
#include "edge/base/addr.h"

#include <criterion/criterion.h>

static const uint64_t KEY[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* The nonce is a0 a1 a2 ... Computed by a second implementation from the description in shared.h alone; and
 * frozen, because nodes of two releases must accept each other's cookies. */
static const struct {
    uint64_t spi_i;
    const char *addr;
    uint32_t nonce_len;
    uint64_t mac;
} VECTORS[] = {
    {0x0123456789abcdef, "192.0.2.7", 16, 0xf169025215331427},
    {0x0123456789abcdef, "192.0.2.7", 17, 0x21a4f4d20400ad13},
    {0x0123456789abcdef, "192.0.2.7", 24, 0xf95a0539820fced9},
    {0x0123456789abcdef, "192.0.2.7", 32, 0xd244aa27c6f371d3},
    {0x0123456789abcdef, "192.0.2.7", 255, 0xc1f5b36a177781b7},
    {0x0123456789abcdef, "192.0.2.7", 256, 0xbf2ed30d84725a87},
    {0xfedcba9876543210, "2001:db8::7", 16, 0x6cfe1d1bb41262a9},
    {0xfedcba9876543210, "2001:db8::7", 17, 0x720dc7732fc6fbe0},
    {0xfedcba9876543210, "2001:db8::7", 24, 0x4032309b9f3d5dc3},
    {0xfedcba9876543210, "2001:db8::7", 32, 0x7c2b85191fceef99},
    {0xfedcba9876543210, "2001:db8::7", 255, 0xef4c7adfe1e2133d},
    {0xfedcba9876543210, "2001:db8::7", 256, 0xa11ad96f75894100},
};

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr), "%s", text);
    return addr;
}

static void nonce_fill(uint8_t nonce[256])
{
    for (int i = 0; i < 256; i++) {
        nonce[i] = (uint8_t)(0xa0 + i);
    }
}

Test(cookie, vectors)
{
    uint8_t nonce[256];
    nonce_fill(nonce);
    for (size_t i = 0; i < HF_COUNT(VECTORS); i++) {
        struct ip_addr addr = addr_of(VECTORS[i].addr);
        uint64_t mac = hf_cookie_mac(KEY, VECTORS[i].spi_i, addr.bytes, nonce, VECTORS[i].nonce_len);
        cr_assert_eq(mac, VECTORS[i].mac, "%zu", i);
    }
}

/* Everything the cookie speaks for changes it (RFC 7296 2.6), zeros appended to the nonce too. */
Test(cookie, binds_spi_address_nonce_and_key)
{
    uint8_t nonce[40] = {1, 2, 3};
    struct ip_addr addr = addr_of("192.0.2.7"), other = addr_of("192.0.2.8");
    const uint64_t other_key[2] = {KEY[0], KEY[1] + 1};
    uint64_t mac = hf_cookie_mac(KEY, 1, addr.bytes, nonce, 30);
    cr_assert_neq(hf_cookie_mac(other_key, 1, addr.bytes, nonce, 30), mac);
    cr_assert_neq(hf_cookie_mac(KEY, 2, addr.bytes, nonce, 30), mac);
    cr_assert_neq(hf_cookie_mac(KEY, 1, other.bytes, nonce, 30), mac);
    cr_assert_neq(hf_cookie_mac(KEY, 1, addr.bytes, nonce, 31), mac);
    cr_assert_neq(hf_cookie_mac(KEY, 1, addr.bytes, nonce, 40), mac);
    nonce[29] ^= 1;
    cr_assert_neq(hf_cookie_mac(KEY, 1, addr.bytes, nonce, 30), mac);
}

Test(cookie, on_the_wire)
{
    static const uint8_t expected[HF_COOKIE_BYTES] = {0x42, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t cookie[HF_COOKIE_BYTES];
    hf_cookie_write(0x42, 0x0102030405060708, cookie);
    cr_assert(memcmp(cookie, expected, sizeof(cookie)) == 0);
    cr_assert(hf_cookie_has_mac(cookie, 0x0102030405060708));
    for (int bit = 0; bit < 64; bit++) {
        cr_assert(!hf_cookie_has_mac(cookie, 0x0102030405060708 ^ UINT64_C(1) << bit));
    }
}

/* Workers of 1, 2, 7 and 64, by the second implementation: every program that steers must choose alike. */
static const struct {
    uint64_t spi_i;
    const char *addr;
    uint32_t of_1, of_2, of_7, of_64;
} WORKERS[] = {
    {0x0123456789abcdef, "192.0.2.7", 0, 0, 1, 9},
    {0x0123456789abcdef, "192.0.2.8", 0, 1, 5, 47},
    {0x0123456789abcdee, "192.0.2.7", 0, 0, 1, 17},
    {0xfedcba9876543210, "2001:db8::7", 0, 0, 0, 3},
};

Test(cookie, first_worker)
{
    uint32_t hits[7] = {0};
    for (size_t i = 0; i < HF_COUNT(WORKERS); i++) {
        struct ip_addr addr = addr_of(WORKERS[i].addr);
        cr_assert_eq(hf_first_worker(KEY, WORKERS[i].spi_i, addr.bytes, 1), WORKERS[i].of_1);
        cr_assert_eq(hf_first_worker(KEY, WORKERS[i].spi_i, addr.bytes, 2), WORKERS[i].of_2);
        cr_assert_eq(hf_first_worker(KEY, WORKERS[i].spi_i, addr.bytes, 7), WORKERS[i].of_7);
        cr_assert_eq(hf_first_worker(KEY, WORKERS[i].spi_i, addr.bytes, 64), WORKERS[i].of_64);
    }
    struct ip_addr addr = addr_of("192.0.2.7");
    for (uint64_t spi = 0; spi < 70000; spi++) {
        hits[hf_first_worker(KEY, spi, addr.bytes, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert(hits[i] > 9500 && hits[i] < 10500, "worker %d: %u", i, hits[i]);
    }
}
