/* Inner packets of the tests and what is right about them, byte by byte and apart from the code under test.
 */
#pragma once

#include "tests/unit/plane_user/world.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_PSH = 8, TCP_ACK = 16, TCP_ECE = 64, TCP_CWR = 128 };

struct packet_spec {
    bool is_v6, is_udp;
    bool from_client; /* else from the server to the client */
    uint16_t source_port, destination_port;
    uint8_t tos;
    uint16_t id;
    uint16_t fragment; /* IPv4 field, 0x4000 = may not be fragmented */
    uint32_t sequence, ack;
    uint8_t flags;
    uint16_t window;
    uint8_t options[12];
    uint32_t options_len;
    uint32_t payload_len;
    uint8_t payload_seed;
    bool is_partial; /* the checksum field holds the sum of the pseudo header alone */
};

struct packet_spec tcp_spec(void); /* client to server, ACK, DF, 100 bytes */
struct packet_spec to_client(void); /* the same from server to client */
struct packet_spec udp_spec(void);
/* Writes the packet, with right checksums; returns its length. */
size_t packet_write(const struct packet_spec *spec, uint8_t *ret_packet);
/* The header for a super-packet of that shape. */
struct virtio_net_hdr vnet_of(const struct packet_spec *spec, uint32_t gso_size);
uint8_t payload_byte(uint8_t seed, uint32_t offset);

/* Lengths fit and all checksums are right. */
bool packet_is_right(const uint8_t *packet, size_t len);

/* A packet through the gateway to the client; the SPI it left with, 0 when it did not. */
uint32_t spi_to_client(struct world *world, const struct packet_spec *spec);
