/* Lets OpenIKED run on a kernel that knows neither PF_KEY nor ESP: preloaded, it answers each PF_KEY message
 * with that message itself, as a kernel does that is content, and makes up an SPI where one is asked for.
 * Nothing is encrypted: only the IKE side of that peer can be tested with it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/pfkeyv2.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX 4096

static int next_socket(int domain, int type, int protocol)
{
    static int (*next)(int, int, int);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "socket");
    }
    return next(domain, type, protocol);
}

/* iked opens the socket in one process and uses it in another, so it must be known by what it is: a datagram
 * socket that is connected to itself. */
static int echo_socket(int type)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(name.sun_family); /* the kernel picks an abstract name */
    int fd = next_socket(AF_UNIX, SOCK_DGRAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&name, length) != 0) {
        return -1;
    }
    length = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &length) != 0 ||
        connect(fd, (struct sockaddr *)&name, length) != 0) {
        return -1;
    }
    return fd;
}

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

static int is_pfkey(int fd)
{
    return option_of(fd, SO_DOMAIN) == AF_UNIX && option_of(fd, SO_TYPE) == SOCK_DGRAM;
}

int socket(int domain, int type, int protocol)
{
    return domain == PF_KEY ? echo_socket(type) : next_socket(domain, type, protocol);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    static int (*next)(int, int, int, const void *, socklen_t);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "setsockopt");
    }
    if ((level == IPPROTO_IP && (option == IP_IPSEC_POLICY || option == IP_XFRM_POLICY)) ||
        (level == IPPROTO_IPV6 && (option == IPV6_IPSEC_POLICY || option == IPV6_XFRM_POLICY))) {
        return 0;
    }
    return next(fd, level, option, value, length);
}

static void answer_spi(unsigned char *message, size_t *length)
{
    struct sadb_msg *header = (struct sadb_msg *)message;
    struct sadb_sa sa = {.sadb_sa_len = sizeof(sa) / 8, .sadb_sa_exttype = SADB_EXT_SA};

    if (getrandom(&sa.sadb_sa_spi, sizeof(sa.sadb_sa_spi), 0) < 0) {
        sa.sadb_sa_spi = (uint32_t)header->sadb_msg_seq;
    }
    sa.sadb_sa_spi |= htonl(0x10000);
    memcpy(message + *length, &sa, sizeof(sa));
    *length += sizeof(sa);
    header->sadb_msg_len = (uint16_t)(*length / 8);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*next)(int, const struct iovec *, int);
    unsigned char message[MESSAGE_MAX];
    size_t length = 0;

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "writev");
    }
    if (!is_pfkey(fd)) {
        return next(fd, parts, count);
    }
    for (int i = 0; i < count; i++) {
        if (length + parts[i].iov_len > sizeof(message) - sizeof(struct sadb_sa)) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(message + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    ssize_t written = (ssize_t)length;
    if (length >= sizeof(struct sadb_msg) && ((struct sadb_msg *)message)->sadb_msg_type == SADB_GETSPI) {
        answer_spi(message, &length);
    }
    return send(fd, message, length, MSG_DONTWAIT) < 0 ? -1 : written;
}
