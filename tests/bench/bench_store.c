/* Puts of session records into a Valkey server at several depths: bench_store PORT. Started by store.py. */
#include "edge/store/valkey.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RECORD = 1200, SAMPLES_MAX = 400000, SECONDS = 3 };

static struct store *store;
static uint64_t sent_at[SAMPLES_MAX], took[SAMPLES_MAX];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint32_t completions_take(void)
{
    struct store_completion done[64];
    struct pollfd readable = {.fd = store_event_fd(store, 0), .events = POLLIN};
    (void)poll(&readable, 1, 1000);
    size_t count = store_poll(store, 0, done, 64);
    for (size_t i = 0; i < count; i++) {
        if (!done[i].is_record && done[i].done.result != STORE_OK) {
            fprintf(stderr, "an operation of type %d ended with %d\n", done[i].done.type,
                    done[i].done.result);
            exit(1);
        }
        took[done[i].done.token] = now_ns() - sent_at[done[i].done.token];
    }
    return (uint32_t)count;
}

static void op_do(struct store_op op)
{
    sent_at[op.token] = now_ns();
    while (!store_submit(store, 0, &op)) {
    }
    while (completions_take() == 0) {
    }
}

static int order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void run(uint32_t depth)
{
    static const uint8_t record[RECORD] = {1};
    uint32_t submitted = 0, done = 0;
    uint64_t begun = now_ns(), end = begun + (uint64_t)SECONDS * 1000000000;
    while ((now_ns() < end && submitted < SAMPLES_MAX - 1) || done < submitted) {
        while (submitted - done < depth && now_ns() < end && submitted < SAMPLES_MAX - 1) {
            struct store_op op = {.type = STORE_PUT, .shard = 1, .epoch = 1, .replaces = STORE_NO_INDEX};
            op.token = submitted;
            op.index = submitted % 10000;
            op.value = (struct span){.data = record, .len = RECORD};
            sent_at[submitted] = now_ns();
            submitted += store_submit(store, 0, &op) ? 1 : 0;
        }
        done += completions_take();
    }
    double seconds = (double)(now_ns() - begun) / 1e9;
    qsort(took, done, sizeof(took[0]), order);
    printf("puts of %d bytes, %3u at a time: %7.0f a second, latency p50 %5.0f us, p99 %5.0f us\n", RECORD,
           depth, done / seconds, (double)took[done / 2] / 1e3, (double)took[done / 100 * 99] / 1e3);
}

int main(int argc, char **argv)
{
    char error[STORE_ERROR_MAX];
    struct store_valkey_server server = {.host = "127.0.0.1"};
    server.port = (uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 6379);
    struct store_valkey_options options = {.store = {.num_workers = 1, .node = 1, .instance = 1},
                                           .servers = &server,
                                           .num_servers = 1,
                                           .fleet = "bench",
                                           .timeout_ms = 5000};
    store = store_valkey_open(&options, error);
    if (store == NULL) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    op_do((struct store_op){.type = STORE_LEASE, .ttl_ms = 600000});
    op_do((struct store_op){.type = STORE_CLAIM, .shard = 1});
    static const uint32_t depths[] = {1, 16, 256};
    for (size_t i = 0; i < HF_COUNT(depths); i++) {
        run(depths[i]);
    }
    store_close(store);
    return 0;
}
