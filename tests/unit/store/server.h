/* Real Valkey servers on loopback, each a child of the test that dies with it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_ARGS_MAX = 24 };

struct server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    bool is_tls;
    char folder[96];
    const char *password;
    const char *args[SERVER_ARGS_MAX + 1]; /* beside port and folder; NULL ends them */
};

/* A free port, and the server's arguments; nothing is started. */
void server_init(struct server *server, const char *folder, const char *const *args);
/* Starts it and waits until it answers. */
void server_start(struct server *server);
void server_signal(struct server *server, int signal);
/* Kills it and waits for its end. */
void server_kill(struct server *server);
/* One command, as valkey-cli takes it; its answer, which is valid until the next call. */
const char *server_say(const struct server *server, const char *command);
/* Waits until an answer contains `text`; fails after ten seconds. */
void server_await(const struct server *server, const char *command, const char *text);
