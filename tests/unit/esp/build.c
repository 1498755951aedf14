#include "tests/unit/esp/build.h"

#include "edge/base/bytes.h"

const struct suite_row suites[NUM_SUITES] = {
    {ENCR_AES_GCM_16, 128, INTEG_NONE, false},
    {ENCR_AES_GCM_16, 128, INTEG_NONE, true},
    {ENCR_AES_GCM_16, 192, INTEG_NONE, true},
    {ENCR_AES_GCM_16, 256, INTEG_NONE, true},
    {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, true},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, true},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192, true},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, true},
};

struct esp_suite suite_of(const struct suite_row *row)
{
    return (struct esp_suite){row->encr, row->bits, row->integ, KE_NONE, row->esn};
}

struct esp_keys keys_of(uint8_t seed)
{
    struct esp_keys keys;

    for (size_t i = 0; i < sizeof(keys.encr); i++) {
        keys.encr[i] = (uint8_t)(seed + 7 * i);
    }
    for (size_t i = 0; i < sizeof(keys.integ); i++) {
        keys.integ[i] = (uint8_t)(seed + 11 * i + 1);
    }
    return keys;
}

static void pattern(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * 31 + len);
    }
}

void inner_v4(uint8_t *ret_packet, size_t len)
{
    const uint8_t header[INNER_V4_HEADER] = {0x45, 0, 0,  0, 0, 1, 0,  0, 64, 253,
                                             0,    0, 10, 0, 0, 1, 10, 0, 0,  2};

    memcpy(ret_packet, header, sizeof(header));
    be16_store(ret_packet + 2, (uint16_t)len);
    pattern(ret_packet + sizeof(header), len - sizeof(header));
}

void inner_v6(uint8_t *ret_packet, size_t len)
{
    const uint8_t header[INNER_V6_HEADER] = {0x60, 0,    0, 0,        0,    0, 253,
                                             64,   0x20, 1, [23] = 1, 0x20, 1, [39] = 2};

    memcpy(ret_packet, header, sizeof(header));
    be16_store(ret_packet + 4, (uint16_t)(len - INNER_V6_HEADER));
    pattern(ret_packet + sizeof(header), len - sizeof(header));
}
