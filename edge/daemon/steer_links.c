/* The steering program on interfaces: those that the config names, as they come, go and come again. */
#include "edge/daemon/daemon.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS (30 * NS_PER_S) /* an interface that is there and refuses */

static void say(const struct steer_feed *feed, const struct steer_link *link, const char *event,
                const char *text)
{
    log_event(
        feed->log, daemon_wall_ns(), LOG_LEVEL_INFO, event,
        LOG_FIELDS(LOG_TEXT("interface", link->interface), LOG_TEXT("mode", steer_mode_name(link->mode))),
        "steering on %s, %s%s", link->interface, steer_mode_name(link->mode), text);
}

uint32_t steer_links_attached(const struct steer_feed *feed)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < feed->num_links; i++) {
        count += feed->links[i].is_attached;
    }
    return count;
}

static bool are_native(const struct steer_feed *feed)
{
    bool native = true;
    for (uint32_t i = 0; i < feed->num_links; i++) {
        native = native && (!feed->links[i].is_attached || feed->links[i].mode == STEERING_NATIVE);
    }
    return native && steer_links_attached(feed) > 0;
}

void steer_links_mode(struct steer_feed *feed)
{
    struct hf_config *config = steering_config(feed->steering);
    uint8_t mode = feed->has_cpus && are_native(feed) ? HF_MODE_CPUMAP : HF_MODE_PASS;
    feed->is_stale = feed->is_stale || config->mode != mode;
    config->mode = mode;
}

/* Before there is another interface, which may be one that loses what it redirects to a CPU (generic). */
static void mode_pass(struct steer_feed *feed)
{
    struct hf_config *config = steering_config(feed->steering);
    if (config->mode == HF_MODE_CPUMAP) {
        config->mode = HF_MODE_PASS;
        steer_feed_commit(feed);
    }
}

/* Why not is said once. */
static void attach(struct steer_feed *feed, struct steer_link *link)
{
    char error[STEERING_ERROR_MAX] = "";
    mode_pass(feed);
    bool is_attached = steering_attach(feed->steering, link->interface, link->wanted, &link->mode, error);
    if (error[0] != '\0' && !link->is_missed) {
        steer_feed_missing(feed, is_attached ? "steering does not survive a restart" : "steering", error);
    }
    link->is_missed = error[0] != '\0';
    link->is_attached = is_attached;
    link->ifindex = if_nametoindex(link->interface);
    link->retry = feed->now + RETRY_NS;
    if (is_attached) {
        say(feed, link, "steering_attached", "");
    }
}

static void detach(struct steer_feed *feed, struct steer_link *link, const char *why)
{
    if (link->is_attached) {
        steering_detach(feed->steering, link->interface);
        link->is_attached = link->is_missed = false;
        say(feed, link, "steering_detached", why);
    }
}

bool steer_links_is_only(const struct steer_feed *feed, uint32_t ifindex)
{
    for (uint32_t i = 0; i < feed->num_links; i++) {
        if (feed->links[i].is_attached && feed->links[i].ifindex != ifindex) {
            return false;
        }
    }
    return steer_links_attached(feed) == 1;
}

/* An interface may be made anew under its old name, and takes the program along when it goes. */
void steer_links_look(struct steer_feed *feed)
{
    uint32_t before = steer_links_attached(feed);
    for (uint32_t i = 0; i < feed->num_links; i++) {
        struct steer_link *link = &feed->links[i];
        uint32_t ifindex = if_nametoindex(link->interface);
        if (link->is_attached && link->ifindex != ifindex) {
            detach(feed, link, ": the interface has gone");
        }
        bool is_due = ifindex != 0 && (ifindex != link->ifindex || feed->now >= link->retry);
        if (!link->is_attached && (is_due || !link->is_missed)) {
            attach(feed, link);
        }
    }
    steer_links_mode(feed);
    if (before != steer_links_attached(feed)) {
        steer_nodes_look(feed); /* whether frames to them go out where packets come in */
    }
}

static struct steer_link *find(struct steer_link *links, uint32_t count, const char *interface)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(links[i].interface, interface) == 0) {
            return &links[i];
        }
    }
    return NULL;
}

/* The new ones first: packets may be about to come in there instead. In another mode an interface is without
 * the program for a moment, and the workers forward by hand. */
void steer_links_set(struct steer_feed *feed, const struct config_steering *steering)
{
    struct steer_link old[CONFIG_INTERFACES_MAX];
    uint32_t num_old = feed->num_links;
    enum steering_mode wanted = (enum steering_mode)steering->mode;
    memcpy(old, feed->links, sizeof(old));
    for (uint32_t i = 0; i < steering->num_interfaces; i++) {
        struct steer_link *link = &feed->links[i];
        const struct steer_link *before = find(old, num_old, steering->interfaces[i]);
        *link = before == NULL ? (struct steer_link){.wanted = wanted} : *before;
        snprintf(link->interface, sizeof(link->interface), "%s", steering->interfaces[i]);
        if (link->wanted != wanted) {
            link->wanted = wanted;
            detach(feed, link, ": in another mode from now on");
        }
    }
    feed->num_links = steering->num_interfaces;
    steer_links_look(feed);
    for (uint32_t i = 0; i < num_old; i++) {
        if (find(feed->links, feed->num_links, old[i].interface) == NULL) {
            detach(feed, &old[i], ": not any more");
        }
    }
    steer_links_mode(feed);
    steer_nodes_look(feed);
}
