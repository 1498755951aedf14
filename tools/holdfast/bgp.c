/* holdfast bgp: what is announced, to whom and why; and an operator's word about it. */
#include "tools/holdfast/client.h"
#include "tools/holdfast/show.h"
#include "tools/holdfast/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void add_sent(struct table *table, yyjson_val *neighbour)
{
    char text[600] = "";
    size_t len = 0, i, max;
    yyjson_val *sent = yyjson_obj_get(neighbour, "sent"), *row;
    yyjson_arr_foreach(sent, i, max, row)
    {
        uint64_t prepended = yyjson_get_uint(yyjson_obj_get(row, "prepended"));
        bool last = yyjson_get_bool(yyjson_obj_get(row, "graceful_shutdown"));
        char more[24] = "";
        if (prepended > 0) {
            snprintf(more, sizeof(more), "+%u", (unsigned)prepended);
        }
        if (len < sizeof(text)) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s", i == 0 ? "" : " ",
                                    yyjson_get_str(yyjson_obj_get(row, "prefix")), more,
                                    last ? " (shutdown)" : "");
        }
    }
    table_add(table, sent == NULL ? "slices" : text[0] == '\0' ? "nothing" : text);
}

static void print_neighbours(yyjson_val *neighbours)
{
    static const char *const titles[] = {"neighbour", "as", "role", "state", "up", "bfd", "prefixes", "sent"};
    struct table table = table_of(titles, sizeof(titles) / sizeof(titles[0]));
    yyjson_val *row;
    size_t i, max;
    yyjson_arr_foreach(neighbours, i, max, row)
    {
        char number[24];
        table_add(&table, yyjson_get_str(yyjson_obj_get(row, "address")));
        snprintf(number, sizeof(number), "%u", (unsigned)yyjson_get_uint(yyjson_obj_get(row, "asn")));
        table_add(&table, number);
        table_add(&table, yyjson_get_str(yyjson_obj_get(row, "role")));
        table_add(&table, yyjson_get_str(yyjson_obj_get(row, "state")));
        snprintf(number, sizeof(number), "%.0fs", yyjson_get_num(yyjson_obj_get(row, "up_s")));
        table_add(&table, number);
        table_add(&table, yyjson_get_str(yyjson_obj_get(row, "bfd")));
        snprintf(number, sizeof(number), "%u",
                 (unsigned)yyjson_get_uint(yyjson_obj_get(row, "prefixes_sent")));
        table_add(&table, number);
        add_sent(&table, row);
    }
    table_print(&table, stdout);
}

static void on_row(void *context, yyjson_val *line)
{
    const struct cli *cli = context;
    yyjson_val *row = yyjson_obj_get(line, "bgp");
    if (cli->json) {
        yyjson_val_write_fp(stdout, row, YYJSON_WRITE_NOFLAG, NULL, NULL);
        putchar('\n');
        return;
    }
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, row);
    (void)yyjson_mut_obj_remove_key(copy, "neighbours");
    yyjson_mut_doc_set_root(doc, copy);
    yyjson_doc *rest = yyjson_mut_doc_imut_copy(doc, NULL);
    show_object(yyjson_doc_get_root(rest), 0);
    yyjson_doc_free(rest);
    yyjson_mut_doc_free(doc);
    putchar('\n');
    print_neighbours(yyjson_obj_get(row, "neighbours"));
}

int cmd_bgp(const struct cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return cli_error(CLI_USAGE, "see holdfast bgp show --help");
    }
    return client_ask(cli, CONTROL_BGP, NULL, NULL, on_row, (void *)cli, NULL);
}

/* The words that follow are the reason. */
static int set(const struct cli *cli, enum control_command command, int argc, char **argv, bool needs_reason)
{
    char reason[160] = "";
    size_t len = 0;
    for (int i = 1; i < argc && len < sizeof(reason); i++) {
        len += (size_t)snprintf(reason + len, sizeof(reason) - len, "%s%s", i == 1 ? "" : " ", argv[i]);
    }
    if (len >= sizeof(reason) || (needs_reason && len == 0)) {
        return cli_error(CLI_USAGE,
                         len == 0 ? "say why: holdfast bgp %s REASON" : "bgp %s: the reason is too long",
                         argv[0]);
    }
    return client_ask(cli, command, NULL, len == 0 ? NULL : reason, on_row, (void *)cli, NULL);
}

static int bgp_announce(const struct cli *cli, int argc, char **argv)
{
    return set(cli, CONTROL_BGP_ANNOUNCE, argc, argv, true);
}

static int bgp_withdraw(const struct cli *cli, int argc, char **argv)
{
    return set(cli, CONTROL_BGP_WITHDRAW, argc, argv, true);
}

static int bgp_auto(const struct cli *cli, int argc, char **argv)
{
    return set(cli, CONTROL_BGP_AUTO, argc, argv, false);
}

static void on_text(void *context, yyjson_val *line)
{
    const char *text = yyjson_get_str(yyjson_obj_get(line, "text"));
    fputs(text == NULL ? "" : text, context);
}

/* Hands the text to vtysh, which says what it does not like. */
static int check_text(const char *path)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        execlp("vtysh", "vtysh", "-C", "-f", path, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) == 127) {
        return cli_error(CLI_FAILED, "vtysh cannot be started");
    }
    return WEXITSTATUS(status) == 0 ? CLI_OK : cli_error(CLI_FAILED, "FRR would not take it");
}

static int bgp_config(const struct cli *cli, int argc, char **argv)
{
    bool check = argc == 2 && strcmp(argv[1], "--check") == 0;
    char path[] = "/tmp/holdfast-frr-XXXXXX";
    if (argc != 1 && !check) {
        return cli_error(CLI_USAGE, "see holdfast bgp config --help");
    }
    int fd = check ? mkstemp(path) : -1;
    FILE *out = check ? fdopen(fd, "w") : stdout;
    if (out == NULL) {
        return cli_error(CLI_FAILED, "%s cannot be written", path);
    }
    int code = client_ask(cli, CONTROL_BGP_CONFIG, NULL, NULL, on_text, out, NULL);
    if (check) {
        (void)fclose(out);
        code = code == CLI_OK ? check_text(path) : code;
        (void)unlink(path);
    }
    return code;
}

const struct command bgp_commands[] = {
    {.name = "show",
     .summary = "What is announced, to whom, since when, and why",
     .help = "Also when nothing is: the reason, how long it is held down, what FRR says, and for each "
             "neighbour the\n"
             "session, BFD and what it was really sent: prefixes, prepended AS numbers, graceful-shutdown "
             "community.",
     .run = cmd_bgp},
    {.name = "withdraw",
     .arguments = "REASON...",
     .summary = "Withdraw the prefixes until told otherwise",
     .help = "At once, without a drain: see holdfast drain. Sessions stay. The reason goes to the log. "
             "Forgotten at a\n"
             "restart of the daemon; `holdfast bgp auto` ends it.",
     .run = bgp_withdraw},
    {.name = "announce",
     .arguments = "REASON...",
     .summary = "Announce the prefixes whatever the health",
     .help =
         "For when a check is wrong and nothing else is. A drain still drains. `holdfast bgp auto` ends it.",
     .run = bgp_announce},
    {.name = "auto",
     .arguments = "[REASON...]",
     .summary = "Let health decide again",
     .help = "Ends `announce` and `withdraw`.",
     .run = bgp_auto},
    {.name = "config",
     .arguments = "[--check]",
     .summary = "What FRR is told",
     .help = "The part of FRR's configuration that the daemon writes, without passwords. --check lets vtysh "
             "judge it,\n"
             "without applying it.",
     .run = bgp_config},
    {0},
};
