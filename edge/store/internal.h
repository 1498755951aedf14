/* What every kind of store shares: operations under way, completions per worker, counters. */
#pragma once

#include "edge/store/store.h"

#include <pthread.h>

/* An operation under way and later its completion, or one record of a scan. */
struct store_item {
    struct store_item *next;
    uint32_t worker;
    bool is_record;
    ns_t submitted;
    struct store_op op; /* value points to `bytes` */
    enum store_result result;
    uint16_t epoch;      /* STORE_CLAIM: the new one; a record: its own */
    uint64_t view;       /* STORE_LEASE, STORE_VIEW */
    uint32_t scan_index; /* STORE_SCAN: where it goes on */
    uint8_t bytes[];
};

struct store_list {
    struct store_item *first, *last;
    uint32_t count;
};

struct store_kind {
    /* With the lock held. The item now belongs to the kind, which hands it to store_finish(). True: wake() is
     * to be called, without the lock, so that who wakes does not wait for it at once. */
    bool (*submit)(struct store *store, struct store_item *item);
    void (*wake)(struct store *store);
    /* A worker took completions, the lock is held; NULL when that is of no interest. */
    void (*polled)(struct store *store);
    /* Frees what the kind has, `store` too, after store_done_with(). */
    void (*close)(struct store *store);
};

struct store_worker {
    struct store_list ready; /* completions nobody has taken yet */
    struct store_list held;  /* handed out by the last poll */
    uint32_t taken;          /* operations whose completion has not been handed out */
    int event_fd;
};

/* The first member of every kind's own struct. */
struct store {
    const struct store_kind *kind;
    pthread_mutex_t lock;
    struct store_worker *workers;
    uint32_t num_workers;
    uint32_t queue_max;
    struct store_stats stats;
};

void list_append(struct store_list *list, struct store_item *item);
struct store_item *list_take(struct store_list *list); /* the first, NULL when empty */
void list_free(struct store_list *list);

/* False when there is no memory or no eventfd. */
HF_MUST bool store_begin(struct store *store, const struct store_kind *kind,
                         const struct store_options *options);
void store_done_with(struct store *store);
/* Gives an item back to its worker with its result; the lock is held. */
void store_finish(struct store *store, struct store_item *item, enum store_result result);
/* A record for the scan `scan`, copied; NULL when there is no memory. */
struct store_item *store_record_new(const struct store_item *scan, uint32_t index, uint16_t epoch,
                                    struct span value);
/* Puts records where their worker polls; the lock is held. */
void store_give_records(struct store *store, struct store_list *records);
ns_t store_now(void);
