/* The route that FRR redistributes. */
#include "edge/daemon/bgp_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUTE_RETRY_NS (200 * NS_PER_MS)

uint32_t bgp_patience_ms(const struct bgp *b)
{
    return (uint32_t)(b->config_start->bgp.health.stall_ns / NS_PER_MS);
}

void bgp_route_remove(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    char error[LINK_ERROR_MAX];
    for (uint32_t i = 0; i < b->num_routes; i++) {
        (void)!link_route_delete(d->network.link, b->config_start->bgp.interface, &b->routes[i], error);
    }
    b->num_routes = 0;
    keeper_let_go(&b->keeper);
    if (b->own_tun >= 0) {
        close(b->own_tun);
    }
    b->own_tun = -1;
    b->has_route = false;
}

static bool routes_add(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct frr_setup *setup = &b->setup;
    for (uint32_t i = 0; i < setup->num_prefixes; i++) {
        if (!link_route_add(d->network.link, b->config_start->bgp.interface, &setup->prefixes[i],
                            b->route_error)) {
            return false;
        }
        b->routes[i] = setup->prefixes[i];
        b->num_routes = i + 1;
    }
    return true;
}

/* The device first goes to the keeper: from then on nothing that happens to us can leave a route behind. */
static bool route_make(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const char *name = b->config_start->bgp.interface;
    struct tun_device device;
    int error = tun_create(name, &device);
    if (error != 0) {
        snprintf(b->route_error, sizeof(b->route_error), "%s: %s", name, strerror(-error));
        return false;
    }
    if (b->keeper.fd >= 0) {
        error = keeper_hold(&b->keeper, device.fd, bgp_patience_ms(b));
    } else {
        b->own_tun = device.fd;
    }
    b->has_route = true;
    if (error != 0) {
        snprintf(b->route_error, sizeof(b->route_error), "the route's keeper: %s", strerror(-error));
    }
    return error == 0 && link_up(d->network.link, name, 0, b->route_error) && routes_add(d);
}

void bgp_route_follow(struct daemon *d, ns_t now)
{
    struct bgp *b = &d->bgp;
    bool wanted = b->announce.wish != ANNOUNCE_WITHDRAW;
    if (!wanted && b->has_route) {
        bgp_route_remove(d);
    }
    if (!wanted) {
        b->route_error[0] = '\0';
    }
    if (!wanted || b->has_route || now < b->route_try) {
        return;
    }
    bool is_new = b->route_error[0] == '\0';
    b->route_try = now + ROUTE_RETRY_NS;
    if (route_make(d)) {
        b->route_error[0] = '\0';
    } else {
        bgp_route_remove(d);
        if (is_new) { /* a device of ours that is still going is no news */
            bgp_say(d, LOG_LEVEL_WARNING, "bgp_no_route", "no_route", b->route_error);
        }
    }
}

void bgp_routes_change(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    char ignored[LINK_ERROR_MAX];
    struct ip_prefix before[CONFIG_BGP_PREFIXES_MAX];
    uint32_t count = b->num_routes;
    memcpy(before, b->routes, sizeof(before));
    if (!routes_add(d)) {
        bgp_say(d, LOG_LEVEL_WARNING, "bgp_no_route", "no_route", b->route_error);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool stays = false;
        for (uint32_t k = 0; k < b->num_routes; k++) {
            stays = stays || prefix_equal(&before[i], &b->routes[k]);
        }
        if (!stays) {
            (void)!link_route_delete(d->network.link, b->config_start->bgp.interface, &before[i], ignored);
        }
    }
}
