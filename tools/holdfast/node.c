/* holdfast status, reload: about the node as a whole. */
#include "tools/holdfast/client.h"
#include "tools/holdfast/show.h"

#include <stdio.h>

static void on_row(void *context, yyjson_val *line)
{
    const struct cli *cli = context;
    yyjson_val *row = yyjson_obj_get(line, "status");
    if (cli->json) {
        yyjson_val_write_fp(stdout, row, YYJSON_WRITE_NOFLAG, NULL, NULL);
        putchar('\n');
    } else {
        show_object(row, 0);
    }
}

int cmd_status(const struct cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return cli_error(CLI_USAGE, "see holdfast status --help");
    }
    return client_ask(cli, CONTROL_STATUS, NULL, NULL, on_row, (void *)cli, NULL);
}

/* Findings and changes: what is wrong with the file, or what it changed. */
static void on_change(void *context, yyjson_val *line)
{
    const struct cli *cli = context;
    yyjson_val *change = yyjson_obj_get(line, "change"), *finding = yyjson_obj_get(line, "finding");
    const char *text = yyjson_get_str(yyjson_obj_get(change != NULL ? change : finding, "text"));
    bool restart = yyjson_get_bool(yyjson_obj_get(change, "restart"));
    if (cli->json) {
        yyjson_val_write_fp(stdout, line, YYJSON_WRITE_NOFLAG, NULL, NULL);
        putchar('\n');
    } else {
        printf("%s%s\n", text == NULL ? "" : text, restart ? "  (at the next start)" : "");
    }
}

int cmd_reload(const struct cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return cli_error(CLI_USAGE, "see holdfast reload --help");
    }
    int code = client_ask(cli, CONTROL_RELOAD, NULL, NULL, on_change, (void *)cli, NULL);
    if (code == CLI_OK && !cli->json) {
        puts("reloaded");
    }
    return code;
}
