/* Private to valkey_job.c, valkey_command.c and valkey_scan.c. */
#pragma once

#include "edge/store/valkey_internal.h"

/* The keys that a step is about, all of one hash tag. */
struct keys {
    char v[3][VALKEY_ONCE_KEY_MAX];
    int count;
};
void keys_of(const struct valkey *v, const struct job *job, struct keys *ret_keys);
/* For people: "{fleet}:members, owners, version". */
enum { KEYS_TEXT_MAX = 80 };
void keys_text(const struct valkey *v, const struct job *job, char ret_text[KEYS_TEXT_MAX]);

/* The next step, after an answer by `link`. */
void job_proceed(struct valkey *v, const struct link *link, struct job *job, enum step step);
void job_fail(struct valkey *v, struct job *job, const struct link *link, enum store_result result,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The answer to a step of a scan; false when it makes no sense, and nothing was done. */
HF_MUST bool scan_take(struct valkey *v, struct job *job, const redisReply *reply);
/* The answer to a STORE_VIEW, as records; false as above. */
HF_MUST bool scan_view(struct valkey *v, const struct job *job, const redisReply *reply);
/* How many records the next command of a scan asks for. */
size_t scan_batch(const struct job *job);
