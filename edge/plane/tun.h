/* The TUN device of a worker: what the user plane's inner packets come from and go to. Its address, MTU and
 * state are set by netlink, elsewhere. */
#pragma once

#include "edge/base/compiler.h"

#define TUN_NAME_MAX 16 /* IFNAMSIZ */

struct tun_device {
    int fd;         /* non-blocking; reads and writes carry a struct virtio_net_hdr of 10 bytes */
    bool csum, tso; /* what the kernel agreed to leave to us: partial checksums, TCP super-packets */
    bool uso;       /* UDP super-packets (Linux 6.2) */
};

/* Creates the device `name`, or attaches to a persistent one of that name. Asks for every offload and takes
 * what the kernel has. 0, or a negative errno value. The device goes when the descriptor is closed. */
HF_MUST int tun_create(const char *name, struct tun_device *ret_device);
void tun_close(struct tun_device *device);
