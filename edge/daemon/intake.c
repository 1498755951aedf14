/* Packets into the worker: from its sockets, from other workers, from its TUN device. */
#include "edge/daemon/worker_internal.h"

static void ike_in(struct worker *w, const struct endpoint *local, const struct endpoint *remote, bool natt,
                   struct span message)
{
    if (message.len > IKE_DATAGRAM_BYTES_MAX) {
        w->drops[CAUSE_TRUNCATED]++;
        return;
    }
    struct event event = {
        .type = EVENT_DATAGRAM,
        .datagram = {.local = *local, .remote = *remote, .bytes = message, .natt = natt},
    };
    enum first_message first = first_message_kind(message);
    if (first != FIRST_NOT) {
        worker_newcomer(w, first, &event.datagram);
    } else {
        worker_step(w, &event);
    }
}

static void esp_in(struct worker *w, const struct endpoint *local, const struct endpoint *remote,
                   uint8_t *bytes, size_t len, uint32_t segment)
{
    plane_user_inbound(w->plane, w->now, local, remote, bytes, len, segment);
    worker_step_later(w);
}

static struct mail_datagram mail_of(const struct datagram *datagram, const struct datagram_run *run,
                                    uint32_t shard)
{
    return (struct mail_datagram){
        .mail = {.type = MAIL_DATAGRAM},
        .kind = run->kind,
        .local = datagram->local,
        .remote = datagram->remote,
        .segment = run->segment,
        .natt = datagram->natt,
        .hop = datagram->hop,
        .num_hops = datagram->num_hops,
        .hop_node = datagram->hop_node,
        .shard = shard,
        .len = (uint32_t)run->len,
    };
}

static void hand_over(struct worker *w, const struct mail_datagram *datagram, const struct datagram_run *run)
{
    uint32_t len = (uint32_t)(sizeof(struct mail_datagram) + run->len);
    if (run->kind == DATAGRAM_IKE && first_message_kind(span_of(run->bytes, run->len)) != FIRST_NOT &&
        mesh_is_crowded(&w->port, run->worker)) {
        w->drops[CAUSE_OVERLOAD]++; /* what room there is belongs to those who are here already */
        return;
    }
    struct mail_datagram *mail = mesh_room(&w->port, run->worker, len);
    if (mail == NULL) {
        w->drops[CAUSE_MAILBOX_FULL] += run->count;
        return;
    }
    *mail = *datagram;
    memcpy(mail->bytes, run->bytes, run->len);
    w->handed_over += run->count;
}

/* One by one: a burst would exceed what a node takes apart. */
void worker_forward(struct worker *w, const struct datagram *datagram, const struct datagram_run *run,
                    uint16_t node)
{
    size_t marker = datagram->natt && run->kind == DATAGRAM_IKE ? NON_ESP_MARKER_BYTES : 0;
    size_t step = run->segment != 0 ? run->segment : run->len;
    for (size_t at = 0; at < run->len; at += step) {
        struct endpoint remote;
        struct span payload = span_of(run->bytes + at - marker, marker + HF_MIN(step, run->len - at));
        uint8_t *room = udp_room(w->udp);
        size_t len = room == NULL ? 0
                                  : nodes_seal(&w->shared->nodes, node, datagram, payload, room,
                                               UDP_ROOM_BYTES, &remote);
        if (len > 0) {
            udp_send(w->udp, room, len, 0, &w->shared->nodes.local, &remote);
            w->forwarded++;
        } else {
            w->drops[CAUSE_NOT_OURS]++;
            if (room != NULL) {
                udp_drop(w->udp, room);
            }
        }
    }
}

/* In a fleet a packet waits here when nobody has its shard, and when the node that sent it on is the one that
 * has it by our table: it knows of a change that we shall hear of. */
uint16_t worker_owner(const struct worker *w, const struct datagram *datagram, uint32_t shard)
{
    const struct nodes *nodes = &w->shared->nodes;
    uint16_t owner = nodes_owner(nodes, shard);
    bool waits = owner == NODES_NOBODY ||
                 (datagram->hop && (owner == datagram->hop_node || datagram->num_hops >= HF_HOP_MAX));
    return w->shards.in_fleet && waits ? nodes->self : owner;
}

/* True when another node has the shard, whose packet this then is. */
static bool is_forwarded(struct worker *w, const struct datagram *datagram, const struct datagram_run *run,
                         uint32_t *ret_shard)
{
    const struct nodes *nodes = &w->shared->nodes;
    *ret_shard = STEER_NO_SHARD;
    if (nodes->rows == NULL) {
        return false;
    }
    *ret_shard = steer_shard(&w->steer, run->kind, span_of(run->bytes, run->len));
    uint16_t owner = *ret_shard == STEER_NO_SHARD ? nodes->self : worker_owner(w, datagram, *ret_shard);
    if (owner == nodes->self) {
        return false;
    }
    worker_forward(w, datagram, run, owner);
    return true;
}

/* To the worker whose shard it is. */
static void run_deliver(struct worker *w, const struct mail_datagram *mail, const struct datagram_run *run)
{
    if (run->worker != w->config.number) {
        hand_over(w, mail, run);
    } else if (worker_is_held(w, mail, span_of(run->bytes, run->len))) {
        return;
    } else if (run->kind == DATAGRAM_IKE) {
        ike_in(w, &mail->local, &mail->remote, mail->natt, span_of(run->bytes, run->len));
    } else {
        esp_in(w, &mail->local, &mail->remote, run->bytes, run->len, run->segment);
    }
}

static void run_in(struct worker *w, const struct datagram *datagram, const struct datagram_run *run)
{
    uint32_t shard;
    if (run->kind == DATAGRAM_KEEPALIVE) {
        w->drops[CAUSE_KEEPALIVE] += run->count;
    } else if (run->kind == DATAGRAM_SHORT) {
        w->drops[CAUSE_ESP_SHORT] += run->count;
    } else if (!is_forwarded(w, datagram, run, &shard)) {
        struct mail_datagram mail = mail_of(datagram, run, shard);
        run_deliver(w, &mail, run);
    }
}

void worker_datagram(struct worker *w, const struct datagram *datagram)
{
    struct datagram_run run;
    struct datagram inside;
    size_t offset = 0;
    if (datagram->hop) {
        if (!nodes_open(&w->shared->nodes, datagram, &inside)) {
            w->drops[CAUSE_NODE_FORGED]++;
            return;
        }
        datagram = &inside;
    }
    while (steer_run(&w->steer, datagram, w->config.number, &offset, &run)) {
        run_in(w, datagram, &run);
    }
}

void worker_mail_datagram(struct worker *w, struct mail_datagram *mail)
{
    if (worker_is_held(w, mail, span_of(mail->bytes, mail->len))) {
        return;
    }
    if (mail->kind == DATAGRAM_IKE) {
        ike_in(w, &mail->local, &mail->remote, mail->natt, span_of(mail->bytes, mail->len));
    } else {
        esp_in(w, &mail->local, &mail->remote, mail->bytes, mail->len, mail->segment);
    }
}

/* As long as there are rooms to send from: what cannot be sent stays in the device's queue. */
void worker_tun_read(struct worker *w)
{
    for (uint32_t i = 0; i < WORKER_TUN_BATCH_MAX && tun_is_ready(w->tun); i++) {
        uint8_t *packet;
        if (udp_rooms_free(w->udp) < WORKER_ROOMS_PER_PACKET) {
            return;
        }
        size_t len = tun_read(w->tun, &packet);
        if (len > 0 && !worker_is_inner_held(w, packet, len)) {
            plane_user_outbound(w->plane, w->now, packet, len);
            worker_step_later(w);
        }
    }
}
