/* Frames, byte by byte, by code that shares nothing with the program under test. */
#pragma once

#include "tests/unit/ebpf/scene.h"

#define FRAME_BYTES 3000

struct frame {
    uint8_t bytes[FRAME_BYTES];
    size_t len;
};

/* How a packet travels. */
struct form {
    bool v6;
    uint32_t vlans;
    bool from_node; /* outer packet between nodes: addresses of nodes, not of a client and the anycast one */
    bool answer;    /* from us: addresses and link addresses swapped */
    bool dont_fragment;  /* IPv4 DF */
    uint32_t options;    /* bytes of IPv4 options */
    uint32_t extensions; /* IPv6 destination options headers */
    bool atomic;         /* then an IPv6 fragment header that says "whole" */
    uint16_t fragment;   /* offset and more-flag, as in the IPv4 header or the IPv6 fragment header */
    uint8_t tos;
    uint32_t source_node, dest_node;
};

struct body {
    uint8_t bytes[FRAME_BYTES];
    size_t len;
};

void body_add(struct body *body, const void *bytes, size_t len);
void body_add_number(struct body *body, uint64_t value, size_t len); /* big-endian */

void frame_add(struct frame *frame, const void *bytes, size_t len);
void frame_add_link(struct frame *frame, const struct form *form, bool v6, const uint8_t to[6],
                    const uint8_t from[6]);
/* Link header, IP header, `body`. */
void frame_ip(struct frame *frame, const struct form *form, uint8_t proto, const struct body *body);
/* And UDP between; its checksum is set, but for node to node. */
void frame_udp(struct frame *frame, const struct form *form, uint16_t src_port, uint16_t dst_port,
               const struct body *body);
size_t frame_link_len(const struct form *form);

/* IKE: header, and payloads that are zeros up to `len`. */
void body_ike(struct body *body, uint64_t spi_i, uint64_t spi_r, uint8_t exchange, uint8_t flags, size_t len);
/* IKE_SA_INIT: SA, KE and Ni (of `nonce_len` bytes 1, 2, ..), before them a cookie of 9 bytes, if there is
 * one. */
void body_first(struct body *body, uint64_t spi_i, const uint8_t *cookie, size_t nonce_len);
void body_esp(struct body *body, uint32_t spi, size_t len);
/* An ICMP error that quotes an IP packet from us with this body. */
void body_icmp(struct body *body, const struct form *form, uint8_t proto, const struct body *quoted);
void body_udp(struct body *body, uint16_t src_port, uint16_t dst_port, const struct body *payload);

/* The client's, as the program keeps addresses. */
void client_addr(bool v6, uint8_t ret_addr[16]);
void anycast_addr(bool v6, uint8_t ret_addr[16]);

/* Ones' complement sum over `len` bytes (RFC 1071), for IP alone or on top of a pseudo header. */
uint16_t checksum(const uint8_t *bytes, size_t len, uint32_t start);
uint32_t pseudo_sum(const struct form *form, uint8_t proto, size_t len);
