/* What a client gets: addresses, name servers, selectors, children. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

Test(session, addresses_and_name_servers_as_asked_for)
{
    for (int wants = 0; wants < 8; wants++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        client->config.want_v4 = (wants & 1) != 0;
        client->config.want_v6 = (wants & 2) != 0;
        client->config.want_dns = (wants & 4) != 0;
        cr_assert(world_connect(world, 0), "wants %d", wants);
        uint32_t addresses = (uint32_t)((wants & 1) + (wants >> 1 & 1));
        cr_expect_eq(client->num_addresses, addresses, "wants %d", wants);
        cr_expect_eq(client->num_dns, addresses, "wants %d", wants);
        cr_expect_eq(client->num_domains, (wants & 4) != 0 && addresses > 0 ? 2 : 0, "wants %d", wants);
        cr_expect_eq(initiator_num_children(client), addresses > 0 ? 1 : 0, "wants %d", wants);
        /* RFC 7296 3.15.4: a client without an address gets no child where the policy has a pool. */
        cr_expect_eq(client->child_notify, addresses > 0 ? 0 : NOTIFY_FAILED_CP_REQUIRED, "wants %d", wants);
        live_free(world);
    }
}

Test(session, the_address_of_before_is_given_again)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    struct ip_addr had = client->addresses[0];
    cr_assert(initiator_delete(client, world->now));
    (void)world_settle(world, 20 * NS_PER_S);
    client->config.wanted_v4 = had;
    cr_assert(world_connect(world, 0));
    cr_expect(ip_equal(&client->addresses[0], &had));
    uint32_t other = world_add_client(world, "carol@example.net");
    world->clients[other]->config.wanted_v4 = had;
    cr_assert(world_connect(world, other));
    cr_expect(!ip_equal(&world->clients[other]->addresses[0], &had), "it is taken");
    live_free(world);
}

static void small_pool(struct world *world, const char *prefix)
{
    bool parsed = prefix_parse(prefix, &world->policy.pools[0].v4);
    cr_assert(parsed);
    world->policy.pools[0].has_v6 = false;
    world_restart(world);
    world_run(world, NS_PER_S);
}

/* RFC 7296 3.15.4: no address, no child; the IKE SA stands and says why. */
Test(session, an_exhausted_pool_says_so)
{
    struct world *world = live_new(NULL, NULL);
    small_pool(world, "10.9.0.0/26"); /* 4 addresses per shard, of 4 shards; three of them are reserved */
    uint32_t leased = 0;
    struct initiator *client = world->clients[0];
    client->config.initial_contact = false;
    for (uint32_t i = 0; i < 16; i++) {
        initiator_vanish(client);
        initiator_connect(client, world->now);
        (void)world_settle(world, 5 * NS_PER_S);
        cr_assert_eq(client->state, INITIATOR_UP);
        leased += client->num_addresses;
        if (client->num_addresses == 0) {
            cr_expect_eq(client->child_notify, NOTIFY_INTERNAL_ADDRESS_FAILURE);
            break;
        }
    }
    cr_expect_eq(leased, 13, "%u", leased);
    cr_expect_eq(world->audits[AUDIT_CHILD_FAILED], 1);
    live_free(world);
}

static struct ts_range range_of(const char *first, const char *last)
{
    struct ts_range range = {.port_last = UINT16_MAX};
    bool parsed = ip_parse(first, &range.first) && ip_parse(last, &range.last);
    cr_assert(parsed);
    return range;
}

Test(session, unacceptable_selectors_leave_the_ike_sa)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    client->config.ts_i = range_of("192.168.7.7", "192.168.7.7");
    initiator_connect(client, world->now);
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    cr_expect_eq(client->child_notify, NOTIFY_TS_UNACCEPTABLE);
    cr_expect_eq(initiator_num_children(client), 0);
    client->config.ts_i = (struct ts_range){0};
    cr_assert(initiator_create_child(client, world->now), "and a child can be made later");
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(initiator_num_children(client), 1);
    live_free(world);
}

/* A3: the client's side is its own addresses and nothing else. */
Test(session, selectors_are_narrowed_to_the_clients_addresses)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    const struct initiator_child *child = &client->children[initiator_first_child(client)];
    cr_assert_eq(child->num_ts_i, 2);
    for (uint32_t i = 0; i < 2; i++) {
        cr_expect(ip_equal(&child->ts_i[i].first, &client->addresses[i]));
        cr_expect(ip_equal(&child->ts_i[i].last, &client->addresses[i]));
    }
    live_free(world);
}

/* RFC 7296 1.3.3, 2.8: the rekeyed child has the keys both sides derive, the selectors of the old one, and
 * carries our traffic once the old one is gone. */
Test(session, children_come_and_go)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    uint32_t old_spi = client->children[0].spi_out;
    client->config.deviate.skip_child_delete = true;
    cr_assert(initiator_rekey_child(client, world->now, 0));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_assert_eq(initiator_num_children(client), 2);
    const struct plane_model_child *old = plane_model_find(&world->plane, old_spi);
    const struct plane_model_child *new = plane_model_find(&world->plane, client->children[1].spi_out);
    cr_assert(old != NULL && new != NULL);
    cr_expect(old->outbound && !new->outbound, "the client may not have the answer yet");
    cr_expect(initiator_rekey_child(client, world->now, 0));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(client->child_notify, NOTIFY_CHILD_SA_NOT_FOUND, "it has been replaced");
    cr_assert(initiator_delete_child(client, world->now, 0));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_null(plane_model_find(&world->plane, old_spi));
    new = plane_model_find(&world->plane, client->children[1].spi_out);
    cr_assert_not_null(new);
    cr_expect(new->outbound);
    cr_expect_eq(core_counters(world->core)->child_rekeys, 1);
    cr_expect_eq(core_counters(world->core)->own_child_rekeys, 0);
    cr_expect_eq(core_counters(world->core)->child_rekeys_refused[REKEY_CLIENTS], 1);
    live_free(world);
}

Test(session, has_a_limited_number_of_children)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    for (uint32_t i = 1; i <= CHILD_NEW_PER_SA_MAX; i++) {
        cr_assert(initiator_create_child(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(client->child_notify, i < CHILD_NEW_PER_SA_MAX ? 0 : NOTIFY_NO_ADDITIONAL_SAS,
                     "child %u: %u", i, client->child_notify);
    }
    cr_expect_eq(core_counters(world->core)->children, CHILD_NEW_PER_SA_MAX);
    /* Every one of them can be rekeyed before an old one goes. */
    client->config.deviate.skip_child_delete = true;
    for (uint32_t i = 0; i < CHILD_NEW_PER_SA_MAX; i++) {
        cr_assert(initiator_rekey_child(client, world->now, i));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(client->child_notify, 0, "child %u: %u", i, client->child_notify);
    }
    cr_expect_eq(core_counters(world->core)->children, CHILD_PER_SA_MAX);
    cr_assert(initiator_rekey_child(client, world->now, CHILD_NEW_PER_SA_MAX));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(client->child_notify, NOTIFY_TEMPORARY_FAILURE, "an old one must go first");
    live_free(world);
}

/* What is left of the table is for rekeys, which every session needs sooner or later. */
Test(session, has_one_child_when_the_table_is_nearly_full)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    struct ike *ike = world->core->ike;
    uint32_t position = 0, others[64], taken = 0;
    while (ike->children.used_in[position] == 0) { /* where it is */
        position++;
    }
    uint32_t limit = ike->children.per_shard - ike->children.per_shard / 4;
    while (ike->children.used_in[position] < limit) {
        others[taken++] = slab_take(&ike->children, position);
    }
    cr_assert(initiator_create_child(client, world->now));
    while (client->child_notify == 0 && world_step(world, world->now + NS_PER_S)) {
    }
    cr_expect_eq(client->child_notify, NOTIFY_NO_ADDITIONAL_SAS, "%u", client->child_notify);
    cr_assert(initiator_rekey_child(client, world->now, 0));
    while (core_counters(world->core)->child_rekeys == 0 && world_step(world, world->now + NS_PER_S)) {
    }
    cr_expect_eq(core_counters(world->core)->child_rekeys, 1);
    while (taken > 0) {
        slab_free(&ike->children, others[--taken]);
    }
    (void)world_settle(world, 5 * NS_PER_S);
    live_free(world);
}

/* RFC 7296 2.4: silence is asked about, then it is death. */
Test(session, a_dead_client_is_found)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    initiator_vanish(world->clients[0]);
    world_run(world, 200 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_PEER_DEAD], 1);
    cr_expect_eq(core_counters(world->core)->dpd_sent, 1);
    cr_expect_eq(core_counters(world->core)->dpd_timeouts, 1);
    cr_expect_eq(core_counters(world->core)->retransmits_sent, 4);
    check_empty(world);
    live_free(world);
}

Test(session, an_idle_client_that_answers_stays)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    world_run(world, 600 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    uint64_t asked = core_counters(world->core)->dpd_sent;
    cr_expect(asked >= 28 && asked <= 31, "once per idle time, %llu", (unsigned long long)asked);
    cr_expect_eq(core_counters(world->core)->retransmits_sent, 0);
    cr_expect_eq(world->clients[0]->counters.requests_answered, asked);
    live_free(world);
}

Test(session, ends_with_its_lifetime)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    world_run(world, 3700 * NS_PER_S);
    cr_expect_eq(world->clients[0]->state, INITIATOR_CLOSED);
    cr_expect_eq(world->clients[0]->why, INITIATOR_PEER_DELETED);
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_LIFETIME], 1);
    check_empty(world);
    live_free(world);
}

/* Every suite that the policy allows, with both kinds of group. */
Test(session, comes_up_with_every_suite)
{
    static const struct ike_suite ike[] = {
        {ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519},
        {ENCR_AES_GCM_16, 128, INTEG_NONE, PRF_HMAC_SHA2_384, KE_P256},
        {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519},
        {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, KE_P256},
    };
    for (size_t i = 0; i < HF_COUNT(ike); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        client->config.ike[0] = ike[i];
        client->config.ke_first = ike[i].ke;
        client->config.esp[0] =
            (struct esp_suite){ike[i].encr, ike[i].encr_bits, ike[i].integ, ike[i].ke, i % 2 == 0};
        cr_assert(world_connect(world, 0), "suite %zu", i);
        cr_assert(initiator_rekey_child(client, world->now, 0));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_assert(initiator_rekey_ike(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_assert(initiator_dpd(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(client->state, INITIATOR_UP, "suite %zu", i);
        cr_expect_eq(core_counters(world->core)->ike_rekeys, 1, "suite %zu", i);
        cr_expect_eq(core_counters(world->core)->child_rekeys, 1, "suite %zu", i);
        live_free(world);
    }
}
