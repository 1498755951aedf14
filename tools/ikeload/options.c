#include "tools/ikeload/options.h"

#include "tools/ikeload/suite.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 4000000, WINDOW_MAX = 4096, PORTS_MAX = 1024 };

static const char help_text[] =
    "ikeload: opens IKEv2 sessions against a gateway and says how that went\n"
    "\n"
    "usage: ikeload [options] GATEWAY\n"
    "\n"
    "Opens sessions with the gateway at the IP address GATEWAY, ports 500 and 4500, keeps them if asked to, "
    "and\n"
    "prints how many came up, how fast, and how long each took from the first IKE_SA_INIT to the answer of\n"
    "IKE_AUTH. It is one thread; what it needs in memory follows from --window (0.4 MiB each) and "
    "--sessions\n"
    "(1.4 KiB each) and does not grow.\n"
    "\n"
    "how much\n"
    "  -n, --sessions N        sessions to open (100)\n"
    "  -r, --rate R            sessions a second; 0: as fast as the window allows (0)\n"
    "  -w, --window N          handshakes and other exchanges under way at a time (64)\n"
    "\n"
    "who\n"
    "  -i, --identity TEXT     of the clients; each % becomes the number of the session (user%@example.net)\n"
    "  -g, --gateway-id TEXT   identity that the gateway must prove; sent as IDr (any, not sent)\n"
    "  -p, --psk FILE          shared secret of all clients: the first line of FILE\n"
    "  -c, --certificate FILE  certificate of all clients, then those between it and the CA (PEM)\n"
    "  -k, --key FILE          its key (PEM, not encrypted)\n"
    "  -a, --ca FILE           CA that the gateway's certificate must come from (PEM)\n"
    "                          Either --psk, or --certificate, --key and --ca.\n"
    "      --no-verify         do not check the gateway's certificate and signature, which costs much, but "
    "only\n"
    "                          compare --gateway-id; shared secrets are always checked\n"
    "      --initial-contact   send INITIAL_CONTACT\n"
    "\n"
    "from where\n"
    "  -s, --source RANGE      source addresses: A, A-B or A/BITS, used in turn. They must be this host's, "
    "or\n"
    "                          routed to it (ip route add local 10.0.0.0/16 dev lo). (as the kernel "
    "chooses)\n"
    "      --ports N           source ports of each address, used in turn (8)\n"
    "      --nat               look like behind a NAT: IKE_AUTH and what follows go to port 4500\n"
    "\n"
    "what is proposed\n"
    "      --ike SUITE         (aes128gcm16-prfsha256-x25519)\n"
    "      --esp SUITE         (aes128gcm16); with a group, rekeys of the Child SA use it\n"
    "                          ciphers: aes128gcm16 aes192gcm16 aes256gcm16 chacha20poly1305 aes128 aes192 "
    "aes256\n"
    "                          integrity, with the last three: sha256 sha384 sha512   prf: prfsha256 ...\n"
    "                          groups: x25519 p256 p384 modp2048 modp3072 modp4096   ESP also: esn\n"
    "      --ipv6              ask for an inner IPv6 address too\n"
    "      --no-ipv4           do not ask for an inner IPv4 address\n"
    "      --no-fragmentation  do not offer IKE fragmentation\n"
    "\n"
    "after that\n"
    "      --hold TIME         keep the sessions so long after the last one was tried; answer the gateway "
    "(0)\n"
    "      --dpd TIME          each session asks the gateway that often: the first time at random within "
    "TIME,\n"
    "                          then every TIME, more or less a quarter; so with all of these (never)\n"
    "      --rekey-child TIME  rekeys its Child SA\n"
    "      --rekey-ike TIME    rekeys its IKE SA\n"
    "      --echo TIME         sends a ping through the tunnel and waits for the answer, at most five times\n"
    "      --echo-to ADDRESS   to this IPv4 address\n"
    "      --roam TIME         moves to another of --source and --ports and says so (those with MOBIKE)\n"
    "      --rebind TIME       the same without a word, as by a NAT that forgot; then a ping or --dpd\n"
    "      --leave TIME        deletes itself and comes again\n"
    "      --vanish TIME       is gone without a word and comes again\n"
    "      --away TIME         after so long (5s)\n"
    "      --mobike N          percent of the sessions that offer MOBIKE (0)\n"
    "  -d, --delete            delete the sessions at the end; without it they are left as they are\n"
    "      --retransmit TIME   first repetition of a request, then after 2 and 4 times as long (500ms)\n"
    "      --tries N           how often a request is sent at most (6)\n"
    "                          A TIME is like 500ms, 30s, 5m, 1h; --hold inf waits for Ctrl-C.\n"
    "\n"
    "instead of load\n"
    "      --deviate NAME      break a rule, or with 'all' each rule once, beside a session that keeps "
    "them;\n"
    "                          say what came back, and whether it is what must come; needs --psk\n"
    "      --step              wait for a line on standard input before each\n"
    "      --list-deviations   print the rules, what must come back, and which drops must be counted\n"
    "      --hostile N         open the sessions, send N malformed and forged datagrams, then see whether\n"
    "                          each session still answers; paced by what the gateway answers, and by --rate\n"
    "      --seed X            the datagrams follow from this number and the sessions' SPIs (1)\n"
    "      --corpus DIR        damage the messages in the files of DIR, too\n"
    "\n"
    "what is printed\n"
    "  -j, --json              the summary as one JSON object\n"
    "      --report TIME       with --json: the same object that often while it runs, a line each\n"
    "  -q, --quiet             no progress on standard error\n"
    "  -h, --help              this text\n"
    "\n"
    "On a terminal progress is one line that changes; otherwise a line every 5 s. Ctrl-C opens no more "
    "sessions,\n"
    "ends the hold, deletes if --delete was given, and prints the summary; a second one does not wait for "
    "that.\n"
    "\n"
    "exit codes: 0 all sessions came up and none was lost, 1 some were not or were, or a ping was never "
    "answered,\n"
    "or an SA too many stayed; 2 usage, 3 the gateway never answered, 130 stopped by Ctrl-C\n"
    "\n"
    "examples\n"
    "  ikeload -n 1000 -r 200 -p secret.psk -i 'user%@psk.example.net' -g vpn.example.net 198.51.100.1\n"
    "  ikeload -n 10000 -c me.crt -k me.key -a ca.crt -i me@example.net -s 10.9.0.0/20 --hold 5m --dpd 20s "
    "-d \\\n"
    "          198.51.100.1\n";

static HF_PRINTF(1, 2) bool complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ikeload: ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (see ikeload --help)\n", stderr);
    va_end(args);
    return false;
}

static bool parse_count(const char *name, const char *text, uint32_t most, uint32_t *ret_count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > most) {
        return complain("--%s is a number from 1 to %u, not '%s'", name, most, text);
    }
    *ret_count = (uint32_t)value;
    return true;
}

static bool parse_number(const char *name, const char *text, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtoull(text, &end, 0);
    return (errno == 0 && end != text && *end == '\0' && *ret_number > 0) ||
           complain("--%s is a number from 1 on, not '%s'", name, text);
}

static bool parse_rate(const char *text, double *ret_rate)
{
    char *end;
    *ret_rate = strtod(text, &end);
    if (end == text || *end != '\0' || !(*ret_rate >= 0 && *ret_rate <= 1e6)) {
        return complain("--rate is a number from 0 to 1000000, not '%s'", text);
    }
    return true;
}

static bool parse_time(const char *name, const char *text, ns_t *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < HF_COUNT(units); i++) {
        if (end != text && strcmp(end, units[i].unit) == 0 && value >= 0 && value * units[i].ns < 1e18) {
            *ret_ns = (ns_t)(value * units[i].ns);
            return true;
        }
    }
    return complain("--%s is a time like 500ms, 30s, 5m or 1h, not '%s'", name, text);
}

static bool parse_hold(const char *text, ns_t *ret_hold)
{
    if (strcmp(text, "inf") == 0) {
        *ret_hold = NS_NEVER;
        return true;
    }
    return parse_time("hold", text, ret_hold);
}

static uint64_t range_size(const struct ip_addr *first, const struct ip_addr *last)
{
    uint64_t from = 0, to = 0;
    if (ip_is_v4(first) != ip_is_v4(last) || memcmp(first->bytes, last->bytes, 8) != 0) {
        return 0;
    }
    for (int i = 8; i < 16; i++) {
        from = from << 8 | first->bytes[i];
        to = to << 8 | last->bytes[i];
    }
    return to >= from && to - from < UINT32_MAX ? to - from + 1 : 0;
}

static bool parse_source(const char *text, struct options *options)
{
    char copy[2 * IP_TEXT_MAX] = {0};
    struct ip_prefix prefix;
    struct ip_addr last;
    if (strlen(text) < sizeof(copy)) {
        memcpy(copy, text, strlen(text));
        char *dash = strchr(copy, '-');
        if (dash != NULL) {
            *dash = '\0';
        }
        bool good = dash != NULL ? ip_parse(copy, &options->source) && ip_parse(dash + 1, &last)
                                 : prefix_parse(copy, &prefix);
        if (good && dash == NULL) {
            options->source = prefix_first(&prefix);
            last = prefix_last(&prefix);
        }
        options->num_sources = good ? range_size(&options->source, &last) : 0;
        if (options->num_sources > 0) {
            return true;
        }
    }
    return complain("--source is like 10.0.0.1, 10.0.0.1-10.0.0.9 or 10.0.0.0/24, not '%s'", text);
}

enum {
    OPTION_PORTS = 256,
    OPTION_NAT,
    OPTION_IKE,
    OPTION_ESP,
    OPTION_IPV6,
    OPTION_NO_IPV4,
    OPTION_NO_FRAGMENTATION,
    OPTION_INITIAL_CONTACT,
    OPTION_NO_VERIFY,
    OPTION_HOLD,
    OPTION_MOBIKE,
    OPTION_ECHO_TO,
    OPTION_AWAY,
    OPTION_REPORT,
    OPTION_RETRANSMIT,
    OPTION_TRIES,
    OPTION_DEVIATE,
    OPTION_STEP,
    OPTION_LIST_DEVIATIONS,
    OPTION_HOSTILE,
    OPTION_SEED,
    OPTION_CORPUS,
    OPTION_CHORES, /* the first, then the others in their order */
};

static const struct option long_options[] = {
    {"sessions", required_argument, NULL, 'n'},
    {"rate", required_argument, NULL, 'r'},
    {"window", required_argument, NULL, 'w'},
    {"identity", required_argument, NULL, 'i'},
    {"gateway-id", required_argument, NULL, 'g'},
    {"psk", required_argument, NULL, 'p'},
    {"certificate", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"ca", required_argument, NULL, 'a'},
    {"source", required_argument, NULL, 's'},
    {"delete", no_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"ports", required_argument, NULL, OPTION_PORTS},
    {"nat", no_argument, NULL, OPTION_NAT},
    {"ike", required_argument, NULL, OPTION_IKE},
    {"esp", required_argument, NULL, OPTION_ESP},
    {"ipv6", no_argument, NULL, OPTION_IPV6},
    {"no-ipv4", no_argument, NULL, OPTION_NO_IPV4},
    {"no-fragmentation", no_argument, NULL, OPTION_NO_FRAGMENTATION},
    {"no-verify", no_argument, NULL, OPTION_NO_VERIFY},
    {"initial-contact", no_argument, NULL, OPTION_INITIAL_CONTACT},
    {"hold", required_argument, NULL, OPTION_HOLD},
    {"dpd", required_argument, NULL, OPTION_CHORES + CHORE_DPD},
    {"rekey-child", required_argument, NULL, OPTION_CHORES + CHORE_REKEY_CHILD},
    {"rekey-ike", required_argument, NULL, OPTION_CHORES + CHORE_REKEY_IKE},
    {"echo", required_argument, NULL, OPTION_CHORES + CHORE_ECHO},
    {"roam", required_argument, NULL, OPTION_CHORES + CHORE_ROAM},
    {"rebind", required_argument, NULL, OPTION_CHORES + CHORE_REBIND},
    {"leave", required_argument, NULL, OPTION_CHORES + CHORE_LEAVE},
    {"vanish", required_argument, NULL, OPTION_CHORES + CHORE_VANISH},
    {"mobike", required_argument, NULL, OPTION_MOBIKE},
    {"echo-to", required_argument, NULL, OPTION_ECHO_TO},
    {"away", required_argument, NULL, OPTION_AWAY},
    {"report", required_argument, NULL, OPTION_REPORT},
    {"retransmit", required_argument, NULL, OPTION_RETRANSMIT},
    {"tries", required_argument, NULL, OPTION_TRIES},
    {"deviate", required_argument, NULL, OPTION_DEVIATE},
    {"step", no_argument, NULL, OPTION_STEP},
    {"list-deviations", no_argument, NULL, OPTION_LIST_DEVIATIONS},
    {"hostile", required_argument, NULL, OPTION_HOSTILE},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"corpus", required_argument, NULL, OPTION_CORPUS},
    {0},
};

static void take_flag(int option, struct options *options)
{
    switch (option) {
    case 'd':
        options->delete = true;
        break;
    case 'j':
        options->json = true;
        break;
    case 'q':
        options->quiet = true;
        break;
    case OPTION_STEP:
        options->step = true;
        break;
    case OPTION_LIST_DEVIATIONS:
        options->list_deviations = true;
        break;
    case OPTION_NO_VERIFY:
        options->no_verify = true;
        break;
    case OPTION_NAT:
        options->nat = true;
        break;
    case OPTION_IPV6:
        options->v6 = true;
        break;
    case OPTION_NO_IPV4:
        options->no_v4 = true;
        break;
    case OPTION_NO_FRAGMENTATION:
        options->no_fragmentation = true;
        break;
    default:
        options->initial_contact = true;
        break;
    }
}

static void take_path(int option, const char *text, struct options *options)
{
    const char **place = option == 'p'              ? &options->psk
                         : option == 'c'            ? &options->certificate
                         : option == 'k'            ? &options->key
                         : option == 'a'            ? &options->ca
                         : option == OPTION_DEVIATE ? &options->deviate
                         : option == OPTION_CORPUS  ? &options->corpus
                                                    : &options->identity;
    *place = text;
}

static const char *const chore_names[CHORES] = {
    [CHORE_DPD] = "dpd",
    [CHORE_REKEY_CHILD] = "rekey-child",
    [CHORE_REKEY_IKE] = "rekey-ike",
    [CHORE_ECHO] = "echo",
    [CHORE_ROAM] = "roam",
    [CHORE_REBIND] = "rebind",
    [CHORE_LEAVE] = "leave",
    [CHORE_VANISH] = "vanish",
};

static bool take_value(int option, const char *text, struct options *options)
{
    switch (option) {
    case 'n':
        return parse_count("sessions", text, SESSIONS_MAX, &options->sessions);
    case OPTION_HOSTILE:
        return parse_number("hostile", text, &options->hostile);
    case OPTION_SEED:
        return parse_number("seed", text, &options->seed);
    case 'r':
        return parse_rate(text, &options->rate);
    case 'w':
        return parse_count("window", text, WINDOW_MAX, &options->window);
    case 'g':
        return identity_parse(text, &options->gateway_id) || complain("'%s' is no identity", text);
    case 's':
        return parse_source(text, options);
    case OPTION_PORTS:
        return parse_count("ports", text, PORTS_MAX, &options->num_ports);
    case OPTION_IKE:
        return suite_parse_ike(text, &options->ike) || complain("--ike cannot be '%s'", text);
    case OPTION_ESP:
        return suite_parse_esp(text, &options->esp) || complain("--esp cannot be '%s'", text);
    case OPTION_HOLD:
        return parse_hold(text, &options->hold);
    case OPTION_MOBIKE:
        return parse_count("mobike", text, 100, &options->mobike_percent);
    case OPTION_ECHO_TO:
        return (ip_parse(text, &options->echo_to) && ip_is_v4(&options->echo_to)) ||
               complain("--echo-to is an IPv4 address, not '%s'", text);
    case OPTION_AWAY:
        return parse_time("away", text, &options->away);
    case OPTION_REPORT:
        return parse_time("report", text, &options->report);
    case OPTION_RETRANSMIT:
        return parse_time("retransmit", text, &options->retransmit);
    case OPTION_TRIES:
        return parse_count("tries", text, 20, &options->tries);
    default:
        if (option >= OPTION_CHORES) {
            enum chore chore = (enum chore)(option - OPTION_CHORES);
            return parse_time(chore_names[chore], text, &options->every[chore]);
        }
        take_path(option, text, options);
        return true;
    }
}

static bool options_agree(const struct options *options)
{
    if (options->list_deviations) {
        return true;
    }
    if (options->deviate != NULL && options->psk == NULL) {
        return complain("--deviate needs --psk");
    }
    bool some = options->certificate != NULL || options->key != NULL || options->ca != NULL;
    bool all = options->certificate != NULL && options->key != NULL && options->ca != NULL;
    if (some == (options->psk != NULL) || some != all) {
        return complain("either --psk, or --certificate, --key and --ca");
    }
    if (options->num_sources > 0 && ip_is_v4(&options->source) != ip_is_v4(&options->gateway)) {
        return complain("--source and the gateway are of different families");
    }
    if (options->every[CHORE_ECHO] > 0 && !ip_is_v4(&options->echo_to)) {
        return complain("--echo needs --echo-to");
    }
    if (options->every[CHORE_REBIND] > 0 && options->every[CHORE_ECHO] + options->every[CHORE_DPD] == 0) {
        return complain("--rebind needs --echo or --dpd, by which the gateway hears of it");
    }
    return options->retransmit > 0 || complain("--retransmit is more than nothing");
}

bool options_parse(int argc, char **argv, struct options *ret_options, int *ret_code)
{
    struct options *options = ret_options;
    *options = (struct options){.sessions = 100,
                                .window = 64,
                                .identity = "user%@example.net",
                                .num_ports = 8,
                                .seed = 1,
                                .retransmit = 500 * NS_PER_MS,
                                .tries = 6,
                                .away = 5 * NS_PER_S};
    bool known = suite_parse_ike("aes128gcm16-prfsha256-x25519", &options->ike) &&
                 suite_parse_esp("aes128gcm16", &options->esp);
    hf_assert(known);
    *ret_code = IKELOAD_USAGE;
    int option;
    while ((option = getopt_long(argc, argv, "n:r:w:i:g:p:c:k:a:s:djqh", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help_text, stdout);
            *ret_code = IKELOAD_OK;
            return false;
        }
        if (option == '?') {
            return false;
        }
        if (optarg == NULL) {
            take_flag(option, options);
        } else if (!take_value(option, optarg, options)) {
            return false;
        }
    }
    if (!options->list_deviations && (argc - optind != 1 || !ip_parse(argv[optind], &options->gateway))) {
        return complain("one gateway address is needed");
    }
    return options_agree(options);
}
