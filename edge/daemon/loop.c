#include "edge/daemon/loop.h"

#include <errno.h>
#include <unistd.h>

int loop_open(struct loop *loop)
{
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->fd < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    if (loop->fd >= 0) {
        close(loop->fd);
        loop->fd = -1;
    }
}

int loop_add(struct loop *loop, struct loop_source *source)
{
    struct epoll_event event = {.events = source->events, .data = {.ptr = source}};
    return epoll_ctl(loop->fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? 0 : -errno;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = source}};
    if (source->events != events) {
        source->events = events;
        (void)epoll_ctl(loop->fd, EPOLL_CTL_MOD, source->fd, &event);
    }
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    (void)epoll_ctl(loop->fd, EPOLL_CTL_DEL, source->fd, NULL);
}

bool loop_once(struct loop *loop, int timeout_ms)
{
    struct epoll_event event;
    if (epoll_wait(loop->fd, &event, 1, timeout_ms) != 1) {
        return false;
    }
    struct loop_source *source = event.data.ptr;
    source->ready(source, event.events);
    return true;
}
