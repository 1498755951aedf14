/* Tickets and IKE_SESSION_RESUME (RFC 5723). */
#include "edge/base/secret.h"
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void wants_ticket(struct initiator_config *config)
{
    config->want_ticket = true;
    config->initial_contact = false;
}

/* Up, with a ticket. */
static struct world *with_ticket(bool certificates)
{
    struct world_options options = {.seed = 11, .certificates = certificates};
    struct world *world = live_new(&options, NULL);
    wants_ticket(&world->clients[0]->config);
    cr_assert(world_connect(world, 0));
    cr_assert_eq(world->clients[0]->tickets, 1);
    live_mark(world);
    return world;
}

static bool resumes(struct world *world)
{
    struct initiator *client = world->clients[0];
    cr_assert(initiator_resume(client, world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    return client->state == INITIATOR_UP && client->resuming;
}

static const struct core_counters *counters(struct world *world)
{
    return core_counters(world->core);
}

/* 4.3.4, section 5 note 5: the session goes on as another one, with its addresses, and the old one goes
 * without a word. */
Test(resume, continues_a_session)
{
    static const struct {
        const char *what;
        bool certificates, bare, fragmentation, restart;
    } rows[] = {
        {"by secret", false, false, true, false},
        {"by certificate", true, false, true, false},
        {"as libreswan does", false, true, true, false},
        {"by certificate, as libreswan does", true, true, false, false},
        {"at another process", false, false, true, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = with_ticket(rows[i].certificates);
        struct initiator *client = world->clients[0];
        struct ip_addr had[2] = {client->addresses[0], client->addresses[1]};
        uint32_t num_had = client->num_addresses;
        uint64_t sessions = counters(world)->sessions;
        client->config.resume_bare = rows[i].bare;
        client->config.fragmentation = rows[i].fragmentation;
        if (rows[i].restart) {
            world_restart(world);
            world_run(world, NS_PER_S);
            live_mark(world);
        }
        cr_assert(resumes(world), "%s: %s", rows[i].what, cause_json(world->last_login_cause));
        cr_expect_eq(counters(world)->sessions, sessions, "%s: %u", rows[i].what, counters(world)->sessions);
        cr_expect_eq(counters(world)->resumptions, 1, "%s", rows[i].what);
        cr_expect_eq(counters(world)->sessions_ended[CAUSE_RESUMED], 1, "%s", rows[i].what);
        cr_assert_eq(client->num_addresses, num_had, "%s", rows[i].what);
        for (uint32_t a = 0; a < num_had; a++) {
            cr_expect(ip_equal(&client->addresses[a], &had[a]), "%s", rows[i].what);
        }
        cr_expect_eq(client->tickets, 2, "%s: and a new ticket", rows[i].what);
        cr_assert(initiator_dpd(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(live_drops_all(world), 0, "%s", rows[i].what);
        live_free(world);
    }
}

Test(resume, again_and_again)
{
    struct world *world = with_ticket(false);
    for (uint32_t i = 1; i <= 5; i++) {
        cr_assert(resumes(world));
        cr_expect_eq(counters(world)->resumptions, i);
        cr_expect_eq(counters(world)->sessions, 1);
    }
    cr_expect_eq(counters(world)->tickets, 6);
    live_free(world);
}

/* 4.1: in a rekey of the IKE SA, and at any time; 6.2: it is of the IKE SA that carries the session. */
Test(resume, by_a_ticket_of_another_exchange)
{
    for (int by_rekey = 0; by_rekey < 2; by_rekey++) {
        struct world *world = with_ticket(false);
        struct initiator *client = world->clients[0];
        cr_assert(by_rekey ? initiator_rekey_ike(client, world->now)
                           : initiator_ask_ticket(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_assert_eq(client->tickets, 2);
        cr_expect(resumes(world), "rekey %d", by_rekey);
        live_free(world);
    }
}

/* 4.3.2: a cookie in front, as for IKE_SA_INIT. */
Test(resume, shows_a_cookie_when_asked)
{
    struct world *world = with_ticket(false);
    world->policy.policy.cookie_threshold = 0;
    cr_assert(resumes(world));
    cr_expect_eq(counters(world)->cookies_sent, 1);
    cr_expect_eq(world->store.num_once, 1, "the store was not asked before");
    live_free(world);
}

enum spoil {
    SPOIL_NOTHING,
    SPOIL_BIT,
    SPOIL_CUT,
    SPOIL_VERSION,
    SPOIL_DAY,
    SPOIL_ONE_BYTE,
    SPOIL_LATE,
    SPOIL_DAYS_LATE,
    SPOIL_OFF,
    SPOIL_CONNECTION,
    SPOIL_SECRET,
    SPOIL_METHOD,
    SPOIL_MATCH,
    SPOIL_SUITE,
    SPOIL_GROUP,
    SPOIL_LOGIN,
    SPOIL_GATEWAY,
};

static void spoil(struct world *world, enum spoil what)
{
    struct initiator_ticket *ticket = &world->clients[0]->ticket;
    struct test_policy *policy = &world->policy;
    switch (what) {
    case SPOIL_NOTHING:
        break;
    case SPOIL_BIT:
        ticket->bytes[ticket->len / 2] ^= 4;
        break;
    case SPOIL_CUT:
        ticket->len--;
        break;
    case SPOIL_VERSION:
        ticket->bytes[0]++;
        break;
    case SPOIL_DAY:
        ticket->bytes[4] += 2;
        break;
    case SPOIL_ONE_BYTE:
        ticket->len = 1;
        break;
    case SPOIL_LATE:
        world->now += 601 * NS_PER_S;
        break;
    case SPOIL_DAYS_LATE:
        world->now += 3 * 86400 * NS_PER_S;
        break;
    case SPOIL_OFF:
        policy->policy.resumption.lifetime = 0;
        break;
    case SPOIL_CONNECTION:
        policy->connections[0].name = "other";
        break;
    case SPOIL_SECRET:
        policy->connections[0].num_secrets = 0;
        break;
    case SPOIL_METHOD:
        policy->connections[0].auth = POLICY_AUTH_CERT;
        break;
    case SPOIL_MATCH:
        policy->connections[0].match = "*@example.com";
        break;
    case SPOIL_SUITE:
        policy->policy.ike.encr[0].bits = 192;
        break;
    case SPOIL_GROUP:
        policy->policy.ike.ke[0] = KE_P384;
        break;
    case SPOIL_LOGIN:
        world->now += 20 * NS_PER_S;
        policy->policy.timers.auth_lifetime = 10 * NS_PER_S;
        break;
    case SPOIL_GATEWAY:
        policy->identities[0].id = test_identity("other.example.net");
        break;
    }
}

/* 4.3.2: TICKET_NACK, and the client begins from the start. */
Test(resume, is_refused)
{
    static const struct {
        const char *what;
        enum spoil spoil;
        enum cause cause;
    } rows[] = {
        {"a flipped bit", SPOIL_BIT, CAUSE_TICKET_FORGED},
        {"cut", SPOIL_CUT, CAUSE_TICKET_FORGED},
        {"another version", SPOIL_VERSION, CAUSE_TICKET_SYNTAX},
        {"a key of another day", SPOIL_DAY, CAUSE_TICKET_FORGED},
        {"one byte", SPOIL_ONE_BYTE, CAUSE_TICKET_SYNTAX},
        {"expired", SPOIL_LATE, CAUSE_TICKET_EXPIRED},
        {"its key is gone", SPOIL_DAYS_LATE, CAUSE_TICKET_FORGED},
        {"switched off", SPOIL_OFF, CAUSE_RESUMPTION_OFF},
        {"the connection is gone", SPOIL_CONNECTION, CAUSE_NO_CONNECTION},
        {"the secret is gone", SPOIL_SECRET, CAUSE_PSK_UNKNOWN},
        {"another method", SPOIL_METHOD, CAUSE_AUTH_METHOD},
        {"the identity is not allowed", SPOIL_MATCH, CAUSE_NO_CONNECTION},
        {"the cipher is not allowed", SPOIL_SUITE, CAUSE_NO_PROPOSAL},
        {"the group is not allowed", SPOIL_GROUP, CAUSE_NO_PROPOSAL},
        {"the login has ended", SPOIL_LOGIN, CAUSE_AUTH_LIFETIME},
        {"we are somebody else", SPOIL_GATEWAY, CAUSE_NO_IDENTITY},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = with_ticket(false);
        struct initiator *client = world->clients[0];
        initiator_vanish(client);
        spoil(world, rows[i].spoil);
        cr_assert(initiator_resume(client, world->now));
        world_run(world, 100 * NS_PER_MS);
        cr_expect_eq(client->nacks, 1, "%s", rows[i].what);
        /* The login that follows may meet the same. */
        cr_expect_geq(live_drops(world, rows[i].cause), 1, "%s", rows[i].what);
        cr_expect_geq(live_handshakes(world, rows[i].cause), 1, "%s", rows[i].what);
        cr_expect_eq(counters(world)->resumptions, 0, "%s", rows[i].what);
        cr_expect_eq(world->store.num_once, 0, "%s: the store was asked", rows[i].what);
        cr_expect(!client->resuming, "%s", rows[i].what);
        initiator_vanish(client);
        world_run(world, 400 * NS_PER_S);
        live_free(world);
    }
}

/* 4.3.1: used once. A repetition of the request is no second use, a copy of the ticket is. */
Test(resume, a_ticket_counts_once)
{
    struct world *world = with_ticket(false);
    struct initiator *client = world->clients[0];
    static struct initiator_ticket kept;
    kept = client->ticket;
    world_arm_net(world, &(struct net_faults){.duplicate = 0,
                                              .duplicate_after = 300 * NS_PER_MS,
                                              .lose = 2, /* the answer */
                                              .swap = NET_NONE,
                                              .truncate = NET_NONE});
    cr_assert(resumes(world));
    cr_expect_eq(counters(world)->resumptions, 1);
    cr_expect_eq(live_drops(world, CAUSE_TICKET_USED), 0);
    world->net.faults = NET_FAULTLESS;
    client->ticket = kept;
    cr_assert(initiator_resume(client, world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(live_drops(world, CAUSE_TICKET_USED), 1);
    cr_expect_eq(client->nacks, 1);
    cr_expect_eq(client->state, INITIATOR_UP, "by a login");
    cr_expect(!client->resuming);
    live_free(world);
}

/* The store does not answer: by policy. */
Test(resume, without_a_store)
{
    for (int refuse = 0; refuse < 2; refuse++) {
        struct world *world = with_ticket(false);
        world->check.lenient_store = true;
        world->policy.policy.resumption.store_failure = refuse ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT;
        store_model_arm(&world->store, &(struct store_faults){.fail_nth = 1, .result = STORE_DOWN});
        cr_expect_eq(resumes(world), !refuse, "refuse %d", refuse);
        cr_expect_eq(counters(world)->resumptions_unchecked, 1);
        cr_expect_eq(live_drops(world, CAUSE_STORE), refuse ? 1 : 0);
        live_free(world);
    }
}

/* 4.3.3: who has the ticket and not the key learns nothing and gets nothing; identities are the ticket's. */
Test(resume, is_authenticated)
{
    static const struct {
        const char *what, *id, *id_r;
        bool auth_flip, certs, wrong_key;
        enum cause cause;
    } rows[] = {
        {"AUTH is wrong", NULL, NULL, true, false, false, CAUSE_AUTH_WRONG},
        {"another identity", "dave@example.net", NULL, false, false, false, CAUSE_TICKET_IDENTITY},
        {"the same in capitals", "BOB@example.net", NULL, false, false, false, CAUSE_TICKET_IDENTITY},
        {"another gateway", NULL, "other.example.net", false, false, false, CAUSE_TICKET_IDENTITY},
        {"certificates", NULL, NULL, false, true, false, CAUSE_PAYLOAD_UNEXPECTED},
        {"a stolen ticket", NULL, NULL, false, false, true, CAUSE_TIMEOUT},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = with_ticket(true);
        struct initiator *client = world->clients[0];
        client->config.deviate.auth_flip = rows[i].auth_flip;
        client->config.deviate.resume_certs = rows[i].certs;
        client->config.id = rows[i].id != NULL ? test_identity(rows[i].id) : client->config.id;
        client->config.id_r = rows[i].id_r != NULL ? test_identity(rows[i].id_r) : client->config.id_r;
        client->ticket.sk_d[0] ^= rows[i].wrong_key ? 1 : 0;
        cr_assert(initiator_resume(client, world->now));
        world_run(world, 31 * NS_PER_S);
        cr_expect_eq(live_handshakes(world, rows[i].cause), 1, "%s", rows[i].what);
        cr_expect_eq(counters(world)->resumptions, 0, "%s", rows[i].what);
        initiator_vanish(client);
        world_run(world, 200 * NS_PER_S);
        live_free(world);
    }
}

/* No ticket outlives what it goes back to, and none is given where none would be taken. */
Test(resume, lifetimes_of_tickets)
{
    static const struct {
        const char *what;
        ns_t lifetime, ike, login, after;
        uint32_t first_s, second_s; /* of the ticket of the login, and of one asked for later; 0: refused */
    } rows[] = {
        {"policy", 600 * NS_PER_S, 3600 * NS_PER_S, 0, NS_PER_S, 600, 600},
        {"no longer than an IKE SA", 9000 * NS_PER_S, 3600 * NS_PER_S, 0, NS_PER_S, 3600, 3600},
        {"or the login", 600 * NS_PER_S, 3600 * NS_PER_S, 100 * NS_PER_S, 40 * NS_PER_S, 100, 60},
        {"which is about to end", 600 * NS_PER_S, 3600 * NS_PER_S, 30 * NS_PER_S, 30 * NS_PER_S, 30, 0},
        {"off", 0, 3600 * NS_PER_S, 0, NS_PER_S, 0, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, wants_ticket);
        struct initiator *client = world->clients[0];
        wants_ticket(&client->config);
        world->policy.policy.resumption.lifetime = rows[i].lifetime;
        world->policy.policy.timers.ike_lifetime = rows[i].ike;
        world->policy.policy.timers.auth_lifetime = rows[i].login;
        initiator_connect(client, world->now);
        world_run(world, 200 * NS_PER_MS);
        cr_assert_eq(client->state, INITIATOR_UP);
        cr_expect_eq(client->ticket.lifetime_s, rows[i].first_s, "%s: %u", rows[i].what,
                     client->ticket.lifetime_s);
        cr_expect_eq(client->ticket_refused, rows[i].first_s == 0, "%s", rows[i].what);
        world_run(world, rows[i].after - 200 * NS_PER_MS);
        client->ticket.lifetime_s = 0;
        cr_assert(initiator_ask_ticket(client, world->now));
        world_run(world, 200 * NS_PER_MS);
        cr_expect_eq(client->ticket.lifetime_s, rows[i].second_s, "%s: %u", rows[i].what,
                     client->ticket.lifetime_s);
        live_free(world);
    }
}

/* The login's end stays where it is through resumptions, and the client is told how much is left. */
Test(resume, does_not_prolong_a_login)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    wants_ticket(&client->config);
    world->policy.policy.timers.auth_lifetime = 300 * NS_PER_S;
    cr_assert(world_connect(world, 0));
    cr_expect_eq(client->auth_lifetime_s, 300);
    world_run(world, 100 * NS_PER_S);
    cr_assert(resumes(world));
    cr_expect(client->auth_lifetime_s >= 190 && client->auth_lifetime_s <= 200, "%u",
              client->auth_lifetime_s);
    world_run(world, 100 * NS_PER_S);
    cr_assert(resumes(world));
    cr_expect(client->auth_lifetime_s >= 80 && client->auth_lifetime_s <= 100, "%u", client->auth_lifetime_s);
    cr_expect(client->ticket.lifetime_s <= 100);
    world_run(world, 150 * NS_PER_S);
    cr_expect_eq(counters(world)->sessions, 0);
    cr_expect_eq(counters(world)->sessions_ended[CAUSE_AUTH_LIFETIME], 1);
    live_free(world);
}

/* The former address goes to its session's successor and to nobody else. */
Test(resume, address_that_is_taken)
{
    struct world *world = with_ticket(false);
    struct initiator *client = world->clients[0];
    struct ip_addr had = client->addresses[0];
    cr_assert(initiator_delete(client, world->now));
    (void)world_settle(world, 20 * NS_PER_S);
    uint32_t other = world_add_client(world, "carol@example.net");
    world->clients[other]->config.wanted_v4 = had;
    cr_assert(world_connect(world, other));
    cr_expect(ip_equal(&world->clients[other]->addresses[0], &had));
    cr_assert(resumes(world));
    cr_expect(!ip_equal(&client->addresses[0], &had));
    live_free(world);
}

/* 9.3: without the ticket, without a nonce, or with what nobody can read: silence. */
Test(resume, malformed)
{
    static const struct {
        const char *what;
        uint8_t first, body[64];
        size_t len;
        enum cause cause;
    } rows[] = {
        {"nothing", 0, {0}, 0, CAUSE_PAYLOAD_MISSING},
        {"a ticket of no bytes", 41, {0, 0, 0, 8, 0, 0, 0x40, 0x1d}, 8, CAUSE_NOTIFY_SYNTAX},
        {"no nonce", 41, {0, 0, 0, 9, 0, 0, 0x40, 0x1d, 1}, 9, CAUSE_PAYLOAD_MISSING},
        {"no ticket", 40, {0, 0, 0, 20, 1}, 20, CAUSE_PAYLOAD_MISSING},
        {"a short nonce", 40, {0, 0, 0, 12, 1}, 12, CAUSE_NONCE_SIZE},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        uint8_t memory[128];
        struct ike_header header = {
            .spi_i = 7, .version = 0x20, .exchange = IKE_SESSION_RESUME, .flags = IKE_FLAG_INITIATOR};
        struct builder b;
        message_begin(&b, memory, sizeof(memory), &header);
        writer_bytes(&b.w, rows[i].body, rows[i].len);
        struct span bytes = message_end(&b);
        memory[16] = rows[i].first;
        world_inject(world, &world->clients[0]->local, false, bytes, false);
        cr_expect_eq(live_drops(world, rows[i].cause), 1, "%s", rows[i].what);
        cr_expect_eq(live_sent(world), 0, "%s", rows[i].what);
        live_free(world);
    }
}
