/* A packet of a class, and what must become of it. */
#pragma once

#include "tests/unit/ebpf/kernel.h"

enum what {
    WHAT_ESP,         /* native */
    WHAT_ESP_UDP,     /* on 4500 */
    WHAT_IKE_500,     /* from the initiator: SPIr is ours */
    WHAT_IKE_4500,    /* the same behind the marker */
    WHAT_IKE_REKEYED, /* on 4500, from the responder of an SA that we made: SPIi is ours */
    WHAT_FIRST_500,   /* IKE_SA_INIT */
    WHAT_FIRST_4500,
    WHAT_ICMP_IKE,     /* an error about our response on 4500, SPIr ours */
    WHAT_ICMP_REKEYED, /* an error about our request on 500 on an SA that we made, SPIi ours */
    WHAT_ICMP_ESP,
    WHAT_ICMP_ESP_UDP,
    WHAT_NATT_BYTES, /* `size` bytes 0xff on 4500 */
    WHAT_UDP_53,
    WHAT_TCP,
};

enum cookie { COOKIE_NONE, COOKIE_NOW, COOKIE_LAST_HOUR, COOKIE_WRONG, COOKIE_OLD };

struct packet {
    enum what what;
    struct form form;
    uint32_t shard;
    uint32_t index; /* of an ESP SPI */
    uint32_t size;  /* of ESP, of bytes; 0: 100 */
    enum cookie cookie;
    uint32_t nonce_len; /* 0: 32 */
};

#define CASE_SPI_I UINT64_C(0x1122334455667788)

void packet_make(const struct scene *scene, const struct packet *packet, struct frame *ret_frame);
/* The SPI of ours in it; 0: none. */
uint64_t packet_spi(const struct scene *scene, const struct packet *packet);
/* The cookie on the wire, computed from its description in shared.h over bytes. */
void packet_cookie(const struct scene *scene, const struct packet *packet, enum cookie cookie,
                   uint8_t ret_cookie[9]);

/* Node to node. */
struct hop_case {
    uint32_t source, dest; /* nodes */
    bool outer_v6;
    uint32_t vlans;
    uint32_t hop, epoch, table_version;
    bool notice;
};
/* `inner` (made from `packet`) as node `source` sends it to `dest`, by the description in steer.h; NULL: a
 * notice. Link addresses are those of packets that arrive here. */
void hop_make(const struct scene *scene, const struct hop_case *hop, const struct packet *packet,
              const struct frame *inner, struct frame *ret_frame);

/* What goes out. */
void expect_sealed(const struct scene *scene, const struct packet *packet, const struct frame *in,
                   uint32_t node, uint32_t hop, struct frame *ret_frame);
void expect_asked(const struct scene *scene, const struct packet *packet, struct frame *ret_frame);
void expect_too_big(const struct packet *packet, const struct frame *in, uint32_t mtu,
                    struct frame *ret_frame);

const char *verdict_name(uint32_t verdict);
/* The action that the verdict has in steer.h, without cpumap. */
int verdict_action(uint32_t verdict, bool elsewhere);
