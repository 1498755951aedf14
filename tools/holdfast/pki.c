/* holdfast pki: one directory is one certification authority, so that a first try needs no other tool.
 *   ca.pem ca.key ca.crl       the CA and its revocations
 *   NAME.pem NAME.key          what it issued: leaf first, then intermediates
 *   NAME.crl                   revocations of the intermediate CA NAME */
#include "edge/crypto/pki.h"

#include "edge/base/secret.h"
#include "edge/ops/fleet_key.h"
#include "edge/ops/json.h"
#include "tools/holdfast/command.h"
#include "tools/holdfast/file.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_S 86400
#define BACKDATE_S 300 /* clients' clocks are never quite right */
#define DAYS_MAX 36500
#define NAMES_MAX 16

const struct command pki_commands[] = {
    {.name = "init",
     .arguments = "DIR [--name NAME] [--days N] [--key p256|p384|rsa|ed25519]",
     .summary = "Make a CA in a new directory",
     .help = "Writes DIR/ca.pem, DIR/ca.key (mode 0600) and an empty DIR/ca.crl. Default: P-256, 3650 days.",
     .run = pki_init},
    {.name = "issue",
     .arguments = "DIR NAME --server|--client|--ca [--san NAME]... [--days N] [--key TYPE] [--issuer NAME]",
     .summary = "Issue a certificate and its key",
     .help = "Writes DIR/NAME.pem and DIR/NAME.key. NAME is the first subject alternative name; --san adds "
             "further ones\n"
             "(host name, mail address or IP address). --ca makes an intermediate CA, --issuer uses one; "
             "then DIR/NAME.pem\n"
             "holds the chain. Default: --key p256, 398 days.",
     .run = pki_issue},
    {.name = "revoke",
     .arguments = "DIR NAME|SERIAL [--issuer NAME]",
     .summary = "Revoke a certificate",
     .help = "Adds the certificate to the CRL of the CA that issued it: DIR/ca.crl, or DIR/ISSUER.crl of an\n"
             "intermediate CA. Copy the CRL to the gateways and run `holdfast reload`. --issuer says whose "
             "SERIAL "
             "it is.",
     .run = pki_revoke},
    {.name = "crl",
     .arguments = "DIR [--days N] [--issuer NAME]",
     .summary = "Renew the CRL",
     .help =
         "Signs DIR/ca.crl, or DIR/NAME.crl of an intermediate CA, anew with the same revocations, valid for "
         "N days\n"
         "(default 30).",
     .run = pki_crl},
    {.name = "list",
     .arguments = "FILE...",
     .summary = "Say what certificates say",
     .help = "Prints subject, issuer, serial number and expiry of PEM certificates.",
     .run = pki_list},
    {.name = "fleet-key",
     .arguments = "FILE",
     .summary = "Make a fleet key",
     .help = "Writes 32 random bytes for `fleet_key:` (mode 0600). All nodes of a fleet share it; who has it "
             "can read the\n"
             "session store. An existing file is never overwritten.",
     .run = pki_fleet_key},
    {0},
};

struct pki_options {
    const char *name, *issuer;
    const char *sans[NAMES_MAX];
    size_t num_sans;
    int days;
    int key;  /* enum pki_key_type, -1: default */
    int role; /* enum pki_role, -1: not said */
};

static int parse_key(const char *text)
{
    static const char *const names[] = {"p256", "p384", "rsa", "ed25519"};
    for (int i = 0; i < (int)HF_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* -1 for what is no number of days. */
static int parse_days(const char *text)
{
    char *end;
    long days = strtol(text, &end, 10);
    return *end == '\0' && end != text && days > 0 && days <= DAYS_MAX ? (int)days : -1;
}

/* False with a message for an unknown or senseless option; operands are argv[optind...]. */
static bool parse_options(int argc, char **argv, struct pki_options *ret)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},
        {"days", required_argument, NULL, 'd'},
        {"key", required_argument, NULL, 'k'},
        {"san", required_argument, NULL, 'a'},
        {"issuer", required_argument, NULL, 'i'},
        {"server", no_argument, NULL, 'S'},
        {"client", no_argument, NULL, 'C'},
        {"ca", no_argument, NULL, 'A'},
        {0},
    };
    *ret = (struct pki_options){.key = PKI_KEY_P256, .role = -1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            ret->name = optarg;
            break;
        case 'i':
            ret->issuer = optarg;
            break;
        case 'd':
            ret->days = parse_days(optarg);
            break;
        case 'k':
            ret->key = parse_key(optarg);
            break;
        case 'S':
            ret->role = PKI_SERVER;
            break;
        case 'C':
            ret->role = PKI_CLIENT;
            break;
        case 'A':
            ret->role = PKI_CA;
            break;
        case 'a':
            if (ret->num_sans == NAMES_MAX - 1) {
                cli_error(CLI_USAGE, "more than %d names", NAMES_MAX - 1);
                return false;
            }
            ret->sans[ret->num_sans++] = optarg;
            break;
        default:
            return false;
        }
    }
    if (ret->key < 0 || ret->days < 0) {
        cli_error(CLI_USAGE,
                  ret->key < 0 ? "--key takes p256, p384, rsa or ed25519" : "--days takes a positive number");
        return false;
    }
    return true;
}

static int usage(const char *verb)
{
    return cli_error(CLI_USAGE, "see holdfast pki %s --help", verb);
}

static const char *path_in(const char *dir, const char *name, const char *suffix, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "%s/%s%s", dir, name, suffix);
    return ret_path;
}

/* An issuer's two files and the views of them that signing takes. */
struct issuer_files {
    struct file cert, key;
};

static bool load_issuer(const char *dir, const char *name, struct issuer_files *ret_files,
                        struct pki_issuer *ret)
{
    char path[PATH_MAX];
    *ret_files = (struct issuer_files){0};
    if (!file_load(path_in(dir, name, ".pem", path), &ret_files->cert) ||
        !file_load(path_in(dir, name, ".key", path), &ret_files->key)) {
        return false;
    }
    *ret =
        (struct pki_issuer){.cert_pem = file_span(&ret_files->cert), .key_pem = file_span(&ret_files->key)};
    return true;
}

static void free_issuer(struct issuer_files *files)
{
    file_free(&files->cert);
    file_free(&files->key);
}

/* Key and certificate to DIR/name.key and DIR/name.pem, with the issuer's chain behind the certificate unless
 * it is the root. */
static int issue(const char *dir, const char *name, const struct pki_options *options,
                 struct pki_request *request, const struct pki_issuer *issuer, bool with_chain)
{
    static uint8_t key_text[PKI_PEM_MAX], cert_text[4 * PKI_PEM_MAX];
    char error[CRYPTO_ERROR_MAX] = "no room", path[PATH_MAX];
    struct writer key = writer_of(key_text, sizeof(key_text)), cert = writer_of(cert_text, sizeof(cert_text));
    int64_t now = time(NULL);
    request->not_before_unix_s = now - BACKDATE_S;
    request->not_after_unix_s = now + (int64_t)options->days * DAY_S;
    if (file_exists(path_in(dir, name, ".key", path))) {
        return cli_error(CLI_FAILED, "%s exists; choose another name", path);
    }
    bool made = pki_key_new((enum pki_key_type)options->key, &key) &&
                pki_cert_new(request, writer_span_of(&key), issuer, &cert, error);
    if (made && with_chain) {
        writer_span(&cert, issuer->cert_pem);
    }
    bool written = made && !cert.overflow && file_write(path, writer_span_of(&key), 0600) &&
                   file_write(path_in(dir, name, ".pem", path), writer_span_of(&cert), 0644);
    secret_wipe(key_text, sizeof(key_text));
    return written ? CLI_OK : made ? CLI_FAILED : cli_error(CLI_FAILED, "%s", error);
}

/* The CRL of the CA `ca`, which covers only what that CA itself issued. */
static int write_crl(const char *dir, const char *ca, const struct pki_revocation *revocation, int days)
{
    static uint8_t text[1 << 20];
    char error[CRYPTO_ERROR_MAX], path[PATH_MAX];
    struct writer crl = writer_of(text, sizeof(text));
    struct issuer_files files;
    struct pki_issuer issuer;
    struct file old = {0};
    int64_t now = time(NULL);
    path_in(dir, ca, ".crl", path);
    bool loaded = load_issuer(dir, ca, &files, &issuer) && (!file_exists(path) || file_load(path, &old));
    bool ok = loaded && pki_crl_new(&issuer, file_span(&old), revocation, revocation == NULL ? 0 : 1,
                                    now - BACKDATE_S, now + (int64_t)days * DAY_S, &crl, error);
    if (loaded && !ok) {
        cli_error(CLI_FAILED, "%s", error);
    }
    ok = ok && file_write(path, writer_span_of(&crl), 0644);
    free_issuer(&files);
    file_free(&old);
    return ok ? CLI_OK : CLI_FAILED;
}

/* One object of strings: key, value, key, value, NULL. */
static void print_json(const char *const *words)
{
    static char line[65536];
    struct json j = json_of(line, sizeof(line));
    json_object_begin(&j, NULL);
    for (; words[0] != NULL; words += 2) {
        json_string(&j, words[0], words[1]);
    }
    json_object_end(&j);
    (void)json_end(&j);
    puts(line);
}

static void say_file(const struct cli *cli, const char *key, const char *path)
{
    if (cli->json) {
        print_json((const char *const[]){key, path, NULL});
    } else {
        printf("wrote %s\n", path);
    }
}

static void say_written(const struct cli *cli, const char *dir, const char *name)
{
    char cert[PATH_MAX], key[PATH_MAX];
    if (cli->json) {
        print_json((const char *const[]){"certificate", path_in(dir, name, ".pem", cert), "key",
                                         path_in(dir, name, ".key", key), NULL});
    } else {
        printf("wrote %s/%s.pem and %s/%s.key\n", dir, name, dir, name);
    }
}

int pki_init(const struct cli *cli, int argc, char **argv)
{
    struct pki_options options;
    if (!parse_options(argc, argv, &options) || argc - optind != 1) {
        return usage("init");
    }
    const char *dir = argv[optind];
    options.days = options.days == 0 ? 3650 : options.days;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        return cli_error(CLI_FAILED, "%s: %s", dir, strerror(errno));
    }
    struct pki_request request = {
        .subject = options.name == NULL ? "Holdfast CA" : options.name, .role = PKI_CA, .path_len = -1};
    struct pki_issuer self = {0};
    int code = issue(dir, "ca", &options, &request, &self, false);
    code = code == CLI_OK ? write_crl(dir, "ca", NULL, 30) : code;
    if (code == CLI_OK) {
        say_written(cli, dir, "ca");
    }
    return code;
}

int pki_issue(const struct cli *cli, int argc, char **argv)
{
    struct pki_options options;
    if (!parse_options(argc, argv, &options) || argc - optind != 2 || options.role < 0) {
        return usage("issue");
    }
    const char *dir = argv[optind], *name = argv[optind + 1];
    if (strchr(name, '/') != NULL || strcmp(name, "ca") == 0) {
        return cli_error(CLI_USAGE, "'%s' cannot be a file name here", name);
    }
    options.days = options.days == 0 ? (options.role == PKI_CA ? 1825 : 398) : options.days;
    const char *names[NAMES_MAX] = {name};
    memcpy(names + 1, options.sans, options.num_sans * sizeof(names[0]));
    bool ca = options.role == PKI_CA;
    struct pki_request request = {.subject = name,
                                  .role = (enum pki_role)options.role,
                                  .names = names,
                                  .num_names = ca ? 0 : 1 + options.num_sans,
                                  .path_len = ca ? 0 : -1};
    struct issuer_files files;
    struct pki_issuer issuer;
    bool root = options.issuer == NULL;
    int code = CLI_FAILED;
    if (load_issuer(dir, root ? "ca" : options.issuer, &files, &issuer)) {
        code = issue(dir, name, &options, &request, &issuer, !root);
    }
    free_issuer(&files);
    code = code == CLI_OK && ca ? write_crl(dir, name, NULL, 30) : code;
    if (code == CLI_OK) {
        say_written(cli, dir, name);
    }
    return code;
}

static bool read_cert(const char *path, struct pki_cert_text *ret)
{
    char error[CRYPTO_ERROR_MAX];
    struct file pem;
    if (!file_load(path, &pem)) {
        return false;
    }
    bool ok = pki_cert_read(file_span(&pem), ret, error);
    file_free(&pem);
    if (!ok) {
        cli_error(CLI_FAILED, "%s: %s", path, error);
    }
    return ok;
}

static bool is_ca_of(const char *path, const char *subject)
{
    char error[CRYPTO_ERROR_MAX];
    struct file pem;
    struct pki_cert_text cert;
    if (!file_load(path, &pem)) {
        return false;
    }
    bool found =
        pki_cert_read(file_span(&pem), &cert, error) && cert.is_ca && strcmp(cert.subject, subject) == 0;
    file_free(&pem);
    return found;
}

/* The name in `dir` of the CA with this subject. */
static bool find_ca(const char *dir, const char *subject, char ret_name[NAME_MAX + 1])
{
    DIR *entries = opendir(dir);
    const struct dirent *entry;
    bool found = false;
    while (entries != NULL && !found && (entry = readdir(entries)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len <= strlen(".pem") || strcmp(entry->d_name + len - strlen(".pem"), ".pem") != 0) {
            continue;
        }
        char path[PATH_MAX];
        snprintf(ret_name, NAME_MAX + 1, "%.*s", (int)(len - strlen(".pem")), entry->d_name);
        found = is_ca_of(path_in(dir, ret_name, ".pem", path), subject);
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

int pki_revoke(const struct cli *cli, int argc, char **argv)
{
    struct pki_options options;
    if (!parse_options(argc, argv, &options) || argc - optind != 2) {
        return usage("revoke");
    }
    const char *dir = argv[optind], *name = argv[optind + 1];
    char path[PATH_MAX], ca[NAME_MAX + 1];
    struct pki_cert_text cert;
    struct pki_revocation revocation = {.serial = name, .at_unix_s = time(NULL)};
    snprintf(ca, sizeof(ca), "%s", options.issuer == NULL ? "ca" : options.issuer);
    if (file_exists(path_in(dir, name, ".pem", path))) {
        if (!read_cert(path, &cert)) {
            return CLI_FAILED;
        }
        if (!find_ca(dir, cert.issuer, ca)) {
            return cli_error(CLI_FAILED, "%s was issued by %s, which is not in %s", name, cert.issuer, dir);
        }
        revocation.serial = cert.serial;
    }
    int code = write_crl(dir, ca, &revocation, 30);
    if (code == CLI_OK) {
        (void)path_in(dir, ca, ".crl", path);
        if (cli->json) {
            print_json((const char *const[]){"revoked", revocation.serial, "crl", path, NULL});
        } else {
            printf("revoked %s in %s\n", revocation.serial, path);
        }
    }
    return code;
}

int pki_crl(const struct cli *cli, int argc, char **argv)
{
    struct pki_options options;
    if (!parse_options(argc, argv, &options) || argc - optind != 1) {
        return usage("crl");
    }
    const char *ca = options.issuer == NULL ? "ca" : options.issuer;
    int code = write_crl(argv[optind], ca, NULL, options.days == 0 ? 30 : options.days);
    if (code == CLI_OK) {
        char path[PATH_MAX];
        say_file(cli, "crl", path_in(argv[optind], ca, ".crl", path));
    }
    return code;
}

int pki_list(const struct cli *cli, int argc, char **argv)
{
    if (argc < 2) {
        return usage("list");
    }
    int code = CLI_OK;
    for (int i = 1; i < argc; i++) {
        struct pki_cert_text cert;
        if (!read_cert(argv[i], &cert)) {
            code = CLI_FAILED;
            continue;
        }
        char until[32];
        time_t not_after = (time_t)cert.not_after_unix_s;
        strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", gmtime(&not_after));
        if (cli->json) {
            print_json((const char *const[]){"file", argv[i], "subject", cert.subject, "issuer", cert.issuer,
                                             "serial", cert.serial, "not_after", until, NULL});
        } else {
            printf("%s\n  subject  %s\n  issuer   %s\n  serial   %s\n  until    %s\n", argv[i], cert.subject,
                   cert.issuer, cert.serial, until);
        }
    }
    return code;
}

int pki_fleet_key(const struct cli *cli, int argc, char **argv)
{
    if (argc != 2) {
        return usage("fleet-key");
    }
    uint8_t key[FLEET_KEY_BYTES];
    char error[FLEET_KEY_ERROR_MAX];
    bool made = fleet_key_create(argv[1], key, error);
    secret_wipe(key, sizeof(key));
    if (!made) {
        return cli_error(CLI_FAILED, "%s", error);
    }
    say_file(cli, "fleet_key", argv[1]);
    return CLI_OK;
}
