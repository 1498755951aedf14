/* The event log: one JSON object per line with a stable schema (docs/LOG.md). A line says everything; its
 * message alone tells who connected or why not. No key and no payload is ever in it, and whatever a peer
 * chose is escaped.
 *
 * Every function may be called from any thread: a line is one write() of at most LOG_LINE_MAX bytes, which
 * pipes and files opened for append take whole. A line that cannot be written is counted; the first loss is
 * said on standard error, and the first line that gets through again is preceded by one that says how many
 * were lost. The host ignores SIGPIPE. */
#pragma once

#include "edge/core/core.h"

#include <stdatomic.h>
#include <sys/types.h>

#define LOG_LINE_MAX 4096 /* PIPE_BUF */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log {
    atomic_int fd;          /* keeps its number when the file is opened anew */
    atomic_int level;       /* enum log_level: what is below is not written; a reload changes it */
    char path[256];         /* "-" for standard output */
    _Atomic uint64_t lines; /* written */
    _Atomic uint64_t lost;  /* since start */
    _Atomic uint64_t lost_unsaid;
    atomic_bool torn; /* the last line went out in part */
};

/* `path` "-" is standard output. False, with errno, when the file cannot be opened; the log then writes to
 * standard error, so that nothing is lost silently. */
HF_MUST bool log_open(struct log *log, const char *path, enum log_level level);
/* Over a descriptor that stays the caller's; for tests. */
void log_over(struct log *log, int fd, enum log_level level);
/* Makes the user the file's owner, so that who becomes that user can open it anew. False with errno. */
HF_MUST bool log_give(struct log *log, uid_t uid);
/* Opens the file anew (after logrotate moved it); the old one stays in use when that fails (errno). */
HF_MUST bool log_reopen(struct log *log);
void log_close(struct log *log);

/* The core's record of what happened; `wall_ns` is Unix time in nanoseconds. */
void log_audit(struct log *log, int64_t wall_ns, uint32_t worker, const struct audit *audit);

/* Key and value of an event; the value is a string, or a number when `text` is NULL. */
struct log_field {
    const char *key;
    const char *text;
    int64_t number;
};
#define LOG_TEXT(k, v) ((struct log_field){.key = (k), .text = (v)})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v)})
#define LOG_FIELDS(...)                                                                                      \
    (const struct log_field[]){__VA_ARGS__}, HF_COUNT(((const struct log_field[]){__VA_ARGS__}))
#define LOG_NO_FIELDS NULL, 0

/* Anything else, for instance:
 * log_event(log, wall_ns, LOG_LEVEL_INFO, "started", LOG_FIELDS(LOG_NUMBER("workers", 4)), "holdfastd %s
 * started", v). */
void log_event(struct log *log, int64_t wall_ns, enum log_level level, const char *event,
               const struct log_field *fields, size_t num_fields, const char *format, ...) HF_PRINTF(7, 8);

/* The lines themselves, without newline; returns the length, below `cap` (LOG_LINE_MAX is enough for any).
 * Pure. */
size_t log_format_audit(char *ret_line, size_t cap, int64_t wall_ns, uint32_t worker,
                        const struct audit *audit);
size_t log_format_event(char *ret_line, size_t cap, int64_t wall_ns, enum log_level level, const char *event,
                        const struct log_field *fields, size_t num_fields, const char *message);
enum log_level log_audit_level(const struct audit *audit);
