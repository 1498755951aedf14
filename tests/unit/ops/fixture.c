#include "tests/unit/ops/fixture.h"

#include "edge/crypto/pki.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- folders ---- */

static char folders[8][64];
static unsigned num_folders;

static void folders_remove(void)
{
    for (unsigned i = 0; i < num_folders; i++) {
        DIR *dir = opendir(folders[i]);
        for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
        if (dir != NULL) {
            closedir(dir);
        }
        (void)rmdir(folders[i]);
    }
}

struct folder folder_new(void)
{
    struct folder folder = {"/tmp/holdfast-ops-XXXXXX"};

    cr_assert_not_null(mkdtemp(folder.path));
    cr_assert_lt(num_folders, HF_COUNT(folders));
    if (num_folders == 0) {
        atexit(folders_remove);
    }
    (void)snprintf(folders[num_folders++], sizeof(folders[0]), "%s", folder.path);
    return folder;
}

const char *folder_path(const struct folder *folder, const char *name)
{
    static char paths[8][192];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
    return path;
}

const char *folder_write(const struct folder *folder, const char *name, const char *text, unsigned mode)
{
    const char *path = folder_path(folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t len = strlen(text);

    cr_assert(fd >= 0, "%s", path);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(close(fd), 0);
    return path;
}

/* ---- configs ---- */

const char full_config[] =
    "listen:\n"                                                                           /* 1 */
    "  addresses: [198.51.100.1, \"2001:db8::1\"]\n"                                      /* 2 */
    "  assign: lo\n"                                                                      /* 3 */
    "  ike_port: 500\n"                                                                   /* 4 */
    "  natt_port: 4500\n"                                                                 /* 5 */
    "workers: 2\n"                                                                        /* 6 */
    "shard_bits: 4\n"                                                                     /* 7 */
    "plane: {type: user, mtu: 1400, interface: hf1}\n"                                    /* 8 */
    "store:\n"                                                                            /* 9 */
    "  type: lmdb\n"                                                                      /* 10 */
    "  path: store\n"                                                                     /* 11 */
    "  size_mb: 64\n"                                                                     /* 12 */
    "  on_failure: refuse\n"                                                              /* 13 */
    "fleet_key: fleet.key\n"                                                              /* 14 */
    "limits: {sessions: 100, half_open: 50, cookie_threshold: 9}\n"                       /* 15 */
    "identities:\n"                                                                       /* 16 */
    "  - id: vpn.example.net\n"                                                           /* 17 */
    "    certificate: server.pem\n"                                                       /* 18 */
    "    key: server.key\n"                                                               /* 19 */
    "  - id: psk.example.net\n"                                                           /* 20 */
    "pools:\n"                                                                            /* 21 */
    "  - name: people\n"                                                                  /* 22 */
    "    ipv4: 10.9.0.0/22\n"                                                             /* 23 */
    "    ipv6: 2001:db8:9::/64\n"                                                         /* 24 */
    "    source_nat: true\n"                                                              /* 25 */
    "    dns: [10.0.0.53]\n"                                                              /* 26 */
    "    domains: [corp.example]\n"                                                       /* 27 */
    "  - name: machines\n"                                                                /* 28 */
    "    ipv4: 10.9.8.0/24\n"                                                             /* 29 */
    "connections:\n"                                                                      /* 30 */
    "  - name: staff\n"                                                                   /* 31 */
    "    identity: vpn.example.net\n"                                                     /* 32 */
    "    auth: certificate\n"                                                             /* 33 */
    "    match: [\"*.staff.example\", \"*@example.net\"]\n"                               /* 34 */
    "    ca: [ca.pem]\n"                                                                  /* 35 */
    "    crl: [ca.crl]\n"                                                                 /* 36 */
    "    crl_policy: required\n"                                                          /* 37 */
    "    pool: people\n"                                                                  /* 38 */
    "    subnets: [10.0.0.0/8]\n"                                                         /* 39 */
    "  - name: things\n"                                                                  /* 40 */
    "    identity: psk.example.net\n"                                                     /* 41 */
    "    auth: psk\n"                                                                     /* 42 */
    "    secrets:\n"                                                                      /* 43 */
    "      - id: alice@example.net\n"                                                     /* 44 */
    "        secret_file: alice.psk\n"                                                    /* 45 */
    "      - id: \"*\"\n"                                                                 /* 46 */
    "        secret: four horses and a staple\n"                                          /* 47 */
    "    pool: machines\n"                                                                /* 48 */
    "proposals:\n"                                                                        /* 49 */
    "  ike: {encryption: [aes256], integrity: [sha512], prf: [sha384], groups: [p384]}\n" /* 50 */
    "  esp: {encryption: [aes128gcm], groups: [x25519]}\n"                                /* 51 */
    "timers:\n"                                                                           /* 52 */
    "  half_open: 10s\n"                                                                  /* 53 */
    "  dpd: never\n"                                                                      /* 54 */
    "  retransmit: 500ms\n"                                                               /* 55 */
    "  retries: 4\n"                                                                      /* 56 */
    "  response_keep: 2m\n"                                                               /* 57 */
    "  ike_lifetime: 1d\n"                                                                /* 58 */
    "  child_lifetime: 2h\n"                                                              /* 59 */
    "log: {file: events.log, level: debug}\n"                                             /* 60 */
    "metrics: {listen: \"[::1]:9500\"}\n"                                                 /* 61 */
    "control: {socket: control.sock, group: adm}\n"                                       /* 62 */
    "user: root\n"                                                                        /* 63 */
    "mobike: {trust_addresses: true}\n";                                                  /* 64 */

const char *text_replace(const char *text, const char *from, const char *to)
{
    static char result[16384];
    const char *at = strstr(text, from);

    cr_assert_not_null(at, "nothing to replace: %s", from);
    int len = snprintf(result, sizeof(result), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    cr_assert(len > 0 && (size_t)len < sizeof(result));
    return result;
}

const char *text_keep(const char *text)
{
    static char kept[1u << 20];
    static size_t used;
    size_t bytes = strlen(text) + 1;

    cr_assert_leq(bytes, sizeof(kept) - used);
    used += bytes;
    return memcpy(kept + used - bytes, text, bytes);
}

struct config_errors *errors_new(void)
{
    static struct config_errors errors;
    return &errors;
}

const char *findings_of(const struct config_errors *errors)
{
    static char all[CONFIG_FINDINGS_MAX * CONFIG_LINE_MAX];
    char line[CONFIG_LINE_MAX];
    size_t len = 0;

    all[0] = '\0';
    for (uint32_t i = 0; i < errors->count; i++) {
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s\n",
                                config_finding_format(errors, &errors->v[i], line));
    }
    return all;
}

struct config *config_of(const char *text)
{
    struct config_errors *errors = errors_new();
    struct config *config;

    cr_assert(config_parse("/etc/holdfast/c.yaml", span_of_string(text), &config, errors), "%s",
              findings_of(errors));
    return config;
}

/* ---- certificates ---- */

static void pem_end(struct writer *w, size_t cap)
{
    cr_assert(!w->overflow && w->len < cap);
    w->data[w->len] = '\0';
}

static void certificate(struct issued *ret, const struct issued *ca, const struct pki_request *request)
{
    char error[CRYPTO_ERROR_MAX];
    struct writer key = writer_of(ret->key, sizeof(ret->key)), cert = writer_of(ret->cert, sizeof(ret->cert));
    struct pki_issuer issuer = {.cert_pem = span_of_string(ca == NULL ? "" : ca->cert),
                                .key_pem = span_of_string(ca == NULL ? "" : ca->key)};

    cr_assert(pki_key_new(PKI_KEY_P256, &key));
    pem_end(&key, sizeof(ret->key));
    cr_assert(pki_cert_new(request, span_of_string(ret->key), &issuer, &cert, error), "%s", error);
    pem_end(&cert, sizeof(ret->cert));
}

void issue_ca(struct issued *ret, const char *subject)
{
    struct pki_request request = {.subject = subject,
                                  .role = PKI_CA,
                                  .path_len = -1,
                                  .not_before_unix_s = NOW_UNIX_S - 400 * 86400,
                                  .not_after_unix_s = NOW_UNIX_S + 3650 * INT64_C(86400)};
    certificate(ret, NULL, &request);
}

void issue(struct issued *ret, const struct issued *ca, const char *name, int64_t not_after_unix_s)
{
    struct pki_request request = {.subject = name,
                                  .role = PKI_SERVER,
                                  .names = &name,
                                  .num_names = 1,
                                  .not_before_unix_s = NOW_UNIX_S - 300 * 86400,
                                  .not_after_unix_s = not_after_unix_s};
    certificate(ret, ca, &request);
}

void issue_crl(const struct issued *ca, char *ret_pem, size_t cap)
{
    char error[CRYPTO_ERROR_MAX];
    struct writer crl = writer_of(ret_pem, cap);
    struct pki_issuer issuer = {.cert_pem = span_of_string(ca->cert), .key_pem = span_of_string(ca->key)};

    cr_assert(pki_crl_new(&issuer, (struct span){0}, NULL, 0, NOW_UNIX_S, NOW_UNIX_S + 86400, &crl, error),
              "%s", error);
    pem_end(&crl, cap);
}
