#include "edge/plane/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* All three in order of worth; without checksums the kernel offers no segmentation either. */
static void offload_set(struct tun_device *device)
{
    const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

    if (ioctl(device->fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0) {
        device->csum = device->tso = device->uso = true;
    } else if (ioctl(device->fd, TUNSETOFFLOAD, tso) == 0) {
        device->csum = device->tso = true;
    } else {
        device->csum = ioctl(device->fd, TUNSETOFFLOAD, (unsigned long)TUN_F_CSUM) == 0;
    }
}

int tun_create(const char *name, struct tun_device *ret_device)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    size_t len = strlen(name);

    if (len == 0 || len >= TUN_NAME_MAX) {
        return -EINVAL;
    }
    memcpy(request.ifr_name, name, len);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_device = (struct tun_device){.fd = fd};
    offload_set(ret_device);
    return 0;
}

void tun_close(struct tun_device *device)
{
    close(device->fd);
    device->fd = -1;
}
