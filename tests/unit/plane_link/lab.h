/* A client behind a tunnel, this gateway, and a server: three network namespaces joined by veth. The gateway
 * is the calling process; its end towards the client is hf0 and stands for a tunnel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAB_CLIENT_V4 "10.1.0.7"
#define LAB_CLIENT_V6 "fd00:1::7"
#define LAB_SERVER_V4 "198.51.100.9"
#define LAB_SERVER_V6 "fd00:2::9"
#define LAB_GATEWAY_V4 "198.51.100.1"
#define LAB_GATEWAY_V6 "fd00:2::1"

struct lab {
    pid_t client, server; /* each waits in its namespace */
};

/* False, after saying that the test is skipped, when this process may not. */
bool lab_open(struct lab *lab);
void lab_close(struct lab *lab);

/* What the two ends of a TCP connection from client to server make of it. */
struct lab_connection {
    int mss_client,
        mss_server; /* bytes of a segment they send: the other's MSS option less 12 for timestamps */
    char peer[64];  /* whom the server sees */
};
/* `mss`: what the client asks for (TCP_MAXSEG), 0: as its link. False when there was no connection in two
 * seconds. */
bool lab_connect(const struct lab *lab, bool is_v4, int mss, struct lab_connection *ret_connection);
