#include "tests/unit/plane_link/netns.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

bool netns_enter(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        cr_log_warn("skipped: no network namespace: %s", strerror(errno));
        return false;
    }
    return true;
}

void output_of(const char *command, char *ret_text, size_t cap)
{
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t len = 0;
    char spill[512];
    for (;;) {
        bool full = len == cap - 1;
        ssize_t got = read(ends[0], full ? spill : ret_text + len, full ? sizeof(spill) : cap - 1 - len);
        if (got <= 0) {
            break;
        }
        len += full ? 0 : (size_t)got;
    }
    ret_text[len] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %x\n%s", command, status, ret_text);
}

bool says(const char *command, const char *text)
{
    char output[16384];
    output_of(command, output, sizeof(output));
    return strstr(output, text) != NULL;
}
