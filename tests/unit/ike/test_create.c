/* What CREATE_CHILD_SA refuses, and how (RFC 7296 1.3, 2.25); limits of a worker. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

static struct world *up(void)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    live_mark(world);
    return world;
}

enum action { CREATE, REKEY_CHILD, REKEY_IKE };

static void act(struct world *world, enum action action)
{
    struct initiator *client = world->clients[0];
    bool sent = action == CREATE        ? initiator_create_child(client, world->now)
                : action == REKEY_CHILD ? initiator_rekey_child(client, world->now, 0)
                                        : initiator_rekey_ike(client, world->now);
    cr_assert(sent);
    (void)world_settle(world, 10 * NS_PER_S);
}

static void esp_unknown(struct initiator_config *config)
{
    config->esp[0] = (struct esp_suite){ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, KE_NONE, false};
}

static void esp_group(struct initiator_config *config)
{
    config->esp[0].ke = KE_P384;
    config->esp[1] = config->esp[0];
    config->esp[1].ke = KE_P256;
    config->num_esp = 2;
}

static void bad_value(struct initiator_config *config)
{
    config->deviate.ke_bytes = 32;
}

static void ike_unknown(struct initiator_config *config)
{
    config->ike[0] = (struct ike_suite){ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, KE_X25519};
}

static void ike_group(struct initiator_config *config)
{
    config->ike[0].ke = KE_P384;
    config->ike[1] = config->ike[0];
    config->ike[1].ke = KE_P256;
    config->num_ike = 2;
}

static void selectors(struct initiator_config *config)
{
    bool parsed = ip_parse("192.168.1.1", &config->ts_i.first) && ip_parse("192.168.1.1", &config->ts_i.last);
    cr_assert(parsed);
    config->ts_i.port_last = UINT16_MAX;
}

Test(create, refusals_leave_what_there_is)
{
    static const struct {
        const char *what;
        enum action action;
        void (*change)(struct initiator_config *config);
        uint16_t notify;
        bool ends; /* INVALID_SYNTAX ends the IKE SA (RFC 7296 2.21.3) */
    } rows[] = {
        {"a child of unknown suite", CREATE, esp_unknown, NOTIFY_NO_PROPOSAL_CHOSEN, false},
        {"a child of the wrong group", CREATE, esp_group, NOTIFY_INVALID_KE_PAYLOAD, false},
        {"a child with a bad KE value", CREATE, bad_value, NOTIFY_INVALID_SYNTAX, true},
        {"a child with foreign selectors", CREATE, selectors, NOTIFY_TS_UNACCEPTABLE, false},
        {"a rekeyed child of unknown suite", REKEY_CHILD, esp_unknown, NOTIFY_NO_PROPOSAL_CHOSEN, false},
        {"a rekeyed child with other selectors", REKEY_CHILD, selectors, NOTIFY_TS_UNACCEPTABLE, false},
        {"an IKE SA of unknown suite", REKEY_IKE, ike_unknown, NOTIFY_NO_PROPOSAL_CHOSEN, false},
        {"an IKE SA of the wrong group", REKEY_IKE, ike_group, NOTIFY_INVALID_KE_PAYLOAD, false},
        {"an IKE SA with a bad KE value", REKEY_IKE, bad_value, NOTIFY_INVALID_SYNTAX, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up();
        struct initiator *client = world->clients[0];
        rows[i].change(&client->config);
        act(world, rows[i].action);
        cr_expect_eq(client->child_notify, rows[i].notify, "%s: notify %u", rows[i].what,
                     client->child_notify);
        uint32_t left = rows[i].ends ? 0 : 1;
        cr_expect_eq(core_counters(world->core)->sessions, left, "%s", rows[i].what);
        cr_expect_eq(core_counters(world->core)->children, left, "%s", rows[i].what);
        cr_expect_eq(core_counters(world->core)->ike_rekeys, 0, "%s", rows[i].what);
        live_free(world);
    }
}

/* RFC 7296 2.25.2: while the IKE SA is being replaced, nothing new is made under the old one. */
Test(create, nothing_under_an_ike_sa_that_was_rekeyed)
{
    for (int what = 0; what < 2; what++) {
        struct world *world = up();
        struct initiator *client = world->clients[0];
        client->config.deviate.skip_ike_delete = true;
        act(world, REKEY_IKE);
        cr_assert_eq(core_counters(world->core)->ike_rekeys, 1);
        client->sa[1 - client->current].used = true;
        client->current = 1 - client->current; /* back to the old one */
        act(world, what == 0 ? CREATE : REKEY_IKE);
        cr_expect_eq(client->child_notify, NOTIFY_TEMPORARY_FAILURE);
        cr_expect_eq(core_counters(world->core)->ike_rekeys, 1);
        cr_expect_eq(core_counters(world->core)->ike_rekeys_refused[REKEY_CLIENTS], what == 0 ? 0 : 1);
        world->check.deaf_clients = true;
        live_free(world);
    }
}

/* A rekey of the IKE SA moves the session: its old SPIs answer for a while, then they are gone. */
Test(create, a_rekeyed_ike_sa_that_nobody_deletes_goes)
{
    struct world *world = up();
    struct initiator *client = world->clients[0];
    client->config.deviate.skip_ike_delete = true;
    uint64_t session = 0;
    struct session_view view;
    uint32_t cursor = 0;
    cr_assert(core_session_next(world->core, world->now, &cursor, &view));
    session = view.session_id;
    act(world, REKEY_IKE);
    cr_expect_eq(world->core->ike->sas.used, 2);
    world_run(world, 120 * NS_PER_S);
    cr_expect_eq(world->core->ike->sas.used, 1);
    cursor = 0;
    cr_assert(core_session_next(world->core, world->now, &cursor, &view));
    cr_expect_eq(view.session_id, session);
    cr_expect_eq(view.spi_i, client->sa[client->current].spi_i);
    cr_expect_eq(view.num_addresses, 2);
    live_free(world);
}

/* RFC 7296 2.21.2: after IKE_AUTH a client that does not believe us says so. */
Test(create, a_client_that_refuses_us_is_gone)
{
    static const uint8_t refusal[] = {0, 0, 0, 8, 0, 0, 0, NOTIFY_AUTHENTICATION_FAILED};
    struct world *world = up();
    cr_assert(initiator_send_raw(world->clients[0], world->now, INFORMATIONAL, PAYLOAD_NOTIFY,
                                 span_of(refusal, sizeof(refusal))));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_PEER_REFUSED], 1);
    initiator_vanish(world->clients[0]);
    live_free(world);
}

/* Every slot taken: the next handshake is dropped and counted, and who is in is served. */
Test(limits, sessions)
{
    struct world *world = up();
    struct initiator *client = world->clients[0];
    uint32_t other = world_add_client(world, "carol@example.net");
    struct initiator *many = world->clients[other];
    many->config.initial_contact = false;
    many->config.want_v6 = false;
    world->policy.policy.timers.dpd_idle = 0;
    uint32_t sessions = 1;
    for (; sessions < 1000; sessions++) {
        initiator_vanish(many);
        initiator_connect(many, world->now);
        world_run(world, 200 * NS_PER_MS);
        if (many->state != INITIATOR_UP) {
            break;
        }
    }
    initiator_vanish(many);
    cr_expect_geq(sessions, WORLD_SESSIONS / 4, "this worker's share");
    cr_expect_eq(core_counters(world->core)->sessions, sessions);
    cr_expect_geq(live_drops(world, CAUSE_SESSIONS_FULL), 1);
    cr_assert(initiator_dpd(client, world->now));
    (void)world_settle(world, 10 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    live_free(world);
}

/* Fragments of many unfinished messages: the oldest gives way, and nobody is kept out. */
Test(limits, a_fragment_with_another_total_starts_over)
{
    struct world *world = up();
    struct initiator *client = world->clients[0];
    struct initiator_sa *sa = &client->sa[client->current];
    static uint8_t body[5000];
    static struct initiator_sent longer, shorter;
    client_seal(client, sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id, 200, span_of(body, 5000),
                &longer);
    client_seal(client, sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id, 200, span_of(body, 3000),
                &shorter);
    cr_assert_gt(longer.count, shorter.count);
    struct span first_longer = span_of(longer.bytes, longer.lens[0]);
    struct span first_shorter = span_of(shorter.bytes, shorter.lens[0]);
    world_inject(world, &client->local, true, first_shorter, false);
    world_inject(world, &client->local, true, first_longer, false);
    cr_expect_eq(live_drops_all(world), 0, "a higher total is a smaller path MTU");
    world_inject(world, &client->local, true, first_shorter, false);
    cr_expect_eq(live_drops(world, CAUSE_FRAGMENT_TOTAL), 1, "a lower one is old");
    live_free(world);
}

Test(limits, datagrams)
{
    struct world *world = up();
    static uint8_t big[IKE_DATAGRAM_BYTES_MAX + 1];
    world_inject(world, &world->clients[0]->local, true, span_of(big, sizeof(big)), true);
    cr_expect_eq(live_drops(world, CAUSE_LENGTH), 1);
    live_free(world);
}
