/* The encoding of a session: a version byte, then fields (field.h). A known field's body changes only with a
 * new version; a new field is skipped by older readers. */
#include "edge/session/record.h"

#include "edge/base/secret.h"
#include "edge/crypto/prf.h"
#include "edge/session/field.h"

enum {
    VERSION = 1,
    ADDR_BYTES = 16, /* as in ip_addr, v4-mapped */
};

/* A tag is never used again for something else. All but those behind the last required one must be there
 * once. */
enum field {
    FIELD_SESSION = 1,
    FIELD_SPIS,
    FIELD_FLAGS,
    FIELD_SUITE,
    FIELD_KEYS,
    FIELD_MESSAGE_IDS,
    FIELD_ENDPOINTS,
    FIELD_LOCAL_ID,
    FIELD_REMOTE_ID,
    FIELD_CONNECTION,
    FIELD_POOL,
    FIELD_ADDRESSES,
    FIELD_TIMES,
    FIELD_LAST_REQUIRED = FIELD_TIMES,
    FIELD_CHILD,
    FIELD_RESPONSE,
    FIELD_MOBIKE,
    FIELD_AUTH_UNTIL,
    FIELD_REQUEST,
    FIELD_FORMER,
    FIELD_TURN,
    FIELD_LOGIN,
    FIELD_CERT,
    FIELD_PEER,
    FIELD_TRAFFIC,
    FIELD_GIVEN,
};

enum flag {
    FLAG_WE_ARE_INITIATOR = 1,
    FLAG_FRAGMENTATION = 2,
    FLAG_BEHIND_NAT = 4,
    FLAG_NATT = 8,
    FLAGS_ALL = 15,
};

/* ---- writing */

static void addr_write(struct writer *w, const struct ip_addr *addr)
{
    writer_bytes(w, addr->bytes, ADDR_BYTES);
}

static void flags_write(struct writer *w, const struct session_record *record)
{
    int flags = (record->we_are_initiator ? FLAG_WE_ARE_INITIATOR : 0) |
                (record->fragmentation ? FLAG_FRAGMENTATION : 0) |
                (record->behind_nat ? FLAG_BEHIND_NAT : 0) | (record->natt ? FLAG_NATT : 0);
    size_t at = field_begin(w, FIELD_FLAGS);
    writer_u8(w, (uint8_t)flags);
    field_end(w, at);
}

void suite_write(struct writer *w, uint8_t tag, const struct ike_suite *suite)
{
    size_t at = field_begin(w, tag);
    writer_u16(w, suite->encr);
    writer_u16(w, suite->encr_bits);
    writer_u16(w, suite->integ);
    writer_u16(w, suite->prf);
    writer_u16(w, suite->ke);
    field_end(w, at);
}

void keys_write(struct writer *w, uint8_t tag, const struct ike_suite *suite, const struct ike_keys *keys)
{
    size_t prf = prf_bytes(suite->prf);
    size_t integ = integ_key_bytes(suite->integ);
    size_t encr = encr_key_bytes(suite->encr, suite->encr_bits);
    hf_assert(prf > 0 && encr > 0);
    size_t at = field_begin(w, tag);
    writer_bytes(w, keys->d, prf);
    writer_bytes(w, keys->ai, integ);
    writer_bytes(w, keys->ar, integ);
    writer_bytes(w, keys->ei, encr);
    writer_bytes(w, keys->er, encr);
    writer_bytes(w, keys->pi, prf);
    writer_bytes(w, keys->pr, prf);
    field_end(w, at);
}

static void endpoints_write(struct writer *w, const struct session_record *record)
{
    size_t at = field_begin(w, FIELD_ENDPOINTS);
    addr_write(w, &record->local.addr);
    writer_u16(w, record->local.port);
    addr_write(w, &record->remote.addr);
    writer_u16(w, record->remote.port);
    field_end(w, at);
}

static void identity_write(struct writer *w, uint8_t tag, const struct identity *id)
{
    hf_assert(id->len <= sizeof(id->data));
    size_t at = field_begin(w, tag);
    writer_u8(w, id->type);
    writer_bytes(w, id->data, id->len);
    field_end(w, at);
}

static void addresses_write(struct writer *w, const struct session_record *record)
{
    hf_assert(record->num_addresses <= ADDRESSES_PER_SESSION_MAX);
    size_t at = field_begin(w, FIELD_ADDRESSES);
    for (uint32_t i = 0; i < record->num_addresses; i++) {
        addr_write(w, &record->addresses[i]);
    }
    field_end(w, at);
}

/* Only what differs from what is usual. */
static void login_write(struct writer *w, const struct session_record *record)
{
    static const struct cert_mark none;
    if (record->login_unix_s != record->established_unix_s) {
        size_t at = field_begin(w, FIELD_LOGIN);
        writer_u64(w, (uint64_t)record->login_unix_s);
        field_end(w, at);
    }
    if (memcmp(&record->cert, &none, sizeof(none)) != 0) {
        size_t at = field_begin(w, FIELD_CERT);
        writer_u64(w, (uint64_t)record->cert.not_after_unix_s);
        writer_bytes(w, record->cert.issuer, sizeof(record->cert.issuer));
        writer_bytes(w, record->cert.serial, sizeof(record->cert.serial));
        field_end(w, at);
    }
    if (record->peer != 0) {
        field_write(w, FIELD_PEER, span_of(&record->peer, 1));
    }
}

size_t record_encode(const struct session_record *record, uint8_t *ret_bytes, size_t cap)
{
    hf_assert(record->num_children <= CHILD_PER_SA_MAX);
    struct writer w = writer_of(ret_bytes, cap);
    writer_u8(&w, VERSION);
    size_t at = field_begin(&w, FIELD_SESSION);
    writer_u64(&w, record->session_id);
    field_end(&w, at);
    pair64_write(&w, FIELD_SPIS, record->spi_i, record->spi_r);
    flags_write(&w, record);
    suite_write(&w, FIELD_SUITE, &record->suite);
    keys_write(&w, FIELD_KEYS, &record->suite, &record->keys);
    pair32_write(&w, FIELD_MESSAGE_IDS, record->peer_next_id, record->our_next_id);
    endpoints_write(&w, record);
    identity_write(&w, FIELD_LOCAL_ID, &record->local_id);
    identity_write(&w, FIELD_REMOTE_ID, &record->remote_id);
    field_write(&w, FIELD_CONNECTION, span_of_string(record->connection));
    field_write(&w, FIELD_POOL, span_of_string(record->pool));
    addresses_write(&w, record);
    pair64_write(&w, FIELD_TIMES, (uint64_t)record->established_unix_s, (uint64_t)record->written_unix_s);
    for (uint32_t i = 0; i < record->num_children; i++) {
        child_write(&w, FIELD_CHILD, &record->children[i]);
    }
    if (record->response.len > 0) {
        field_write(&w, FIELD_RESPONSE, record->response);
    }
    if (record->mobike) {
        field_write(&w, FIELD_MOBIKE, (struct span){0});
    }
    if (record->auth_until_unix_s != 0) {
        at = field_begin(&w, FIELD_AUTH_UNTIL);
        writer_u64(&w, (uint64_t)record->auth_until_unix_s);
        field_end(&w, at);
    }
    if (record->turn != 0) {
        at = field_begin(&w, FIELD_TURN);
        writer_u32(&w, record->turn);
        field_end(&w, at);
    }
    login_write(&w, record);
    if (record->bytes_in != 0 || record->bytes_out != 0) {
        pair64_write(&w, FIELD_TRAFFIC, record->bytes_in, record->bytes_out);
    }
    if (record->is_given) {
        field_write(&w, FIELD_GIVEN, (struct span){0});
    }
    request_write(&w, FIELD_REQUEST, &record->request);
    former_write(&w, FIELD_FORMER, &record->former);
    if (w.overflow) {
        secret_wipe(ret_bytes, w.len);
        return 0;
    }
    return w.len;
}

/* ---- reading: first all fields as views, then their bodies, each of which must end exactly */

static void addr_read(struct reader *r, struct ip_addr *ret_addr)
{
    reader_copy(r, ret_addr->bytes, ADDR_BYTES);
}

static bool flags_read(struct span body, struct session_record *ret_record)
{
    struct reader r = reader_of(body);
    uint8_t flags = reader_u8(&r);
    ret_record->we_are_initiator = (flags & FLAG_WE_ARE_INITIATOR) != 0;
    ret_record->fragmentation = (flags & FLAG_FRAGMENTATION) != 0;
    ret_record->behind_nat = (flags & FLAG_BEHIND_NAT) != 0;
    ret_record->natt = (flags & FLAG_NATT) != 0;
    return reader_done(&r) && (flags & ~FLAGS_ALL) == 0;
}

bool suite_read(struct span body, struct ike_suite *ret_suite)
{
    struct reader r = reader_of(body);
    ret_suite->encr = reader_u16(&r);
    ret_suite->encr_bits = reader_u16(&r);
    ret_suite->integ = reader_u16(&r);
    ret_suite->prf = reader_u16(&r);
    ret_suite->ke = reader_u16(&r);
    return reader_done(&r) && prf_bytes(ret_suite->prf) > 0 &&
           encryption_is_known(ret_suite->encr, ret_suite->encr_bits, ret_suite->integ);
}

bool keys_read(struct span body, const struct ike_suite *suite, struct ike_keys *ret_keys)
{
    size_t prf = prf_bytes(suite->prf);
    size_t integ = integ_key_bytes(suite->integ);
    size_t encr = encr_key_bytes(suite->encr, suite->encr_bits);
    struct reader r = reader_of(body);
    reader_copy(&r, ret_keys->d, prf);
    reader_copy(&r, ret_keys->ai, integ);
    reader_copy(&r, ret_keys->ar, integ);
    reader_copy(&r, ret_keys->ei, encr);
    reader_copy(&r, ret_keys->er, encr);
    reader_copy(&r, ret_keys->pi, prf);
    reader_copy(&r, ret_keys->pr, prf);
    return reader_done(&r);
}

static bool endpoints_read(struct span body, struct session_record *ret_record)
{
    struct endpoint *local = &ret_record->local;
    struct endpoint *remote = &ret_record->remote;
    struct reader r = reader_of(body);
    addr_read(&r, &local->addr);
    local->port = reader_u16(&r);
    addr_read(&r, &remote->addr);
    remote->port = reader_u16(&r);
    return reader_done(&r) && local->port != 0 && remote->port != 0 &&
           ip_is_v4(&local->addr) == ip_is_v4(&remote->addr);
}

static bool identity_read(struct span body, struct identity *ret_id)
{
    struct reader r = reader_of(body);
    ret_id->type = reader_u8(&r);
    struct span data = reader_rest(&r);
    if (ret_id->type == 0 || data.len > sizeof(ret_id->data)) {
        return false;
    }
    ret_id->len = (uint16_t)data.len;
    if (data.len > 0) {
        memcpy(ret_id->data, data.data, data.len);
    }
    return true;
}

static bool name_read(struct span body, char ret_name[NAME_BYTES_MAX])
{
    if (body.len >= NAME_BYTES_MAX || (body.len > 0 && memchr(body.data, 0, body.len) != NULL)) {
        return false;
    }
    if (body.len > 0) {
        memcpy(ret_name, body.data, body.len);
    }
    ret_name[body.len] = 0;
    return true;
}

static bool addresses_read(struct span body, struct session_record *ret_record)
{
    struct reader r = reader_of(body);
    uint32_t count = 0;
    while (!r.failed && r.rest.len > 0 && count < ADDRESSES_PER_SESSION_MAX) {
        addr_read(&r, &ret_record->addresses[count]);
        if (ip_is_zero(&ret_record->addresses[count++])) {
            return false;
        }
    }
    ret_record->num_addresses = count;
    return reader_done(&r);
}

static bool session_read(const struct span *body, struct session_record *ret_record)
{
    struct reader r = reader_of(body[FIELD_SESSION]);
    uint64_t established, written;
    ret_record->session_id = reader_u64(&r);
    bool read = reader_done(&r) && pair64_read(body[FIELD_SPIS], &ret_record->spi_i, &ret_record->spi_r) &&
                ret_record->spi_i != 0 && ret_record->spi_r != 0 &&
                flags_read(body[FIELD_FLAGS], ret_record) &&
                pair32_read(body[FIELD_MESSAGE_IDS], &ret_record->peer_next_id, &ret_record->our_next_id) &&
                pair64_read(body[FIELD_TIMES], &established, &written);
    if (read) {
        ret_record->established_unix_s = (int64_t)established;
        ret_record->written_unix_s = (int64_t)written;
    }
    return read;
}

static bool login_read(const struct fields *fields, struct session_record *ret_record)
{
    struct reader login = reader_of(fields->body[FIELD_LOGIN]);
    struct reader cert = reader_of(fields->body[FIELD_CERT]);
    struct reader peer = reader_of(fields->body[FIELD_PEER]);
    bool read = true;
    ret_record->login_unix_s = ret_record->established_unix_s;
    if ((fields->seen & UINT32_C(1) << FIELD_LOGIN) != 0) {
        ret_record->login_unix_s = (int64_t)reader_u64(&login);
        read = reader_done(&login);
    }
    if ((fields->seen & UINT32_C(1) << FIELD_CERT) != 0) {
        ret_record->cert.not_after_unix_s = (int64_t)reader_u64(&cert);
        reader_copy(&cert, ret_record->cert.issuer, sizeof(ret_record->cert.issuer));
        reader_copy(&cert, ret_record->cert.serial, sizeof(ret_record->cert.serial));
        read = read && reader_done(&cert);
    }
    if ((fields->seen & UINT32_C(1) << FIELD_PEER) != 0) {
        ret_record->peer = reader_u8(&peer);
        read = read && reader_done(&peer);
    }
    return read;
}

static bool record_read(struct reader *r, struct session_record *ret_record)
{
    struct fields fields;
    const struct span *body = fields.body;
    bool read = fields_read(reader_rest(r), FIELD_LAST_REQUIRED, FIELD_CHILD, &fields) &&
                session_read(body, ret_record) && suite_read(body[FIELD_SUITE], &ret_record->suite) &&
                keys_read(body[FIELD_KEYS], &ret_record->suite, &ret_record->keys) &&
                endpoints_read(body[FIELD_ENDPOINTS], ret_record) &&
                identity_read(body[FIELD_LOCAL_ID], &ret_record->local_id) &&
                identity_read(body[FIELD_REMOTE_ID], &ret_record->remote_id) &&
                name_read(body[FIELD_CONNECTION], ret_record->connection) &&
                name_read(body[FIELD_POOL], ret_record->pool) &&
                addresses_read(body[FIELD_ADDRESSES], ret_record);
    for (uint32_t i = 0; read && i < fields.num_repeated; i++) {
        read = child_read(fields.repeated[i], &ret_record->children[i]);
        ret_record->num_children = i + 1;
    }
    if ((fields.seen & UINT32_C(1) << FIELD_RESPONSE) != 0) {
        ret_record->response = body[FIELD_RESPONSE];
    }
    if (read && (fields.seen & UINT32_C(1) << FIELD_AUTH_UNTIL) != 0) {
        struct reader until = reader_of(body[FIELD_AUTH_UNTIL]);
        ret_record->auth_until_unix_s = (int64_t)reader_u64(&until);
        read = reader_done(&until);
    }
    if (read && (fields.seen & UINT32_C(1) << FIELD_TURN) != 0) {
        struct reader turn = reader_of(body[FIELD_TURN]);
        ret_record->turn = reader_u32(&turn);
        read = reader_done(&turn);
    }
    if (read && (fields.seen & UINT32_C(1) << FIELD_TRAFFIC) != 0) {
        read = pair64_read(body[FIELD_TRAFFIC], &ret_record->bytes_in, &ret_record->bytes_out);
    }
    ret_record->is_given = (fields.seen & UINT32_C(1) << FIELD_GIVEN) != 0;
    ret_record->mobike = (fields.seen & UINT32_C(1) << FIELD_MOBIKE) != 0;
    bool asks = (fields.seen & UINT32_C(1) << FIELD_REQUEST) != 0;
    bool rekeyed = (fields.seen & UINT32_C(1) << FIELD_FORMER) != 0;
    read = read && login_read(&fields, ret_record);
    return read && (!asks || request_read(body[FIELD_REQUEST], &ret_record->request)) &&
           (!rekeyed || former_read(body[FIELD_FORMER], &ret_record->former));
}

enum cause record_decode(struct span bytes, struct session_record *ret_record)
{
    struct reader r = reader_of(bytes);
    memset(ret_record, 0, sizeof(*ret_record));
    if (reader_u8(&r) != VERSION || !record_read(&r, ret_record)) {
        secret_wipe(ret_record, sizeof(*ret_record));
        return CAUSE_RECORD;
    }
    return CAUSE_NONE;
}
