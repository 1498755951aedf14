/* Messages put together byte by byte, by code that shares nothing with edge/wire/build.c and that may lie. */
#pragma once

#include "edge/base/span.h"

struct raw {
    uint8_t bytes[20000];
    size_t len;
};

void raw_u8(struct raw *raw, unsigned value);
void raw_u16(struct raw *raw, unsigned value);
void raw_u32(struct raw *raw, uint32_t value);
/* Hex digits; spaces and '|' are for the eye, "ab*20" is the byte ab twenty times. */
void raw_hex(struct raw *raw, const char *hex);
void raw_text(struct raw *raw, const char *text);

/* Opens a payload that names the next one; raw_close() fills in its length. */
size_t raw_payload(struct raw *raw, unsigned next);
/* Fills the length of a payload or substructure that began at `at`, counting up to here. */
void raw_close(struct raw *raw, size_t at);

/* The body of an SA payload from a line such as "1 ike e20:128 e20:256 p5 k31; 2 esp=a1a2a3a4 e12:256 i12
 * n0": per proposal number, protocol (ike, ah, esp) with an SPI in hex, transforms by type letter (encr,
 * prf, integ, ke, n for ESN), id and key length. */
void raw_sa_body(struct raw *raw, const char *line);

static inline struct span raw_span(const struct raw *raw)
{
    return span_of(raw->bytes, raw->len);
}
