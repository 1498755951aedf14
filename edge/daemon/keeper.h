/* Keeps the device that our route hangs on, in a process of its own: the route is there exactly as long as
 * the daemon says so again and again. When the daemon ends, however it ends, the kernel takes the device and
 * the route away at once; when it stands still, after the patience that it last asked for. */
#pragma once

#include "edge/base/compiler.h"

struct keeper {
    int fd; /* -1: there is none */
};

#define KEEPER_OPTION "keep-route"
#define KEEPER_FD 3 /* of the process, to the daemon */

enum keeper_news {
    KEEPER_FINE,
    KEEPER_LET_GO, /* it has not heard of us for too long */
    KEEPER_GONE,   /* the process has ended, and the device with it */
};

/* Starts the process; before privileges and system calls are given up. 0 or -errno. */
HF_MUST int keeper_start(struct keeper *keeper);
void keeper_stop(struct keeper *keeper);
/* The device is its from now on: `tun_fd` is closed here. */
HF_MUST int keeper_hold(struct keeper *keeper, int tun_fd, uint32_t patience_ms);
void keeper_let_go(struct keeper *keeper);
/* We are alive, and may be silent for so long. */
void keeper_beat(struct keeper *keeper, uint32_t patience_ms);
enum keeper_news keeper_news(struct keeper *keeper);

/* The other side: what the process runs. An exit code. */
int keeper_main(int fd);
