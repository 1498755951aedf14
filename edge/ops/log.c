#include "edge/ops/log.h"

#include "edge/ops/log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- lines ---- */

void log_line_begin(struct json *j, int64_t wall_ns, enum log_level level, const char *event)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char time[TIME_TEXT_MAX];

    hf_assert((size_t)level < HF_COUNT(names));
    json_object_begin(j, NULL);
    json_string(j, "time", time_format(wall_ns, time));
    json_string(j, "level", names[level]);
    json_string(j, "event", event);
}

static size_t event_format(char *ret_line, size_t cap, size_t string_max, int64_t wall_ns,
                           enum log_level level, const char *event, const struct log_field *fields,
                           size_t num_fields, const char *message)
{
    struct json j = json_of(ret_line, cap);

    j.string_max = string_max;
    log_line_begin(&j, wall_ns, level, event);
    json_string(&j, "message", message);
    for (size_t i = 0; i < num_fields; i++) {
        if (fields[i].text != NULL) {
            json_string(&j, fields[i].key, fields[i].text);
        } else {
            json_i64(&j, fields[i].key, fields[i].number);
        }
    }
    json_object_end(&j);
    return json_end(&j);
}

size_t log_format_event(char *ret_line, size_t cap, int64_t wall_ns, enum log_level level, const char *event,
                        const struct log_field *fields, size_t num_fields, const char *message)
{
    size_t len = event_format(ret_line, cap, SIZE_MAX, wall_ns, level, event, fields, num_fields, message);

    if (len == 0) {
        len =
            event_format(ret_line, cap, LOG_STRING_SHORT, wall_ns, level, event, fields, num_fields, message);
    }
    if (len == 0) { /* too many fields: the message is what counts */
        len = event_format(ret_line, cap, LOG_STRING_SHORT, wall_ns, level, event, NULL, 0, message);
    }
    return len;
}

/* ---- writing ---- */

/* One write() per line. A line of which only a part went out (the disk is full) is ended before the next one.
 */
struct line {
    char bytes[1 + LOG_LINE_MAX]; /* a newline that is written only when the last line was torn */
};

static void line_lost(struct log *log)
{
    static const char text[] = "holdfast: the event log cannot be written; lines are lost and counted\n";

    atomic_fetch_add(&log->lost, 1);
    if (atomic_fetch_add(&log->lost_unsaid, 1) == 0 && atomic_load(&log->fd) != STDERR_FILENO) {
        ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)ignored;
    }
}

/* `len` bytes of text from bytes[1] on. */
/* A reader that stands still (a pager, a stalled journal) must not hold up the workers, who write here: a
 * pipe that polls as writable has room for a line, a socket nearly always. Files always are. */
static bool fd_takes_lines(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    return poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLOUT) != 0;
}

static bool line_put(struct log *log, struct line *line, size_t len)
{
    bool torn = atomic_exchange(&log->torn, false);
    const char *from = line->bytes + !torn;
    size_t all = len + 1 + torn;
    ssize_t n;

    line->bytes[0] = '\n';
    line->bytes[1 + len] = '\n';
    int fd = atomic_load(&log->fd);
    if (!fd_takes_lines(fd)) {
        atomic_store(&log->torn, torn);
        return false;
    }
    do {
        n = write(fd, from, all);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)all) {
        atomic_fetch_add(&log->lines, 1);
        return true;
    }
    atomic_store(&log->torn, n > 0 || torn);
    return false;
}

static void losses_say(struct log *log, int64_t wall_ns)
{
    uint64_t unsaid = atomic_exchange(&log->lost_unsaid, 0);
    struct line line;
    char message[80];

    if (unsaid == 0) {
        return;
    }
    struct log_field field = LOG_NUMBER("lost", unsaid);
    (void)snprintf(message, sizeof(message), "%" PRIu64 " lines could not be written here and are lost",
                   unsaid);
    size_t len = log_format_event(line.bytes + 1, LOG_LINE_MAX - 1, wall_ns, LOG_LEVEL_WARNING, "log_lost",
                                  &field, 1, message);
    if (!line_put(log, &line, len)) {
        atomic_fetch_add(&log->lost_unsaid, unsaid);
    }
}

static void line_write(struct log *log, int64_t wall_ns, struct line *line, size_t len)
{
    losses_say(log, wall_ns);
    if (len == 0 || !line_put(log, line, len)) {
        line_lost(log);
    }
}

void log_audit(struct log *log, int64_t wall_ns, uint32_t worker, const struct audit *audit)
{
    struct line line;

    if ((int)log_audit_level(audit) >= atomic_load_explicit(&log->level, memory_order_relaxed)) {
        size_t len = log_format_audit(line.bytes + 1, LOG_LINE_MAX - 1, wall_ns, worker, audit);
        line_write(log, wall_ns, &line, len);
    }
}

void log_event(struct log *log, int64_t wall_ns, enum log_level level, const char *event,
               const struct log_field *fields, size_t num_fields, const char *format, ...)
{
    struct line line;
    char message[1024];
    va_list args;

    if ((int)level < atomic_load_explicit(&log->level, memory_order_relaxed)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    size_t len = log_format_event(line.bytes + 1, LOG_LINE_MAX - 1, wall_ns, level, event, fields, num_fields,
                                  message);
    line_write(log, wall_ns, &line, len);
}

/* ---- the file ---- */

static int path_open(const char *path)
{
    if (strcmp(path, "-") == 0) {
        return STDOUT_FILENO;
    }
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

void log_over(struct log *log, int fd, enum log_level level)
{
    memset(log, 0, sizeof(*log));
    atomic_store(&log->level, (int)level);
    (void)snprintf(log->path, sizeof(log->path), "-");
    atomic_store(&log->fd, fd);
}

bool log_open(struct log *log, const char *path, enum log_level level)
{
    log_over(log, STDERR_FILENO, level);
    if (strlen(path) >= sizeof(log->path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = path_open(path);
    if (fd < 0) {
        return false;
    }
    (void)snprintf(log->path, sizeof(log->path), "%s", path);
    atomic_store(&log->fd, fd);
    return true;
}

bool log_give(struct log *log, uid_t uid)
{
    struct stat st;
    int fd = atomic_load(&log->fd);

    if (strcmp(log->path, "-") == 0) {
        return true;
    }
    /* The group stays: it is who may read. A device or a pipe is not ours to give. */
    return fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || fchown(fd, uid, (gid_t)-1) == 0);
}

/* Another thread may be about to write to the old descriptor: its number is kept and made to mean the new
 * file. */
bool log_reopen(struct log *log)
{
    int old = atomic_load(&log->fd);

    if (strcmp(log->path, "-") == 0) {
        return true;
    }
    int fd = path_open(log->path);
    if (fd < 0) {
        return false;
    }
    bool moved = dup3(fd, old, O_CLOEXEC) == old;
    int error = errno;
    (void)close(fd);
    errno = error;
    return moved;
}

void log_close(struct log *log)
{
    int fd = atomic_exchange(&log->fd, STDERR_FILENO);
    if (fd > STDERR_FILENO && strcmp(log->path, "-") != 0) {
        (void)close(fd);
    }
}
