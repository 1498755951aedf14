/* IP addresses, endpoints and prefixes. IPv4 is kept in its v4-mapped form (::ffff:a.b.c.d), so one
 * comparison and one hash serve both families. */
#pragma once

#include "edge/base/span.h"

struct ip_addr {
    uint8_t bytes[16];
};

struct endpoint {
    struct ip_addr addr;
    uint16_t port; /* host byte order */
};

struct ip_prefix {
    struct ip_addr addr;
    uint8_t bits; /* of the family: 0..32 or 0..128 */
    bool is_v4;
};

#define IP_TEXT_MAX 48
#define ENDPOINT_TEXT_MAX 56
#define PREFIX_TEXT_MAX 52

bool ip_is_v4(const struct ip_addr *addr);
bool ip_is_zero(const struct ip_addr *addr); /* 0.0.0.0, :: */
struct ip_addr ip_from_v4(const uint8_t bytes[4]);
struct ip_addr ip_from_v6(const uint8_t bytes[16]); /* the v4-mapped form becomes the IPv4 address */
/* The address in its own family: 4 or 16 bytes, a view into `addr`. */
struct span ip_span(const struct ip_addr *addr);
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* Unsigned order of the 16 bytes: <0, 0, >0. */
int ip_compare(const struct ip_addr *a, const struct ip_addr *b);
/* addr + offset, as a number of its family: 255.255.255.255 + 1 wraps to 0.0.0.0. */
struct ip_addr ip_add(const struct ip_addr *addr, uint64_t offset);

/* Text, as RFC 5952 writes it (IPv4 dotted), "192.0.2.1:500", "[2001:db8::1]:500", "10.0.0.0/8"; the
 * returned pointer is `ret_text`. */
const char *ip_format(const struct ip_addr *addr, char ret_text[IP_TEXT_MAX]);
const char *endpoint_format(const struct endpoint *ep, char ret_text[ENDPOINT_TEXT_MAX]);
const char *prefix_format(const struct ip_prefix *prefix, char ret_text[PREFIX_TEXT_MAX]);
/* Dotted IPv4 without leading zeros or IPv6, no zone, nothing before or after; `ret_addr` is untouched on
 * failure. */
HF_MUST bool ip_parse(const char *text, struct ip_addr *ret_addr);
/* "10.0.0.0/8"; a bare address is a prefix of full length; host bits beyond the length are refused. */
HF_MUST bool prefix_parse(const char *text, struct ip_prefix *ret_prefix);

/* A prefix holds addresses of its own family only: 10.0.0.1 is not in ::/0. Bits beyond the family's are a
 * bug (asserted). */
bool prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr);
bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
bool prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
/* Lowest and highest address. */
struct ip_addr prefix_first(const struct ip_prefix *prefix);
struct ip_addr prefix_last(const struct ip_prefix *prefix);
