#include "tests/unit/store/server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 20 };

/* Cluster nodes use port + 10000 too. */
static uint16_t port_free(void)
{
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
        cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        close(fd);
        uint16_t port = ntohs(address.sin_port);
        if (port < 55000) {
            return port;
        }
    }
}

void server_init(struct server *server, const char *folder, const char *const *args)
{
    *server = (struct server){.port = port_free()};
    snprintf(server->folder, sizeof(server->folder), "%s/%u", folder, server->port);
    cr_assert_eq(mkdir(server->folder, 0700), 0);
    for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
        cr_assert_lt(i, SERVER_ARGS_MAX);
        server->args[i] = args[i];
    }
}

static void child_run(const struct server *server, pid_t parent)
{
    char port[8];
    const char *argv[SERVER_ARGS_MAX + 24] = {"valkey-server", "--bind", "127.0.0.1", "--dir",
                                              server->folder};
    int argc = 5;
    snprintf(port, sizeof(port), "%u", server->port);
    argv[argc++] = server->is_tls ? "--tls-port" : "--port";
    argv[argc++] = port;
    for (int i = 0; server->args[i] != NULL; i++) {
        argv[argc++] = server->args[i];
    }
    argv[argc] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (getppid() != parent || chdir(server->folder) != 0 || log < 0) {
        _exit(1);
    }
    dup2(log, 1);
    dup2(log, 2);
    execvp(argv[0], (char **)argv);
    _exit(1);
}

void server_start(struct server *server)
{
    pid_t parent = getpid();
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0) {
        if (chdir(server->folder) == 0) {
            child_run(server, parent);
        }
        _exit(1);
    }
    server_await(server, "PING", "PONG");
}

void server_signal(struct server *server, int signal)
{
    cr_assert_eq(kill(server->pid, signal), 0);
}

void server_kill(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

const char *server_say(const struct server *server, const char *command)
{
    static char answer[ANSWER_MAX];
    char line[2048];
    snprintf(
        line, sizeof(line), "%s%s valkey-cli %s -h 127.0.0.1 -p %u %s 2>&1",
        server->password != NULL ? "REDISCLI_AUTH=" : "", server->password != NULL ? server->password : "",
        server->is_tls ? "--tls --insecure --cert client.pem --key client.key" : "", server->port, command);
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        if (chdir(server->folder) != 0) {
            _exit(1);
        }
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len < sizeof(answer) - 1 && (got = read(ends[0], answer + len, sizeof(answer) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    answer[len] = 0;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return answer;
}

void server_await(const struct server *server, const char *command, const char *text)
{
    const char *answer = "";
    for (int i = 0; i < 500; i++) {
        answer = server_say(server, command);
        if (strstr(answer, text) != NULL) {
            return;
        }
        usleep(20 * 1000);
    }
    cr_assert_fail("port %u: %s says: %s", server->port, command, answer);
}
