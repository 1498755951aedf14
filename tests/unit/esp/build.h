/* What the ESP tests build by hand: suites, keys, inner packets. */
#pragma once

#include "edge/esp/packet.h"

struct suite_row {
    uint16_t encr, bits, integ;
    bool esn;
};

#define NUM_SUITES 10
extern const struct suite_row suites[NUM_SUITES];

struct esp_suite suite_of(const struct suite_row *row);
struct esp_keys keys_of(uint8_t seed);

/* An IPv4 (10.0.0.1 -> 10.0.0.2) or IPv6 packet of `len` bytes (from 20 or 40), protocol 253 with a pattern.
 */
void inner_v4(uint8_t *ret_packet, size_t len);
void inner_v6(uint8_t *ret_packet, size_t len);
