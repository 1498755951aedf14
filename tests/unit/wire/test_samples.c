/* Whole messages of real clients' shapes: read, cut short, and written out as fuzzing seeds. */
#include "edge/wire/build.h"
#include "tests/unit/wire/samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct parsed {
    struct ike_header header;
    struct payloads payloads;
    struct message message;
    struct sa_view sa;
    struct ts_view ts_i, ts_r;
};

static bool has(const struct parsed *parsed, uint8_t type)
{
    return (parsed->message.present & PAYLOAD_BIT(type)) != 0;
}

/* All that the wire layer can say about a message. */
static enum cause parse(struct span bytes, struct parsed *ret_parsed)
{
    enum cause cause = ike_header_read(bytes, &ret_parsed->header);
    if (cause == CAUSE_NONE) {
        struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
        cause = payloads_read(ret_parsed->header.next_payload, chain, &ret_parsed->payloads);
    }
    if (cause == CAUSE_NONE) {
        cause = message_read(&ret_parsed->payloads, &ret_parsed->message);
    }
    if (cause == CAUSE_NONE && has(ret_parsed, PAYLOAD_SA)) {
        cause = sa_read(ret_parsed->message.sa, &ret_parsed->sa);
    }
    if (cause == CAUSE_NONE && has(ret_parsed, PAYLOAD_TSI)) {
        cause = ts_read(ret_parsed->message.ts_i, &ret_parsed->ts_i);
    }
    if (cause == CAUSE_NONE && has(ret_parsed, PAYLOAD_TSR)) {
        cause = ts_read(ret_parsed->message.ts_r, &ret_parsed->ts_r);
    }
    return cause;
}

static const struct parsed *parsed_of(const char *name)
{
    static struct parsed parsed;
    static struct raw raw;
    sample_write(sample_named(name), &raw);
    cr_assert_eq(parse(raw_span(&raw), &parsed), CAUSE_NONE, "%s", name);
    return &parsed;
}

Test(samples, messages_of_all_clients_are_read)
{
    static const struct {
        const char *name;
        uint32_t proposals, transforms, notifies;
    } rows[] = {
        {"strongswan-init", 2, 67, 5}, {"android-init", 2, 41, 4},   {"ios-init", 5, 20, 4},
        {"windows-init", 12, 46, 3},   {"cookie-init", 1, 3, 3},     {"strongswan-auth", 2, 14, 3},
        {"windows-auth", 5, 15, 1},    {"android-auth", 2, 19, 1},   {"auth-reply", 1, 2, 0},
        {"macos-ike-rekey", 1, 4, 0},  {"ios-child-rekey", 2, 7, 1}, {"mikrotik-child-rekey", 1, 3, 1},
        {"unknown-payloads", 1, 3, 0}, {"dpd", 0, 0, 0},             {"invalid-ke-reply", 0, 0, 1},
        {"eap-identity", 0, 0, 0},     {"delete-ike", 0, 0, 0},      {"delete-children", 0, 0, 0},
        {"sealed", 0, 0, 0},           {"fragment-first", 0, 0, 0},  {"fragment-last", 0, 0, 0},
    };
    cr_assert_eq(HF_COUNT(rows), num_samples);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const struct parsed *p = parsed_of(rows[i].name);
        cr_expect_eq(p->sa.count, has(p, PAYLOAD_SA) ? rows[i].proposals : p->sa.count, "%s", rows[i].name);
        cr_expect_eq(p->sa.num_transforms, has(p, PAYLOAD_SA) ? rows[i].transforms : p->sa.num_transforms,
                     "%s: %u",
                     rows[i].name, p->sa.num_transforms);
        cr_expect_eq(p->message.num_notifies, rows[i].notifies, "%s: %u", rows[i].name,
                     p->message.num_notifies);
    }
}

Test(samples, what_clients_do_differently_is_kept)
{
    const struct parsed *p = parsed_of("macos-ike-rekey");
    cr_expect_eq(p->sa.proposals[0].number, 3);
    cr_expect_eq(p->sa.proposals[0].spi.len, 8);

    p = parsed_of("ios-child-rekey");
    cr_expect_eq(p->sa.proposals[0].count, p->sa.proposals[1].count + 1);
    cr_expect_eq(be32_load(message_notify(&p->message, NOTIFY_REKEY_SA)->spi.data), 0xc1c2c3c4);

    p = parsed_of("mikrotik-child-rekey");
    cr_expect_eq(p->message.cp.count, 3);

    p = parsed_of("windows-auth");
    cr_expect_eq(p->message.id_i.type, ID_IPV4_ADDR);
    cr_expect_eq(p->message.cp.v[3].type, 23456);
    cr_expect(p->ts_i.count == 2 && p->ts_r.count == 2);
    cr_expect(p->message.has_certreq && !has(p, PAYLOAD_AUTH));

    p = parsed_of("unknown-payloads");
    cr_expect_eq(p->payloads.count, 4);
    cr_expect_eq(p->message.unknown_critical, 0);

    p = parsed_of("android-auth");
    cr_expect_eq(p->sa.transforms[p->sa.proposals[1].first].id, ENCR_CHACHA20_POLY1305);
    cr_expect_eq(p->sa.transforms[p->sa.proposals[1].first].key_bits, 0);
}

/* A cut never yields a message, neither with the header's old length nor with one that fits. */
Test(samples, every_truncation_has_a_cause)
{
    for (size_t i = 0; i < num_samples; i++) {
        static struct raw raw;
        static struct parsed parsed;
        sample_write(&samples[i], &raw);
        size_t whole = raw.len;
        for (raw.len = 0; raw.len < whole; raw.len++) {
            enum cause want = raw.len < IKE_HEADER_BYTES ? CAUSE_SHORT : CAUSE_LENGTH;
            cr_assert_eq(parse(raw_span(&raw), &parsed), want, "%s cut at %zu", samples[i].name, raw.len);
        }
        for (raw.len = IKE_HEADER_BYTES; raw.len < whole; raw.len++) {
            be32_store(raw.bytes + 24, (uint32_t)raw.len);
            enum cause cause = parse(raw_span(&raw), &parsed);
            cr_assert_eq(cause, CAUSE_PAYLOAD_LENGTH, "%s cut at %zu: %d", samples[i].name, raw.len, cause);
        }
    }
}

/* SA and selector bodies that end early, in a payload whose length agrees. */
Test(samples, every_truncated_list_has_a_cause)
{
    for (size_t i = 0; i < num_samples; i++) {
        const struct parsed *p = parsed_of(samples[i].name);
        struct sa_view sa;
        struct ts_view ts;
        for (size_t len = 0; len < p->message.sa.len; len++) {
            cr_assert_eq(sa_read(span_of(p->message.sa.data, len), &sa), CAUSE_SA_SYNTAX, "%s",
                         samples[i].name);
        }
        for (size_t len = 0; len < p->message.ts_i.len; len++) {
            cr_assert_eq(ts_read(span_of(p->message.ts_i.data, len), &ts), CAUSE_TS_SYNTAX, "%s",
                         samples[i].name);
        }
    }
}

/* One lie each, as whole messages: the bad-input classes that the wire layer can see. */
static const struct {
    const char *name;
    uint8_t first;
    const char *chain;
    enum cause cause;
} lies[] = {
    {"bad-chain-loop", PAYLOAD_NONCE, "28 00 0004 28 00 0000", CAUSE_PAYLOAD_LENGTH},
    {"bad-chain-64k", PAYLOAD_NONCE, "00 00 ffff 4e*16", CAUSE_PAYLOAD_LENGTH},
    {"bad-chain-rest", PAYLOAD_NONCE, "00 00 0014 4e*16 00", CAUSE_PAYLOAD_LENGTH},
    {"bad-chain-after-sk", PAYLOAD_SK, "29 00 0008 ee*4 00 00 0004", CAUSE_PAYLOAD_LENGTH},
    {"bad-sa-count", PAYLOAD_SA, "00 00 0014 00 00 0010 01 01 00 ff 00 00 0008 01 00 001c", CAUSE_SA_SYNTAX},
    {"bad-sa-spi", PAYLOAD_SA, "00 00 0018 00 00 0014 01 03 ff 01 c1c2c3c4 00 00 0008 01 00 001c",
     CAUSE_SA_SYNTAX},
    {"bad-sa-spi-size", PAYLOAD_SA, "00 00 0016 00 00 0012 01 03 02 01 c1c2 00 00 0008 01 00 001c",
     CAUSE_SA_SPI_SIZE},
    {"bad-sa-tlv", PAYLOAD_SA, "00 00 0018 00 00 0014 01 01 00 01 00 00 000c 01 00 001c 0001 ffff",
     CAUSE_SA_SYNTAX},
    {"bad-ts-count", PAYLOAD_TSI, "00 00 0018 ff 000000 07 00 0010 0000 ffff 0a*4 0b*4", CAUSE_TS_SYNTAX},
    {"bad-ts-order", PAYLOAD_TSI, "00 00 0018 01 000000 07 00 0010 0000 ffff 0b*4 0a*4", CAUSE_TS_SYNTAX},
    {"bad-ts-length", PAYLOAD_TSR, "00 00 0018 01 000000 08 00 0010 0000 ffff 0a*4 0b*4", CAUSE_TS_SYNTAX},
    {"bad-id-empty", PAYLOAD_IDI, "00 00 0008 02 000000", CAUSE_ID_SYNTAX},
    {"bad-cp-length", PAYLOAD_CP, "00 00 0010 01 000000 0001 ffff 0a000001", CAUSE_CP_SYNTAX},
    {"bad-notify-spi", PAYLOAD_NOTIFY, "00 00 000c 03 ff 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
    {"bad-rekey-protocol", PAYLOAD_NOTIFY, "00 00 000c 01 04 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
    {"bad-delete-count", PAYLOAD_DELETE, "00 00 000c 03 04 4000 c1c2c3c4", CAUSE_DELETE_SYNTAX},
    {"bad-nonce-15", PAYLOAD_NONCE, "00 00 0013 4e*15", CAUSE_NONCE_SIZE},
    {"bad-cookie-65", PAYLOAD_NOTIFY, "00 00 0049 00 00 4006 c0*65", CAUSE_NOTIFY_SYNTAX},
    {"bad-eap-length", PAYLOAD_EAP, "00 00 0009 02 01 ffff 01", CAUSE_EAP_SYNTAX},
    {"bad-twice", PAYLOAD_NONCE, "28 00 0014 4e*16 00 00 0014 4f*16", CAUSE_PAYLOAD_TWICE},
};

static void lie_write(size_t i, struct raw *ret_raw)
{
    sample_write(sample_named("dpd"), ret_raw);
    ret_raw->bytes[16] = lies[i].first;
    raw_hex(ret_raw, lies[i].chain);
    be32_store(ret_raw->bytes + 24, (uint32_t)ret_raw->len);
}

Test(samples, every_lie_has_its_cause)
{
    for (size_t i = 0; i < HF_COUNT(lies); i++) {
        static struct raw raw;
        static struct parsed parsed;
        lie_write(i, &raw);
        enum cause cause = parse(raw_span(&raw), &parsed);
        cr_expect_eq(cause, lies[i].cause, "%s: %d", lies[i].name, cause);
    }
}

static void seed_write(const char *folder, const char *name, const struct raw *raw)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(raw->bytes, 1, raw->len, file), raw->len);
    cr_assert_eq(fclose(file), 0);
}

/* With WIRE_SEEDS naming a folder, all these are written there: the seeds of tests/fuzz/corpus/message. */
Test(samples, become_fuzzing_seeds_on_demand)
{
    static struct raw raw;
    const char *folder = getenv("WIRE_SEEDS");
    for (size_t i = 0; folder != NULL && i < num_samples; i++) {
        sample_write(&samples[i], &raw);
        seed_write(folder, samples[i].name, &raw);
    }
    for (size_t i = 0; folder != NULL && i < HF_COUNT(lies); i++) {
        lie_write(i, &raw);
        seed_write(folder, lies[i].name, &raw);
    }
}
