#include "edge/wire/build.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

static const uint8_t blob[64] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint32_t spis[] = {0xc1c2c3c4, 0x00000100};

static struct span blob_of(size_t len)
{
    return span_of(blob, len);
}

static void selectors_build(struct builder *b)
{
    static const uint8_t first[4] = {10, 0, 0, 1}, last[4] = {10, 0, 0, 9};
    static const uint8_t any[16] = {0}, end[16] = {[0] = 0xff, [15] = 1};
    struct ts_range ranges[] = {
        {.protocol = 17, .port_first = 53, .port_last = 80, .first = ip_from_v4(first),
         .last = ip_from_v4(last)},
        {.protocol = 0, .port_first = 0, .port_last = 65535, .first = ip_from_v6(any),
         .last = ip_from_v6(end)},
    };
    build_ts(b, PAYLOAD_TSI, ranges, 2);
    build_ts(b, PAYLOAD_TSR, ranges, 1);
}

static void sa_build(struct builder *b)
{
    struct sa_view sa = {
        .count = 2,
        .proposals = {{.number = 1, .protocol = PROTOCOL_ESP, .spi = blob_of(4), .first = 0, .count = 2},
                      {.number = 2, .protocol = PROTOCOL_IKE, .spi = blob_of(8), .first = 2, .count = 1}},
        .num_transforms = 3,
        .transforms = {{.type = TRANSFORM_ENCR, .id = ENCR_AES_GCM_16, .key_bits = 256},
                       {.type = TRANSFORM_ESN, .id = ESN_NONE},
                       {.type = TRANSFORM_KE, .id = KE_X25519}},
    };
    build_sa(b, &sa);
}

/* One message with everything that can be built except SK and SKF. */
static struct span everything_build(uint8_t *memory, size_t cap)
{
    struct builder b;
    struct ike_header header = {
        .spi_i = 1, .spi_r = 2, .version = 0x20, .exchange = IKE_AUTH, .flags = IKE_FLAG_RESPONSE,
        .message_id = 7};
    message_begin(&b, memory, cap, &header);
    build_notify(&b, PROTOCOL_NONE, blob_of(0), NOTIFY_COOKIE, blob_of(20));
    build_notify(&b, PROTOCOL_ESP, blob_of(4), NOTIFY_REKEY_SA, blob_of(0));
    sa_build(&b);
    build_ke(&b, KE_X25519, blob_of(32));
    build_nonce(&b, blob_of(16));
    build_id(&b, PAYLOAD_IDI, ID_FQDN, blob_of(5));
    build_id(&b, PAYLOAD_IDR, ID_KEY_ID, blob_of(6));
    build_cert(&b, CERT_X509_SIGNATURE, blob_of(60));
    build_cert(&b, CERT_X509_SIGNATURE, blob_of(61));
    build_certreq(&b, blob_of(40));
    build_auth(&b, AUTH_SHARED_KEY, blob_of(64));
    build_delete(&b, PROTOCOL_IKE, 0, NULL, 0);
    build_delete(&b, PROTOCOL_ESP, 4, spis, 2);
    selectors_build(&b);
    cp_begin(&b, CP_CFG_REPLY);
    cp_attribute(&b, CP_INTERNAL_IP4_ADDRESS, blob_of(4));
    cp_attribute(&b, CP_INTERNAL_DNS_DOMAIN, blob_of(0));
    payload_end(&b);
    payload_begin(&b, PAYLOAD_EAP);
    writer_u32(&b.w, 0x03010004);
    payload_end(&b);
    return message_end(&b);
}

static void everything_read(struct span bytes, struct message *ret_message)
{
    struct ike_header header;
    struct payloads payloads;
    cr_assert_eq(ike_header_read(bytes, &header), CAUSE_NONE);
    cr_expect(header.spi_i == 1 && header.spi_r == 2 && header.message_id == 7);
    cr_expect(header.exchange == IKE_AUTH && header.flags == IKE_FLAG_RESPONSE);
    struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
    cr_assert_eq(payloads_read(header.next_payload, chain, &payloads), CAUSE_NONE);
    cr_expect_eq(payloads.count, 17);
    cr_assert_eq(message_read(&payloads, ret_message), CAUSE_NONE);
}

static void sa_and_ts_check(const struct message *m)
{
    struct sa_view sa;
    struct ts_view ts;
    cr_assert_eq(sa_read(m->sa, &sa), CAUSE_NONE);
    cr_expect(sa.count == 2 && sa.num_transforms == 3);
    cr_expect(sa.proposals[1].number == 2 && sa.proposals[1].protocol == PROTOCOL_IKE &&
              sa.proposals[1].first == 2);
    cr_expect(span_equal(sa.proposals[0].spi, blob_of(4)) && span_equal(sa.proposals[1].spi, blob_of(8)));
    cr_expect(sa.transforms[0].id == ENCR_AES_GCM_16 && sa.transforms[0].key_bits == 256);
    cr_expect(sa.transforms[2].type == TRANSFORM_KE && sa.transforms[2].key_bits == 0);
    cr_assert_eq(ts_read(m->ts_i, &ts), CAUSE_NONE);
    cr_expect(ts.count == 2 && ts.v[0].protocol == 17 && ts.v[0].port_first == 53 && ts.v[0].port_last == 80);
    cr_expect(ts.v[0].last.len == 4 && ts.v[0].last.data[3] == 9);
    cr_expect(ts.v[1].first.len == 16 && ts.v[1].last.data[0] == 0xff && ts.v[1].port_last == 65535);
    cr_assert_eq(ts_read(m->ts_r, &ts), CAUSE_NONE);
    cr_expect_eq(ts.count, 1);
}

Test(build, every_field_comes_back)
{
    static uint8_t memory[2048];
    struct message m;
    everything_read(everything_build(memory, sizeof(memory)), &m);
    sa_and_ts_check(&m);
    cr_expect_eq(m.num_notifies, 2);
    cr_expect(span_equal(message_notify(&m, NOTIFY_COOKIE)->data, blob_of(20)));
    cr_expect(span_equal(message_notify(&m, NOTIFY_REKEY_SA)->spi, blob_of(4)));
    cr_expect_eq(message_notify(&m, NOTIFY_REKEY_SA)->protocol, PROTOCOL_ESP);
    cr_expect(m.ke_group == KE_X25519 && span_equal(m.ke, blob_of(32)) && span_equal(m.nonce, blob_of(16)));
    cr_expect(m.id_i.type == ID_FQDN && span_equal(m.id_i.data, blob_of(5)));
    cr_expect(m.id_r.type == ID_KEY_ID && span_equal(m.id_r.data, blob_of(6)));
    static const uint8_t signed_id[] = {ID_KEY_ID, 0, 0, 0, 1, 2, 3, 4, 5, 6};
    cr_expect(span_equal(m.id_r.body, span_of(signed_id, sizeof(signed_id))),
              "RFC 7296 2.15: type, reserved, data");
    cr_expect(m.num_certs == 2 && m.certs[0].encoding == CERT_X509_SIGNATURE);
    cr_expect(span_equal(m.certs[0].data, blob_of(60)) && span_equal(m.certs[1].data, blob_of(61)));
    cr_expect(m.has_certreq && m.auth_method == AUTH_SHARED_KEY && span_equal(m.auth, blob_of(64)));
    cr_expect(m.num_deletes == 2 && m.deletes[0].protocol == PROTOCOL_IKE && m.deletes[0].spis.len == 0);
    cr_expect(m.deletes[1].count == 2 && be32_load(m.deletes[1].spis.data + 4) == spis[1]);
    cr_expect(m.cp.type == CP_CFG_REPLY && m.cp.count == 2 && m.cp.v[0].type == CP_INTERNAL_IP4_ADDRESS);
    cr_expect(span_equal(m.cp.v[0].value, blob_of(4)) && m.cp.v[1].value.len == 0);
    cr_expect_eq(m.eap.len, 4);
}

Test(build, too_little_room_is_always_noticed)
{
    static uint8_t memory[2048], small[2048];
    struct span whole = everything_build(memory, sizeof(memory));
    cr_assert_gt(whole.len, 600);
    for (size_t cap = 0; cap <= whole.len; cap++) {
        memset(small, 0xa5, sizeof(small));
        struct span got = everything_build(small, cap);
        if (cap < whole.len) {
            cr_expect_null(got.data, "cap %zu", cap);
            cr_expect_eq(got.len, 0, "cap %zu", cap);
        } else {
            cr_expect(span_equal(got, whole));
        }
        for (size_t i = cap; i < cap + 64; i++) {
            cr_assert_eq(small[i], 0xa5, "wrote behind %zu", cap);
        }
    }
}

Test(build, payload_of_more_than_64_k_does_not_fit)
{
    static uint8_t memory[70000], body[65532];
    struct builder b;
    chain_begin(&b, memory, sizeof(memory));
    build_nonce(&b, span_of(body, 65531));
    cr_expect_eq(message_end(&b).len, 65535);
    chain_begin(&b, memory, sizeof(memory));
    build_nonce(&b, span_of(body, 65532));
    build_nonce(&b, span_of(body, 16));
    cr_expect_null(message_end(&b).data);
}

Test(build, empty_chain_is_no_overflow)
{
    uint8_t memory[4];
    struct builder b;
    chain_begin(&b, memory, sizeof(memory));
    struct span chain = message_end(&b);
    cr_expect_eq(chain.data, memory);
    cr_expect_eq(chain.len, 0);
    cr_expect_eq(b.first, PAYLOAD_NONE);
}

/* SK and SKF: the offset that comes back is where the reader finds the sealed bytes; the chain's length
 * counts them. */
static void sealed_check(bool is_fragment, uint16_t number)
{
    uint8_t memory[200];
    struct builder b;
    struct ike_header header = {.spi_i = 1, .version = 0x20, .exchange = IKE_AUTH};
    struct payloads payloads;
    uint8_t inner = number == 1 ? PAYLOAD_IDI : PAYLOAD_NONE;
    memset(memory, 0xee, sizeof(memory));
    message_begin(&b, memory, sizeof(memory), &header);
    build_notify(&b, 0, blob_of(0), NOTIFY_COOKIE, blob_of(1));
    size_t at = is_fragment ? build_skf(&b, inner, number, 3, 40) : build_sk(&b, inner, 40);
    struct span bytes = message_end(&b);
    cr_assert_eq(bytes.len, at + 40);
    for (size_t i = at; i < bytes.len; i++) {
        cr_assert_eq(memory[i], 0, "no stale memory leaves unsealed");
    }
    cr_assert_eq(ike_header_read(bytes, &header), CAUSE_NONE);
    struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
    cr_assert_eq(payloads_read(header.next_payload, chain, &payloads), CAUSE_NONE);
    cr_assert_eq(payloads.count, 2);
    cr_expect_eq(payloads.inner_first, inner);
    struct span body = payloads.v[1].body;
    cr_expect_eq(payloads.v[1].body_offset + IKE_HEADER_BYTES + (is_fragment ? 4 : 0), at);
    if (is_fragment) {
        struct fragment_view fragment;
        cr_assert_eq(fragment_read(body, &fragment), CAUSE_NONE);
        cr_expect(fragment.number == number && fragment.total == 3);
        body = fragment.sealed;
    }
    cr_expect(body.data == memory + at && body.len == 40);
}

Test(build, sealed_payloads_are_the_last)
{
    sealed_check(false, 1);
    sealed_check(true, 1);
    sealed_check(true, 3);
    uint8_t memory[60];
    for (size_t cap = 0; cap < sizeof(memory); cap++) {
        struct builder b;
        chain_begin(&b, memory, cap);
        build_skf(&b, PAYLOAD_NONE, 2, 3, sizeof(memory) - 8);
        cr_expect_null(message_end(&b).data, "cap %zu", cap);
    }
}
