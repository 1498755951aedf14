/* holdfast: the operator's way in. */
#include "tools/holdfast/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/holdfast/control.sock"
#define CONFIG_DEFAULT "/etc/holdfast/holdfast.yaml"

const struct command cli_commands[] = {
    {.name = "status",
     .summary = "How the gateway is doing",
     .help = "Prints version, uptime, workers, sessions, pools, store and data plane in a few lines. Exit "
             "code 0 means\n"
             "that the daemon answers and serves.",
     .run = cmd_status},
    {.name = "sessions",
     .arguments = "[--half-open]",
     .summary = "Who is connected",
     .help = "One line for each session: its id, the client's identity, its inner addresses, where it comes "
             "from, how long\n"
             "it has been connected and idle, and what it transferred. --half-open also lists handshakes "
             "under way.",
     .run = cmd_sessions},
    {.name = "show",
     .arguments = "SESSION|IDENTITY|ADDRESS",
     .summary = "All about one session",
     .help = "Shows the sessions that match: a session id (or its beginning), an identity, or an inner or "
             "outer address;\n"
             "with algorithms, SPIs, Child SAs and their traffic selectors. Keys are never shown.",
     .run = cmd_show},
    {.name = "disconnect",
     .arguments = "SESSION|IDENTITY|ADDRESS | --all",
     .summary = "End sessions",
     .help = "Sends the client a DELETE and forgets the session: it cannot be resumed, the client has to log "
             "in again.",
     .run = cmd_disconnect},
    {.name = "reload",
     .summary = "Apply the changed config file",
     .help = "Checks the file first. When something is wrong with it, prints what and where, and changes "
             "nothing. Sessions\n"
             "stay. Prints what changed, and what takes effect only at the next start.",
     .run = cmd_reload},
    {.name = "drain",
     .arguments = "[--wait [SECONDS]]",
     .summary = "Accept no new sessions, hand over what is here",
     .help =
         "In a fleet, all shards are handed over to other nodes, with their sessions, at a bounded rate; "
         "--wait prints how\n"
         "many are left until none is, for an hour or so many seconds at most (then exit code 1). Without "
         "a fleet,\n"
         "established sessions go on. A restarted daemon accepts new ones again.",
     .run = cmd_drain},
    {.name = "undrain",
     .summary = "Accept new sessions again",
     .help = "Takes a drain back. In a fleet, the node gets its shards again.",
     .run = cmd_undrain},
    {.name = "fleet",
     .arguments = "[--shards | forget NODE]",
     .summary = "The nodes behind one address",
     .help = "This node's lease and shards, then each member as seen from here: state (live; silent: has a "
             "lease, but no\n"
             "heartbeats come; alone: no lease, the store is out of its reach; dead), shards that it has "
             "(owned), should have\n"
             "(wanted), and would take over (next). --shards: owner, place, heir and ownership epoch of each "
             "shard.\n"
             "forget takes a member that is gone for good out of the table; refused while it has a lease.",
     .run = cmd_fleet},
    {.name = "steer",
     .arguments = "[--all]",
     .summary = "What the steering program does",
     .help = "Whether it is on, on which interfaces and how (native or generic), how packets get to workers, "
             "which shards\n"
             "this node has, the key epochs, and for each verdict packets and bytes so far and packets per "
             "second, measured\n"
             "over one second. Verdicts that never came are left out without --all.",
     .run = cmd_steer},
    {.name = "trace",
     .arguments = "ADDRESS|0xSPI [SECONDS]",
     .summary = "What steering decides for packets, as they come",
     .help =
         "One line for each packet from a client's outer address, or for an SPI of ours (IKE or ESP): when, "
         "from where,\n"
         "SPI, shard, node, worker and verdict. At most 1000 a second and CPU are shown. Ends after SECONDS, "
         "or "
         "with Ctrl-C;\n"
         "nothing is traced while nobody looks.",
     .run = cmd_trace},
    {.name = "check",
     .arguments = "[FILE]",
     .summary = "Check a config file",
     .help = "Reads the file as the daemon would, with all certificates, keys and secrets it names, and "
             "prints every finding\n"
             "with line and column. Nothing is applied. Exit code 1 when the daemon would refuse it.",
     .run = cmd_check},
    {.name = "spi",
     .arguments = "0xSPI...",
     .summary = "What an SPI says",
     .help = "Decodes IKE SPIs (64 bits) and ESP SPIs (32 bits) of this fleet: key epoch, shard, index. "
             "Reads the fleet key\n"
             "that the config file names (--config), so it works without the daemon.",
     .run = cmd_spi},
    {.name = "bgp", .summary = "The anycast prefixes", .run = cmd_bgp, .subcommands = bgp_commands},
    {.name = "pki", .summary = "A small certification authority", .subcommands = pki_commands},
    {.name = "completion",
     .arguments = "bash",
     .summary = "Shell completion",
     .help = "Prints a completion script:  source <(holdfast completion bash)",
     .run = cmd_completion},
    {0},
};

int cli_error(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("holdfast: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

static void list_commands(FILE *out, const struct command *commands)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(out, "  %-12s %s\n", c->name, c->summary);
    }
}

static void help_command(const struct command *command, const char *prefix)
{
    if (command->subcommands != NULL) {
        printf("%s %s: %s\n\nusage: %s %s COMMAND ...\n\n", prefix, command->name, command->summary, prefix,
               command->name);
        list_commands(stdout, command->subcommands);
        return;
    }
    printf("%s %s: %s\n\nusage: %s %s %s\n\n%s\n", prefix, command->name, command->summary, prefix,
           command->name, command->arguments == NULL ? "" : command->arguments, command->help);
}

static bool asks_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0 || strcmp(argument, "help") == 0;
}

int command_dispatch(const struct cli *cli, const struct command *commands, const char *prefix, int argc,
                     char **argv)
{
    const struct command *command = commands;
    while (command->name != NULL && strcmp(command->name, argv[0]) != 0) {
        command++;
    }
    if (command->name == NULL) {
        return cli_error(CLI_USAGE, "no command '%s %s' (see %s --help)", prefix, argv[0], prefix);
    }
    if (argc > 1 && asks_help(argv[1])) {
        help_command(command, prefix);
        return CLI_OK;
    }
    if (command->subcommands == NULL || (argc < 2 && command->run != NULL)) {
        return command->run(cli, argc, argv);
    }
    char deeper[64];
    snprintf(deeper, sizeof(deeper), "%s %s", prefix, command->name);
    if (argc < 2) {
        help_command(command, prefix);
        return CLI_USAGE;
    }
    return command_dispatch(cli, command->subcommands, deeper, argc - 1, argv + 1);
}

static void help(FILE *out)
{
    fputs("holdfast: the Holdfast VPN gateway's command line\n\n"
          "usage: holdfast [--json] [--socket PATH] [--config FILE] COMMAND ...\n\n",
          out);
    list_commands(out, cli_commands);
    fputs("\noptions:\n"
          "  --json          print JSON instead of text\n"
          "  --socket PATH   control socket of the daemon (" SOCKET_DEFAULT ")\n"
          "  --config FILE   config file for check and spi (" CONFIG_DEFAULT ")\n"
          "  --version       print the version\n"
          "\nexit codes: 0 done, 1 refused or failed, 2 usage, 3 daemon does not answer, 4 no such session\n"
          "`holdfast COMMAND --help` tells more.\n",
          out);
}

/* --json is understood anywhere on the line, because people add it at the end. */
static int take_json(int argc, char **argv, bool *ret_json)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (i > 0 && strcmp(argv[i], "--json") == 0) {
            *ret_json = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    struct cli cli = {.socket = SOCKET_DEFAULT, .config = CONFIG_DEFAULT};
    argc = take_json(argc, argv, &cli.json);
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 's') {
            cli.socket = optarg;
        } else if (option == 'c') {
            cli.config = optarg;
        } else if (option == 'v') {
            puts("holdfast " HOLDFAST_VERSION);
            return CLI_OK;
        } else {
            help(option == 'h' ? stdout : stderr);
            return option == 'h' ? CLI_OK : CLI_USAGE;
        }
    }
    if (optind == argc || asks_help(argv[optind])) {
        help(optind == argc ? stderr : stdout);
        return optind == argc ? CLI_USAGE : CLI_OK;
    }
    int first = optind;
    optind = 0; /* commands parse their own options */
    return command_dispatch(&cli, cli_commands, "holdfast", argc - first, argv + first);
}
