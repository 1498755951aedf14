#include "edge/frr/frr.h"

#include "edge/frr/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_EVERY_NS (500 * NS_PER_MS)
#define ASK_EVERY_NS NS_PER_S
#define ASK_SOON_NS (100 * NS_PER_MS)
#define ASK_SOON_TIMES 20

enum tag {
    TAG_ENABLE,
    TAG_RUNNING,
    TAG_CHANGE,
    TAG_REMOVE,
    TAG_DONE,
    TAG_CLEAR,
    TAG_SUMMARY,
    TAG_SENT,
    TAG_BFD
};

/* One of FRR's daemons. */
struct peer {
    struct frr *frr;
    struct vty vty;
    ns_t try_at;
    bool is_told, is_telling, is_refused;
    uint32_t rounds; /* of telling, for what is wanted now */
};

struct frr {
    struct frr_options options;
    char sockets[sizeof(((struct vty *)NULL)->path)];
    struct frr_setup setup;
    struct frr_view view;
    struct peer peers[FRR_DAEMONS];
    ns_t now, ask_at;
    uint32_t ask_soon, asking; /* the neighbour that is asked about */
    char text[FRR_TEXT_MAX], commands[FRR_TEXT_MAX];
};

const char *frr_state_name(enum frr_state state)
{
    static const char *const names[] = {
        [FRR_AWAY] = "away", [FRR_BUSY] = "busy", [FRR_AS_TOLD] = "as_told", [FRR_REFUSED] = "refused"};
    hf_assert((unsigned)state < HF_COUNT(names));
    return names[state];
}

/* ---- telling */

static void ask(struct peer *peer, enum tag tag, const char *command)
{
    (void)!vty_send(&peer->vty, tag, command); /* when it is full or lost, the rest is asked again */
}

static void tell_begin(struct peer *peer)
{
    peer->is_telling = true;
    peer->is_told = peer->is_refused = false;
    ask(peer, TAG_RUNNING, "show running-config");
}

/* With "no" before it a line may be gone already, with another one. */
static void send_lines(struct peer *peer, char *commands)
{
    char *save = NULL;
    ask(peer, TAG_CHANGE, "configure terminal");
    for (char *line = strtok_r(commands, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        ask(peer, strncmp(line, "no ", 3) == 0 ? TAG_REMOVE : TAG_CHANGE, line);
        peer->frr->view.commands++;
    }
    ask(peer, TAG_CHANGE, "end");
}

/* A changed route map is used for what has been sent already when bgpd is asked to, else 5 s later. */
static void send_clears(struct peer *peer)
{
    const struct frr_setup *setup = &peer->frr->setup;
    char command[VTY_COMMAND_MAX], addr[IP_TEXT_MAX];
    for (uint32_t i = 0; i < setup->num_neighbours; i++) {
        const struct frr_neighbour *neighbour = &setup->neighbours[i];
        snprintf(command, sizeof(command), "clear bgp %s unicast %s soft out",
                 ip_is_v4(&neighbour->addr) ? "ipv4" : "ipv6", ip_format(&neighbour->addr, addr));
        if (neighbour->is_transit) {
            ask(peer, TAG_CLEAR, command);
        }
    }
}

static void refuse(struct peer *peer, const char *format, const char *a, const char *b)
{
    struct frr_view *view = &peer->frr->view;
    peer->is_refused = true;
    snprintf(view->error, sizeof(view->error), format, a, b);
    view->error[strcspn(view->error, "\r\n")] = '\0';
}

static void told(struct peer *peer)
{
    peer->is_telling = false;
    peer->is_told = true;
    peer->frr->view.told_at = peer->frr->now;
    frr_look(peer->frr, peer->frr->now);
}

static const char *only_of(const struct peer *peer)
{
    return peer->frr->options.generate ? NULL : "route-map HF-TRANSIT-OUT";
}

static void tell_difference(struct peer *peer, const char *running)
{
    struct frr *frr = peer->frr;
    bool is_bgpd = peer == &frr->peers[FRR_BGPD];
    uint32_t other = is_bgpd ? frr_other_asn(running, frr->setup.asn) : 0;
    char number[16];
    snprintf(number, sizeof(number), "%u", other);
    size_t len = is_bgpd ? frr_bgpd_text(&frr->setup, true, frr->text, sizeof(frr->text))
                         : frr_bfdd_text(&frr->setup, frr->text, sizeof(frr->text));
    if (other != 0) {
        refuse(peer, "bgpd has a configuration for AS %s already%s", number, "");
    } else if (len == 0 ||
               !frr_diff(running, frr->text, only_of(peer), frr->commands, sizeof(frr->commands))) {
        refuse(peer, "the configuration is too long%s%s", "", "");
    } else if (frr->commands[0] != '\0' && peer->rounds++ < 3) {
        bool has_map = strstr(frr->commands, "route-map HF-TRANSIT-OUT ") != NULL;
        send_lines(peer, frr->commands);
        if (is_bgpd && has_map) {
            send_clears(peer);
        }
        ask(peer, TAG_RUNNING, "show running-config"); /* whether it came out so */
        return;
    } else if (frr->commands[0] != '\0') {
        refuse(peer, "it does not keep what it was told: %s%s", frr->commands, "");
    }
    explicit_bzero(frr->text, sizeof(frr->text));
    explicit_bzero(frr->commands, sizeof(frr->commands));
    told(peer);
}

/* ---- asking */

static void ask_about(struct peer *peer, uint32_t number)
{
    const struct frr_neighbour *neighbour = &peer->frr->setup.neighbours[number];
    char command[VTY_COMMAND_MAX], addr[IP_TEXT_MAX];
    snprintf(command, sizeof(command), "show bgp %s unicast neighbors %s advertised-routes detail json",
             ip_is_v4(&neighbour->addr) ? "ipv4" : "ipv6", ip_format(&neighbour->addr, addr));
    ask(peer, TAG_SENT, command);
}

/* The next transit neighbour from `number` on. */
static void ask_next(struct frr *frr, uint32_t number)
{
    for (; number < frr->setup.num_neighbours; number++) {
        if (frr->setup.neighbours[number].is_transit && frr->view.neighbours[number].is_established) {
            frr->asking = number;
            ask_about(&frr->peers[FRR_BGPD], number);
            return;
        }
    }
}

static void ask_all(struct frr *frr)
{
    struct peer *bgpd = &frr->peers[FRR_BGPD], *bfdd = &frr->peers[FRR_BFDD];
    if (frr->now < frr->ask_at) {
        return;
    }
    frr->ask_at = frr->now + (frr->ask_soon > 0 ? ASK_SOON_NS : ASK_EVERY_NS);
    frr->ask_soon -= frr->ask_soon > 0;
    if (bgpd->vty.fd >= 0 && bgpd->is_told && vty_is_idle(&bgpd->vty)) {
        ask(bgpd, TAG_SUMMARY, "show bgp summary json");
    }
    if (bfdd->vty.fd >= 0 && bfdd->is_told && vty_is_idle(&bfdd->vty)) {
        ask(bfdd, TAG_BFD, "show bfd peers json");
    }
}

static void answered(void *context, uint32_t tag, const char *command, int status, const char *text)
{
    struct peer *peer = context;
    struct frr *frr = peer->frr;
    switch ((enum tag)tag) {
    case TAG_RUNNING:
        tell_difference(peer, text);
        break;
    case TAG_CHANGE:
        if (status > 1) {
            refuse(peer, "'%s' is refused: %s",
                   strstr(command, "password") != NULL ? "(a password)" : command,
                   text[strspn(text, "% \r\n")] == '\0' ? "no reason given" : text + strspn(text, "% \r\n"));
        }
        break;
    case TAG_SUMMARY:
        answer_summary(text, &frr->setup, &frr->view);
        ask_next(frr, 0);
        break;
    case TAG_SENT:
        answer_sent(text, &frr->setup, frr->asking, &frr->view);
        frr->view.neighbours[frr->asking].sent_at = frr->now;
        ask_next(frr, frr->asking + 1);
        break;
    case TAG_BFD:
        answer_bfd(text, &frr->setup, &frr->view);
        break;
    case TAG_ENABLE:
    case TAG_REMOVE:
    case TAG_DONE:
    case TAG_CLEAR:
        break;
    }
}

/* ---- the host's side */

static void forget_sessions(struct frr *frr)
{
    frr->view.knows_sessions = false;
    memset(frr->view.neighbours, 0, sizeof(frr->view.neighbours));
    for (uint32_t i = 0; i < FRR_NEIGHBOURS_MAX; i++) {
        snprintf(frr->view.neighbours[i].state, sizeof(frr->view.neighbours[i].state), "unknown");
    }
}

struct frr *frr_new(const struct frr_options *options, const struct frr_setup *setup)
{
    static const char *const daemons[FRR_DAEMONS] = {[FRR_BGPD] = "bgpd", [FRR_BFDD] = "bfdd"};
    struct frr *frr = calloc(1, sizeof(*frr));
    if (frr == NULL) {
        return NULL;
    }
    frr->options = *options;
    frr->setup = *setup;
    forget_sessions(frr);
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        frr->peers[i].frr = frr;
        if (!vty_init(&frr->peers[i].vty, options->sockets, daemons[i], answered, &frr->peers[i])) {
            frr_free(frr);
            return NULL;
        }
    }
    return frr;
}

void frr_free(struct frr *frr)
{
    if (frr == NULL) {
        return;
    }
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        vty_close(&frr->peers[i].vty);
    }
    explicit_bzero(frr, sizeof(*frr));
    free(frr);
}

void frr_want(struct frr *frr, const struct frr_setup *setup)
{
    if (memcmp(&frr->setup, setup, sizeof(*setup)) == 0) {
        return;
    }
    frr->setup = *setup;
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        struct peer *peer = &frr->peers[i];
        peer->rounds = 0;
        if (peer->vty.fd >= 0) {
            tell_begin(peer);
        }
    }
}

const struct frr_setup *frr_setup(const struct frr *frr)
{
    return &frr->setup;
}

static void connect_peer(struct peer *peer)
{
    struct frr *frr = peer->frr;
    bool is_bgpd = peer == &frr->peers[FRR_BGPD];
    if (frr->now < peer->try_at) {
        return;
    }
    peer->try_at = frr->now + CONNECT_EVERY_NS;
    int error = vty_connect(&peer->vty);
    if (error != 0) {
        if (is_bgpd) {
            snprintf(frr->view.error, sizeof(frr->view.error), "%s: %s", peer->vty.path, strerror(-error));
        }
        return;
    }
    peer->rounds = 0;
    if (is_bgpd) {
        frr->view.starts++;
        frr->view.error[0] = '\0';
        forget_sessions(frr);
    }
    ask(peer, TAG_ENABLE, "enable");
    tell_begin(peer);
}

static enum frr_state state_of(const struct frr *frr)
{
    const struct peer *bgpd = &frr->peers[FRR_BGPD];
    if (bgpd->vty.fd < 0) {
        return FRR_AWAY;
    }
    if (!bgpd->is_told) {
        return FRR_BUSY;
    }
    return bgpd->is_refused ? FRR_REFUSED : FRR_AS_TOLD;
}

void frr_work(struct frr *frr, ns_t now)
{
    frr->now = now;
    ask_all(frr);
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        struct peer *peer = &frr->peers[i];
        if (peer->vty.fd < 0) {
            connect_peer(peer);
        }
        if (peer->vty.fd >= 0 && !vty_work(&peer->vty, now)) {
            peer->is_told = peer->is_telling = false;
            if (i == FRR_BGPD) {
                forget_sessions(frr);
            }
        }
    }
    frr->view.state = state_of(frr);
}

void frr_look(struct frr *frr, ns_t now)
{
    frr->ask_at = now;
    frr->ask_soon = ASK_SOON_TIMES;
}

const struct frr_view *frr_view(const struct frr *frr)
{
    return &frr->view;
}

int frr_fd(const struct frr *frr, uint32_t daemon, bool *ret_writes)
{
    const struct vty *vty = &frr->peers[daemon].vty;
    *ret_writes = vty_has_output(vty);
    return vty->fd;
}
