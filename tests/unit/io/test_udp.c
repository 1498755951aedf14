/* The sockets and the ring of a worker, against plain sockets, in a network namespace of their own. */
#include "edge/io/sockaddr.h"
#include "edge/io/udp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { IKE_PORT = 500, NATT_PORT = 4500 };

struct world {
    struct ring ring;
    struct udp *udp;
    struct udp_sockets sockets;
    struct endpoint ike, natt;
    int client; /* connected to neither */
    struct endpoint client_endpoint;
};

static void loopback(int mtu)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_mtu = mtu};
    cr_assert_eq(ioctl(fd, SIOCSIFMTU, &request), 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

static void client_open(struct world *w)
{
    union sockaddr_ip addr;
    struct endpoint any = {.addr = w->ike.addr};
    socklen_t len = sockaddr_from(&any, &addr);
    w->client = socket(addr.any.sa_family, SOCK_DGRAM, 0);
    struct timeval wait = {.tv_usec = 500000};
    int bytes = 16 << 20;
    cr_assert_eq(setsockopt(w->client, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    cr_assert_eq(setsockopt(w->client, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)), 0);
    cr_assert_eq(bind(w->client, &addr.any, len), 0);
    len = sizeof(addr);
    cr_assert_eq(getsockname(w->client, &addr.any, &len), 0);
    cr_assert(sockaddr_to(&addr, len, &w->client_endpoint));
}

static struct world *world_open(const char *address, int mtu)
{
    struct world *w = calloc(1, sizeof(*w));
    cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test makes a network namespace: run it as root");
    loopback(mtu);
    cr_assert(ip_parse(address, &w->ike.addr));
    w->natt = (struct endpoint){.addr = w->ike.addr, .port = NATT_PORT};
    w->ike.port = IKE_PORT;
    cr_assert_eq(udp_sockets_add(&w->sockets, &w->ike.addr, IKE_PORT, NATT_PORT), 0);
    cr_assert_eq(ring_open(&w->ring, 1024), 0);
    cr_assert_eq(ring_start(&w->ring), 0);
    cr_assert_eq(udp_open(&w->sockets, &w->ring, &w->udp), 0);
    client_open(w);
    return w;
}

static void world_close(struct world *w)
{
    close(w->client);
    udp_close(w->udp);
    ring_close(&w->ring);
    free(w);
}

/* From the client; `segment` as in udp_send(). */
static void client_send(struct world *w, const struct endpoint *to, const void *bytes, size_t len,
                        int segment)
{
    union sockaddr_ip addr;
    socklen_t addr_len = sockaddr_from(to, &addr);
    cr_assert_eq(setsockopt(w->client, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
    cr_assert_eq(sendto(w->client, bytes, len, 0, &addr.any, addr_len), (ssize_t)len);
}

/* What comes to the client; -1 when nothing does. */
static ssize_t client_receive(struct world *w, void *bytes, size_t cap, struct endpoint *ret_from)
{
    union sockaddr_ip addr;
    socklen_t len = sizeof(addr);
    ssize_t got = recvfrom(w->client, bytes, cap, 0, &addr.any, &len);
    cr_assert(got < 0 || sockaddr_to(&addr, len, ret_from));
    return got;
}

struct seen {
    uint32_t buffers, bursts;
    uint64_t datagrams;
    struct endpoint local, remote;
};

/* Works as a worker does until nothing comes for 50 ms; echoes everything when told to. */
static struct seen serve(struct world *w, bool echo)
{
    struct seen seen = {0};
    struct datagram d;
    for (bool busy = true; busy;) {
        struct ring_event event;
        busy = false;
        cr_assert(ring_wait(&w->ring, 50 * NS_PER_MS));
        while (ring_next(&w->ring, &event)) {
            busy = true;
            if (event.tag.op == RING_UDP_SEND) {
                udp_sent(w->udp, &event);
            } else if (udp_received(w->udp, &event, &d)) {
                seen.buffers++;
                seen.bursts += d.segment != 0;
                seen.datagrams += d.segment == 0 ? 1 : (d.len + d.segment - 1) / d.segment;
                seen.local = d.local;
                seen.remote = d.remote;
                uint8_t *room = echo ? udp_room(w->udp) : NULL;
                if (room != NULL) {
                    memcpy(room, d.bytes, d.len);
                    udp_send(w->udp, room, d.len, d.segment, &d.local, &d.remote);
                }
            }
        }
        cr_assert(udp_batch_end(w->udp));
    }
    return seen;
}

static void echo_bursts(const char *address)
{
    struct world *w = world_open(address, 65536);
    uint8_t burst[20 * 1000 + 300], back[2000];
    for (size_t i = 0; i < sizeof(burst); i++) {
        burst[i] = (uint8_t)(i / 1000 + 1);
    }
    client_send(w, &w->natt, burst, sizeof(burst), 1000);
    client_send(w, &w->ike, burst, 300, 0);
    struct seen seen = serve(w, true);
    cr_assert_eq(seen.datagrams, 22);
    cr_assert_eq(seen.bursts, 1, "21 datagrams in one buffer");
    cr_assert(endpoint_equal(&seen.remote, &w->client_endpoint));
    struct endpoint from;
    for (int i = 0; i < 22; i++) {
        ssize_t len = client_receive(w, back, sizeof(back), &from);
        bool ike = from.port == IKE_PORT;
        cr_assert(len == (ike || back[0] == 21 ? 300 : 1000), "length %zd", len);
        cr_assert(ip_equal(&from.addr, &w->ike.addr), "from the address that was asked");
    }
    cr_assert_eq(udp_counters(w->udp)->datagrams_out, 22);
    cr_assert_eq(udp_counters(w->udp)->bytes_out, sizeof(burst) + 300);
    world_close(w);
}

Test(udp, echo_v4)
{
    echo_bursts("127.0.0.5");
}

Test(udp, echo_v6)
{
    echo_bursts("::1");
}

Test(udp, address_that_nobody_has_yet)
{
    struct world *w = world_open("127.0.0.1", 65536);
    struct udp_sockets later = {0};
    struct ip_addr v4, v6;
    cr_assert(ip_parse("198.51.100.1", &v4) && ip_parse("2001:db8::1", &v6));
    cr_assert_eq(udp_sockets_add(&later, &v4, IKE_PORT, NATT_PORT), 0);
    cr_assert_eq(udp_sockets_add(&later, &v6, IKE_PORT, NATT_PORT), 0);
    cr_assert_eq(later.count, 4);
    udp_sockets_close(&later);
    world_close(w);
}

/* More than the buffers of a worker hold, before it looks: receiving stops, goes on, and nothing is lost. */
Test(udp, no_buffers_left)
{
    struct world *w = world_open("127.0.0.1", 65536);
    uint8_t bytes[100] = {1};
    for (int i = 0; i < 1000; i++) {
        client_send(w, i % 2 == 0 ? &w->ike : &w->natt, bytes, sizeof(bytes), 0);
    }
    cr_assert_eq(serve(w, false).datagrams, 1000);
    cr_assert_gt(udp_counters(w->udp)->receives_stopped, 0);
    client_send(w, &w->ike, bytes, sizeof(bytes), 0);
    cr_assert_eq(serve(w, false).datagrams, 1, "and it goes on");
    world_close(w);
}

Test(udp, truncated_and_empty)
{
    struct world *w = world_open("127.0.0.1", 65536);
    static uint8_t bytes[30000];
    static const struct {
        size_t len;
        bool natt;
        uint64_t datagrams, truncated;
    } rows[] = {
        {IKE_DATAGRAM_BYTES_MAX, false, 1, 0},
        {IKE_DATAGRAM_BYTES_MAX + 1, false, 0, 1},
        {30000, false, 0, 1},
        {30000, true, 1, 0},
        {0, false, 1, 0},
        {0, true, 1, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint64_t before = udp_counters(w->udp)->drops[CAUSE_TRUNCATED];
        client_send(w, rows[i].natt ? &w->natt : &w->ike, bytes, rows[i].len, 0);
        cr_assert_eq(serve(w, false).datagrams, rows[i].datagrams, "row %zu", i);
        cr_assert_eq(udp_counters(w->udp)->drops[CAUSE_TRUNCATED] - before, rows[i].truncated, "row %zu", i);
    }
    world_close(w);
}

/* More messages in one batch than there are rooms: they leave early, none is lost. */
Test(udp, more_than_the_rooms)
{
    struct world *w = world_open("127.0.0.1", 65536);
    uint8_t message[64] = {7}, back[100];
    struct endpoint from;
    for (int i = 0; i < 5 * UDP_SEND_SLOTS; i++) {
        udp_send_message(w->udp, &w->natt, &w->client_endpoint, true, span_of(message, sizeof(message)));
    }
    serve(w, false);
    for (int i = 0; i < 5 * UDP_SEND_SLOTS; i++) {
        cr_assert_eq(client_receive(w, back, sizeof(back), &from), 68);
        cr_assert(back[0] == 0 && back[3] == 0 && back[4] == 7, "behind the non-ESP marker");
        cr_assert(endpoint_equal(&from, &w->natt));
    }
    cr_assert_eq(udp_rooms_free(w->udp), UDP_SEND_SLOTS);
    cr_assert_eq(udp_counters(w->udp)->drops[CAUSE_SEND_FAILED], 0);
    world_close(w);
}

Test(udp, cannot_send)
{
    struct world *w = world_open("127.0.0.1", 65536);
    uint8_t message[64] = {7};
    struct endpoint stranger = w->natt, unreachable = w->client_endpoint;
    stranger.port = 4501;
    udp_send_message(w->udp, &stranger, &w->client_endpoint, false, span_of(message, sizeof(message)));
    cr_assert_eq(udp_counters(w->udp)->drops[CAUSE_SEND_FAILED], 1, "not our address");
    cr_assert(ip_parse("192.0.2.1", &unreachable.addr));
    udp_send_message(w->udp, &w->ike, &unreachable, false, span_of(message, sizeof(message)));
    serve(w, false);
    cr_assert_eq(udp_counters(w->udp)->drops[CAUSE_SEND_FAILED], 2, "no route");
    cr_assert_eq(udp_rooms_free(w->udp), UDP_SEND_SLOTS);
    world_close(w);
}

/* Datagrams above the link's MTU cannot leave as a burst; they leave as fragments. */
Test(udp, burst_above_the_mtu)
{
    struct world *w = world_open("127.0.0.1", 1280);
    uint8_t back[2000];
    struct endpoint from;
    uint8_t *room = udp_room(w->udp);
    memset(room, 0x33, 4000);
    udp_send(w->udp, room, 4000, 1500, &w->natt, &w->client_endpoint);
    serve(w, false);
    cr_assert_eq(client_receive(w, back, sizeof(back), &from), 1500);
    cr_assert_eq(client_receive(w, back, sizeof(back), &from), 1500);
    cr_assert_eq(client_receive(w, back, sizeof(back), &from), 1000);
    cr_assert_eq(udp_counters(w->udp)->segments_resent, 1);
    world_close(w);
}

/* A ring that fails while receives are started: the sockets stay the caller's, who closes them once. */
Test(udp, a_start_that_fails_takes_nothing_over)
{
    struct world *w = world_open("127.0.0.1", 65536);
    struct udp_sockets sockets = {0};
    struct udp *udp = NULL;
    struct ring ring;
    cr_assert_eq(udp_sockets_add(&sockets, &w->ike.addr, 501, 4501), 0);
    cr_assert_eq(ring_open(&ring, 64), 0);
    cr_assert_eq(ring_start(&ring), 0);
    ring.error = -EBUSY;
    cr_expect_eq(udp_open(&sockets, &ring, &udp), -EBUSY);
    cr_expect_null(udp);
    cr_expect_neq(fcntl(sockets.v[0].fd, F_GETFD), -1, "closed already");
    udp_sockets_close(&sockets);
    ring_close(&ring);
    world_close(w);
}
