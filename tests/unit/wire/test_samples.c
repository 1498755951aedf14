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

/* With WIRE_SEEDS naming a folder, the samples are written there: the seeds of
 * tests/fuzz/corpus/fuzz_message. */
Test(samples, become_fuzzing_seeds_on_demand)
{
    const char *folder = getenv("WIRE_SEEDS");
    for (size_t i = 0; folder != NULL && i < num_samples; i++) {
        static struct raw raw;
        char path[512];
        sample_write(&samples[i], &raw);
        snprintf(path, sizeof(path), "%s/%s", folder, samples[i].name);
        FILE *file = fopen(path, "wb");
        cr_assert_not_null(file, "%s", path);
        cr_assert_eq(fwrite(raw.bytes, 1, raw.len, file), raw.len);
        cr_assert_eq(fclose(file), 0);
    }
}
