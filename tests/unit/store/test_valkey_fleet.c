/* The Valkey store and several servers: fail-over, a cluster whose slots move, TLS and passwords; and what a
 * stolen dump shows. */
#include "edge/crypto/seal.h"
#include "edge/session/record.h"
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct span text(const char *value)
{
    return span_of_string(value);
}

static enum store_result put(struct harness *h, uint16_t shard, uint32_t index, const char *value)
{
    return harness_put(h, shard, index, STORE_NO_INDEX, text(value));
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *error_of(struct harness *h)
{
    static struct store_stats stats;
    store_stats(h->store, &stats);
    return stats.error;
}

/* ---- a primary and its replica */

static struct harness *harness_replicated(uint32_t min_replicas)
{
    struct harness_medium *medium = harness_servers(2, NULL);
    char line[64];
    snprintf(line, sizeof(line), "REPLICAOF 127.0.0.1 %u", medium->servers[0].port);
    server_await(&medium->servers[1], line, "OK");
    server_await(&medium->servers[1], "INFO replication", "master_link_status:up");
    medium->options.num_servers = 1; /* it finds the replica by itself */
    medium->options.min_replicas = min_replicas;
    medium->options.timeout_ms = 4000; /* the machine may be busy */
    struct harness *h = harness_on(medium, HARNESS_VALKEY);
    usleep(50 * 1000);
    return h;
}

Test(valkey_fleet, the_primary_is_killed)
{
    struct harness *h = harness_replicated(1);
    cr_assert_eq(harness_claim(h, 1), STORE_OK, "%s", error_of(h));
    cr_assert_eq(put(h, 1, 1, "before"), STORE_OK);
    server_await(&h->medium->servers[1], "EXISTS {test:1}:records", "1");
    server_kill(&h->medium->servers[0]);
    server_await(&h->medium->servers[1], "REPLICAOF NO ONE", "OK");
    uint64_t promoted = now_ms();
    uint32_t tries = 1;
    while (put(h, 1, 2, "after") != STORE_OK && tries < 1000) {
        usleep(5000);
        tries++;
    }
    uint64_t took = now_ms() - promoted;
    cr_log_info("fail-over followed in %u ms, %u refused", (unsigned)took, tries - 1);
    cr_expect_lt(took, 1000);
    cr_assert_eq(harness_scan(h, 1), STORE_OK);
    cr_expect_eq(h->num_records, 2);
    cr_expect_eq(harness_claim(h, 1), STORE_UNKNOWN, "no replica is there to have it");
    cr_expect_not_null(strstr(error_of(h), "fewer than 1 replica"), "%s", error_of(h));
    harness_free(h);
}

/* Nothing ends but the role: what was sent to the former primary is refused there, and sent again. */
Test(valkey_fleet, roles_are_exchanged)
{
    struct harness *h = harness_replicated(0);
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    for (uint32_t round = 0; round < 3; round++) {
        const struct server *from = &h->medium->servers[round % 2],
                            *to = &h->medium->servers[(round + 1) % 2];
        for (uint32_t i = 0; i < 300; i++) {
            struct store_op op = {.type = STORE_PUT, .shard = 1, .epoch = 1, .replaces = STORE_NO_INDEX};
            op.index = 1000 * round + i;
            op.value = text("x");
            cr_assert(store_submit(h->store, 1, &op));
        }
        server_await(from, "FAILOVER", "OK");
        for (uint32_t i = 0; i < 20; i++) {
            cr_expect_eq(put(h, 1, 1000 * round + 300 + i, "x"), STORE_OK, "%s", error_of(h));
            usleep(10 * 1000);
        }
        for (uint32_t i = 0; i < 300; i++) {
            struct store_completion completion;
            cr_assert(store_wait(h->store, 1, &completion));
            cr_expect_eq(completion.done.result, STORE_OK);
        }
        server_await(to, "INFO replication", "role:master");
        server_await(from, "INFO replication", "master_link_status:up");
    }
    cr_assert_eq(harness_scan(h, 1), STORE_OK);
    cr_expect_eq(h->num_records, 960, "%zu", h->num_records);
    harness_free(h);
}

/* ---- a cluster */

/* Moves the slot of `key` from the server that has it to another, with what is in it, by hand. */
static void slot_move(struct harness_medium *medium, const char *key, void (*in_between)(void *),
                      void *context)
{
    char line[256], ids[2][64];
    size_t from = 0;
    snprintf(line, sizeof(line), "CLUSTER KEYSLOT '%s'", key);
    unsigned slot = (unsigned)strtoul(server_say(&medium->servers[0], line), NULL, 10);
    snprintf(line, sizeof(line), "EXISTS '%s'", key);
    while (server_say(&medium->servers[from], line)[0] == 'M') { /* MOVED */
        from++;
    }
    const struct server *servers[2] = {&medium->servers[from], &medium->servers[(from + 1) % 3]};
    for (int i = 0; i < 2; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%.40s", server_say(servers[i], "CLUSTER MYID"));
    }
    snprintf(line, sizeof(line), "CLUSTER SETSLOT %u IMPORTING %s", slot, ids[0]);
    server_await(servers[1], line, "OK");
    snprintf(line, sizeof(line), "CLUSTER SETSLOT %u MIGRATING %s", slot, ids[1]);
    server_await(servers[0], line, "OK");
    in_between(context);
    char keys[160] = "";
    snprintf(line, sizeof(line), "CLUSTER GETKEYSINSLOT %u 100 | tr '\\n' ' '", slot);
    snprintf(keys, sizeof(keys), "%s", server_say(servers[0], line));
    snprintf(line, sizeof(line), "MIGRATE 127.0.0.1 %u '' 0 5000 KEYS %s", servers[1]->port, keys);
    server_await(servers[0], line, "OK");
    in_between(context);
    for (int i = 1; i >= 0; i--) {
        snprintf(line, sizeof(line), "CLUSTER SETSLOT %u NODE %s", slot, ids[1]);
        server_await(servers[i], line, "OK");
    }
    in_between(context);
}

static void shard_use(void *context)
{
    struct harness *h = context;
    static uint32_t index;
    cr_expect_eq(put(h, 5, ++index, "x"), STORE_OK, "%u: %s", index, error_of(h));
    cr_expect_eq(harness_scan(h, 5), STORE_OK, "%u: %s", index, error_of(h));
    cr_expect_eq(h->num_records, index);
}

static void fleet_use(void *context)
{
    struct harness *h = context;
    cr_expect_eq(harness_lease(h, "still here", 60000), STORE_OK, "%s", error_of(h));
    cr_expect_eq(harness_do(h, (struct store_op){.type = STORE_VIEW}), STORE_OK, "%s", error_of(h));
}

Test(valkey_fleet, slots_move)
{
    struct harness *h = harness_new(HARNESS_CLUSTER);
    cr_assert_eq(harness_claim(h, 5), STORE_OK);
    shard_use(h);
    slot_move(h->medium, "{test:5}:fence", shard_use, h);
    slot_move(h->medium, "{test}:members", fleet_use, h);
    cr_expect_eq(harness_claim(h, 5), STORE_OK, "%s", error_of(h));
    harness_free(h);
    harness_cluster_end();
}

/* ---- who may */

static void shell_run(const char *line)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-ec", line, (char *)NULL);
        _exit(1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0, "%s", line);
}

static struct span file_read(const char *folder, const char *name)
{
    char path[160];
    static char bytes[8][8192];
    static size_t next;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    char *room = bytes[next++ % 8];
    size_t len = fread(room, 1, sizeof(bytes[0]), file);
    fclose(file);
    return span_of(room, len);
}

/* A CA, the server's certificate for 127.0.0.1 and localhost, ours. */
static void certificates_make(const struct server *server)
{
    static const char script[] =
        "cd %s; exec 2>log; for n in ca other; do openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes "
        "-keyout $n.key -out $n.pem -subj /CN=$n -days 2; done; "
        "for n in server client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout $n.key -out $n.csr -subj /CN=$n; "
        "echo subjectAltName=DNS:localhost,IP:127.0.0.1 >san; "
        "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out "
        "$n.pem; "
        "done";
    char line[1024];
    snprintf(line, sizeof(line), script, server->folder);
    shell_run(line);
}

static struct harness_medium *medium_secured(void)
{
    static const char *const args[] = {"--port",
                                       "0",
                                       "--tls-cert-file",
                                       "server.pem",
                                       "--tls-key-file",
                                       "server.key",
                                       "--tls-ca-cert-file",
                                       "ca.pem",
                                       "--requirepass",
                                       "pass word",
                                       "--save",
                                       "",
                                       NULL};
    struct harness_medium *medium = harness_servers(0, NULL);
    struct server *server = &medium->servers[0];
    server_init(server, medium->folder, args);
    certificates_make(server);
    server->is_tls = true;
    server->password = "'pass word'";
    server_start(server);
    medium->num_servers = 1;
    medium->addresses[0] = (struct store_valkey_server){.host = "127.0.0.1", .port = server->port};
    medium->options.num_servers = 1;
    medium->options.timeout_ms = 500;
    medium->options.tls = true;
    medium->options.password = text("pass word");
    medium->options.ca_pem = file_read(server->folder, "ca.pem");
    medium->options.cert_pem = file_read(server->folder, "client.pem");
    medium->options.key_pem = file_read(server->folder, "client.key");
    return medium;
}

static void expect_refused(struct harness_medium *medium, const char *says)
{
    struct harness *h = harness_open_on(medium, HARNESS_VALKEY);
    cr_expect_eq(harness_lease(h, "", 1000), STORE_DOWN, "%s", says);
    cr_expect_not_null(strstr(error_of(h), says), "\"%s\" in \"%s\"", says, error_of(h));
    harness_free(h);
}

Test(valkey_fleet, tls_and_password)
{
    static uint8_t large[60000];
    memset(large, 5, sizeof(large));
    struct harness_medium *medium = medium_secured();
    const struct store_valkey_options good = medium->options;
    medium->users++;
    struct harness *h = harness_on(medium, HARNESS_VALKEY);
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    for (uint32_t i = 0; i < 100; i++) {
        cr_expect_eq(harness_put(h, 1, i, STORE_NO_INDEX, span_of(large, sizeof(large))), STORE_OK);
    }
    cr_assert_eq(harness_scan(h, 1), STORE_OK);
    cr_expect_eq(h->num_records, 100);
    cr_expect(span_equal(harness_record(h, 99)->value, span_of(large, sizeof(large))));
    harness_free(h);

    medium->options.password = text("another");
    expect_refused(medium, "WRONGPASS");
    medium->options.password = (struct span){0};
    expect_refused(medium, "NOAUTH");
    medium->options = good;
    medium->options.ca_pem = file_read(medium->servers[0].folder, "other.pem");
    expect_refused(medium, "certificate in certificate chain");
    medium->options = good;
    medium->options.tls_name = "store.example";
    expect_refused(medium, "TLS: Hostname mismatch");
    medium->options = good;
    medium->options.cert_pem = medium->options.key_pem = (struct span){0};
    expect_refused(medium, "TLS: ");
    medium->options = good;
    medium->options.tls = false;
    expect_refused(medium, "store valkey 127.0.0.1");
    medium->options = good;
    medium->options.tls_name = "localhost";
    h = harness_on(medium, HARNESS_VALKEY);
    cr_expect_eq(put(h, 1, 1, "another name of it"), STORE_FENCED);
    harness_free(h);
    harness_medium_end(medium);
}

/* ---- what a thief of the data sees */

static void sample_fill(struct session_record *ret_record, const char *const known[3])
{
    *ret_record = (struct session_record){
        .suite = {.encr = ENCR_AES_GCM_16, .encr_bits = 256, .prf = PRF_HMAC_SHA2_256, .ke = KE_X25519},
        .remote_id = {.type = ID_RFC822_ADDR, .len = (uint16_t)strlen(known[0])},
    };
    memcpy(ret_record->remote_id.data, known[0], strlen(known[0]));
    snprintf(ret_record->connection, sizeof(ret_record->connection), "%s", known[1]);
    memset(ret_record->keys.d, known[2][0], 32);
}

Test(valkey_fleet, a_dump_tells_nothing)
{
    static struct session_record record;
    static uint8_t plain[RECORD_BYTES_MAX], sealed[RECORD_BYTES_MAX];
    static const char *const known[] = {"alice@example.org", "secret-tenant", "KKKKKKKK"};
    static const uint8_t key[32] = {1};
    struct rand_source rand = rand_system();
    struct harness *h = harness_new(HARNESS_VALKEY);
    sample_fill(&record, known);
    size_t len = record_encode(&record, plain, sizeof(plain));
    cr_assert_gt(len, 0);
    cr_assert(seal_record(key, &rand, text("aad"), span_of(plain, len), sealed));
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    cr_assert_eq(harness_put(h, 1, 7, STORE_NO_INDEX, span_of(sealed, len + SEAL_OVERHEAD_BYTES)), STORE_OK);
    server_await(&h->medium->servers[0], "CONFIG SET rdbcompression no", "OK");
    server_await(&h->medium->servers[0], "SAVE", "OK");
    struct span dump = file_read(h->medium->servers[0].folder, "dump.rdb");
    cr_expect_gt(dump.len, len);
    for (size_t i = 0; i < HF_COUNT(known); i++) {
        cr_expect_not_null(memmem(plain, len, known[i], strlen(known[i])), "%s: the record has it", known[i]);
        cr_expect_null(memmem(dump.data, dump.len, known[i], strlen(known[i])), "%s: the dump", known[i]);
    }
    harness_free(h);
}
