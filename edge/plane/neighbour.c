#include "edge/plane/neighbour.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { REQUEST_BYTES = 512, ANSWER_BYTES = 16384, LINK_BYTES = 6 };

#define STATES_KNOWN (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct neighbours {
    struct mnl_socket *socket;
    uint32_t sequence;
    _Alignas(struct nlmsghdr) uint8_t request[REQUEST_BYTES];
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
};

/* What is being found out. */
struct search {
    bool is_v4;
    struct ip_addr hop; /* the next one */
    struct neighbour found;
    bool has_from, has_to;
    uint16_t state;
};

int neighbours_open(struct neighbours **ret_neighbours)
{
    struct neighbours *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        return -ENOMEM;
    }
    n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (n->socket == NULL || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        int error = -errno;
        neighbours_close(n);
        return error;
    }
    *ret_neighbours = n;
    return 0;
}

void neighbours_close(struct neighbours *n)
{
    if (n != NULL) {
        if (n->socket != NULL) {
            mnl_socket_close(n->socket);
        }
        free(n);
    }
}

/* ---- one question, one answer */

static struct nlmsghdr *begin(struct neighbours *n, uint16_t type, uint16_t flags)
{
    memset(n->request, 0, sizeof(n->request));
    struct nlmsghdr *message = mnl_nlmsg_put_header(n->request);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++n->sequence;
    return message;
}

static int ask(struct neighbours *n, mnl_cb_t each, struct search *search)
{
    const struct nlmsghdr *request = (const struct nlmsghdr *)n->request;
    if (mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0) {
        return -errno;
    }
    ssize_t len = mnl_socket_recvfrom(n->socket, n->answer, sizeof(n->answer));
    if (len < 0) {
        return -errno;
    }
    int result =
        mnl_cb_run(n->answer, (size_t)len, n->sequence, mnl_socket_get_portid(n->socket), each, search);
    return result < 0 ? -errno : 0;
}

static void put_addr(struct nlmsghdr *message, uint16_t type, const struct ip_addr *addr)
{
    if (ip_is_v4(addr)) {
        mnl_attr_put(message, type, 4, addr->bytes + 12);
    } else {
        mnl_attr_put(message, type, 16, addr->bytes);
    }
}

static uint8_t family_of(const struct ip_addr *addr)
{
    return ip_is_v4(addr) ? AF_INET : AF_INET6;
}

static bool link_copy(const struct nlattr *attribute, uint8_t ret_link[LINK_BYTES])
{
    if (mnl_attr_get_payload_len(attribute) != LINK_BYTES) {
        return false;
    }
    memcpy(ret_link, mnl_attr_get_payload(attribute), LINK_BYTES);
    return true;
}

/* ---- route, link, neighbour */

/* A gateway of the other family (RTA_VIA) is not looked for: its link address would do, but nobody has it. */
static int on_route(const struct nlmsghdr *message, void *context)
{
    struct search *search = context;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
    {
        if (mnl_attr_get_type(attribute) == RTA_OIF) {
            search->found.ifindex = mnl_attr_get_u32(attribute);
        } else if (mnl_attr_get_type(attribute) == RTA_GATEWAY) {
            memcpy(search->hop.bytes + (search->is_v4 ? 12 : 0), mnl_attr_get_payload(attribute),
                   search->is_v4 ? 4 : 16);
        }
    }
    return MNL_CB_OK;
}

static int route_find(struct neighbours *n, const struct ip_addr *remote, struct search *search)
{
    struct nlmsghdr *message = begin(n, RTM_GETROUTE, 0);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
    route->rtm_family = family_of(remote);
    route->rtm_dst_len = search->is_v4 ? 32 : 128;
    put_addr(message, RTA_DST, remote);
    int error = ask(n, on_route, search);
    return error != 0 ? error : search->found.ifindex == 0 ? -ENETUNREACH : 0;
}

static int on_link(const struct nlmsghdr *message, void *context)
{
    struct search *search = context;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(attribute) == IFLA_ADDRESS) {
            search->has_from = link_copy(attribute, search->found.link_from);
        }
    }
    return MNL_CB_OK;
}

static int link_find(struct neighbours *n, struct search *search)
{
    struct nlmsghdr *message = begin(n, RTM_GETLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
    link->ifi_index = (int)search->found.ifindex;
    int error = ask(n, on_link, search);
    return error != 0 ? error : search->has_from ? 0 : -EADDRNOTAVAIL;
}

static int on_neighbour(const struct nlmsghdr *message, void *context)
{
    struct search *search = context;
    const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    search->state = neighbour->ndm_state;
    mnl_attr_for_each(attribute, message, sizeof(*neighbour))
    {
        if (mnl_attr_get_type(attribute) == NDA_LLADDR) {
            search->has_to = link_copy(attribute, search->found.link_to);
        }
    }
    return MNL_CB_OK;
}

static struct nlmsghdr *neighbour_begin(struct neighbours *n, const struct search *search, uint16_t type,
                                        uint16_t flags, uint8_t neighbour_flags)
{
    struct nlmsghdr *message = begin(n, type, flags);
    struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));
    neighbour->ndm_family = family_of(&search->hop);
    neighbour->ndm_ifindex = (int)search->found.ifindex;
    neighbour->ndm_flags = neighbour_flags;
    put_addr(message, NDA_DST, &search->hop);
    return message;
}

/* As if a packet were to be sent there: the kernel asks who has the address, or whether that still holds. */
static int neighbour_use(struct neighbours *n, struct search *search)
{
    (void)neighbour_begin(n, search, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, NTF_USE);
    return ask(n, NULL, search);
}

int neighbour_find(struct neighbours *n, const struct ip_addr *remote, struct neighbour *ret_neighbour)
{
    struct search search = {.is_v4 = ip_is_v4(remote), .hop = *remote};
    int error = route_find(n, remote, &search);
    if (error == 0) {
        error = link_find(n, &search);
    }
    if (error != 0) {
        return error;
    }
    (void)neighbour_begin(n, &search, RTM_GETNEIGH, 0, 0);
    error = ask(n, on_neighbour, &search);
    if (error != 0 && error != -ENOENT) {
        return error;
    }
    bool is_known = error == 0 && search.has_to && (search.state & STATES_KNOWN) != 0;
    if (!is_known || search.state == NUD_STALE) {
        error = neighbour_use(n, &search);
    }
    if (is_known) {
        *ret_neighbour = search.found;
        return 0;
    }
    return error != 0 ? error : -EAGAIN;
}
