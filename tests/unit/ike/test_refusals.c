/* What the gateway says to those it does not let in, and what it counts: the classes of bad input that broke
 * other responders. */
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

struct refusal {
    const char *what;
    void (*change)(struct initiator_config *config);
    enum initiator_state state;
    uint16_t notify;
    enum cause handshake; /* counted as a failed handshake; CAUSE_NONE: not */
    enum cause drop;      /* counted as a drop; CAUSE_NONE: not */
};

static void nothing(struct initiator_config *config)
{
    (void)config;
}

static void wrong_psk(struct initiator_config *config)
{
    config->psk = span_of_string("wrong");
}

static void auth_flip(struct initiator_config *config)
{
    config->deviate.auth_flip = true;
}

static void unknown_id(struct initiator_config *config)
{
    config->id = test_identity("mallory@elsewhere.example");
}

static void other_gateway(struct initiator_config *config)
{
    config->id_r = test_identity("other.example.net");
}

static void no_gateway(struct initiator_config *config)
{
    config->id_r.type = 0;
}

static void like_eap(struct initiator_config *config)
{
    config->deviate.no_auth_payload = true;
}

static void critical(struct initiator_config *config)
{
    config->deviate.critical_unknown = true;
}

static void no_suite(struct initiator_config *config)
{
    config->ike[0] = (struct ike_suite){ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, KE_MODP_2048};
    config->ke_first = KE_MODP_2048;
}

static void ke_of(struct initiator_config *config, uint16_t bytes, uint8_t fill)
{
    config->deviate.ke_bytes = bytes;
    config->deviate.ke_fill = fill;
}

static void ke_zero(struct initiator_config *config)
{
    ke_of(config, 32, 0);
}

static void ke_short(struct initiator_config *config)
{
    ke_of(config, 31, 9);
}

static void ke_long(struct initiator_config *config)
{
    ke_of(config, 33, 9);
}

static void ke_p256(struct initiator_config *config, uint16_t bytes, uint8_t fill)
{
    config->ike[0].ke = config->ke_first = KE_P256;
    ke_of(config, bytes, fill);
}

static void ke_off_curve(struct initiator_config *config)
{
    ke_p256(config, 64, 1);
}

static void ke_infinity(struct initiator_config *config)
{
    ke_p256(config, 64, 0);
}

static void ke_with_form_byte(struct initiator_config *config)
{
    ke_p256(config, 65, 4);
}

static void ke_other_group(struct initiator_config *config)
{
    config->deviate.ke_group_claim =
        KE_P256; /* 32 bytes are no P-256 value, but the proposal names X25519 alone */
}

static void nonce_15(struct initiator_config *config)
{
    config->deviate.nonce_bytes = 15;
}

static void nonce_16(struct initiator_config *config)
{
    config->deviate.nonce_bytes = 16;
}

static void nonce_256(struct initiator_config *config)
{
    config->deviate.nonce_bytes = 256;
}

static const struct refusal refusals[] = {
    {"a good client", nothing, INITIATOR_UP, 0, CAUSE_NONE, CAUSE_NONE},
    {"no IDr: the identity of a fitting connection", no_gateway, INITIATOR_UP, 0, CAUSE_NONE, CAUSE_NONE},
    {"nonce of 16", nonce_16, INITIATOR_UP, 0, CAUSE_NONE, CAUSE_NONE},
    {"nonce of 256", nonce_256, INITIATOR_UP, 0, CAUSE_NONE, CAUSE_NONE},
    {"wrong key", wrong_psk, INITIATOR_FAILED, NOTIFY_AUTHENTICATION_FAILED, CAUSE_PSK_WRONG, CAUSE_NONE},
    {"AUTH with a flipped bit", auth_flip, INITIATOR_FAILED, NOTIFY_AUTHENTICATION_FAILED, CAUSE_PSK_WRONG,
     CAUSE_NONE},
    {"unknown identity", unknown_id, INITIATOR_FAILED, NOTIFY_AUTHENTICATION_FAILED, CAUSE_PSK_UNKNOWN,
     CAUSE_NONE},
    {"another gateway's name", other_gateway, INITIATOR_FAILED, NOTIFY_AUTHENTICATION_FAILED,
     CAUSE_NO_IDENTITY, CAUSE_NONE},
    {"an EAP client", like_eap, INITIATOR_FAILED, NOTIFY_AUTHENTICATION_FAILED, CAUSE_AUTH_METHOD,
     CAUSE_NONE},
    {"an unknown critical payload", critical, INITIATOR_FAILED, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
     CAUSE_PAYLOAD_CRITICAL, CAUSE_PAYLOAD_CRITICAL},
    {"no common suite", no_suite, INITIATOR_FAILED, NOTIFY_NO_PROPOSAL_CHOSEN, CAUSE_NO_PROPOSAL,
     CAUSE_NO_PROPOSAL},
    {"X25519 value of zeros", ke_zero, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"X25519 value of 31 bytes", ke_short, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"X25519 value of 33 bytes", ke_long, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"P-256 value off the curve", ke_off_curve, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"P-256 value 0, 0", ke_infinity, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"P-256 value with its form byte", ke_with_form_byte, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_KE_INVALID},
    {"nonce of 15", nonce_15, INITIATOR_INIT, 0, CAUSE_NONE, CAUSE_NONCE_SIZE},
};

Test(refusals, each_has_its_notify_and_its_counter)
{
    for (size_t i = 0; i < HF_COUNT(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct world *world = live_new(NULL, row->change);
        struct initiator *client = world->clients[0];
        initiator_connect(client, world->now);
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(client->state, row->state, "%s: state %d", row->what, client->state);
        cr_expect_eq(client->notify, row->notify, "%s: notify %u", row->what, client->notify);
        if (row->handshake != CAUSE_NONE) {
            cr_expect_eq(live_handshakes(world, row->handshake), 1, "%s: failed handshakes", row->what);
            cr_expect_eq(world->audits[AUDIT_LOGIN_FAILED], 1, "%s: log lines", row->what);
            cr_expect_eq(world->last_login_cause, row->handshake, "%s: cause %d", row->what,
                         world->last_login_cause);
        }
        if (row->drop != CAUSE_NONE) {
            cr_expect_geq(live_drops(world, row->drop), 1, "%s: drops", row->what); /* and each repetition */
        }
        if (client->state != INITIATOR_UP) {
            initiator_vanish(client);
        }
        world_run(world, 60 * NS_PER_S);
        cr_expect_eq(core_counters(world->core)->half_open, 0, "%s", row->what);
        live_free(world);
    }
}

/* RFC 7296 1.2 and 3.4: KE names a group that the chosen proposal does not; the client is told which. */
Test(refusals, a_wrong_group_is_told_the_right_one)
{
    struct world *world = live_new(NULL, ke_other_group);
    struct initiator *client = world->clients[0];
    initiator_connect(client, world->now);
    world_run(world, NS_PER_S);
    cr_expect_geq(live_drops(world, CAUSE_KE_GROUP), 1);
    cr_expect_eq(core_counters(world->core)->half_open, 0, "no state for it");
    initiator_vanish(client);
    live_free(world);
}

/* RFC 7296 2.4: who says that it has no other session loses the old one; who does not say so keeps it. */
Test(refusals, initial_contact_replaces)
{
    for (int says = 0; says < 2; says++) {
        struct world *world = live_new(NULL, NULL);
        cr_assert(world_connect(world, 0));
        uint32_t again = world_add_client(world, "alice@example.net");
        world->clients[again]->config.initial_contact = says == 1;
        cr_assert(world_connect(world, again));
        cr_expect_eq(core_counters(world->core)->sessions, says == 1 ? 1 : 2);
        cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_REPLACED], (uint64_t)says);
        uint32_t other = world_add_client(world, "carol@example.net");
        cr_assert(world_connect(world, other), "another identity");
        cr_expect_eq(core_counters(world->core)->sessions, says == 1 ? 2 : 3, "leaves others alone");
        initiator_vanish(world->clients[0]);
        live_free(world);
    }
}
