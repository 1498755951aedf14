/* The Valkey store with real servers that fail: every operation is answered in time, what was acknowledged is
 * there, and when the server works again, so does the store. */
#include "tests/unit/store/harness.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 400 };

static struct span text(const char *value)
{
    return span_of_string(value);
}

/* Of a store with a short timeout, for servers that do not answer. */
static struct harness *harness_hasty(size_t servers, const char *const *args)
{
    struct harness_medium *medium = harness_servers(servers, args);
    medium->options.timeout_ms = TIMEOUT_MS;
    return harness_on(medium, HARNESS_VALKEY);
}

static void expect_error(struct harness *h, const char *part)
{
    struct store_stats stats;
    store_stats(h->store, &stats);
    cr_expect(strstr(stats.error, part) != NULL, "\"%s\" in \"%s\"", part, stats.error);
}

static enum store_result put(struct harness *h, uint16_t shard, uint32_t index, const char *value)
{
    return harness_put(h, shard, index, STORE_NO_INDEX, text(value));
}

/* Puts until one works, for as long as a fail-over may take; returns how long it took. */
static ns_t await_ok(struct harness *h, uint16_t shard, uint32_t index, const char *value)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    enum store_result result = STORE_DOWN;
    for (int i = 0; i < 1000 && result != STORE_OK; i++) {
        result = put(h, shard, index, value);
        if (result != STORE_OK) {
            usleep(5000);
        }
    }
    cr_expect_eq(result, STORE_OK);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (ns_t)(to.tv_sec - from.tv_sec) * NS_PER_S + (ns_t)to.tv_nsec - (ns_t)from.tv_nsec;
}

/* ---- what the server holds */

Test(valkey, garbage_in_keys_is_named)
{
    static const struct {
        const char *make;
        enum store_op_type type;
        const char *says;
    } rows[] = {
        {"SET {test}:members x", STORE_LEASE, "{test}:members"},
        {"SET {test}:members x", STORE_VIEW, "{test}:members"},
        {"HSET {test}:members 1 x", STORE_LEASE, "{test}:members 1 is no member"},
        {"HSET {test}:members 7 x", STORE_VIEW, "{test}:members 7 is no member"},
        {"SET {test}:owners abc", STORE_VIEW, "{test}:members"},
        {"LPUSH {test}:owners abc", STORE_CLAIM, "WRONGTYPE"},
        {"SET {test}:owners 123456789", STORE_CLAIM, "{test}:owners is no table"},
        {"SET {test:2}:fence x", STORE_CLAIM, "{test:2}:fence is no fence"},
        {"SET {test:2}:fence x", STORE_PUT, "{test:2}:fence is no fence"},
        {"LPUSH {test:2}:fence x", STORE_DELETE, "WRONGTYPE"},
        {"SET {test:2}:records x", STORE_SCAN, "{test:2}:records"},
        {"HSET {test:2}:records long-name x", STORE_SCAN, "{test:2}:records"},
        {"HSET {test:2}:records 1234 x", STORE_SCAN, "{test:2}:records"},
    };
    struct harness *h = harness_new(HARNESS_VALKEY);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        server_await(&h->medium->servers[0], "FLUSHALL", "OK");
        cr_assert_eq(harness_lease(h, "", 60000), STORE_OK, "%zu", i);
        (void)server_say(&h->medium->servers[0], "DEL {test}:owners");
        if (strstr(rows[i].make, "members x") != NULL) {
            (void)server_say(&h->medium->servers[0], "DEL {test}:members");
        }
        (void)server_say(&h->medium->servers[0], rows[i].make);
        struct store_op op = {.type = rows[i].type, .shard = 2, .epoch = 1, .replaces = STORE_NO_INDEX};
        op.ttl_ms = 1000;
        cr_expect_eq(harness_do(h, op), STORE_DOWN, "%s", rows[i].make);
        expect_error(h, rows[i].says);
    }
    server_await(&h->medium->servers[0], "FLUSHALL", "OK");
    cr_assert_eq(harness_lease(h, "", 60000), STORE_OK);
    cr_expect_eq(harness_claim(h, 2), STORE_OK);
    expect_error(h, "");
    harness_free(h);
}

Test(valkey, scripts_are_loaded_again)
{
    struct harness *h = harness_new(HARNESS_VALKEY);
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    server_await(&h->medium->servers[0], "SCRIPT FLUSH", "OK");
    cr_expect_eq(put(h, 1, 1, "x"), STORE_OK);
    harness_free(h);
}

/* As the embedded store: a full one lets go of sessions and changes those it has; only new ones find no room.
 */
Test(valkey, a_full_server)
{
    static char value[16000];
    memset(value, 'x', sizeof(value));
    struct harness *h = harness_new(HARNESS_VALKEY);
    struct server *server = &h->medium->servers[0];
    server_await(server, "CONFIG SET maxmemory 8mb", "OK");
    server_await(server, "CONFIG SET maxmemory-policy noeviction", "OK");
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    uint32_t count = 0;
    enum store_result result = STORE_OK;
    while (count < 2000 && result == STORE_OK) {
        result = harness_put(h, 1, count, STORE_NO_INDEX, span_of(value, sizeof(value)));
        count += result == STORE_OK;
    }
    cr_assert_eq(result, STORE_FULL, "after %u", count);
    expect_error(h, "OOM");
    cr_expect_gt(count, 100);
    cr_expect_eq(harness_put(h, 1, 3, STORE_NO_INDEX, span_of(value, sizeof(value))), STORE_OK, "a change");
    cr_expect_eq(harness_put(h, 1, 100000, 4, span_of(value, sizeof(value))), STORE_OK, "a rekey");
    cr_expect_eq(harness_lease(h, "still here", 60000), STORE_OK);
    cr_expect_eq(harness_claim(h, 1), STORE_OK);
    cr_expect_eq(harness_claim(h, 2), STORE_OK);
    h->epoch = 2;
    for (uint32_t i = 5; i < count; i++) {
        cr_assert_eq(harness_delete(h, 1, i), STORE_OK);
    }
    cr_expect_eq(put(h, 1, 9, "room again"), STORE_OK);
    harness_free(h);
}

/* ---- servers that end, hang, or are none */

/* Submits puts of shard 1, epoch 1, in one go; returns their results by index. */
static void puts_submit(struct harness *h, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct store_op op = {.type = STORE_PUT, .shard = 1, .epoch = 1, .replaces = STORE_NO_INDEX};
        op.index = i;
        op.token = i;
        op.value = span_of(&i, sizeof(i));
        cr_assert(store_submit(h->store, 0, &op));
    }
}

static void puts_await(struct harness *h, uint32_t count, enum store_result *ret_results)
{
    for (uint32_t i = 0; i < count; i++) {
        struct store_completion completion;
        cr_assert(store_wait(h->store, 0, &completion), "%u of %u answered", i, count);
        cr_assert_lt(completion.done.token, count);
        ret_results[completion.done.token] = completion.done.result;
    }
}

Test(valkey, killed_in_the_middle_of_a_pipeline)
{
    enum { PUTS = 2000 };
    static const char *const durable[] = {
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", NULL};
    static enum store_result results[PUTS];
    struct harness *h = harness_hasty(1, durable);
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    for (int round = 0; round < 3; round++) {
        puts_submit(h, PUTS);
        usleep((useconds_t)round * 7000);
        server_kill(&h->medium->servers[0]);
        if (round != 1) {
            server_start(&h->medium->servers[0]);
        }
        puts_await(h, PUTS, results);
        if (round == 1) {
            server_start(&h->medium->servers[0]);
        }
        (void)await_ok(h, 1, PUTS, "after");
        cr_assert_eq(harness_scan(h, 1), STORE_OK);
        for (uint32_t i = 0; i < PUTS; i++) {
            const struct store_record *record = harness_record(h, i);
            cr_expect(results[i] == STORE_OK || results[i] == STORE_UNKNOWN || results[i] == STORE_DOWN);
            cr_expect(results[i] != STORE_OK || record != NULL, "%u was acknowledged", i);
        }
    }
    harness_free(h);
}

/* What a server that hung executes late, from a connection that was given up, does not undo what came after.
 */
Test(valkey, a_server_that_hangs)
{
    struct harness *h = harness_hasty(1, NULL);
    struct server *server = &h->medium->servers[0];
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    cr_assert_eq(put(h, 1, 1, "first"), STORE_OK);
    for (int i = 0; i < 5; i++) {
        server_signal(server, SIGSTOP);
        cr_expect_eq(put(h, 1, 1, "late"), STORE_UNKNOWN);
        expect_error(h, "does not answer");
        cr_expect_eq(put(h, 1, 2, "never sent"), STORE_DOWN);
        server_signal(server, SIGCONT);
        (void)await_ok(h, 1, 1, "newer");
        cr_assert_eq(harness_scan(h, 1), STORE_OK);
        cr_expect(span_equal(harness_record(h, 1)->value, text("newer")));
        cr_expect_null(harness_record(h, 2));
    }
    server_signal(server, SIGSTOP);
    puts_submit(h, 10);
    harness_close(h); /* bounded: the test's time-out would end it */
    server_signal(server, SIGCONT);
    harness_free(h);
}

static const char *peer_answer;

static void *peer_run(void *argument)
{
    int listener = *(int *)argument, fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (peer_answer != NULL) {
            ssize_t sent = send(fd, peer_answer, strlen(peer_answer), MSG_NOSIGNAL);
            (void)sent;
        } /* stays open, silent */
    }
    return NULL;
}

/* Something listens, but it is no Valkey. */
Test(valkey, something_else_on_the_port)
{
    static const struct {
        const char *answer, *says;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the protocol"},
        {"*1000000000\r\n*1000000000\r\n", "does not speak the protocol"},
        {"+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "makes no sense"},
        {"-ERR no such thing\r\n", "no such thing"},
        {NULL, "does not answer"},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        pthread_t thread;
        peer_answer = rows[i].answer;
        cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
        cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
        cr_assert_eq(listen(listener, 10), 0);
        cr_assert_eq(pthread_create(&thread, NULL, peer_run, &listener), 0);
        struct harness_medium *medium = harness_servers(0, NULL);
        medium->addresses[0] =
            (struct store_valkey_server){.host = "localhost", .port = ntohs(address.sin_port)};
        medium->options.num_servers = 1;
        medium->options.timeout_ms = TIMEOUT_MS;
        struct harness *h = harness_open_on(medium, HARNESS_VALKEY);
        cr_expect_eq(harness_lease(h, "", 1000), STORE_DOWN, "%zu", i);
        usleep(20000);
        cr_expect_eq(harness_lease(h, "", 1000), STORE_DOWN, "%zu", i);
        expect_error(h, rows[i].says);
        shutdown(listener, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(listener);
        if (i == 0) {
            cr_expect_eq(harness_claim(h, 1), STORE_DOWN);
            expect_error(h, "Connection refused");
        }
        harness_free(h);
    }
}

Test(valkey, options_that_make_no_sense)
{
    struct store_valkey_server server = {.host = "127.0.0.1", .port = 1};
    struct store_valkey_options good = {.store = {.num_workers = 1, .node = 1},
                                        .servers = &server,
                                        .num_servers = 1,
                                        .fleet = "x",
                                        .tls = true};
    char error[STORE_ERROR_MAX];
    cr_expect_null(store_valkey_open(&good, error));
    cr_expect_not_null(strstr(error, "no CA certificate"), "%s", error);
    good.tls = false;
    good.fleet = "a{b}";
    cr_expect_null(store_valkey_open(&good, error));
    cr_expect_not_null(strstr(error, "fleet's name"), "%s", error);
    good.fleet = "x";
    good.store.node = 0;
    cr_expect_null(store_valkey_open(&good, error));
    good.store.node = 1;
    good.num_servers = 0;
    cr_expect_null(store_valkey_open(&good, error));
    good.num_servers = 1;
    server.host = "no-such-name.invalid";
    struct store *store = store_valkey_open(&good, error);
    cr_assert_not_null(store);
    store_close(store);
}
