#include "tools/holdfast/file.h"

#include "tools/holdfast/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_load(const char *path, struct file *ret_file)
{
    const char *error = file_read(path, FILE_BYTES_MAX, ret_file);
    if (error != NULL) {
        cli_error(CLI_FAILED, "%s: %s", path, error);
    }
    return error == NULL;
}

bool file_write(const char *path, struct span bytes, mode_t mode)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(temporary)) {
        cli_error(CLI_FAILED, "%s: name too long", path);
        return false;
    }
    (void)!unlink(temporary); /* nobody else's file or link is ever written to */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len &&
              fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (!ok || rename(temporary, path) < 0) {
        cli_error(CLI_FAILED, "%s: %s", path, strerror(ok ? errno : error));
        unlink(temporary);
        return false;
    }
    return true;
}
