#include "edge/daemon/daemon.h"

#include "edge/daemon/keeper.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "holdfastd: the Holdfast VPN gateway\n"
    "\n"
    "usage: holdfastd [--config FILE] [--foreground]\n"
    "       holdfastd --check [--config FILE]\n"
    "\n"
    "Serves IKEv2 clients on UDP ports 500 and 4500 of the addresses that the config file names, gives them\n"
    "addresses, and passes their traffic through TUN devices to the network behind. Runs in the foreground; "
    "systemd\n"
    "or another supervisor starts it and keeps it running.\n"
    "\n"
    "options:\n"
    "  --config FILE   the config file (" CONFIG_PATH_DEFAULT ")\n"
    "  --check         reads the config with all files that it names, prints what is wrong with it, line by "
    "line,\n"
    "                  and changes nothing\n"
    "  --foreground    accepted and ignored: there is no other mode\n"
    "  --version       prints the version\n"
    "  --help          prints this\n"
    "\n"
    "signals:\n"
    "  SIGTERM, SIGINT   stop: no new sessions, what is under way is finished, then addresses, routes, TUN "
    "devices\n"
    "                    and the nftables table are taken back. Clients are told nothing: their sessions "
    "stay in the\n"
    "                    session store, and the next start goes on with them. In a fleet they go to other\n"
    "                    nodes first, in 10 s at most.\n"
    "  SIGUSR2           stop for a restart: the steering program stays attached and goes on meanwhile.\n"
    "  SIGHUP            reload the config and open the log file anew. A config with errors is refused and "
    "logged,\n"
    "                    and the one before stays in force. `holdfast reload` does the same and says what "
    "changed.\n"
    "\n"
    "needs: Linux 6.1 with io_uring and TUN; at the start root, or CAP_NET_ADMIN and, for ports below 1024,\n"
    "CAP_NET_BIND_SERVICE; for steering, CAP_BPF and CAP_PERFMON. From then on CAP_NET_ADMIN alone is kept, "
    "under the user that the config names, "
    "by\n"
    "default holdfast where there is such a user. Files that a reload reads again (certificates, keys, "
    "secrets)\n"
    "must be readable for that user.\n"
    "\n"
    "environment: NOTIFY_SOCKET and WATCHDOG_USEC, as systemd sets them: readiness is told when the session "
    "store\n"
    "has been read back, and the watchdog is fed while every worker makes progress.\n"
    "\n"
    "exit codes:\n"
    "  0   told to stop, and stopped; with --check: the config is fine\n"
    "  1   could not start, or failed while running (a restart goes on with all sessions)\n"
    "  2   wrong arguments\n"
    "  3   the config is refused; nothing was changed\n"
    "\n"
    "files: " CONFIG_PATH_DEFAULT
    ", /var/lib/holdfast (session store, fleet key), /run/holdfast/control.sock (for\n"
    "holdfast, the command line). Log lines go to standard output unless the config names a file.\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"foreground", no_argument, NULL, 'f'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {KEEPER_OPTION, no_argument, NULL, 'r'},
        {0},
    };
    const char *config = CONFIG_PATH_DEFAULT;
    bool check = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'f':
            break;
        case 'v':
            puts("holdfastd " HOLDFAST_VERSION);
            return EXIT_CODE_OK;
        case 'r': /* not for people: what keeper_start() starts */
            return keeper_main(KEEPER_FD);
        case 'h':
            fputs(help, stdout);
            return EXIT_CODE_OK;
        default:
            fputs("see holdfastd --help\n", stderr);
            return EXIT_CODE_USAGE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "holdfastd: '%s' is not an option; see holdfastd --help\n", argv[optind]);
        return EXIT_CODE_USAGE;
    }
    return daemon_run(config, check);
}
