/* The main thread's event loop: few descriptors, little traffic. One event at a time, so that a source may be
 * closed by any other's callback. */
#pragma once

#include "edge/base/compiler.h"

#include <sys/epoll.h>

/* Embedded into what owns the descriptor. */
struct loop_source {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT */
    void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop {
    int fd;
};

/* 0 or -errno. */
HF_MUST int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
HF_MUST int loop_add(struct loop *loop, struct loop_source *source);
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);
/* Waits for one event, at most `timeout_ms`, and calls back. False after the time. */
bool loop_once(struct loop *loop, int timeout_ms);
