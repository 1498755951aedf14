#include "tests/unit/session/sample.h"

#include "edge/crypto/prf.h"

#include <string.h>

static struct ip_addr addr(const char *text)
{
    struct ip_addr parsed;
    hf_assert(ip_parse(text, &parsed));
    return parsed;
}

static void key_fill(uint8_t *ret_key, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) {
        ret_key[i] = (uint8_t)(first + i);
    }
}

static void keys_fill(const struct ike_suite *suite, struct ike_keys *ret_keys)
{
    size_t prf = prf_bytes(suite->prf);
    size_t integ = integ_key_bytes(suite->integ);
    size_t encr = encr_key_bytes(suite->encr, suite->encr_bits);
    key_fill(ret_keys->d, prf, 1);
    key_fill(ret_keys->ai, integ, 2);
    key_fill(ret_keys->ar, integ, 3);
    key_fill(ret_keys->ei, encr, 4);
    key_fill(ret_keys->er, encr, 5);
    key_fill(ret_keys->pi, prf, 6);
    key_fill(ret_keys->pr, prf, 7);
}

/* The largest that a rekey leaves in a record: MODP-4096 both ways. */
static void rekey_fill(struct session_record *record)
{
    static uint8_t message[1024];
    memset(message, 'm', sizeof(message));
    struct record_request request = {.spi = 1,
                                     .ke = {.group = KE_X25519, .len = 32},
                                     .rival_nonce_len = 16,
                                     .message = span_of(message, sizeof(message))};
    memset(request.nonce, 'n', sizeof(request.nonce));
    memset(request.rival_nonce, 'r', request.rival_nonce_len);
    key_fill(request.ke.bytes, request.ke.len, 12);
    record->request = request;
    record->former = (struct record_former){.spi_i = 2,
                                            .spi_r = 3,
                                            .we_are_initiator = true,
                                            .suite = record->suite,
                                            .keys = record->keys,
                                            .peer_next_id = 4,
                                            .our_next_id = 5,
                                            .response = span_of(message, sizeof(message)),
                                            .request = request};
}

static void child_fill(const struct esp_suite *suite, uint32_t number, struct record_child *ret_child)
{
    size_t encr = encr_key_bytes(suite->encr, suite->encr_bits);
    size_t integ = integ_key_bytes(suite->integ);
    *ret_child = (struct record_child){
        .spi_in = 0x40000000 + number,
        .spi_out = 0xc0000001 + number,
        .suite = *suite,
        .sequence_limit = UINT64_C(1) << 33,
        .sequence_in = 12345 + number,
        .doomed = number % 2 == 1,
        .num_ts_local = 1,
        .num_ts_remote = 1,
    };
    key_fill(ret_child->key_in.encr, encr, 8);
    key_fill(ret_child->key_in.integ, integ, 9);
    key_fill(ret_child->key_out.encr, encr, 10);
    key_fill(ret_child->key_out.integ, integ, 11);
    ret_child->ts_local[0] = (struct ts_range){
        .port_last = UINT16_MAX,
        .first = addr("0.0.0.0"),
        .last = addr("255.255.255.255"),
    };
    ret_child->ts_remote[0] = (struct ts_range){
        .protocol = 17,
        .port_first = UINT16_MAX, /* OPAQUE */
        .port_last = 0,
        .first = addr("10.1.0.7"),
        .last = addr("10.1.0.7"),
    };
}

void sample_suite(uint16_t encr, uint16_t bits, uint16_t integ, uint16_t prf,
                  struct session_record *ret_record)
{
    *ret_record = (struct session_record){
        .session_id = UINT64_C(0x1122334455667788),
        .spi_i = UINT64_C(0xa1a2a3a4a5a6a7a8),
        .spi_r = UINT64_C(0xb1b2b3b4b5b6b7b8),
        .we_are_initiator = true,
        .suite = {.encr = encr, .encr_bits = bits, .integ = integ, .prf = prf, .ke = KE_X25519},
        .peer_next_id = 7,
        .our_next_id = UINT32_MAX,
        .natt = true,
        .behind_nat = true,
        .mobike = true,
        .local = {.addr = addr("192.0.2.1"), .port = 4500},
        .remote = {.addr = addr("198.51.100.9"), .port = 40123},
        .local_id = {.type = ID_FQDN, .len = 15, .data = "vpn.example.net"},
        .remote_id = {.type = ID_RFC822_ADDR, .len = 17, .data = "alice@example.net"},
        .connection = "staff",
        .pool = "inner",
        .addresses = {addr("10.1.0.7"), addr("fd00:1::7")},
        .num_addresses = 2,
        .established_unix_s = 1700000000,
        .login_unix_s = 1700000000,
        .written_unix_s = -1,
        .num_children = 1,
    };
    keys_fill(&ret_record->suite, &ret_record->keys);
    struct esp_suite esp = {.encr = encr, .encr_bits = bits, .integ = integ, .ke = KE_P256, .esn = true};
    child_fill(&esp, 0, &ret_record->children[0]);
}

void sample_small(struct session_record *ret_record)
{
    sample_suite(ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_256, ret_record);
}

void sample_large(struct session_record *ret_record)
{
    sample_suite(ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512, ret_record);
    ret_record->local.addr = addr("2001:db8::1");
    ret_record->remote.addr = addr("2001:db8:ffff::2");
    ret_record->local_id.len = IKE_ID_BYTES_MAX;
    ret_record->remote_id.len = IKE_ID_BYTES_MAX;
    memset(ret_record->connection, 'c', NAME_BYTES_MAX - 1);
    memset(ret_record->pool, 'p', NAME_BYTES_MAX - 1);
    static uint8_t response[3072];
    memset(response, 'r', sizeof(response));
    ret_record->response = span_of(response, sizeof(response));
    struct esp_suite esp = ret_record->children[0].suite;
    for (uint32_t i = 0; i < CHILD_PER_SA_MAX; i++) {
        struct record_child *child = &ret_record->children[i];
        child_fill(&esp, i, child);
        for (uint32_t j = 0; j < SELECTORS_PER_CHILD_MAX; j++) {
            child->ts_local[j] = (struct ts_range){
                .protocol = (uint8_t)j,
                .port_first = 1000,
                .port_last = 2000,
                .first = addr("2001:db8::"),
                .last = addr("2001:db8::ffff:ffff"),
            };
            child->ts_remote[j] = child->ts_local[j];
        }
        child->num_ts_local = SELECTORS_PER_CHILD_MAX;
        child->num_ts_remote = SELECTORS_PER_CHILD_MAX;
    }
    ret_record->num_children = CHILD_PER_SA_MAX;
    ret_record->children[1].bytes = UINT64_C(1) << 38;
    ret_record->children[2].packets = 7;
    ret_record->auth_until_unix_s = 1700003600;
    ret_record->turn = 3;
    ret_record->login_unix_s = 1699990000;
    ret_record->cert = (struct cert_mark){.not_after_unix_s = 1800000000};
    memset(ret_record->cert.issuer, 'i', sizeof(ret_record->cert.issuer));
    memset(ret_record->cert.serial + 4, 's', 16);
    ret_record->peer = RECORD_PEER_SYNC_IDS | RECORD_PEER_REDIRECT;
    rekey_fill(ret_record);
}

static bool requests_equal(const struct record_request *a, const struct record_request *b)
{
    return a->spi == b->spi && memcmp(&a->ke, &b->ke, sizeof(a->ke)) == 0 &&
           memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0 && a->rival_nonce_len == b->rival_nonce_len &&
           memcmp(a->rival_nonce, b->rival_nonce, a->rival_nonce_len) == 0 &&
           span_equal(a->message, b->message);
}

static bool formers_equal(const struct record_former *a, const struct record_former *b)
{
    return a->spi_i == b->spi_i && a->spi_r == b->spi_r && a->we_are_initiator == b->we_are_initiator &&
           memcmp(&a->suite, &b->suite, sizeof(a->suite)) == 0 &&
           memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0 && a->peer_next_id == b->peer_next_id &&
           a->our_next_id == b->our_next_id && span_equal(a->response, b->response) &&
           requests_equal(&a->request, &b->request);
}

static bool identities_equal(const struct identity *a, const struct identity *b)
{
    return a->type == b->type && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool ranges_equal(const struct ts_range *a, const struct ts_range *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].protocol != b[i].protocol || a[i].port_first != b[i].port_first ||
            a[i].port_last != b[i].port_last || !ip_equal(&a[i].first, &b[i].first) ||
            !ip_equal(&a[i].last, &b[i].last)) {
            return false;
        }
    }
    return true;
}

static bool children_equal(const struct record_child *a, const struct record_child *b)
{
    return a->spi_in == b->spi_in && a->spi_out == b->spi_out && a->suite.encr == b->suite.encr &&
           a->suite.encr_bits == b->suite.encr_bits && a->suite.integ == b->suite.integ &&
           a->suite.ke == b->suite.ke && a->suite.esn == b->suite.esn &&
           memcmp(&a->key_in, &b->key_in, sizeof(a->key_in)) == 0 &&
           memcmp(&a->key_out, &b->key_out, sizeof(a->key_out)) == 0 &&
           a->sequence_limit == b->sequence_limit && a->sequence_in == b->sequence_in &&
           a->doomed == b->doomed && a->bytes == b->bytes && a->packets == b->packets &&
           a->num_ts_local == b->num_ts_local && a->num_ts_remote == b->num_ts_remote &&
           ranges_equal(a->ts_local, b->ts_local, a->num_ts_local) &&
           ranges_equal(a->ts_remote, b->ts_remote, a->num_ts_remote);
}

bool records_equal(const struct session_record *a, const struct session_record *b)
{
    bool equal =
        a->session_id == b->session_id && a->spi_i == b->spi_i && a->spi_r == b->spi_r &&
        a->we_are_initiator == b->we_are_initiator && memcmp(&a->suite, &b->suite, sizeof(a->suite)) == 0 &&
        memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0 && a->peer_next_id == b->peer_next_id &&
        a->our_next_id == b->our_next_id && a->fragmentation == b->fragmentation && a->natt == b->natt &&
        a->behind_nat == b->behind_nat && a->mobike == b->mobike && endpoint_equal(&a->local, &b->local) &&
        endpoint_equal(&a->remote, &b->remote) && identities_equal(&a->local_id, &b->local_id) &&
        identities_equal(&a->remote_id, &b->remote_id) && strcmp(a->connection, b->connection) == 0 &&
        strcmp(a->pool, b->pool) == 0 && a->num_addresses == b->num_addresses &&
        a->established_unix_s == b->established_unix_s && a->written_unix_s == b->written_unix_s &&
        a->auth_until_unix_s == b->auth_until_unix_s && a->turn == b->turn &&
        a->login_unix_s == b->login_unix_s && memcmp(&a->cert, &b->cert, sizeof(a->cert)) == 0 &&
        a->peer == b->peer && a->num_children == b->num_children && span_equal(a->response, b->response) &&
        requests_equal(&a->request, &b->request) && formers_equal(&a->former, &b->former);
    for (uint32_t i = 0; equal && i < a->num_addresses; i++) {
        equal = ip_equal(&a->addresses[i], &b->addresses[i]);
    }
    for (uint32_t i = 0; equal && i < a->num_children; i++) {
        equal = children_equal(&a->children[i], &b->children[i]);
    }
    return equal;
}
