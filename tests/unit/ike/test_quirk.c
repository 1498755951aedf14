/* Messages in the shape of clients that are different (quirk.h): they are served, and it is noted. */
#include "edge/ike/quirk.h"
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/collide.h"
#include "tests/unit/ike/live.h"
#include "tests/unit/ike/offers.h"

#include <criterion/criterion.h>

#define BIT(quirk) (UINT32_C(1) << QUIRK_##quirk)

static const struct ike_sa *session_of(const struct world *world)
{
    const struct ike_sa *found = NULL;
    for (uint32_t slot = 0; slot < ike_capacity(world->core->ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(world->core->ike, slot);
        bool is = sa != NULL && (sa->state == SA_ESTABLISHED || sa->state == SA_HALF_OPEN);
        found = is ? sa : found;
    }
    cr_assert_not_null(found);
    return found;
}

static void expect_quirks(struct world *world, uint32_t quirks, const char *what)
{
    const struct core_counters *counters = core_counters(world->core);
    uint32_t told = 0;
    for (int i = 0; i < QUIRK_COUNT; i++) {
        bool is = (quirks & UINT32_C(1) << i) != 0;
        cr_expect_eq(counters->quirks[i], is ? 1 : 0, "%s: %s", what, quirk_row((enum quirk)i)->name);
        told += is;
    }
    cr_expect_eq(session_of(world)->quirks, quirks, "%s: %x", what, session_of(world)->quirks);
    cr_expect_eq(world->audits[AUDIT_QUIRK], told, "%s", what);
}

struct create_row {
    const char *what, *offer;
    uint8_t protocol, number; /* of the first proposal */
    uint16_t ke;
    bool cp;
    uint32_t quirks;
};

static struct span create_build(struct initiator *client, const struct create_row *row, struct builder *b)
{
    static uint8_t memory[2048];
    static struct sa_view offer;
    static const uint8_t spi[8] = {8, 7, 6, 5, 4, 3, 2, 1}, bytes[32] = {9};
    const struct initiator_child *child = &client->children[initiator_first_child(client)];
    uint8_t old[4];
    be32_store(old, child->spi_in);
    offer_parse(&offer, row->protocol, row->offer);
    offer.proposals[0].number = row->number;
    if (row->protocol == PROTOCOL_IKE) {
        offer.proposals[0].spi = span_of(spi, sizeof(spi));
    }
    chain_begin(b, memory, sizeof(memory));
    if (row->protocol == PROTOCOL_ESP) {
        build_notify(b, PROTOCOL_ESP, span_of(old, sizeof(old)), NOTIFY_REKEY_SA, (struct span){0});
    }
    build_sa(b, &offer);
    build_nonce(b, span_of(bytes, sizeof(bytes)));
    if (row->ke != KE_NONE) {
        build_ke(b, row->ke, span_of(bytes, sizeof(bytes))); /* X25519's base point is as good as any */
    }
    if (row->protocol == PROTOCOL_ESP) {
        build_ts(b, PAYLOAD_TSI, child->ts_i, child->num_ts_i);
        build_ts(b, PAYLOAD_TSR, child->ts_r, child->num_ts_r);
    }
    if (row->cp) {
        cp_begin(b, CP_CFG_REQUEST);
        cp_attribute(b, CP_INTERNAL_IP4_ADDRESS, (struct span){0});
        payload_end(b);
    }
    return message_end(b);
}

Test(quirk, rekeys)
{
    static const struct create_row rows[] = {
        {"a child, as it should be", "e20/256 k31 s0", PROTOCOL_ESP, 1, KE_X25519, false, 0},
        {"a child of macOS 14, under the number of the proposal that was chosen at first", "e20/256 s0",
         PROTOCOL_ESP, 3, KE_NONE, false, BIT(PROPOSAL_NUMBER) | BIT(NO_PFS)},
        {"an IKE SA of macOS 14", "e20/256 p5 k31", PROTOCOL_IKE, 3, KE_X25519, false, BIT(PROPOSAL_NUMBER)},
        {"a child of iOS: one proposal with a group, one without", "e20/256 k14 s0 | e20/256 s0",
         PROTOCOL_ESP, 1, KE_NONE, false, BIT(NO_PFS)},
        {"a child of RouterOS, with a configuration payload", "e20/256 k31 s0", PROTOCOL_ESP, 1, KE_X25519,
         true, BIT(CP_IN_REKEY)},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        cr_assert(world_connect(world, 0));
        struct builder b;
        struct span inner = create_build(client, &rows[i], &b);
        world->check.deaf_clients = true; /* the client forgets what it asked for */
        cr_assert(initiator_send_raw(client, world->now, CREATE_CHILD_SA, b.first, inner));
        world_run(world, NS_PER_S);
        const struct core_counters *counters = core_counters(world->core);
        cr_expect_eq(counters->ike_rekeys + counters->child_rekeys, 1, "%s: it is served", rows[i].what);
        static struct sa_view answer;
        cr_assert_eq(sa_read(client->message.sa, &answer), CAUSE_NONE);
        cr_expect_eq(answer.proposals[0].number, strchr(rows[i].offer, '|') ? 2 : rows[i].number, "%s",
                     rows[i].what);
        expect_quirks(world, rows[i].quirks, rows[i].what);
        initiator_vanish(client);
        world_run(world, 300 * NS_PER_S);
        live_free(world);
    }
}

/* Windows behind a NAT answers our rekey by a notify of its own: its child lives on, and is not asked again.
 */
Test(quirk, a_refusal_that_no_rfc_has)
{
    struct world *world = collide_begin(10 * NS_PER_S, 0);
    struct initiator *client = world->clients[0];
    client->config.deviate.refuse_create = 12345;
    world_run(world, 60 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->child_rekeys_refused[REKEY_OURS], 1, "once");
    cr_expect_eq(core_counters(world->core)->children, 1);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    expect_quirks(world, BIT(REKEY_REFUSED), "Windows");
    live_free(world);
}

static void without_certreq(struct initiator_config *config)
{
    config->deviate.no_certreq = true;
}

/* iOS does not say which CAs it trusts, and wants our certificates all the same. */
Test(quirk, no_certreq)
{
    struct world_options options = {.seed = 5, .certificates = true};
    for (int without = 0; without < 2; without++) {
        struct world *world = live_new(&options, without ? without_certreq : NULL);
        cr_assert(world_connect(world, 0));
        expect_quirks(world, without ? BIT(NO_CERTREQ) : 0, without ? "without" : "with");
        live_free(world);
    }
}

/* Android may begin on port 4500. What a handshake shows is told when it is a session. */
Test(quirk, first_on_4500)
{
    struct world *world = live_new(NULL, NULL);
    struct endpoint from = world->clients[0]->config.local;
    struct span bytes = live_first_message(world);
    world_inject(world, &from, true, bytes, false);
    cr_assert_eq(core_counters(world->core)->half_open, 1);
    cr_expect_eq(session_of(world)->quirks, BIT(FIRST_ON_4500));
    cr_expect_eq(core_counters(world->core)->quirks[QUIRK_FIRST_ON_4500], 0);
    cr_expect_eq(world->effects.v[0].type, EFFECT_SEND);
    cr_expect(world->effects.v[0].send.natt, "the answer goes the same way");
    initiator_vanish(world->clients[0]);
    world_run(world, 60 * NS_PER_S);
    live_free(world);
}

static struct span windows_init(const char *offer_text, const char *vendor, size_t vendor_len)
{
    static uint8_t memory[2048];
    static struct sa_view offer;
    static const uint8_t value[128] = {5};
    struct ike_header header = {
        .spi_i = 77, .version = 0x20, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_INITIATOR};
    struct builder b;
    offer_parse(&offer, PROTOCOL_IKE, offer_text);
    message_begin(&b, memory, sizeof(memory), &header);
    build_sa(&b, &offer);
    build_ke(&b, 2, span_of(value, sizeof(value)));
    build_nonce(&b, span_of(value, 48));
    payload_begin(&b, PAYLOAD_VENDOR);
    writer_bytes(&b.w, vendor, vendor_len);
    payload_end(&b);
    return message_end(&b);
}

/* Windows with MODP-1024 alone is refused as anybody would be; the log says what to type. */
Test(quirk, weak_group)
{
    static const char windows[] =
        "\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61\0\0\0\x09";
    static const struct {
        const char *what, *offer, *vendor;
        size_t vendor_len;
        bool hint;
    } rows[] = {
        {"Windows as it comes", "e3 i2 p2 k2 | e12/256 i2 p2 k2 | e12/256 i12 p5 k2", windows, 20, true},
        {"Windows with another group, and nothing else that we know", "e3 i2 p2 k14 k2", windows, 20, false},
        {"somebody else", "e12/256 i12 p5 k2", "something else.....", 19, false},
        {"a vendor id that is cut", "e12/256 i12 p5 k2", windows, 15, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct endpoint from = world->clients[0]->config.local;
        world_inject(world, &from, false, windows_init(rows[i].offer, rows[i].vendor, rows[i].vendor_len),
                     false);
        const char *detail = NULL;
        for (uint32_t n = 0; n < world->effects.count; n++) {
            const struct effect *effect = &world->effects.v[n];
            detail = effect->type == EFFECT_AUDIT ? effect->audit.detail : detail;
        }
        cr_assert_not_null(detail, "%s", rows[i].what);
        cr_expect_eq(strstr(detail, "Set-VpnConnectionIPsecConfiguration") != NULL, rows[i].hint, "%s: %s",
                     rows[i].what, detail);
        cr_expect_eq(core_counters(world->core)->quirks[QUIRK_WEAK_GROUP], rows[i].hint ? 1 : 0);
        cr_expect_eq(live_handshakes(world, CAUSE_NO_PROPOSAL), 1, "%s", rows[i].what);
        live_free(world);
    }
}
