#include "edge/plane/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct link {
    struct mnl_socket *socket;
    uint32_t sequence;
    uint8_t buffer[32768];
};

static bool link_failed(char ret_error[LINK_ERROR_MAX], const char *step, const char *object, int error)
{
    snprintf(ret_error, LINK_ERROR_MAX, "%s %s: %s", step, object, strerror(error));
    return false;
}

struct link *link_open(char ret_error[LINK_ERROR_MAX])
{
    struct link *link = calloc(1, sizeof(*link));
    if (link != NULL) {
        link->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        link->sequence = (uint32_t)time(NULL);
    }
    if (link == NULL || link->socket == NULL || mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        link_failed(ret_error, "open", "netlink socket", errno);
        link_close(link);
        return NULL;
    }
    return link;
}

void link_close(struct link *link)
{
    if (link != NULL && link->socket != NULL) {
        mnl_socket_close(link->socket);
    }
    free(link);
}

static struct nlmsghdr *request_begin(struct link *link, uint8_t *bytes, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++link->sequence;
    return message;
}

/* Sends one request and reads its acknowledgement, or a dump into `callback`. Returns 0 or a positive errno.
 */
static int request_run(struct link *link, const struct nlmsghdr *message, mnl_cb_t callback, void *context)
{
    if (mnl_socket_sendto(link->socket, message, message->nlmsg_len) < 0) {
        return errno;
    }
    unsigned port = mnl_socket_get_portid(link->socket);
    int more = MNL_CB_OK;
    while (more > MNL_CB_STOP) {
        ssize_t len = mnl_socket_recvfrom(link->socket, link->buffer, sizeof(link->buffer));
        if (len < 0) {
            return errno;
        }
        more = mnl_cb_run(link->buffer, (size_t)len, message->nlmsg_seq, port, callback, context);
        if (more < 0) {
            return errno;
        }
        if (callback == NULL && more == MNL_CB_OK) {
            break;
        }
    }
    return 0;
}

bool link_up(struct link *link, const char *name, uint32_t mtu, char ret_error[LINK_ERROR_MAX])
{
    uint8_t bytes[512] = {0};
    struct nlmsghdr *message = request_begin(link, bytes, RTM_NEWLINK, NLM_F_ACK);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)if_nametoindex(name);
    info->ifi_flags = info->ifi_change = IFF_UP;
    if (info->ifi_index == 0) {
        return link_failed(ret_error, "find interface", name, errno);
    }
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
    int error = request_run(link, message, NULL, NULL);
    return error == 0 || link_failed(ret_error, "set up interface", name, error);
}

static uint8_t family_of(const struct ip_prefix *prefix)
{
    return prefix->is_v4 ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *message, uint16_t attribute, const struct ip_addr *addr)
{
    struct span bytes = ip_span(addr);
    mnl_attr_put(message, attribute, bytes.len, bytes.data);
}

static int address_request(struct link *link, const char *name, const struct ip_prefix *address,
                           uint16_t type, uint16_t flags)
{
    uint8_t bytes[512] = {0};
    struct nlmsghdr *message = request_begin(link, bytes, type, (uint16_t)(NLM_F_ACK | flags));
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->ifa_family = family_of(address);
    info->ifa_prefixlen = address->bits;
    /* Duplicate address detection would hold the anycast address back, which others have on purpose. */
    info->ifa_flags = address->is_v4 ? 0 : IFA_F_NODAD;
    info->ifa_index = if_nametoindex(name);
    if (info->ifa_index == 0) {
        return errno;
    }
    put_address(message, IFA_LOCAL, &address->addr);
    put_address(message, IFA_ADDRESS, &address->addr);
    return request_run(link, message, NULL, NULL);
}

static const char *address_text(const struct ip_prefix *address, const char *name, char *ret_text, size_t cap)
{
    char prefix[PREFIX_TEXT_MAX];
    snprintf(ret_text, cap, "%s on %s", prefix_format(address, prefix), name);
    return ret_text;
}

bool link_address_add(struct link *link, const char *name, const struct ip_prefix *address,
                      char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX + IFNAMSIZ + 8];
    int error = address_request(link, name, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    return error == 0 || error == EEXIST ||
           link_failed(ret_error, "add address", address_text(address, name, text, sizeof(text)), error);
}

bool link_address_delete(struct link *link, const char *name, const struct ip_prefix *address,
                         char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX + IFNAMSIZ + 8];
    int error = address_request(link, name, address, RTM_DELADDR, 0);
    return error == 0 || error == EADDRNOTAVAIL || error == ENODEV ||
           link_failed(ret_error, "delete address", address_text(address, name, text, sizeof(text)), error);
}

bool link_route_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                    char ret_error[LINK_ERROR_MAX])
{
    uint8_t bytes[512] = {0};
    char text[PREFIX_TEXT_MAX + IFNAMSIZ + 8];
    struct nlmsghdr *message =
        request_begin(link, bytes, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->rtm_family = family_of(prefix);
    info->rtm_dst_len = prefix->bits;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = LINK_ROUTE_PROTOCOL;
    info->rtm_scope = prefix->is_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    info->rtm_type = RTN_UNICAST;
    put_address(message, RTA_DST, &prefix->addr);
    uint32_t index = if_nametoindex(name);
    mnl_attr_put_u32(message, RTA_OIF, index);
    int error = index == 0 ? ENODEV : request_run(link, message, NULL, NULL);
    return error == 0 ||
           link_failed(ret_error, "add route", address_text(prefix, name, text, sizeof(text)), error);
}

/* Routes found by a dump, to be removed after it: the socket is busy until then. */
struct route_list {
    struct {
        struct rtmsg info;
        uint8_t dst[16];
        uint32_t index;
    } v[1024];
    uint32_t count;
};

static int route_attribute(const struct nlattr *attribute, void *context)
{
    const struct nlattr **table = context;
    int type = mnl_attr_get_type(attribute);
    if (mnl_attr_type_valid(attribute, RTA_MAX) > 0) {
        table[type] = attribute;
    }
    return MNL_CB_OK;
}

static int route_collect(const struct nlmsghdr *message, void *context)
{
    struct route_list *list = context;
    const struct nlattr *table[RTA_MAX + 1] = {0};
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_protocol != LINK_ROUTE_PROTOCOL ||
        list->count == HF_COUNT(list->v)) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, sizeof(*info), route_attribute, table);
    size_t len = info->rtm_family == AF_INET ? 4 : 16;
    if (table[RTA_OIF] != NULL && table[RTA_DST] != NULL && mnl_attr_get_payload_len(table[RTA_DST]) == len) {
        list->v[list->count].info = *info;
        memcpy(list->v[list->count].dst, mnl_attr_get_payload(table[RTA_DST]), len);
        list->v[list->count++].index = mnl_attr_get_u32(table[RTA_OIF]);
    }
    return MNL_CB_OK;
}

static int routes_clear_family(struct link *link, uint8_t family, struct route_list *list)
{
    uint8_t bytes[512] = {0};
    struct nlmsghdr *message = request_begin(link, bytes, RTM_GETROUTE, NLM_F_DUMP);
    struct rtmsg *wanted = mnl_nlmsg_put_extra_header(message, sizeof(*wanted));
    wanted->rtm_family = family;
    list->count = 0;
    int error = request_run(link, message, route_collect, list);
    for (uint32_t i = 0; i < list->count && error == 0; i++) {
        memset(bytes, 0, sizeof(bytes));
        message = request_begin(link, bytes, RTM_DELROUTE, NLM_F_ACK);
        struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        *info = list->v[i].info;
        info->rtm_flags = 0;
        mnl_attr_put(message, RTA_DST, family == AF_INET ? 4 : 16, list->v[i].dst);
        mnl_attr_put_u32(message, RTA_OIF, list->v[i].index);
        error = request_run(link, message, NULL, NULL);
        error = error == ESRCH ? 0 : error;
    }
    return error;
}

bool link_routes_clear(struct link *link, char ret_error[LINK_ERROR_MAX])
{
    struct route_list *list = calloc(1, sizeof(*list));
    int error = list == NULL ? ENOMEM : 0;
    if (error == 0) {
        error = routes_clear_family(link, AF_INET, list);
    }
    if (error == 0) {
        error = routes_clear_family(link, AF_INET6, list);
    }
    free(list);
    return error == 0 || link_failed(ret_error, "remove", "our old routes", error);
}

static int sysctl_enable(const char *path, bool *ret_changed)
{
    char value = '0';
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int error = read(fd, &value, 1) == 1 ? 0 : EIO;
    if (error == 0 && value == '0') {
        error = pwrite(fd, "1\n", 2, 0) == 2 ? 0 : errno;
        *ret_changed = error == 0;
    }
    close(fd);
    return error;
}

bool link_forwarding_enable(bool *ret_changed, char ret_error[LINK_ERROR_MAX])
{
    static const char *const paths[] = {"/proc/sys/net/ipv4/ip_forward",
                                        "/proc/sys/net/ipv6/conf/all/forwarding"};
    *ret_changed = false;
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        int error = sysctl_enable(paths[i], ret_changed);
        if (error != 0 && error != ENOENT) { /* a host without IPv6 */
            return link_failed(ret_error, "enable", paths[i], error);
        }
    }
    return true;
}
