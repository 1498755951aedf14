#include "edge/ops/file.h"

#include "edge/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *error_text(int error)
{
    switch (error) {
    case ENOENT:
        return "no such file";
    case EACCES:
        return "permission denied";
    case EISDIR:
        return "is a directory";
    default:
        return strerror(error);
    }
}

static const char *kind_refuse(const struct stat *st)
{
    if (S_ISDIR(st->st_mode)) {
        return "is a directory";
    }
    return S_ISREG(st->st_mode) ? NULL : "is not a regular file";
}

static const char *all_read(int fd, size_t max, struct file *file)
{
    for (;;) {
        ssize_t n = read(fd, file->data + file->len, max + 1 - file->len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_text(errno);
        }
        file->len += (size_t)n;
        if (file->len > max) {
            return "is too large";
        }
        if (n == 0) {
            file->data[file->len] = '\0';
            return NULL;
        }
    }
}

const char *file_read(const char *path, size_t max, struct file *ret_file)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *ret_file = (struct file){0};
    if (fd < 0) {
        return error_text(errno);
    }
    const char *error = fstat(fd, &st) != 0 ? error_text(errno) : kind_refuse(&st);
    if (error == NULL && (size_t)st.st_size > max) {
        error = "is too large";
    }
    if (error == NULL) {
        ret_file->mode = st.st_mode & 07777;
        ret_file->data = malloc(max + 2); /* it may grow while it is read */
        error = ret_file->data == NULL ? "out of memory" : all_read(fd, max, ret_file);
    }
    (void)close(fd);
    if (error != NULL) {
        file_free(ret_file);
    }
    return error;
}

const char *file_look(const char *path, unsigned *ret_mode)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return error_text(errno);
    }
    *ret_mode = st.st_mode & 07777;
    const char *error = kind_refuse(&st);
    if (error == NULL && st.st_size == 0) {
        return "is empty";
    }
    return error == NULL && access(path, R_OK) != 0 ? error_text(errno) : error;
}

void file_free(struct file *file)
{
    if (file->data != NULL) {
        secret_wipe(file->data, file->len);
    }
    free(file->data);
    *file = (struct file){0};
}

bool file_is_open(unsigned mode)
{
    return (mode & S_IROTH) != 0;
}
