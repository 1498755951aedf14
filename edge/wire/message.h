/* One IKE message as views into its bytes (RFC 7296 section 3). Reading never allocates, logs or acts: it
 * fills views or names the cause why not. Whether a message makes sense in a state is the engine's
 * question, not the parser's. */
#pragma once

#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/base/span.h"
#include "edge/wire/ids.h"

#define IKE_HEADER_BYTES 28
#define PAYLOAD_HEADER_BYTES 4
#define NON_ESP_MARKER_BYTES 4

struct ike_header {
    uint64_t spi_i, spi_r;
    uint8_t next_payload;
    uint8_t version; /* major << 4 | minor */
    uint8_t exchange;
    uint8_t flags;
    uint32_t message_id;
    uint32_t length;
};

/* The 28 bytes at the start, and that `length` is exactly the datagram's. CAUSE_SHORT, CAUSE_LENGTH,
 * CAUSE_VERSION (major other than 2; the header is filled all the same, because INVALID_MAJOR_VERSION needs
 * it), CAUSE_IKE_SPI_ZERO (initiator's SPI 0). Minor versions and reserved flags are ignored (RFC 7296
 * 2.5). */
HF_MUST enum cause ike_header_read(struct span datagram, struct ike_header *ret_header);

struct payload {
    uint8_t type;
    bool critical;
    struct span body;   /* after the generic header */
    size_t body_offset; /* of `body` from the start of the chain's memory */
};

struct payloads {
    struct payload v[IKE_PAYLOADS_MAX];
    uint32_t count;
    uint64_t present;          /* bit (type - 33) for types 33..96 */
    uint8_t inner_first;       /* next-payload field of the SK or SKF payload, which ends the chain */
    uint8_t unknown_critical;  /* first unknown payload type with the critical bit, 0 when none */
};

#define PAYLOAD_BIT(type) (UINT64_C(1) << ((type) - 33))

/* Splits a chain that starts with type `first` and must fill `chain` exactly. SK and SKF end it and must be
 * last. Unknown types are kept out of `v` and of `present`; the first critical one is noted in
 * unknown_critical. They count for the limit all the same. CAUSE_PAYLOAD_LENGTH, CAUSE_PAYLOAD_COUNT. */
HF_MUST enum cause payloads_read(uint8_t first, struct span chain, struct payloads *ret_payloads);

struct transform {
    uint8_t type;
    uint16_t id;
    uint16_t key_bits; /* 0 when the attribute is absent */
    bool unknown_attribute; /* such a transform must not be chosen (RFC 7296 3.3.6) */
};

struct proposal {
    uint8_t number;
    uint8_t protocol;
    struct span spi; /* 0, 4 or 8 bytes; other sizes are a CAUSE_SA_SPI_SIZE */
    uint16_t first;  /* into sa_view.transforms */
    uint16_t count;
};

struct sa_view {
    struct proposal proposals[IKE_PROPOSALS_MAX];
    uint32_t count;
    struct transform transforms[IKE_TRANSFORMS_MAX];
    uint32_t num_transforms;
};

/* Proposal numbers: any first number from 1 on, then never decreasing (macOS 14 echoes its old one on
 * rekey). More proposals or transforms than the limits is an error, not a truncation: half a list would be
 * another offer. Every proposal has at least one transform, an IKE proposal an SPI of 0 or 8 bytes, an AH
 * or ESP proposal one of 4; the SPI's value is not looked at. CAUSE_SA_SYNTAX, CAUSE_SA_SPI_SIZE,
 * CAUSE_SA_COUNT; the view is then empty. */
HF_MUST enum cause sa_read(struct span body, struct sa_view *ret_sa);

struct selector {
    uint8_t protocol; /* IP protocol, 0 = any */
    uint16_t port_first, port_last;
    struct span first, last; /* 4 or 16 bytes each */
};

struct ts_view {
    struct selector v[IKE_SELECTORS_MAX];
    uint32_t count; /* selectors of unknown type are skipped, not counted */
};

/* At least one selector on the wire (of any type), addresses in order and none a v4-mapped one, ports in
 * order or OPAQUE (65535..0). CAUSE_TS_SYNTAX, CAUSE_TS_COUNT; the view is then empty. */
HF_MUST enum cause ts_read(struct span body, struct ts_view *ret_ts);

struct notify {
    uint8_t protocol;
    uint16_t type;
    struct span spi;
    struct span data;
};

struct delete_view {
    uint8_t protocol;
    uint8_t spi_bytes;
    uint16_t count;
    struct span spis; /* count * spi_bytes */
};

struct id_view {
    uint8_t type; /* 0 when absent */
    struct span data;
    struct span body; /* the whole payload body: what is signed (RFC 7296 2.15) */
};

struct cp_attribute {
    uint16_t type;
    struct span value;
};

struct cp_view {
    uint8_t type; /* 0 when absent */
    struct cp_attribute v[IKE_ATTRIBUTES_MAX];
    uint32_t count; /* further attributes are ignored: each is an independent wish */
};

struct cert_view {
    uint8_t encoding;
    struct span data;
};

/* All payloads of one message, parsed. Spans point into the message's memory; absent ones are empty. */
struct message {
    uint64_t present;         /* bits as in payloads.present */
    uint8_t unknown_critical;
    struct span sa;           /* bodies; sa_read()/ts_read() by who needs them, they are big */
    struct span ts_i, ts_r;
    uint16_t ke_group;
    struct span ke;
    struct span nonce;        /* 16..256 bytes when present */
    struct id_view id_i, id_r;
    struct cert_view certs[IKE_CERTS_MAX];
    uint32_t num_certs;
    bool has_certreq;
    uint8_t auth_method;
    struct span auth;
    struct notify notifies[IKE_NOTIFIES_MAX];
    uint32_t num_notifies;    /* status types without a name in ids.h are left out (RFC 7296 3.10.1) */
    struct delete_view deletes[IKE_DELETES_MAX];
    uint32_t num_deletes;
    struct cp_view cp;
    struct span eap;
};

/* Fills `ret_message` from a chain. A payload that may occur once and occurs twice is a
 * CAUSE_PAYLOAD_TWICE; more certificates, notifies or deletes than fit are a CAUSE_PAYLOAD_COUNT; malformed
 * bodies have a cause each. What callers may rely on: ids have 1..IKE_ID_BYTES_MAX bytes (addresses 4 or
 * 16), COOKIE 1..64, COOKIE2 8..64, NO_NATS_ALLOWED 12 or 36, INVALID_KE_PAYLOAD 2, QCD_TOKEN 16..128,
 * TICKET_LT_OPAQUE 5 or more, TICKET_OPAQUE 1 or more, IKEV2_MESSAGE_ID_SYNC 12, IPSEC_REPLAY_COUNTER_SYNC 4
 * or 8, SIGNATURE_HASH_ALGORITHMS an even number, REKEY_SA names AH or ESP and has an SPI of 4. Sizes of
 * configuration attributes are not checked. */
HF_MUST enum cause message_read(const struct payloads *payloads, struct message *ret_message);

/* The first notify of a type, NULL when absent. */
const struct notify *message_notify(const struct message *message, uint16_t type);

/* An SKF payload's body (RFC 7383 2.5): number, total, and what is sealed. CAUSE_FRAGMENT_NUMBER for 0,
 * number > total or total > IKE_FRAGMENTS_MAX, CAUSE_PAYLOAD_LENGTH when too short for them. */
struct fragment_view {
    uint16_t number, total;
    struct span sealed;
};
HF_MUST enum cause fragment_read(struct span body, struct fragment_view *ret_fragment);
