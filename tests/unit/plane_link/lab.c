#include "tests/unit/plane_link/lab.h"

#include "tests/unit/plane_link/netns.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that does nothing in a network namespace of its own. */
static pid_t holder_start(void)
{
    int ends[2];
    char byte = 0;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = unshare(CLONE_NEWNET) == 0;
        ssize_t written = write(ends[1], &byte, 1);
        close(ends[0]);
        close(ends[1]);
        while (written == 1) {
            pause();
        }
        _exit(0);
    }
    cr_assert(read(ends[0], &byte, 1) == 1 && byte == 1, "no namespace");
    close(ends[0]);
    close(ends[1]);
    return child;
}

bool lab_open(struct lab *lab)
{
    char script[2048], none[64];
    if (!netns_enter()) {
        return false;
    }
    *lab = (struct lab){.client = holder_start(), .server = holder_start()};
    int len = snprintf(
        script, sizeof(script),
        "set -e; mount -t proc none /proc; echo 1 > /proc/sys/net/ipv4/ip_forward;"
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; ip link set lo up;"
        "c=%d; s=%d;"
        /* Without link-local addresses that work at once, neighbours are not found in the first second or
           two. */
        "for n in $$ $c $s; do nsenter -t $n -n sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'; "
        "done;"
        "ip link add hf0 type veth peer name in0 netns $c; ip link add up0 type veth peer name out0 netns $s;"
        "ip link set hf0 up; ip addr add 10.1.0.1/24 dev hf0; ip addr add fd00:1::1/64 dev hf0 nodad;"
        "ip link set up0 up; ip addr add " LAB_GATEWAY_V4 "/24 dev up0; ip addr add " LAB_GATEWAY_V6
        "/64 dev up0 nodad;"
        "in_client() { nsenter -t $c -n \"$@\"; }; in_server() { nsenter -t $s -n \"$@\"; };"
        "in_client ip link set in0 up; in_client ip addr add " LAB_CLIENT_V4 "/24 dev in0;"
        "in_client ip addr add " LAB_CLIENT_V6 "/64 dev in0 nodad;"
        "in_client ip route add default via 10.1.0.1; in_client ip -6 route add default via fd00:1::1;"
        "in_server ip link set out0 up; in_server ip addr add " LAB_SERVER_V4 "/24 dev out0;"
        "in_server ip addr add " LAB_SERVER_V6 "/64 dev out0 nodad;"
        "in_server ip route add 10.1.0.0/24 via " LAB_GATEWAY_V4 ";"
        "in_server ip -6 route add fd00:1::/64 via " LAB_GATEWAY_V6,
        (int)lab->client, (int)lab->server);
    cr_assert_lt((size_t)len, sizeof(script));
    output_of(script, none, sizeof(none));
    return true;
}

void lab_close(struct lab *lab)
{
    kill(lab->client, SIGKILL);
    kill(lab->server, SIGKILL);
    waitpid(lab->client, NULL, 0);
    waitpid(lab->server, NULL, 0);
}

/* A socket of another process's network namespace, which is where it then works. */
static int socket_in(pid_t holder, bool is_v4)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)holder);
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int other = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(own >= 0 && other >= 0 && setns(other, CLONE_NEWNET) == 0);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && setns(own, CLONE_NEWNET) == 0);
    close(own);
    close(other);
    return fd;
}

static socklen_t server_address(bool is_v4, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
    memset(ret_address, 0, sizeof(*ret_address));
    if (is_v4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(80);
        inet_pton(AF_INET, LAB_SERVER_V4, &v4->sin_addr);
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(80);
    inet_pton(AF_INET6, LAB_SERVER_V6, &v6->sin6_addr);
    return sizeof(*v6);
}

static int segment_bytes(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return (int)info.tcpi_snd_mss;
}

static void connection_read(int client, int accepted, const struct sockaddr_storage *peer,
                            struct lab_connection *ret_connection)
{
    const void *addr = peer->ss_family == AF_INET
                           ? (const void *)&((const struct sockaddr_in *)peer)->sin_addr
                           : (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
    cr_assert_not_null(inet_ntop(peer->ss_family, addr, ret_connection->peer, sizeof(ret_connection->peer)));
    ret_connection->mss_client = segment_bytes(client);
    ret_connection->mss_server = segment_bytes(accepted);
}

bool lab_connect(const struct lab *lab, bool is_v4, int mss, struct lab_connection *ret_connection)
{
    struct sockaddr_storage address, peer;
    socklen_t len = server_address(is_v4, &address), peer_len = sizeof(peer);
    struct timeval limit = {.tv_sec = 2};
    int one = 1;
    int listening = socket_in(lab->server, is_v4), client = socket_in(lab->client, is_v4);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    cr_assert_eq(bind(listening, (struct sockaddr *)&address, len), 0, "%s", strerror(errno));
    cr_assert_eq(listen(listening, 1), 0);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(listening, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    cr_assert(mss == 0 || setsockopt(client, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)) == 0);
    bool connected = connect(client, (struct sockaddr *)&address, len) == 0;
    int accepted = connected ? accept(listening, (struct sockaddr *)&peer, &peer_len) : -1;
    if (accepted >= 0) {
        connection_read(client, accepted, &peer, ret_connection);
        close(accepted);
    }
    close(client);
    close(listening);
    return accepted >= 0;
}
