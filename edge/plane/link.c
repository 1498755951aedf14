#include "edge/plane/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    REQUEST_BYTES = 1024,
    ANSWER_BYTES = 32768,
    KERNEL_TEXT_BYTES = 128,
};

struct link {
    struct mnl_socket *socket;
    uint32_t sequence;
    char kernel_text[KERNEL_TEXT_BYTES]; /* what the last answer gave as its reason; "" for none */
    _Alignas(struct nlmsghdr) uint8_t request[REQUEST_BYTES];
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
};

/* Says what went wrong with the object that the format names, and returns false. `code` is a negative errno.
 */
static bool HF_PRINTF(5, 6) failed(const struct link *link, int code, const char *step,
                                   char ret_error[LINK_ERROR_MAX], const char *format, ...)
{
    char object[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(object, sizeof(object), format, arguments);
    va_end(arguments);
    const char *text = link == NULL ? "" : link->kernel_text;
    snprintf(ret_error, LINK_ERROR_MAX, "%s: %s: %s%s%s%s", object, step, strerror(-code),
             text[0] == 0 ? "" : " (", text, text[0] == 0 ? "" : ")");
    return false;
}

struct link *link_open(char ret_error[LINK_ERROR_MAX])
{
    struct link *link = calloc(1, sizeof(*link));
    ret_error[0] = 0;
    if (link != NULL) {
        link->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    }
    if (link == NULL || link->socket == NULL || mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        failed(NULL, -errno, "open", ret_error, "rtnetlink");
        link_close(link);
        return NULL;
    }
    int one = 1;
    /* Reasons in words, and dumps that the kernel filters; older kernels do without. */
    (void)mnl_socket_setsockopt(link->socket, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)mnl_socket_setsockopt(link->socket, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
    return link;
}

void link_close(struct link *link)
{
    if (link != NULL) {
        if (link->socket != NULL) {
            mnl_socket_close(link->socket);
        }
        free(link);
    }
}

/* ---- talking to the kernel */

static struct nlmsghdr *request_begin(struct link *link, uint16_t type, uint16_t flags)
{
    memset(link->request, 0, sizeof(link->request));
    link->kernel_text[0] = 0;
    struct nlmsghdr *message = mnl_nlmsg_put_header(link->request);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++link->sequence;
    return message;
}

static void kernel_text_keep(struct link *link, const struct nlmsghdr *message, const struct nlmsgerr *error)
{
    const struct nlattr *attribute;
    size_t offset = sizeof(*error);
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
        return;
    }
    if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
        offset += mnl_nlmsg_get_payload_len(&error->msg);
    }
    mnl_attr_for_each(attribute, message, (unsigned)offset)
    {
        if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
            snprintf(link->kernel_text, sizeof(link->kernel_text), "%s", mnl_attr_get_str(attribute));
        }
    }
}

/* One message of an answer: MNL_CB_OK to go on, MNL_CB_STOP at its end, else a negative errno. */
static int answer_read(struct link *link, const struct nlmsghdr *message, mnl_cb_t each, void *context)
{
    if (message->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
        if (mnl_nlmsg_get_payload_len(message) < sizeof(*error)) {
            return -EBADMSG;
        }
        kernel_text_keep(link, message, error);
        return error->error == 0 ? MNL_CB_STOP : error->error;
    }
    if (message->nlmsg_type == NLMSG_DONE) {
        return MNL_CB_STOP;
    }
    if (message->nlmsg_type >= NLMSG_MIN_TYPE && each != NULL) {
        (void)each(message, context);
    }
    return MNL_CB_OK;
}

/* Sends the request and reads its answer to the end, each message of a dump to `each`; 0 or a negative errno.
 */
static int talk(struct link *link, mnl_cb_t each, void *context)
{
    const struct nlmsghdr *request = (const struct nlmsghdr *)link->request;
    int status = MNL_CB_OK;
    if (mnl_socket_sendto(link->socket, request, request->nlmsg_len) < 0) {
        return -errno;
    }
    while (status == MNL_CB_OK) {
        ssize_t len = mnl_socket_recvfrom(link->socket, link->answer, sizeof(link->answer));
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len < 0) {
            return -errno;
        }
        int left = (int)len;
        const struct nlmsghdr *message = (const struct nlmsghdr *)link->answer;
        for (; mnl_nlmsg_ok(message, left) && status == MNL_CB_OK; message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq == request->nlmsg_seq) { /* not of an earlier request that failed */
                status = answer_read(link, message, each, context);
            }
        }
    }
    return status == MNL_CB_STOP ? 0 : status;
}

/* The link's number; 0 when there is none of that name. */
static uint32_t index_of(const char *name)
{
    return strlen(name) < LINK_NAME_MAX ? if_nametoindex(name) : 0;
}

static uint8_t family_of(const struct ip_prefix *prefix)
{
    return prefix->is_v4 ? AF_INET : AF_INET6;
}

static void addr_put(struct nlmsghdr *message, uint16_t type, const struct ip_addr *addr)
{
    struct span bytes = ip_span(addr);
    mnl_attr_put(message, type, bytes.len, bytes.data);
}

/* ---- links and addresses */

bool link_up(struct link *link, const char *name, uint32_t mtu, char ret_error[LINK_ERROR_MAX])
{
    struct nlmsghdr *message = request_begin(link, RTM_NEWLINK, NLM_F_ACK);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)index_of(name);
    info->ifi_flags = IFF_UP;
    info->ifi_change = IFF_UP;
    if (mtu != 0) {
        mnl_attr_put_u32(message, IFLA_MTU, mtu);
    }
    int code = info->ifi_index == 0 ? -ENODEV : talk(link, NULL, NULL);
    return code == 0 || failed(link, code, "set up", ret_error, "link %.16s", name);
}

static int address_change(struct link *link, uint16_t type, uint16_t flags, const char *name,
                          const struct ip_prefix *address)
{
    struct nlmsghdr *message = request_begin(link, type, (uint16_t)(NLM_F_ACK | flags));
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->ifa_family = family_of(address);
    info->ifa_prefixlen = address->bits;
    info->ifa_flags = address->is_v4 ? 0 : IFA_F_NODAD;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = index_of(name);
    addr_put(message, IFA_LOCAL, &address->addr);
    addr_put(message, IFA_ADDRESS, &address->addr);
    return info->ifa_index == 0 ? -ENODEV : talk(link, NULL, NULL);
}

bool link_address_add(struct link *link, const char *name, const struct ip_prefix *address,
                      char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX];
    int code = address_change(link, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, address);
    return code == 0 || code == -EEXIST ||
           failed(link, code, "add", ret_error, "address %s dev %.16s", prefix_format(address, text), name);
}

bool link_address_delete(struct link *link, const char *name, const struct ip_prefix *address,
                         char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX];
    int code = address_change(link, RTM_DELADDR, 0, name, address);
    return code == 0 || code == -EADDRNOTAVAIL || code == -ENODEV ||
           failed(link, code, "delete", ret_error, "address %s dev %.16s", prefix_format(address, text),
                  name);
}

/* ---- routes */

/* `metric` 0: the kernel's own. */
static void metric_put(struct nlmsghdr *message, uint32_t metric)
{
    if (metric != 0) {
        mnl_attr_put_u32(message, RTA_PRIORITY, metric);
    }
}

static int route_add(struct link *link, uint32_t index, const struct ip_prefix *prefix, uint32_t metric)
{
    struct nlmsghdr *message = request_begin(link, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->rtm_family = family_of(prefix);
    info->rtm_dst_len = prefix->bits;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = LINK_ROUTE_PROTOCOL;
    info->rtm_scope = prefix->is_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    info->rtm_type = RTN_UNICAST;
    addr_put(message, RTA_DST, &prefix->addr);
    mnl_attr_put_u32(message, RTA_OIF, index);
    metric_put(message, metric);
    return index == 0 ? -ENODEV : talk(link, NULL, NULL);
}

/* Whatever its scope and type; index 0: of any link; metric 0: the one with the lowest. */
static int route_delete(struct link *link, uint32_t index, const struct ip_prefix *prefix, uint32_t metric)
{
    struct nlmsghdr *message = request_begin(link, RTM_DELROUTE, NLM_F_ACK);
    struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->rtm_family = family_of(prefix);
    info->rtm_dst_len = prefix->bits;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = LINK_ROUTE_PROTOCOL;
    info->rtm_scope = RT_SCOPE_NOWHERE;
    addr_put(message, RTA_DST, &prefix->addr);
    if (index != 0) {
        mnl_attr_put_u32(message, RTA_OIF, index);
    }
    metric_put(message, metric);
    return talk(link, NULL, NULL);
}

static bool to_link_add(struct link *link, const char *name, const struct ip_prefix *prefix, uint32_t metric,
                        char *ret_error)
{
    char text[PREFIX_TEXT_MAX];
    int code = route_add(link, index_of(name), prefix, metric);
    return code == 0 ||
           failed(link, code, "add", ret_error, "route %s dev %.16s", prefix_format(prefix, text), name);
}

static bool to_link_delete(struct link *link, const char *name, const struct ip_prefix *prefix,
                           uint32_t metric, char *ret_error)
{
    char text[PREFIX_TEXT_MAX];
    uint32_t index = index_of(name);
    int code = index == 0 ? -ENODEV : route_delete(link, index, prefix, metric);
    return code == 0 || code == -ESRCH || code == -ENODEV ||
           failed(link, code, "delete", ret_error, "route %s dev %.16s", prefix_format(prefix, text), name);
}

bool link_route_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                    char ret_error[LINK_ERROR_MAX])
{
    return to_link_add(link, name, prefix, prefix->is_v4 ? 0 : LINK_METRIC_IP6, ret_error);
}

bool link_route_delete(struct link *link, const char *name, const struct ip_prefix *prefix,
                       char ret_error[LINK_ERROR_MAX])
{
    return to_link_delete(link, name, prefix, 0, ret_error);
}

bool link_fallback_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                       char ret_error[LINK_ERROR_MAX])
{
    return to_link_add(link, name, prefix, LINK_FALLBACK_METRIC, ret_error);
}

bool link_fallback_delete(struct link *link, const char *name, const struct ip_prefix *prefix,
                          char ret_error[LINK_ERROR_MAX])
{
    return to_link_delete(link, name, prefix, LINK_FALLBACK_METRIC, ret_error);
}

/* NEWROUTE or DELROUTE. */
static int cover_change(struct link *link, uint16_t type, uint16_t flags, const struct ip_prefix *prefix)
{
    struct nlmsghdr *message = request_begin(link, type, (uint16_t)(NLM_F_ACK | flags));
    struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
    info->rtm_family = family_of(prefix);
    info->rtm_dst_len = prefix->bits;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = LINK_ROUTE_PROTOCOL;
    info->rtm_scope = RT_SCOPE_UNIVERSE;
    info->rtm_type = RTN_BLACKHOLE;
    addr_put(message, RTA_DST, &prefix->addr);
    mnl_attr_put_u32(message, RTA_PRIORITY, LINK_COVER_METRIC);
    return talk(link, NULL, NULL);
}

bool link_cover_add(struct link *link, const struct ip_prefix *prefix, char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX];
    int code = cover_change(link, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, prefix);
    return code == 0 || failed(link, code, "add", ret_error, "cover of %s", prefix_format(prefix, text));
}

bool link_cover_delete(struct link *link, const struct ip_prefix *prefix, char ret_error[LINK_ERROR_MAX])
{
    char text[PREFIX_TEXT_MAX];
    int code = cover_change(link, RTM_DELROUTE, 0, prefix);
    return code == 0 || code == -ESRCH ||
           failed(link, code, "delete", ret_error, "cover of %s", prefix_format(prefix, text));
}

struct found_route {
    struct ip_prefix prefix;
    uint32_t index, metric;
};

struct route_list {
    struct found_route *routes;
    size_t cap, count;
    const struct ip_prefix *covers; /* which are not listed */
    size_t num_covers;
};

static bool is_covered(const struct route_list *list, const struct found_route *route)
{
    for (size_t i = 0; i < list->num_covers && route->metric == LINK_COVER_METRIC; i++) {
        if (prefix_equal(&list->covers[i], &route->prefix)) {
            return true;
        }
    }
    return false;
}

static void route_attribute_read(const struct nlattr *attribute, uint8_t family,
                                 struct found_route *ret_route)
{
    size_t len = mnl_attr_get_payload_len(attribute);
    uint16_t type = mnl_attr_get_type(attribute);
    if (type == RTA_DST && len == (family == AF_INET ? 4 : 16)) {
        const uint8_t *bytes = mnl_attr_get_payload(attribute);
        ret_route->prefix.addr = family == AF_INET ? ip_from_v4(bytes) : ip_from_v6(bytes);
    } else if (type == RTA_OIF && len == sizeof(uint32_t)) {
        ret_route->index = mnl_attr_get_u32(attribute);
    } else if (type == RTA_PRIORITY && len == sizeof(uint32_t)) {
        ret_route->metric = mnl_attr_get_u32(attribute);
    }
}

static int route_keep(const struct nlmsghdr *message, void *context)
{
    struct route_list *list = context;
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_protocol != LINK_ROUTE_PROTOCOL ||
        info->rtm_table != RT_TABLE_MAIN) {
        return MNL_CB_OK;
    }
    static const uint8_t zeros[16];
    bool is_v4 = info->rtm_family == AF_INET;
    struct found_route route = {.prefix = {.bits = info->rtm_dst_len, .is_v4 = is_v4}};
    route.prefix.addr = is_v4 ? ip_from_v4(zeros) : ip_from_v6(zeros); /* a default route has no RTA_DST */
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*info))
    {
        route_attribute_read(attribute, info->rtm_family, &route);
    }
    if (is_covered(list, &route)) {
        return MNL_CB_OK;
    }
    if (list->count < list->cap) {
        list->routes[list->count] = route;
    }
    list->count++;
    return MNL_CB_OK;
}

/* Our routes of both families; the socket is busy until all are read, so removing comes after. */
static int routes_find(struct link *link, struct route_list *list)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    int code = 0;
    list->count = 0;
    for (size_t i = 0; i < HF_COUNT(families) && code == 0; i++) {
        struct nlmsghdr *message = request_begin(link, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        info->rtm_family = families[i];
        info->rtm_protocol = LINK_ROUTE_PROTOCOL;
        code = talk(link, route_keep, list);
        if (families[i] == AF_INET6 && (code == -EOPNOTSUPP || code == -EAFNOSUPPORT)) {
            code = 0; /* no IPv6 in this kernel */
        }
    }
    return code;
}

bool link_routes(struct link *link, struct link_route *ret_routes, size_t cap, size_t *ret_count,
                 char ret_error[LINK_ERROR_MAX])
{
    struct route_list list = {.routes = calloc(cap + 1, sizeof(*list.routes)), .cap = cap};
    int code = list.routes == NULL ? -ENOMEM : routes_find(link, &list);
    for (size_t i = 0; i < HF_MIN(list.count, cap) && code == 0; i++) {
        ret_routes[i] = (struct link_route){.prefix = list.routes[i].prefix};
        if (if_indextoname(list.routes[i].index, ret_routes[i].name) == NULL) {
            ret_routes[i].name[0] = 0;
        }
    }
    free(list.routes);
    *ret_count = list.count;
    return code == 0 || failed(link, code, "list", ret_error, "routes of protocol %d", LINK_ROUTE_PROTOCOL);
}

#define CLEAR_ROUNDS_MAX 10000 /* of 64 routes each */

bool link_routes_clear(struct link *link, const struct ip_prefix *covers, size_t num_covers,
                       char ret_error[LINK_ERROR_MAX])
{
    struct found_route routes[64];
    struct route_list list = {
        .routes = routes, .cap = HF_COUNT(routes), .covers = covers, .num_covers = num_covers};
    int code = routes_find(link, &list);
    /* The links of a daemon that was killed are going while we look: a route that is gone when we ask for it
     * is no error, one that is listed again and again is. */
    for (int round = 0; code == 0 && list.count > 0; round++) {
        for (size_t i = 0; i < HF_MIN(list.count, list.cap) && (code == 0 || code == -ESRCH); i++) {
            code = route_delete(link, routes[i].index, &routes[i].prefix, 0);
        }
        if (code == 0 || (code == -ESRCH && round < CLEAR_ROUNDS_MAX)) {
            code = routes_find(link, &list);
        }
    }
    return code == 0 || failed(link, code, "remove", ret_error, "routes of protocol %d", LINK_ROUTE_PROTOCOL);
}

/* ---- forwarding */

/* Writes "1" where there is none: 0, 1 when that was a change, or a negative errno. */
static int switch_on(const char *path)
{
    char before = '0';
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* a container may have it on, and read-only */
    if (fd < 0) {
        return -errno;
    }
    bool is_read = read(fd, &before, 1) == 1;
    close(fd);
    if (is_read && before == '1') {
        return 0;
    }
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int code = write(fd, "1\n", 2) == 2 ? 1 : -errno;
    close(fd);
    return code;
}

bool link_forwarding_enable(bool *ret_changed, char ret_error[LINK_ERROR_MAX])
{
    static const char *const paths[] = {
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv6/conf/all/forwarding",
    };
    *ret_changed = false;
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        int code = switch_on(paths[i]);
        *ret_changed = *ret_changed || code == 1;
        if (code < 0 && !(i == 1 && code == -ENOENT)) {
            return failed(NULL, code, "set to 1", ret_error, "sysctl %s", paths[i]);
        }
    }
    return true;
}
