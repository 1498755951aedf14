/* The gate in front of all costly work for strangers. It knows two kinds of them: who has shown by COOKIE
 * that it receives our answers, and who has not. An address that is not shown to be its sender's may cost
 * little, and never anything of its owner's: it is asked for a cookie when handshakes are many, of all or of
 * its network, or key exchanges dear. One that is shown takes from what its networks may take, and when all
 * places are taken, of all or of its network, the oldest handshake among them gives way to it. */
#include "edge/ike/internal.h"

/* Who shows no cookie may cost a quarter of a core, a second of it at once. */
#define KE_INTERVAL_NS (260 * NS_PER_US)
#define KE_BURST 4000
#define EVICTION_TRIES 16

/* What a key exchange costs, in units of about 65 us. */
static uint16_t ke_cost(uint16_t group)
{
    switch (group) {
    case KE_P384:
        return 14;
    case KE_MODP_2048:
        return 13;
    case KE_MODP_3072:
        return 37;
    case KE_MODP_4096:
        return 72;
    default:
        return 1;
    }
}

static bool cookie_is_wanted(const struct ike *ike, const struct gate_pass *pass)
{
    return ike->counters.half_open >= ike->policy->cookie_threshold || ike->half_open_free == 0 ||
           sources_full_level(&ike->sources, &pass->source, ike->policy->half_open_per_address / 2) !=
               SOURCE_NOT_FULL;
}

static enum cause cookie_cause(const struct ike_input *input)
{
    return message_notify(input->message, NOTIFY_COOKIE) == NULL ? CAUSE_COOKIE_WANTED : CAUSE_COOKIE_WRONG;
}

enum cause gate_admit(struct ike *ike, const struct ike_input *input, struct gate_pass *ret_pass)
{
    const struct notify *cookie = message_notify(input->message, NOTIFY_COOKIE);
    *ret_pass = (struct gate_pass){
        .source = source_of(&ike->sources, &input->datagram->remote.addr),
        .cost = ke_cost(input->message->ke_group),
        .proven = cookie != NULL && cookie_is_valid(ike, input, cookie->data),
    };
    if (ike->draining || !ike->may_begin || ike->shards_here == 0) {
        return ike->draining ? CAUSE_DRAINING : !ike->may_begin ? CAUSE_NO_LEASE : CAUSE_NO_SHARD;
    }
    return !ret_pass->proven && cookie_is_wanted(ike, ret_pass) ? cookie_cause(input) : CAUSE_NONE;
}

enum cause gate_charge(struct ike *ike, const struct ike_input *input, const struct gate_pass *pass)
{
    if (!pass->proven) {
        bool cheap = bucket_take(&ike->ke_work, ike->time.now, KE_INTERVAL_NS, KE_BURST, pass->cost);
        return cheap ? CAUSE_NONE : cookie_cause(input);
    }
    bool affordable = sources_charge(&ike->sources, &pass->source, ike->time.now, pass->cost);
    return affordable ? CAUSE_NONE : CAUSE_WORK_NETWORK;
}

/* A client whose login is being written keeps its place. */
static bool give_way(struct ike *ike, struct ike_sa *sa)
{
    bool begun = sa->wait == WAIT_NOTHING && sa->state == SA_HALF_OPEN;
    bool over = sa->wait == WAIT_NOTHING && sa->state == SA_CLOSED;
    if (begun) {
        ike->counters.handshakes[CAUSE_HALF_OPEN_EVICTED]++;
        sa_close(ike, sa, CAUSE_HALF_OPEN_EVICTED, false);
    } else if (over) {
        sa_free(ike, sa);
    }
    return begun || over;
}

/* The oldest handshake of the same network at this level; NULL when there is none that may go. */
static struct ike_sa *oldest_of(struct ike *ike, const struct source *source, uint32_t level)
{
    struct ike_sa *oldest = NULL;
    for (uint32_t i = 0; i < ike->config.half_open_max; i++) {
        const struct half_open *half_open = &ike->half_open[i];
        if (half_open->sa != SLOT_NONE && sources_are_one(source, &half_open->pass.source, level)) {
            struct ike_sa *sa = &ike->sa[half_open->sa];
            bool older = oldest == NULL || sa->created < oldest->created;
            oldest = sa->wait == WAIT_NOTHING && older ? sa : oldest;
        }
    }
    return oldest;
}

/* Who holds the places of a network is not who wants one now: behind a carrier's NAT, one host must not keep
 * the others out. */
static bool network_makes_room(struct ike *ike, const struct gate_pass *pass)
{
    uint32_t limit = ike->policy->half_open_per_address;
    uint32_t level = sources_full_level(&ike->sources, &pass->source, limit);
    while (level != SOURCE_NOT_FULL) {
        struct ike_sa *oldest = oldest_of(ike, &pass->source, level);
        if (oldest == NULL || !give_way(ike, oldest)) {
            return false;
        }
        level = sources_full_level(&ike->sources, &pass->source, limit);
    }
    return true;
}

/* Places are taken round and round: the cursor is where the newest is, the oldest comes after it. */
enum cause gate_make_room(struct ike *ike, const struct gate_pass *pass)
{
    if (pass->proven && !network_makes_room(ike, pass)) {
        return CAUSE_HALF_OPEN_NETWORK;
    }
    uint32_t at = ike->half_open_cursor + 1;
    for (uint32_t i = 0; ike->half_open_free == 0 && pass->proven && i < EVICTION_TRIES; i++) {
        (void)give_way(ike, &ike->sa[ike->half_open[(at + i) % ike->config.half_open_max].sa]);
    }
    return ike->half_open_free > 0 ? CAUSE_NONE : CAUSE_HALF_OPEN_FULL;
}

void gate_enter(struct ike *ike, struct half_open *half_open, const struct gate_pass *pass)
{
    half_open->pass = *pass;
    sources_enter(&ike->sources, &pass->source);
}

void gate_leave(struct ike *ike, const struct half_open *half_open)
{
    sources_leave(&ike->sources, &half_open->pass.source);
}

void gate_welcome(struct ike *ike, const struct half_open *half_open)
{
    if (half_open->pass.proven) {
        sources_refund(&ike->sources, &half_open->pass.source, half_open->pass.cost);
    }
}
