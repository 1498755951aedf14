/* Sessions to sealed records and back. A record is bound to its shard, index and epoch: moved elsewhere it
 * does not open. */
#include "edge/base/secret.h"
#include "edge/core/internal.h"

#define AAD_BYTES 8
#define RESPONSE_BYTES_MAX                                                                                   \
    3072                     /* a longer cached answer is not saved: after a crash the client asks in vain */
#define REKEY_BYTES_MAX 1024 /* the messages of an IKE rekey, with the largest group */

/* Messages that a record names, while it is encoded. */
struct save_messages {
    uint8_t response[RESPONSE_BYTES_MAX];
    uint8_t request[REKEY_BYTES_MAX], former_response[REKEY_BYTES_MAX], former_request[REKEY_BYTES_MAX];
};

static struct span record_aad(uint16_t shard, uint32_t index, uint16_t epoch, uint8_t ret_aad[AAD_BYTES])
{
    be16_store(ret_aad, shard);
    be32_store(ret_aad + 2, index);
    be16_store(ret_aad + 6, epoch);
    return span_of(ret_aad, AAD_BYTES);
}

static void record_child_from(struct record_child *to, const struct ike_child *from)
{
    *to = (struct record_child){.spi_in = from->spi_in,
                                .spi_out = from->spi_out,
                                .suite = from->suite,
                                .key_in = from->key_in,
                                .key_out = from->key_out,
                                .sequence_limit = from->sequence_limit,
                                .sequence_in = from->sequence_in,
                                .bytes = from->before.bytes + from->volume.bytes,
                                .packets = from->before.packets + from->volume.packets,
                                .num_ts_local = from->ts->num_local,
                                .num_ts_remote = from->ts->num_remote,
                                .doomed = from->doomed};
    memcpy(to->ts_local, from->ts->v, to->num_ts_local * sizeof(*to->ts_local));
    memcpy(to->ts_remote, ranges_remote(from->ts), to->num_ts_remote * sizeof(*to->ts_remote));
}

/* A request in flight that the record does not hold is forgotten with us: the client may never have seen it,
 * and then waits for its id. If it has, the ids above are tried (edge/ike/request.c). */
static uint32_t our_next_id(const struct ike_sa *sa)
{
    const struct sa_request *own = &sa->request;
    bool kept = own->kind == REQUEST_REKEY_IKE || own->kind == REQUEST_SYNC; /* which has no id of its own */
    return own->message.valid && !kept ? own->message.id : sa->our_next_id;
}

static uint8_t peer_from(const struct ike_sa *sa)
{
    int peer = (sa->sync_ids ? RECORD_PEER_SYNC_IDS : 0) | (sa->sync_replay ? RECORD_PEER_SYNC_REPLAY : 0) |
               (sa->follows ? RECORD_PEER_REDIRECT : 0);
    return (uint8_t)peer;
}

static void record_from(struct core *core, const struct ike_sa *sa, struct session_record *record)
{
    struct ike_path path = sa_path(sa);
    *record = (struct session_record){.session_id = sa->session_id,
                                      .spi_i = sa->spi_i,
                                      .spi_r = sa->spi_r,
                                      .we_are_initiator = sa->we_are_initiator,
                                      .suite = sa->suite,
                                      .keys = sa->keys,
                                      .peer_next_id = sa->peer_next_id,
                                      .our_next_id = our_next_id(sa),
                                      .bytes_in = sa->bytes_in,
                                      .bytes_out = sa->bytes_out,
                                      .is_given = sa->leave == LEAVE_STORE && !sa->inexact,
                                      .fragmentation = sa->fragmentation,
                                      .natt = path.natt,
                                      .local = path.local,
                                      .remote = path.remote,
                                      .mobike = sa->mobike,
                                      .behind_nat = sa->behind_nat,
                                      .local_id = identity_whole(sa->local_id),
                                      .remote_id = identity_whole(sa->remote_id),
                                      .num_addresses = sa->num_addresses,
                                      .established_unix_s = sa->established_unix_s,
                                      .written_unix_s = core->time.unix_s,
                                      .auth_until_unix_s = sa->auth_until_unix_s,
                                      .login_unix_s = sa->login_unix_s,
                                      .cert = sa->cert,
                                      .peer = peer_from(sa),
                                      .turn = sa->turn,
                                      .num_children = sa->num_children};
    memcpy(record->connection, sa->connection, sizeof(record->connection));
    memcpy(record->pool, sa->pool, sizeof(record->pool));
    memcpy(record->addresses, sa->addresses, sizeof(record->addresses));
    for (uint32_t i = 0; i < sa->num_children; i++) {
        const struct ike_child *child = ike_child_at(core->ike, sa->children[i]);
        record_child_from(&record->children[i], child);
        record->bytes_in += child->bytes_in;
        record->bytes_out += child->bytes_out;
    }
}

static void request_from(struct core *core, const struct ike_sa *sa, uint8_t message[REKEY_BYTES_MAX],
                         struct record_request *ret)
{
    const struct sa_request *own = &sa->request;
    size_t len = own->message.valid && own->kind == REQUEST_REKEY_IKE
                     ? ike_sent_copy(core->ike, &own->message, message, REKEY_BYTES_MAX)
                     : 0;
    if (len == 0) {
        return;
    }
    ret->spi = ike_sa_at(core->ike, own->sa)->spi_i;
    ret->ke = own->ke;
    ret->message = span_of(message, len);
    memcpy(ret->nonce, own->nonce, sizeof(ret->nonce));
    if (own->rival_sa != SLOT_NONE) {
        ret->rival_nonce_len = own->rival_nonce.len;
        memcpy(ret->rival_nonce, own->rival_nonce.bytes, own->rival_nonce.len);
    }
}

static void former_from(struct core *core, const struct ike_sa *sa, struct save_messages *messages,
                        struct record_former *ret)
{
    const struct ike_sa *former = ike_former(core->ike, sa);
    if (former == NULL) {
        return;
    }
    *ret = (struct record_former){.spi_i = former->spi_i,
                                  .spi_r = former->spi_r,
                                  .we_are_initiator = former->we_are_initiator,
                                  .suite = former->suite,
                                  .keys = former->keys,
                                  .peer_next_id = former->peer_next_id,
                                  .our_next_id = our_next_id(former)};
    ret->response = span_of(messages->former_response,
                            ike_sent_copy(core->ike, &former->response, messages->former_response,
                                          sizeof(messages->former_response)));
    request_from(core, former, messages->former_request, &ret->request);
}

bool save_put(struct core *core, const struct ike_sa *sa, uint32_t replaces_slot, uint64_t token)
{
    uint32_t position = ike_shard_position(core->ike, sa->slot);
    const struct core_shard *shard = &core->shards[position];
    if (!shard_is_owned(shard->state)) {
        return false;
    }
    struct save_messages messages;
    record_from(core, sa, &core->record);
    core->record.response =
        span_of(messages.response,
                ike_sent_copy(core->ike, &sa->response, messages.response, sizeof(messages.response)));
    request_from(core, sa, messages.request, &core->record.request);
    former_from(core, sa, &messages, &core->record.former);
    size_t len = record_encode(&core->record, core->record_plain, sizeof(core->record_plain));
    uint8_t aad[AAD_BYTES];
    uint32_t index = ike_shard_index(core->ike, sa->slot);
    uint8_t *sealed = effect_room(core, len + SEAL_OVERHEAD_BYTES);
    bool ok = len > 0 && seal_record(shard->record_key, &core->config.rand,
                                     record_aad(core->config.shards[position], index, shard->epoch, aad),
                                     span_of(core->record_plain, len), sealed);
    secret_wipe(&core->record, sizeof(core->record));
    secret_wipe(core->record_plain, len);
    if (!ok) {
        return false;
    }
    effect_add(core, EFFECT_STORE)->store = (struct store_op){
        .type = STORE_PUT,
        .token = token,
        .shard = core->config.shards[position],
        .epoch = shard->epoch,
        .index = index,
        .replaces = replaces_slot == SLOT_NONE ? STORE_NO_INDEX : ike_shard_index(core->ike, replaces_slot),
        .value = span_of(sealed, len + SEAL_OVERHEAD_BYTES),
    };
    return true;
}

void save_delete(struct core *core, uint32_t slot)
{
    uint32_t position = ike_shard_position(core->ike, slot);
    if (!shard_is_owned(core->shards[position].state)) {
        return;
    }
    effect_add(core, EFFECT_STORE)->store = (struct store_op){
        .type = STORE_DELETE,
        .token = 0,
        .shard = core->config.shards[position],
        .epoch = core->shards[position].epoch,
        .index = ike_shard_index(core->ike, slot),
        .replaces = STORE_NO_INDEX,
    };
}

enum cause save_open(struct core *core, const struct store_record *stored)
{
    uint8_t key[32], aad[AAD_BYTES];
    if (stored->value.len < SEAL_OVERHEAD_BYTES ||
        stored->value.len - SEAL_OVERHEAD_BYTES > sizeof(core->record_plain)) {
        return CAUSE_RECORD;
    }
    size_t len = stored->value.len - SEAL_OVERHEAD_BYTES;
    fleet_derive(core->config.fleet_key, "record", stored->shard, key, sizeof(key));
    bool ok = unseal_record(key, record_aad(stored->shard, stored->index, stored->epoch, aad), stored->value,
                            core->record_plain);
    secret_wipe(key, sizeof(key));
    return ok ? record_decode(span_of(core->record_plain, len), &core->record) : CAUSE_RECORD;
}

static bool child_restore(struct core *core, struct ike_sa *sa, const struct record_child *from)
{
    struct ike_child *child = ike_restore_child(core->ike, sa, from->spi_in);
    if (child == NULL) {
        return false;
    }
    child->spi_out = from->spi_out;
    child->suite = from->suite;
    child->key_in = from->key_in;
    child->key_out = from->key_out;
    child->sequence_limit = from->sequence_limit;
    child->sequence_in = from->sequence_in;
    child->before = (struct child_volume){from->bytes, from->packets};
    child->doomed = from->doomed;
    child->outbound = !from->doomed;
    ike_child_select(core->ike, child, from->ts_local, from->num_ts_local, from->ts_remote,
                     from->num_ts_remote);
    return true;
}

static void session_from(struct core *core, struct ike_sa *sa, const struct session_record *record)
{
    sa->session_id = record->session_id;
    sa->spi_i = record->spi_i;
    sa->spi_r = record->spi_r;
    sa->we_are_initiator = record->we_are_initiator;
    sa->suite = record->suite;
    sa->keys = record->keys;
    sa->peer_next_id = record->peer_next_id;
    sa->our_next_id = record->our_next_id;
    sa->fragmentation = record->fragmentation;
    sa->natt = record->natt;
    sa->local = record->local;
    sa->remote = record->remote;
    sa->behind_nat = record->behind_nat;
    sa->mobike = record->mobike;
    ike_sa_name(core->ike, &sa->local_id, &record->local_id);
    ike_sa_name(core->ike, &sa->remote_id, &record->remote_id);
    sa->established_unix_s = record->established_unix_s;
    sa->auth_until_unix_s = record->auth_until_unix_s;
    sa->login_unix_s = record->login_unix_s;
    sa->cert = record->cert;
    sa->sync_ids = (record->peer & RECORD_PEER_SYNC_IDS) != 0;
    sa->sync_replay = (record->peer & RECORD_PEER_SYNC_REPLAY) != 0;
    sa->follows = (record->peer & RECORD_PEER_REDIRECT) != 0;
    sa->turn = record->turn;
    sa->bytes_in = record->bytes_in;
    sa->bytes_out = record->bytes_out;
    memcpy(sa->connection, record->connection, sizeof(sa->connection));
    memcpy(sa->pool, record->pool, sizeof(sa->pool));
}

/* All of them or none: two clients never share an address; two sessions of one do while it logs in again. */
static bool addresses_restore(struct core *core, struct ike_sa *sa, const struct session_record *record)
{
    for (uint32_t i = 0; i < record->num_addresses; i++) {
        const struct ip_addr *addr = &record->addresses[i];
        if (!pools_take_at(core, addr) && !ike_restore_shared(core->ike, sa, addr)) {
            while (i > 0) {
                addr = &record->addresses[--i];
                if (!ike_restore_shared(core->ike, sa, addr)) {
                    pools_free(core, addr);
                }
            }
            return false;
        }
    }
    memcpy(sa->addresses, record->addresses, sizeof(sa->addresses));
    sa->num_addresses = record->num_addresses;
    return true;
}

static void request_restore(struct core *core, struct ike_sa *sa, const struct record_request *request)
{
    if (request->message.len > 0) {
        ike_restore_request(core->ike, core->time, sa,
                            &(struct ike_restored_request){
                                .spi = request->spi,
                                .ke = &request->ke,
                                .nonce = request->nonce,
                                .rival_nonce = span_of(request->rival_nonce, request->rival_nonce_len),
                                .message = request->message,
                            });
    }
}

static void former_restore(struct core *core, struct ike_sa *sa, const struct record_former *record)
{
    uint64_t our_spi = record->we_are_initiator ? record->spi_i : record->spi_r;
    struct ike_sa *former =
        record->spi_i == 0 ? NULL : ike_restore_former(core->ike, core->time, sa, our_spi);
    if (former == NULL) {
        return;
    }
    former->spi_i = record->spi_i;
    former->spi_r = record->spi_r;
    former->we_are_initiator = record->we_are_initiator;
    former->suite = record->suite;
    former->keys = record->keys;
    former->peer_next_id = record->peer_next_id;
    former->our_next_id = record->our_next_id;
    ike_restore_response(core->ike, former, record->response);
    request_restore(core, former, &record->request);
}

enum cause save_restore(struct core *core)
{
    const struct session_record *record = &core->record;
    uint64_t our_spi = record->we_are_initiator ? record->spi_i : record->spi_r;
    struct ike_sa *sa = ike_restore_place(core->ike, our_spi);
    if (sa == NULL) {
        return CAUSE_SPI_MISMATCH;
    }
    session_from(core, sa, record);
    for (uint32_t i = 0; i < record->num_children; i++) {
        if (!child_restore(core, sa, &record->children[i])) {
            ike_restore_cancel(core->ike, sa);
            return CAUSE_CHILD_LIMIT;
        }
    }
    if (!addresses_restore(core, sa, record)) {
        ike_restore_cancel(core->ike, sa);
        return CAUSE_ADDRESS_FULL;
    }
    ike_restore_response(core->ike, sa, record->response);
    former_restore(core, sa, &record->former);
    request_restore(core, sa, &record->request);
    ike_restore(core->ike, core->time, sa, core->config.in_fleet && !record->is_given);
    return CAUSE_NONE;
}
