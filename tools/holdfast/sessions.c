/* holdfast sessions, show, disconnect: rows of the control protocol as tables, or as they come with --json.
 */
#include "tools/holdfast/client.h"
#include "tools/holdfast/show.h"
#include "tools/holdfast/table.h"
#include "tools/holdfast/cell.h"

#include <string.h>

static const char *const titles[] = {"SESSION", "IDENTITY", "ADDRESS", "FROM", "CONNECTION",
                                     "UP",      "IDLE",     "IN",      "OUT"};

struct listing {
    const struct cli *cli;
    struct table table;
    bool half_open; /* handshakes too */
    size_t count;
};

static void row_json(struct listing *listing, yyjson_val *row)
{
    fputs(listing->count++ == 0 ? "[" : ",\n ", stdout);
    yyjson_val_write_fp(stdout, row, YYJSON_WRITE_NOFLAG, NULL, NULL);
}

static void row_table(struct listing *listing, yyjson_val *row)
{
    char text[CELL_MAX];
    struct table *table = &listing->table;
    listing->count++;
    table_add(table, cell_text(row, "session", text));
    table_add(table, cell_text(row, "identity", text));
    table_add(table, cell_join(row, "addresses", text));
    table_add(table, cell_text(row, "remote", text));
    table_add(table, cell_text(row, "connection", text));
    table_add(table, cell_duration(row, "age_s", text));
    table_add(table, cell_duration(row, "idle_s", text));
    table_add(table, cell_bytes(row, "bytes_in", text));
    table_add(table, cell_bytes(row, "bytes_out", text));
}

static void on_row(void *context, yyjson_val *line)
{
    struct listing *listing = context;
    yyjson_val *row = yyjson_obj_get(line, "session");
    bool established = yyjson_equals_str(yyjson_obj_get(row, "state"), "established");
    if (row == NULL || (!listing->half_open && !established)) {
        return;
    }
    if (listing->cli->json) {
        row_json(listing, row);
    } else {
        row_table(listing, row);
    }
}

static int list(const struct cli *cli, enum control_command command, const char *selector, bool half_open)
{
    struct listing listing = {
        .cli = cli, .half_open = half_open, .table = table_of(titles, HF_COUNT(titles))};
    int code = client_ask(cli, command, selector, NULL, on_row, &listing, NULL);
    if (cli->json) {
        puts(listing.count == 0 ? "[]" : "]");
    } else if (code == CLI_OK && listing.count == 0) {
        puts("no sessions");
    } else if (code == CLI_OK) {
        table_print(&listing.table, stdout);
    }
    return code;
}

int cmd_sessions(const struct cli *cli, int argc, char **argv)
{
    bool half_open = argc == 2 && strcmp(argv[1], "--half-open") == 0;
    if (argc > 1 && !half_open) {
        return cli_error(CLI_USAGE, "see holdfast sessions --help");
    }
    return list(cli, CONTROL_SESSIONS, NULL, half_open);
}

static void on_shown(void *context, yyjson_val *line)
{
    struct listing *listing = context;
    yyjson_val *row = yyjson_obj_get(line, "session");
    if (listing->cli->json) {
        row_json(listing, row);
    } else {
        fputs(listing->count++ == 0 ? "" : "\n", stdout);
        show_object(row, 0);
    }
}

int cmd_show(const struct cli *cli, int argc, char **argv)
{
    if (argc != 2) {
        return cli_error(CLI_USAGE, "see holdfast show --help");
    }
    struct listing listing = {.cli = cli};
    int code = client_ask(cli, CONTROL_SHOW, argv[1], NULL, on_shown, &listing, NULL);
    if (cli->json) {
        puts(listing.count == 0 ? "[]" : "]");
    }
    return code == CLI_OK && listing.count == 0 ? cli_error(CLI_NOT_FOUND, "no session matches '%s'", argv[1])
                                                : code;
}

int cmd_disconnect(const struct cli *cli, int argc, char **argv)
{
    bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
    if (argc != 2 || (argv[1][0] == '-' && !all)) {
        return cli_error(CLI_USAGE, "see holdfast disconnect --help");
    }
    return list(cli, CONTROL_DISCONNECT, all ? "*" : argv[1], true);
}
