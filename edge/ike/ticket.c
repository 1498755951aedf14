/* Tickets by value (RFC 5723 6.1, 9.9): all that a node of the fleet needs to resume a session that it has
 * never seen, sealed under a key of the day that every node derives from the fleet key:
 *
 *   version (8) | day (32) | AES-256-GCM{nonce, session, tag}; version and day are authenticated
 *
 * A ticket lives for at most a day, so the day before and today are enough; clocks may differ at midnight. */
#include "edge/base/reader.h"
#include "edge/base/secret.h"
#include "edge/crypto/seal.h"
#include "edge/ike/internal.h"

enum {
    TICKET_VERSION = 1,
    HEAD_BYTES = 5,
    DAY_S = 86400,
    SA_END_MARGIN_S = 1,
    /* The longest: both identities, the longest PRF and name. */
    PLAIN_BYTES_MAX = 8 + 10 + PRF_BYTES_MAX + 1 + 2 * (3 + IKE_ID_BYTES_MAX) + SA_NAME_BYTES + 3 * 8 +
                      (int)sizeof(struct cert_mark) + 1 + 16 * ADDRESSES_PER_SESSION_MAX,
    TICKET_BYTES_MAX = HEAD_BYTES + PLAIN_BYTES_MAX + SEAL_OVERHEAD_BYTES,
};

static const uint8_t *ticket_key(struct ike *ike, uint32_t day)
{
    int64_t today = ike->time.unix_s / DAY_S;
    if (ike->ticket_day != today) {
        for (int i = 0; i < TICKET_KEYS; i++) {
            fleet_derive(ike->config.fleet_key, "ticket", (uint64_t)(today - 1 + i), ike->ticket_keys[i],
                         sizeof(ike->ticket_keys[i]));
        }
        ike->ticket_day = today;
    }
    int64_t at = (int64_t)day - (today - 1);
    return at >= 0 && at < TICKET_KEYS ? ike->ticket_keys[at] : NULL;
}

/* ---- writing */

static void identity_write(struct writer *w, const struct identity *id)
{
    writer_u8(w, id->type);
    writer_u16(w, id->len);
    writer_bytes(w, id->data, id->len);
}

static void ticket_write(struct writer *w, const struct ike_sa *sa, uint8_t auth, int64_t expires_unix_s)
{
    writer_u64(w, sa->session_id);
    writer_u16(w, sa->suite.encr);
    writer_u16(w, sa->suite.encr_bits);
    writer_u16(w, sa->suite.integ);
    writer_u16(w, sa->suite.prf);
    writer_u16(w, sa->suite.ke);
    writer_bytes(w, sa->keys.d, prf_bytes(sa->suite.prf));
    writer_u8(w, auth);
    identity_write(w, sa->local_id);
    identity_write(w, sa->remote_id);
    size_t name = strlen(sa->connection);
    writer_u8(w, (uint8_t)name);
    writer_bytes(w, sa->connection, name);
    writer_u64(w, (uint64_t)expires_unix_s);
    writer_u64(w, (uint64_t)sa->login_unix_s);
    writer_u64(w, (uint64_t)sa->auth_until_unix_s);
    writer_u64(w, (uint64_t)sa->cert.not_after_unix_s);
    writer_bytes(w, sa->cert.issuer, sizeof(sa->cert.issuer));
    writer_bytes(w, sa->cert.serial, sizeof(sa->cert.serial));
    writer_u8(w, (uint8_t)sa->num_addresses);
    for (uint32_t i = 0; i < sa->num_addresses; i++) {
        writer_bytes(w, sa->addresses[i].bytes, sizeof(sa->addresses[i].bytes));
    }
}

/* RFC 5723 6.2: as long as the IKE SA and the login may last, and by policy. */
static int64_t ticket_lifetime(const struct ike *ike, const struct ike_sa *sa, uint8_t auth)
{
    int64_t now = ike->time.unix_s;
    int64_t lifetime = (int64_t)(ike->policy->resumption.lifetime / NS_PER_S);
    lifetime = HF_MIN(lifetime, (int64_t)(ike->policy->timers.ike_lifetime / NS_PER_S));
    if (sa->auth_until_unix_s != 0) {
        lifetime = HF_MIN(lifetime, sa->auth_until_unix_s - now);
    }
    if (auth == POLICY_AUTH_CERT) {
        lifetime = HF_MIN(lifetime, sa->cert.not_after_unix_s - now);
    }
    return lifetime;
}

/* Length of the sealed ticket; 0 when there is none to be had. */
static size_t ticket_seal(struct ike *ike, const struct ike_sa *sa, uint8_t auth, int64_t expires_unix_s,
                          uint8_t ret_ticket[TICKET_BYTES_MAX])
{
    uint8_t plain[PLAIN_BYTES_MAX];
    struct writer w = writer_of(plain, sizeof(plain));
    uint32_t day = (uint32_t)(ike->time.unix_s / DAY_S);
    ticket_write(&w, sa, auth, expires_unix_s);
    ret_ticket[0] = TICKET_VERSION;
    be32_store(ret_ticket + 1, day);
    bool sealed =
        !w.overflow && seal_record(ticket_key(ike, day), &ike->config.rand, span_of(ret_ticket, HEAD_BYTES),
                                   writer_span_of(&w), ret_ticket + HEAD_BYTES);
    secret_wipe(plain, sizeof(plain));
    return sealed ? HEAD_BYTES + w.len + SEAL_OVERHEAD_BYTES : 0;
}

void ticket_answer(struct ike *ike, const struct ike_sa *sa, const struct message *request, struct builder *b)
{
    uint8_t data[4 + TICKET_BYTES_MAX];
    const struct span none = {0};
    if (message_notify(request, NOTIFY_TICKET_REQUEST) == NULL) {
        return;
    }
    const struct policy_connection *connection = connection_by_name(ike->policy, sa->connection);
    uint8_t auth = connection == NULL ? POLICY_AUTH_PSK : (uint8_t)connection->auth;
    int64_t lifetime = ticket_lifetime(ike, sa, auth);
    size_t len = connection == NULL || lifetime <= SA_END_MARGIN_S
                     ? 0
                     : ticket_seal(ike, sa, auth, ike->time.unix_s + lifetime, data + 4);
    if (len == 0) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_TICKET_NACK, none);
        return;
    }
    be32_store(data, (uint32_t)lifetime);
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_TICKET_LT_OPAQUE, span_of(data, 4 + len));
    ike->counters.tickets++;
}

/* ---- reading: what is sealed under our key was written by us, but perhaps by another version */

static void identity_read(struct reader *r, struct identity *ret_id)
{
    ret_id->type = reader_u8(r);
    uint16_t len = reader_u16(r);
    if (len > sizeof(ret_id->data)) {
        r->failed = true;
        return;
    }
    ret_id->len = len;
    reader_copy(r, ret_id->data, len);
}

static void name_read(struct reader *r, char ret_name[SA_NAME_BYTES])
{
    uint8_t len = reader_u8(r);
    if (len >= SA_NAME_BYTES) {
        r->failed = true;
        return;
    }
    reader_copy(r, (uint8_t *)ret_name, len);
}

static void cert_read(struct reader *r, struct cert_mark *ret_cert)
{
    ret_cert->not_after_unix_s = (int64_t)reader_u64(r);
    reader_copy(r, ret_cert->issuer, sizeof(ret_cert->issuer));
    reader_copy(r, ret_cert->serial, sizeof(ret_cert->serial));
}

static bool ticket_read(struct span plain, struct ike_ticket *ret)
{
    struct reader r = reader_of(plain);
    memset(ret, 0, sizeof(*ret));
    ret->session_id = reader_u64(&r);
    ret->suite.encr = reader_u16(&r);
    ret->suite.encr_bits = reader_u16(&r);
    ret->suite.integ = reader_u16(&r);
    ret->suite.prf = reader_u16(&r);
    ret->suite.ke = reader_u16(&r);
    if (prf_bytes(ret->suite.prf) == 0 || encr_key_bytes(ret->suite.encr, ret->suite.encr_bits) == 0) {
        return false;
    }
    reader_copy(&r, ret->sk_d, prf_bytes(ret->suite.prf));
    ret->auth = reader_u8(&r);
    identity_read(&r, &ret->local_id);
    identity_read(&r, &ret->remote_id);
    name_read(&r, ret->connection);
    ret->expires_unix_s = (int64_t)reader_u64(&r);
    ret->login_unix_s = (int64_t)reader_u64(&r);
    ret->auth_until_unix_s = (int64_t)reader_u64(&r);
    cert_read(&r, &ret->cert);
    ret->num_addresses = reader_u8(&r);
    if (ret->num_addresses > ADDRESSES_PER_SESSION_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < ret->num_addresses; i++) {
        reader_copy(&r, ret->addresses[i].bytes, sizeof(ret->addresses[i].bytes));
    }
    return reader_done(&r) && ret->session_id != 0 && ret->remote_id.type != 0;
}

enum cause ticket_open(struct ike *ike, struct span bytes, struct ike_ticket *ret_ticket)
{
    uint8_t plain[PLAIN_BYTES_MAX];
    if (bytes.len < HEAD_BYTES + SEAL_OVERHEAD_BYTES || bytes.len > TICKET_BYTES_MAX ||
        bytes.data[0] != TICKET_VERSION) {
        return CAUSE_TICKET_SYNTAX;
    }
    const uint8_t *key = ticket_key(ike, be32_load(bytes.data + 1));
    struct span sealed = span_of(bytes.data + HEAD_BYTES, bytes.len - HEAD_BYTES);
    if (key == NULL || !unseal_record(key, span_of(bytes.data, HEAD_BYTES), sealed, plain)) {
        return CAUSE_TICKET_FORGED;
    }
    bool read = ticket_read(span_of(plain, sealed.len - SEAL_OVERHEAD_BYTES), ret_ticket);
    secret_wipe(plain, sizeof(plain));
    if (!read) {
        secret_wipe(ret_ticket, sizeof(*ret_ticket));
        return CAUSE_TICKET_SYNTAX;
    }
    return ike->time.unix_s < ret_ticket->expires_unix_s ? CAUSE_NONE : CAUSE_TICKET_EXPIRED;
}
