#include "edge/ops/config_diff.h"
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>

struct row {
    const char *from, *to;
    bool restart;
    const char *text; /* NULL: no change */
};

static const struct row rows[] = {
    {"workers: 2", "workers: \"2\"", false, NULL},
    {"workers: 2", "# other words\nworkers: 2", false, NULL},
    {"workers: 2", "workers: 3", true, "workers: 2 -> 3"},
    {"workers: 2\n", "", true, "workers: 2 -> (default)"},
    {"user: root\n", "", true, "user: root -> (default)"},
    {"ike_port: 500", "ike_port: 501", true, "listen.ike_port: 500 -> 501"},
    {"[198.51.100.1, ", "[198.51.100.2, ", true,
     "listen.addresses: [198.51.100.1, 2001:db8::1] -> [198.51.100.2, 2001:db8::1]"},
    {"sessions: 100", "sessions: 200", true, "limits.sessions: 100 -> 200"},
    {"cookie_threshold: 9", "cookie_threshold: 0", false, "limits.cookie_threshold: 9 -> 0"},
    {"on_failure: refuse", "on_failure: accept", false, "store.on_failure: refuse -> accept"},
    {"path: store", "path: other", true, "store.path: store -> other"},
    {"10.9.8.0/24", "10.9.9.0/24", false, "pools[machines].ipv4: 10.9.8.0/24 -> 10.9.9.0/24"},
    {"dns: [10.0.0.53]", "dns: [10.0.0.53, 10.0.0.54]", false,
     "pools[people].dns: [10.0.0.53] -> [10.0.0.53, 10.0.0.54]"},
    {"secret: four horses and a staple", "secret: five horses and a staple", false,
     "connections[things].secrets[*].secret: changed"},
    {"- id: alice@example.net", "- id: bob@example.net", false,
     "connections[things].secrets[alice@example.net]: removed"},
    {"  esp: {encryption: [aes128gcm], groups: [x25519]}\n", "", false,
     "proposals.esp.encryption: [aes128gcm] -> (default)"},
    {"dpd: never", "dpd: 10s", false, "timers.dpd: never -> 10s"},
};

Test(diff, of_one_change)
{
    static struct config_changes changes;
    struct config *before = config_of(full_config);

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct config *after = config_of(text_replace(full_config, rows[i].from, rows[i].to));
        config_diff(before, after, &changes);
        if (rows[i].text == NULL) {
            cr_assert_eq(changes.count, 0, "%s", changes.v[0].text);
        } else {
            cr_assert_gt(changes.count, 0, "%s", rows[i].text);
            cr_assert_str_eq(changes.v[0].text, rows[i].text);
            cr_assert_eq(changes.v[0].restart, rows[i].restart, "%s", rows[i].text);
            cr_assert_eq(changes.num_restart, rows[i].restart);
        }
        config_free(after);
    }
    config_free(before);
}

Test(diff, of_lists)
{
    static struct config_changes changes;
    struct config *before = config_of(full_config);
    const char *pool = "  - name: machines\n    ipv4: 10.9.8.0/24\n";
    const char *without = text_replace(full_config, pool, "");
    struct config *after = config_of(text_replace(text_keep(without), "pools:\n",
                                                  "pools:\n  - name: machines\n    ipv4: "
                                                  "10.9.8.0/24\n"));

    config_diff(before, after, &changes);
    cr_assert_eq(changes.count, 1);
    cr_assert_str_eq(changes.v[0].text, "pools: the order has changed");
    config_free(after);

    after = config_of(text_replace(full_config, pool,
                                   "  - name: machines\n    ipv4: 10.9.8.0/24\n  - name: new\n    "
                                   "ipv4: 10.9.9.0/24\n"));
    config_diff(before, after, &changes);
    cr_assert_eq(changes.count, 1);
    cr_assert_str_eq(changes.v[0].text, "pools[new]: added");
    config_diff(after, before, &changes);
    cr_assert_eq(changes.count, 1);
    cr_assert_str_eq(changes.v[0].text, "pools[new]: removed");
    config_free(after);
    config_free(before);
}
