/* holdfast fleet, drain, undrain: the nodes behind one address, and what this one gives to the others. */
#include "tools/holdfast/client.h"
#include "tools/holdfast/show.h"
#include "tools/holdfast/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRAIN_PATIENCE_S 3600
#define PROGRESS_NS (500 * 1000 * 1000L)

static void cell_u64(struct table *table, yyjson_val *value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, yyjson_get_uint(value));
    table_add(table, yyjson_is_uint(value) ? text : NULL);
}

/* ---- the members */

static const char *const member_titles[] = {"node",  "state",  "site", "address", "weight",
                                            "owned", "wanted", "next", "heard",   "version"};

static void on_fleet(void *context, yyjson_val *line)
{
    struct table *table = context;
    yyjson_val *fleet = yyjson_obj_get(line, "fleet"), *member = yyjson_obj_get(line, "member");
    if (fleet != NULL) {
        show_object(fleet, 0);
        putchar('\n');
    }
    if (member == NULL) {
        return;
    }
    char state[32], heard[24];
    yyjson_val *ago = yyjson_obj_get(member, "heard_s");
    const char *name = yyjson_get_str(yyjson_obj_get(member, "state"));
    snprintf(state, sizeof(state), "%s%s", name == NULL ? "?" : name,
             yyjson_get_bool(yyjson_obj_get(member, "draining")) ? ", drains" : "");
    snprintf(heard, sizeof(heard), "%.1f s", yyjson_get_num(ago));
    cell_u64(table, yyjson_obj_get(member, "node"));
    table_add(table, state);
    table_add(table, yyjson_get_str(yyjson_obj_get(member, "site")));
    table_add(table, yyjson_get_str(yyjson_obj_get(member, "address")));
    cell_u64(table, yyjson_obj_get(member, "weight"));
    cell_u64(table, yyjson_obj_get(member, "owned"));
    cell_u64(table, yyjson_obj_get(member, "wanted"));
    cell_u64(table, yyjson_obj_get(member, "secondary"));
    table_add(table, yyjson_is_null(ago) ? NULL : heard);
    table_add(table, yyjson_get_str(yyjson_obj_get(member, "version")));
}

/* ---- the shards */

static void on_shards(void *context, yyjson_val *line)
{
    struct table *table = context;
    yyjson_val *shards = yyjson_obj_get(line, "shards"), *row;
    uint64_t shard = yyjson_get_uint(yyjson_obj_get(shards, "first"));
    size_t i, max;
    yyjson_arr_foreach(yyjson_obj_get(shards, "rows"), i, max, row)
    {
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, shard + i);
        table_add(table, text);
        for (size_t k = 0; k < 4; k++) { /* node 0 is nobody */
            yyjson_val *value = yyjson_arr_get(row, k);
            if (k < 3 && yyjson_get_uint(value) == 0) {
                table_add(table, NULL);
            } else {
                cell_u64(table, value);
            }
        }
        table_add(table, yyjson_get_bool(yyjson_arr_get(row, 4)) ? "moves" : "");
    }
}

static void on_json(void *context, yyjson_val *line)
{
    (void)context;
    yyjson_val_write_fp(stdout, line, YYJSON_WRITE_NOFLAG, NULL, NULL);
    putchar('\n');
}

static int list(const struct cli *cli, enum control_command command, const char *const *titles,
                size_t columns, void (*row)(void *context, yyjson_val *line))
{
    struct table table = table_of(titles, columns);
    int code = client_ask(cli, command, NULL, NULL, cli->json ? on_json : row, &table, NULL);
    if (code == CLI_OK && !cli->json) {
        table_print(&table, stdout);
    }
    return code;
}

int cmd_fleet(const struct cli *cli, int argc, char **argv)
{
    static const char *const shard_titles[] = {"shard", "owner", "wanted", "next", "epoch", ""};
    if (argc == 1) {
        return list(cli, CONTROL_FLEET, member_titles, sizeof(member_titles) / sizeof(member_titles[0]),
                    on_fleet);
    }
    if (argc == 2 && strcmp(argv[1], "--shards") == 0) {
        return list(cli, CONTROL_FLEET_SHARDS, shard_titles, sizeof(shard_titles) / sizeof(shard_titles[0]),
                    on_shards);
    }
    if (argc == 3 && strcmp(argv[1], "forget") == 0) {
        int code = client_ask(cli, CONTROL_FLEET_FORGET, argv[2], NULL, on_json, NULL, NULL);
        if (code == CLI_OK && !cli->json) {
            printf("node %s is forgotten\n", argv[2]);
        }
        return code;
    }
    return cli_error(CLI_USAGE, "see holdfast fleet --help");
}

/* ---- giving away */

struct progress {
    bool is_fleet;
    uint64_t owned, giving;
};

static void on_progress(void *context, yyjson_val *line)
{
    struct progress *progress = context;
    yyjson_val *fleet = yyjson_obj_get(line, "fleet");
    if (fleet != NULL) {
        progress->is_fleet = true;
        progress->owned = yyjson_get_uint(yyjson_obj_get(fleet, "owned"));
        progress->giving = yyjson_get_uint(yyjson_obj_get(fleet, "giving"));
    }
}

static void say_progress(const struct cli *cli, const struct progress *progress)
{
    if (cli->json) {
        printf("{\"owned\":%" PRIu64 ",\"giving\":%" PRIu64 "}\n", progress->owned, progress->giving);
    } else {
        printf("%" PRIu64 " shards left, %" PRIu64 " of them on their way\n", progress->owned,
               progress->giving);
    }
    fflush(stdout);
}

/* Until nothing is left here. */
static int wait_drained(const struct cli *cli, long patience_s)
{
    const struct timespec pause = {.tv_nsec = PROGRESS_NS};
    time_t end = time(NULL) + patience_s;
    uint64_t said = UINT64_MAX;
    for (;;) {
        struct progress progress = {0};
        int code = client_ask(cli, CONTROL_FLEET, NULL, NULL, on_progress, &progress, NULL);
        if (code != CLI_OK || !progress.is_fleet) {
            return code;
        }
        if (progress.owned != said) {
            say_progress(cli, &progress);
            said = progress.owned;
        }
        if (progress.owned == 0) {
            return CLI_OK;
        }
        if (time(NULL) >= end) {
            return cli_error(CLI_FAILED, "%" PRIu64 " shards are still here", progress.owned);
        }
        nanosleep(&pause, NULL);
    }
}

int cmd_drain(const struct cli *cli, int argc, char **argv)
{
    bool wait = argc >= 2 && strcmp(argv[1], "--wait") == 0;
    long patience_s = wait && argc == 3 ? strtol(argv[2], NULL, 10) : DRAIN_PATIENCE_S;
    if (argc > 3 || (argc > 1 && !wait) || patience_s <= 0) {
        return cli_error(CLI_USAGE, "see holdfast drain --help");
    }
    int code = client_ask(cli, CONTROL_DRAIN, NULL, NULL, on_json, NULL, NULL);
    if (code == CLI_OK && !cli->json) {
        puts("draining: no new sessions are accepted");
    }
    return code == CLI_OK && wait ? wait_drained(cli, patience_s) : code;
}

int cmd_undrain(const struct cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return cli_error(CLI_USAGE, "see holdfast undrain --help");
    }
    int code = client_ask(cli, CONTROL_UNDRAIN, NULL, NULL, on_json, NULL, NULL);
    if (code == CLI_OK && !cli->json) {
        puts("accepts sessions again, and takes its shards back");
    }
    return code;
}
