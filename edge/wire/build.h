/* Writing IKE messages: a slot writer that patches next-payload bytes and lengths, so that the caller lists
 * payloads in order and nothing else. Overflow is sticky in the writer and checked once, by message_end(). */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/writer.h"
#include "edge/wire/message.h"

struct builder {
    struct writer w;
    size_t next_at;    /* offset of the byte that will name the next payload, or a mark of build.c */
    size_t payload_at; /* offset of the open payload's generic header, or a mark of build.c */
    uint8_t first;     /* type of the first payload, for a chain without an IKE header */
    bool headless;
};

/* A message with its 28-byte header into `memory`; header.length and next_payload are filled in later. */
void message_begin(struct builder *b, void *memory, size_t cap, const struct ike_header *header);
/* A chain of inner payloads without header, to be sealed: its first type ends up in b->first. */
void chain_begin(struct builder *b, void *memory, size_t cap);
/* The finished bytes, with the header's length patched; when they did not fit, a span whose data is NULL
 * (an empty chain has length 0 and data). */
struct span message_end(struct builder *b);

/* One payload: begin, write its body through b->w, end. */
void payload_begin(struct builder *b, uint8_t type);
void payload_end(struct builder *b);

/* Whole payloads. */
void build_notify(struct builder *b, uint8_t protocol, struct span spi, uint16_t type, struct span data);
void build_nonce(struct builder *b, struct span nonce);
void build_ke(struct builder *b, uint16_t group, struct span data);
void build_id(struct builder *b, uint8_t payload_type, uint8_t id_type, struct span data);
void build_cert(struct builder *b, uint8_t encoding, struct span data);
void build_certreq(struct builder *b, struct span authorities);
void build_auth(struct builder *b, uint8_t method, struct span data);
/* IKE: spi_bytes and count 0; AH and ESP: spi_bytes 4 and `count` SPIs in host byte order. */
void build_delete(struct builder *b, uint8_t protocol, uint8_t spi_bytes, const uint32_t *spis,
                  uint16_t count);

/* An SA payload with the given proposals; transforms of each as in sa_view. */
void build_sa(struct builder *b, const struct sa_view *sa);

/* Selector ranges as addresses (both of one family). */
struct ts_range {
    uint8_t protocol;
    uint16_t port_first, port_last;
    struct ip_addr first, last;
};
void build_ts(struct builder *b, uint8_t payload_type, const struct ts_range *ranges, uint32_t count);
/* The selector's addresses as ip_addr, both of one family (ts_read() saw to it). Compare ranges only within
 * a family: in the order of ip_addr an IPv6 range may span all of IPv4. */
void selector_range(const struct selector *selector, struct ts_range *ret_range);

/* Configuration payload: begin with CFG_REPLY or CFG_REQUEST, attributes, end by payload_end(). */
void cp_begin(struct builder *b, uint8_t cp_type);
void cp_attribute(struct builder *b, uint16_t type, struct span value);

/* Opens an SK payload as the last one and returns the offset where its body (IV | ciphertext | ICV) of
 * `body_bytes` begins, having reserved and zeroed it; the payload's next-payload byte is `inner_first`. The
 * bytes before that offset are the AAD. */
size_t build_sk(struct builder *b, uint8_t inner_first, size_t body_bytes);
/* The same for an SKF payload; `inner_first` is 0 for all but the first fragment (RFC 7383 2.5). */
size_t build_skf(struct builder *b, uint8_t inner_first, uint16_t number, uint16_t total, size_t body_bytes);
