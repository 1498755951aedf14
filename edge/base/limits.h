/* Every limit of the product stands here, with the reason for its size. A limit that is hit has a cause in
 * cause.h. */
#pragma once

#include <stdint.h>

enum {
    /* IKE messages. 16 KiB after reassembly holds a chain of five RSA-4096 certificates; 32 fragments is
     * what Windows sends. */
    IKE_MESSAGE_BYTES_MAX = 16384,
    IKE_DATAGRAM_BYTES_MAX = 16384,
    IKE_FRAGMENTS_MAX = 32,
    IKE_FRAGMENT_BYTES = 1232,   /* UDP payload that fits IPv6's minimum MTU of 1280 */
    IKE_FRAGMENTS_SENT_MAX = 15, /* the longest message of ours, with up to 100 bytes of headers in each */
    IKE_PAYLOADS_MAX = 48,
    IKE_NOTIFIES_MAX = 24,
    IKE_CERTS_MAX = 10,
    IKE_DELETES_MAX = 8,
    IKE_PROPOSALS_MAX = 32,
    IKE_TRANSFORMS_MAX = 256, /* all proposals of one message; strongSwan's longest default has under 100 */
    IKE_ATTRIBUTES_MAX = 32,  /* configuration payload */
    IKE_SELECTORS_MAX = 32,   /* one TS payload */
    IKE_CHILD_SPIS_MAX = 16,  /* SPIs of one DELETE payload that are acted on */

    IKE_NONCE_BYTES_MIN = 16, /* RFC 7296 2.10 */
    IKE_NONCE_BYTES_MAX = 256,
    IKE_NONCE_BYTES = 32, /* ours */
    IKE_COOKIE_BYTES_MAX = 64,
    IKE_ID_BYTES_MAX = 256,
    IKE_KE_BYTES_MAX = 512, /* MODP-4096 */
    IKE_CERT_BYTES_MAX = 8192,
    IKE_RSA_BITS_MAX = 8192,
    IKE_SPLIT_DNS_MAX = 16,

    CHILD_PER_SA_MAX = 8,
    CHILD_NEW_PER_SA_MAX =
        4, /* the rest is for their successors: all of them can be rekeyed at the same time */
    SELECTORS_PER_CHILD_MAX = 8, /* each side, after narrowing */
    ADDRESSES_PER_SESSION_MAX = 2,
    DNS_PER_POOL_MAX = 4,

    PLANE_WARM_MAX =
        16384, /* children per worker whose expanded keys are kept (2 KiB each): those with traffic */
    /* Handshakes under way of an IPv4 /24 and of an IPv6 /48, as a multiple of what one IPv4 address may have
     * (half_open_per_address: thousands of people behind a carrier's NAT); a /56 has as many as an address, a
     * /64, which is one network of one household or office, half. */
    SOURCE_WIDER = 2,

    WORKERS_MAX = 64,
    POOLS_MAX = 64,
    SHARD_BITS_MIN = 4,
    SHARD_BITS_MAX = 14,

    FLEET_NODE_MAX = 1023, /* highest node number: ten bits of every IV */
    FLEET_MEMBERS_MAX = 256,
    FLEET_SITE_BYTES = 32, /* names, with their terminating zero */
    FLEET_VERSION_BYTES = 32,
    FLEET_EFFECTS_MAX = 256, /* one fleet_step */
    /* Packets that wait, in each worker, for shards that are being taken: of clients, and of the inner
     * network. A planned move takes some milliseconds, a takeover a lease's time. */
    FLEET_HELD_BYTES = 1 << 20,
    FLEET_HELD_MS = 3000,
    FLEET_HANDSHAKES_PER_SHARD = 32, /* slots beside those of sessions */
    TAKEOVER_REKEYS_PER_S = 300, /* Child SAs of others that one worker rekeys: key exchanges, and writes */

    EFFECTS_MAX = 64, /* one core_step */
    EFFECT_BYTES_MAX =
        143360, /* what one step's effects carry: a fragmented message, its copy, a record, names */
    RECORD_BYTES_MAX = 16384, /* a session's record, sealed; with its former IKE SA */
};

/* Key exchanges that lead to no login, of one IPv4 address or IPv6 /56, in units of about 65 us: a second of
 * a core at once, an eighth of one in the long run. */
#define SOURCE_WORK_MAX 16000
#define SOURCE_WORK_INTERVAL_NS UINT64_C(520000)

/* Outbound ESP sequence numbers are reserved in the store in steps of this many, so that a restarted daemon
 * continues above every number it may have used without writing per packet. */
#define ESP_SEQUENCE_STEP (UINT64_C(1) << 20)

/* What one ESP key may protect in one direction when the config does not say. AES-GCM's margin shrinks with
 * the square of the blocks under a key: 2^34 blocks leave a distinguisher 2^-60 or so, about where RFC
 * 8446 5.5 draws the line (2^24.5 records of 2^10 blocks, 2^-57). Every packet has a block or two of its own,
 * so packets count, too. */
#define ESP_KEY_BYTES_MAX (UINT64_C(1) << 38)
#define ESP_KEY_PACKETS_MAX (UINT64_C(1) << 34)
