/* Every noun or verb of the CLI is a row: its help stands beside its code, and one dispatcher serves all
 * levels. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What global options say. */
struct cli {
    bool json;
    const char *socket; /* control socket of the daemon */
    const char *config;
};

/* Exit codes, the same for every command. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* the daemon or the operating system said no; the reason is on stderr */
    CLI_USAGE = 2,       /* the command line makes no sense */
    CLI_UNREACHABLE = 3, /* no daemon answers on the control socket */
    CLI_NOT_FOUND = 4,   /* no such session */
};

struct command {
    const char *name;
    const char *arguments; /* "DIR NAME [--days N]" */
    const char *summary;   /* one line of the overview */
    const char *help;      /* paragraphs for `holdfast NAME --help` */
    int (*run)(const struct cli *cli, int argc, char **argv);
    const struct command *subcommands; /* instead of run, or where none is named */
};

/* Ends with a row without a name. */
extern const struct command cli_commands[];
extern const struct command pki_commands[];
extern const struct command bgp_commands[];

/* argv[0] is the name of a row of `commands`; `prefix` is what stands before it ("holdfast pki"). */
int command_dispatch(const struct cli *cli, const struct command *commands, const char *prefix, int argc,
                     char **argv);
/* One line on stderr, "holdfast: ...". Returns `code`, so that a command can end with it. */
int cli_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cmd_status(const struct cli *cli, int argc, char **argv);
int cmd_sessions(const struct cli *cli, int argc, char **argv);
int cmd_show(const struct cli *cli, int argc, char **argv);
int cmd_disconnect(const struct cli *cli, int argc, char **argv);
int cmd_reload(const struct cli *cli, int argc, char **argv);
int cmd_drain(const struct cli *cli, int argc, char **argv);
int cmd_undrain(const struct cli *cli, int argc, char **argv);
int cmd_fleet(const struct cli *cli, int argc, char **argv);
int cmd_steer(const struct cli *cli, int argc, char **argv);
int cmd_trace(const struct cli *cli, int argc, char **argv);
int cmd_check(const struct cli *cli, int argc, char **argv);
int cmd_bgp(const struct cli *cli, int argc, char **argv);
int cmd_spi(const struct cli *cli, int argc, char **argv);
int cmd_completion(const struct cli *cli, int argc, char **argv);
int pki_init(const struct cli *cli, int argc, char **argv);
int pki_issue(const struct cli *cli, int argc, char **argv);
int pki_revoke(const struct cli *cli, int argc, char **argv);
int pki_crl(const struct cli *cli, int argc, char **argv);
int pki_list(const struct cli *cli, int argc, char **argv);
int pki_fleet_key(const struct cli *cli, int argc, char **argv);
