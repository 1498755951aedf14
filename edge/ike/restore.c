/* Sessions read back from the store, and news from the data plane about children. */
#include "edge/ike/internal.h"

#define SHORT_NUMBERS_SOFT (UINT64_C(3) << 30) /* of the 2^32 without extended sequence numbers */

/* What is only kept to be asked once more makes way: its slot has become a session's since. */
static void place_clear(struct ike *ike, uint32_t slot)
{
    struct ike_sa *sa = &ike->sa[slot];
    if (!slab_is_used(&ike->sas, slot) || sa->state != SA_REKEYED ||
        !slab_is_used(&ike->sas, sa->successor)) {
        return;
    }
    struct ike_sa *owner = &ike->sa[sa->successor];
    if (owner->request.sa == slot) {
        request_clear(ike, owner);
    } else if (ike_former(ike, owner) == sa) {
        sa_free(ike, sa);
    }
}

static struct ike_sa *place_take(struct ike *ike, uint64_t our_spi, bool clear)
{
    struct hf_spi spi;
    if (!hf_ike_spi_decode(&ike->config.spi, our_spi, &spi) || ike->position_of[spi.shard] == SHARD_ABSENT) {
        return NULL;
    }
    uint32_t slot = slab_slot(&ike->sas, ike->position_of[spi.shard], spi.index);
    if (clear) {
        place_clear(ike, slot);
    }
    if (slot == SLAB_NONE || !slab_take_at(&ike->sas, slot, spi.generation)) {
        return NULL;
    }
    sa_reset(&ike->sa[slot], slot);
    return &ike->sa[slot];
}

struct ike_sa *ike_restore_place(struct ike *ike, uint64_t our_spi)
{
    return place_take(ike, our_spi, true);
}

struct ike_child *ike_restore_child(struct ike *ike, struct ike_sa *sa, uint32_t spi_in)
{
    struct hf_spi spi;
    if (sa->num_children == CHILD_PER_SA_MAX || !hf_esp_spi_decode(&ike->config.spi, spi_in, &spi) ||
        ike->position_of[spi.shard] == SHARD_ABSENT) {
        return NULL;
    }
    uint32_t slot = slab_slot(&ike->children, ike->position_of[spi.shard], spi.index);
    if (slot == SLAB_NONE || !slab_take_at(&ike->children, slot, 0)) {
        return NULL;
    }
    struct ike_child *child = &ike->child[slot];
    *child = (struct ike_child){.slot = slot,
                                .sa = sa->slot,
                                .state = CHILD_INSTALLING,
                                .spi_in = spi_in,
                                .outbound = true,
                                .rekeys = SLOT_NONE};
    sa->children[sa->num_children++] = slot;
    ike->counters.children++;
    return child;
}

size_t ike_sent_copy(const struct ike *ike, const struct sent_message *sent, uint8_t *ret_bytes, size_t cap)
{
    if (!sent->valid || sent->datagrams.len > cap) {
        return 0;
    }
    blob_get(&ike->blobs, sent->datagrams, ret_bytes, cap);
    return sent->datagrams.len;
}

void ike_restore_response(struct ike *ike, struct ike_sa *sa, struct span bytes)
{
    if (bytes.len > 0 && sa->peer_next_id > 0 && blob_put(&ike->blobs, bytes, &sa->response.datagrams)) {
        sa->response.valid = true;
        sa->response.id = sa->peer_next_id - 1;
    }
}

const struct ike_sa *ike_former(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_sa *former = ike_sa_at(ike, sa->replaces);
    bool is_there = former != NULL && former->session_id == sa->session_id &&
                    (former->state == SA_ESTABLISHED || former->state == SA_REKEYED);
    return is_there ? former : NULL;
}

struct ike_sa *ike_restore_former(struct ike *ike, struct ike_time time, struct ike_sa *sa, uint64_t our_spi)
{
    ike->time = time;
    struct ike_sa *former = place_take(ike, our_spi, false);
    if (former == NULL) {
        return NULL;
    }
    former->state = SA_REKEYED;
    former->session_id = sa->session_id;
    former->successor = sa->slot;
    former->restored = former->learn_id = true;
    former->fragmentation = sa->fragmentation;
    former->natt = sa->natt;
    former->local = sa->local;
    former->remote = sa->remote;
    former->created = former->last_in = ike->time.now;
    former->expires = ike->time.now + REKEYED_LINGER_NS;
    sa->replaces = former->slot;
    sa_schedule(ike, former);
    return former;
}

/* It is sent again when the session is restored, or when its timer says so. */
void ike_restore_request(struct ike *ike, struct ike_time time, struct ike_sa *sa,
                         const struct ike_restored_request *request)
{
    ike->time = time;
    struct ike_sa *new = place_take(ike, request->spi, false);
    if (new == NULL) {
        return;
    }
    rekey_ike_place(new, sa, request->ke->group, request->spi);
    struct sa_request *own = &sa->request;
    if (!blob_put(&ike->blobs, request->message, &own->message.datagrams)) {
        sa_free(ike, new);
        return;
    }
    own->message.valid = true;
    own->message.id = sa->our_next_id - 1;
    own->exchange = CREATE_CHILD_SA;
    own->kind = REQUEST_REKEY_IKE;
    own->tries = 1;
    own->sa = new->slot;
    own->ke = *request->ke;
    own->next_try = ike->time.now + ike->policy->timers.retransmit;
    memcpy(own->nonce, request->nonce, sizeof(own->nonce));
    if (request->rival_nonce.len > 0) {
        own->rival_sa = sa->successor;
        own->rival_nonce.len = (uint16_t)request->rival_nonce.len;
        memcpy(own->rival_nonce.bytes, request->rival_nonce.data, request->rival_nonce.len);
    }
    sa_schedule(ike, sa);
}

void ike_restore_cancel(struct ike *ike, struct ike_sa *sa)
{
    while (sa->num_children > 0) {
        child_free(ike, &ike->child[sa->children[sa->num_children - 1]]);
    }
    sa->num_addresses = 0;
    sa->connection[0] = '\0';
    sa_free(ike, sa);
}

bool ike_restore_shared(struct ike *ike, struct ike_sa *sa, const struct ip_addr *addr)
{
    struct ike_sa *other = sa_sharing(ike, sa, addr);
    if (other != NULL) {
        sa->shares = other->shares = true;
    }
    return other != NULL;
}

/* Outbound numbers up to the stored limit may have been used. New ones are reserved, in the store, before any
 * is sent. */
void ike_restore(struct ike *ike, struct ike_time time, struct ike_sa *sa, bool exposed)
{
    ike->time = time;
    sa->state = SA_RESTORING;
    sa->replay_due = sa->sync_replay;
    sa->restored = sa->learn_id = sa->learn_our_id = sa->record_exists = true;
    sa->created = sa->established = sa->last_in = time.now;
    sa->response_expires = time.now + ike->policy->timers.response_keep;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        child->created = time.now;
        child->answer_id = sa->peer_next_id - 1;
        child->rekey_at = soft_due(ike, ike->policy->timers.child_rekey);
        child->exposed = exposed;
        if (exposed) {
            child->rekey_at = HF_MIN(child->rekey_at, takeover_turn(ike));
        }
        child->sequence_out = child->sequence_limit;
        child->sequence_limit += ESP_SEQUENCE_STEP;
    }
    sa_link_peer(ike, sa);
    ike->counters.sessions++;
    ike->shard[slab_position(&ike->sas, sa->slot)].restoring++;
    wait_begin(ike, sa, PENDING_RESTORE);
}

static struct ike_child *live_child(struct ike *ike, uint32_t slot)
{
    bool live = slot < slab_capacity(&ike->children) && slab_is_used(&ike->children, slot) &&
                ike->child[slot].state != CHILD_RESERVED;
    return live ? &ike->child[slot] : NULL;
}

/* Of a session that stays: what the plane tells of another is the next owner's to find out. */
static struct ike_child *live_child_here(struct ike *ike, uint32_t slot)
{
    struct ike_child *child = live_child(ike, slot);
    return child != NULL && !is_still(ike, &ike->sa[child->sa]) ? child : NULL;
}

void ike_plane_counters(struct ike *ike, struct ike_time time, uint32_t slot,
                        const struct ike_traffic *traffic)
{
    ike->time = time;
    struct ike_child *child = live_child(ike, slot);
    if (child != NULL) {
        struct ike_sa *sa = &ike->sa[child->sa];
        child->sequence_in = HF_MAX(child->sequence_in, traffic->sequence_in);
        child->bytes_in = traffic->bytes_in;
        child->bytes_out = traffic->bytes_out;
        ike_plane_volume(ike, slot, HF_MAX(traffic->bytes_in, traffic->bytes_out),
                         HF_MAX(traffic->packets_in, traffic->packets_out));
        sa->last_in = HF_MAX(sa->last_in, traffic->last_in);
    }
}

void ike_plane_removed(struct ike *ike, struct ike_time time, uint64_t token, uint32_t child,
                       const struct ike_traffic *traffic)
{
    ike->time = time;
    uint32_t slot = (uint32_t)token;
    struct ike_sa *sa = &ike->sa[slot];
    if (leave_removed(ike, child, token, traffic) || traffic == NULL) {
        return;
    }
    if (slab_is_used(&ike->sas, slot) && sa->state == SA_ESTABLISHED && sa_removal_token(sa) == token) {
        sa->bytes_in += traffic->bytes_in;
        sa->bytes_out += traffic->bytes_out;
    }
}

void ike_plane_sequence(struct ike *ike, struct ike_time time, uint32_t slot, uint64_t sequence_out)
{
    ike->time = time;
    struct ike_child *child = live_child_here(ike, slot);
    if (child == NULL) {
        return;
    }
    struct ike_sa *sa = &ike->sa[child->sa];
    uint64_t limit = sequence_out + ESP_SEQUENCE_STEP;
    if (!child->suite.esn && limit >= SHORT_NUMBERS_SOFT && child->sequence_limit < SHORT_NUMBERS_SOFT) {
        child->rekey_at = time.now; /* once: a client that refuses is not asked again */
        children_arm(ike, sa);
    }
    child->sequence_limit = HF_MAX(child->sequence_limit, limit);
    child->sequence_token = token_make(token_next(ike->next_token), 0);
    if (sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING) {
        sa_save(ike, sa);
    } else {
        sa->save_due = time.now; /* as soon as what is under way is done */
    }
    sa_schedule(ike, sa);
}

void ike_plane_moved(struct ike *ike, struct ike_time time, uint32_t slot, const struct endpoint *local,
                     const struct endpoint *remote)
{
    ike->time = time;
    struct ike_child *child = live_child_here(ike, slot);
    if (child == NULL) {
        return;
    }
    struct ike_sa *sa = &ike->sa[child->sa];
    struct ike_path path = {.local = *local, .remote = *remote, .natt = sa->natt};
    if (sa->mobike) {
        mobike_seen(ike, sa, &path);
    } else if (sa->behind_nat) {
        sa_drift(ike, sa, &path);
    }
    sa_schedule(ike, sa);
}

void ike_plane_volume(struct ike *ike, uint32_t slot, uint64_t bytes, uint64_t packets)
{
    struct ike_child *child = live_child(ike, slot);
    if (child != NULL) {
        child->volume.bytes = HF_MAX(child->volume.bytes, bytes);
        child->volume.packets = HF_MAX(child->volume.packets, packets);
    }
}

void ike_plane_aged(struct ike *ike, struct ike_time time, uint32_t slot)
{
    ike->time = time;
    struct ike_child *child = live_child_here(ike, slot);
    if (child == NULL || ike->sa[child->sa].state != SA_ESTABLISHED) {
        return;
    }
    struct ike_sa *sa = &ike->sa[child->sa];
    child->rekey_at = time.now;
    sa->save_due = HF_MIN(sa->save_due, time.now); /* a restart must not begin to count anew */
    children_arm(ike, sa);
    sa_schedule(ike, sa);
}

void child_spent(struct ike *ike, struct ike_sa *sa, struct ike_child *child, enum cause cause)
{
    if (sa->num_children == 1 && may_begin(ike, sa)) {
        ike_disconnect_sa(ike, sa, cause);
        return;
    }
    child->ends_for = (uint8_t)cause;
    children_arm(ike, sa);
}

void ike_plane_spent(struct ike *ike, struct ike_time time, uint32_t slot, enum cause cause)
{
    ike->time = time;
    struct ike_child *child = live_child_here(ike, slot);
    if (child == NULL || ike->sa[child->sa].state != SA_ESTABLISHED) {
        return;
    }
    struct ike_sa *sa = &ike->sa[child->sa];
    child_spent(ike, sa, child, cause);
    sa_schedule(ike, sa);
}
