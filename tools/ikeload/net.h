/* UDP sockets that send from any of many addresses: one socket for each source port, the address goes along
 * with each datagram. */
#pragma once

#include "edge/base/addr.h"

#include <sys/socket.h>

enum { NET_BATCH = 64, NET_DATAGRAM_BYTES = 16384 + 4 };

struct datagram {
    const struct endpoint *from;
    uint32_t socket; /* index of the port that it came to */
    bool esp;
    uint8_t *bytes; /* without marker; may be written to */
    size_t len;
};

struct net {
    int epoll;
    int *sockets;
    uint16_t *ports;
    uint32_t num_sockets;
    bool v4;
    uint8_t *rooms; /* NET_BATCH of NET_DATAGRAM_BYTES */
    uint64_t received, sent, unsent;
};

/* `remote` decides the family; ret_local gets the address that the kernel would send from. False with a
 * message on standard error. */
HF_MUST bool net_open(struct net *net, const struct ip_addr *remote, uint32_t num_ports,
                      struct ip_addr *ret_local);
void net_close(struct net *net);
/* With the four zero bytes in front that tell IKE from ESP when `marker` (RFC 3948). What cannot be sent is
 * lost, as on the way. */
void net_send(struct net *net, uint32_t socket, const struct ip_addr *from, const struct endpoint *to,
              bool marker, struct span bytes);
/* Up to NET_BATCH datagrams at once, as they stand; how many the kernel took. */
struct net_shot {
    struct ip_addr from;
    struct endpoint to;
    struct span bytes;
};
uint32_t net_send_many(struct net *net, uint32_t socket, const struct net_shot *shots, uint32_t count);
/* Waits for at most so long, then hands over what has come. */
void net_receive(struct net *net, ns_t wait_ns, void (*take)(void *context, const struct datagram *datagram),
                 void *context);
