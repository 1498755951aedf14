/* One store of some kind, used step by step: each call submits, waits for the completion and returns its
 * result. */
#pragma once

#include "edge/store/valkey.h"
#include "tests/unit/store/server.h"

enum { HARNESS_SERVERS_MAX = 3 };

/* What stores of several nodes share. */
struct harness_medium {
    uint32_t users;
    struct memory_medium *memory;
    ns_t now;
    char folder[64]; /* of the servers */
    struct server servers[HARNESS_SERVERS_MAX];
    size_t num_servers;
    struct store_valkey_server addresses[HARNESS_SERVERS_MAX];
    struct store_valkey_options options; /* but node and instance */
};

struct harness {
    const char *kind; /* for messages */
    int number;       /* HARNESS_MEMORY and so on */
    char path[64];    /* a fresh directory of this test */
    uint32_t size_mb;
    struct harness_medium *medium; /* NULL: alone */
    uint16_t node;
    uint64_t instance;
    struct store *store;
    uint64_t token;
    uint16_t epoch;                    /* of the last claim */
    struct store_done done;            /* the last one */
    struct store_record records[4096]; /* of the last scan; values are copies */
    size_t num_records;
};

#define HARNESS_WORKERS 2

#define HARNESS_SHARDS 16 /* in the owners' table, at least */

/* All kinds, for `for (int kind = 0; kind < HARNESS_KINDS; kind++)`. Those from HARNESS_FLEETS on are shared
 * by several nodes. */
enum {
    HARNESS_MEMORY,
    HARNESS_LMDB,
    HARNESS_SHARED_MEMORY,
    HARNESS_VALKEY,
    HARNESS_KINDS,
    HARNESS_CLUSTER = HARNESS_KINDS, /* three servers, which stay until harness_cluster_end() */
    HARNESS_FLEETS = HARNESS_SHARED_MEMORY
};

/* Of a fleet: node 1, with a lease that outlasts the test. */
struct harness *harness_new(int kind);
/* The same on servers that are running already; the medium is the harness's from now on. */
struct harness *harness_on(struct harness_medium *medium, int kind);
/* Without a lease: for servers that do not work. */
struct harness *harness_open_on(struct harness_medium *medium, int kind);
/* Starts `count` servers with these arguments (NULL: none). */
struct harness_medium *harness_servers(size_t count, const char *const *args);
void harness_cluster_end(void);
/* For who counts as a user of the medium himself. */
void harness_medium_end(struct harness_medium *medium);
/* Another node on the same medium, or the same node in another life; without a lease. */
struct harness *harness_join(struct harness *other, uint16_t node, uint64_t instance);
/* Time passes for the medium. */
void harness_pass(struct harness *h, uint32_t ms);
/* With the directory as it is and this size (MB, 0: default); asserts that it opens and says nothing. */
void harness_open(struct harness *h);
void harness_close(struct harness *h);
/* LMDB: closed and opened again; memory: as it is. */
void harness_reopen(struct harness *h);
void harness_free(struct harness *h); /* removes the directory */

enum store_result harness_do(struct harness *h, struct store_op op);
enum store_result harness_lease(struct harness *h, const char *value, uint32_t ttl_ms);
/* The last view's owners' table; asserts that there is one. */
struct span harness_owners(struct harness *h);

enum store_result harness_claim(struct harness *h, uint16_t shard);
enum store_result harness_put(struct harness *h, uint16_t shard, uint32_t index, uint32_t replaces,
                              struct span value);
enum store_result harness_delete(struct harness *h, uint16_t shard, uint32_t index);
enum store_result harness_scan(struct harness *h, uint16_t shard);
/* The record of the last scan with this index; NULL when there is none. */
const struct store_record *harness_record(const struct harness *h, uint32_t index);

/* Waits until the worker has a completion; false after ten seconds without. */
bool store_wait(struct store *store, uint32_t worker, struct store_completion *ret_completion);
void folder_remove(const char *path);
