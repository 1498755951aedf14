/* The session store of a fleet: Valkey, or Redis 6.2 and later, as one server, as a primary with replicas, or
 * as a cluster. What is kept there, and how the servers are to be set up: docs/STORE.md.
 *
 * Nothing in it waits forever: an operation that could not be sent within timeout_ms ends with STORE_DOWN,
 * one that was sent and not answered within it with STORE_UNKNOWN. A store whose servers cannot be reached
 * opens all the same and goes on trying; store_stats() says why. */
#pragma once

#include "edge/store/store.h"

enum { VALKEY_SERVERS_MAX = 64 }; /* those of a cluster that are found by themselves count too */

struct store_valkey_server {
    const char *host; /* a name, or an address without brackets */
    uint16_t port;
};

enum store_valkey_mode {
    STORE_VALKEY_AUTO,       /* what the servers say that they are */
    STORE_VALKEY_SINGLE,     /* the first server, whatever its role */
    STORE_VALKEY_REPLICATED, /* the one of them that says it is the primary */
    STORE_VALKEY_CLUSTER,
};

/* Everything is copied. */
struct store_valkey_options {
    struct store_options store; /* path and size_mb are of no meaning; node and instance are needed */
    const struct store_valkey_server *servers;
    size_t num_servers;
    enum store_valkey_mode mode;
    const char *fleet;    /* prefix of every key: letters, digits, - _ . ; 1..32 of them */
    const char *user;     /* NULL or "": the default user */
    struct span password; /* empty: none */
    bool tls;             /* TLS 1.2 or 1.3, both ends' certificates checked as given here */
    struct span ca_pem;   /* who may sign a server's certificate */
    struct span cert_pem; /* ours, with its chain; empty: none */
    struct span key_pem;
    const char *tls_name;  /* the name a server's certificate must have; NULL: its host */
    uint32_t timeout_ms;   /* 0: 1000 */
    uint32_t min_replicas; /* that have a claim before it is answered; fewer: STORE_UNKNOWN. 0: the primary
                              alone */
};

/* NULL, and ret_error says why, when the options make no sense (names, PEM) or there is no memory or thread.
 */
struct store *store_valkey_open(const struct store_valkey_options *options, char ret_error[STORE_ERROR_MAX]);
