#include "edge/ops/log.h"
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#define WALL_NS (NOW_UNIX_S * 1000000000 + 123456789)

static struct endpoint endpoint_of(const char *ip, uint16_t port)
{
    struct endpoint ep = {.port = port};
    cr_assert(ip_parse(ip, &ep.addr));
    return ep;
}

static struct audit audit_of(enum audit_type type, enum cause cause)
{
    static struct identity local, remote;
    struct audit audit = {.type = type, .cause = cause, .local_id = &local, .remote_id = &remote};

    cr_assert(identity_parse("vpn.example.net", &local) && identity_parse("alice@example.net", &remote));
    audit.session_id = 0x00c0ffee00000001;
    audit.spi_i = 0x1122334455667788;
    audit.spi_r = 0x99aabbccddeeff00;
    audit.local = endpoint_of("198.51.100.1", 4500);
    audit.remote = endpoint_of("192.0.2.7", 4500);
    audit.connection = "staff";
    audit.addresses[0] = endpoint_of("10.9.0.17", 0).addr;
    audit.addresses[1] = endpoint_of("2001:db8:9::17", 0).addr;
    audit.num_addresses = 2;
    return audit;
}

/* A string member of a line, or NULL. */
static const char *member(const char *line, const char *key)
{
    yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
    cr_assert_not_null(doc, "not JSON: %s", line);
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), key));
    text = text == NULL ? NULL : text_keep(text);
    yyjson_doc_free(doc);
    return text;
}

static const char *message_of(const struct audit *audit)
{
    static char line[LOG_LINE_MAX];
    cr_assert_gt(log_format_audit(line, sizeof(line), WALL_NS, 0, audit), 0);
    return member(line, "message");
}

Test(log, golden_lines)
{
    char line[LOG_LINE_MAX];
    struct audit audit = audit_of(AUDIT_SESSION_UP, CAUSE_NONE);

    audit.suite = (struct ike_suite){ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519};
    audit.esp_spi_in = 0x40000001;
    audit.esp_spi_out = 0xc0ffee;
    log_format_audit(line, sizeof(line), WALL_NS, 1, &audit);
    cr_assert_str_eq(
        line, "{\"time\":\"2026-11-23T21:00:00.123Z\",\"level\":\"info\",\"event\":\"session_up\","
              "\"message\":\"alice@example.net connected from 192.0.2.7:4500 as 10.9.0.17 and 2001:db8:9::17 "
              "(staff)\","
              "\"worker\":1,\"session\":\"00c0ffee00000001\",\"identity\":\"alice@example.net\","
              "\"local_identity\":\"vpn.example.net\",\"connection\":\"staff\",\"remote\":\"192.0.2.7:4500\","
              "\"local\":\"198.51.100.1:4500\",\"addresses\":[\"10.9.0.17\",\"2001:db8:9::17\"],"
              "\"spi_i\":\"1122334455667788\",\"spi_r\":\"99aabbccddeeff00\","
              "\"ike\":\"AES-GCM-16-256/HMAC-SHA2-256/"
              "X25519\",\"esp_spi_in\":\"40000001\",\"esp_spi_out\":\"00c0ffee\"}");

    audit = (struct audit){.type = AUDIT_LOGIN_FAILED,
                           .cause = CAUSE_NO_PROPOSAL,
                           .remote = endpoint_of("2001:db8::7", 500),
                           .detail = "offered 3DES/HMAC-MD5-96/MODP-1024"};
    log_format_audit(line, sizeof(line), WALL_NS, 0, &audit);
    cr_assert_str_eq(
        line, "{\"time\":\"2026-11-23T21:00:00.123Z\",\"level\":\"warning\",\"event\":\"login_failed\","
              "\"cause\":\"no_proposal\",\"message\":\"login failed from [2001:db8::7]:500: no common "
              "proposal (offered 3DES/HMAC-MD5-96/MODP-1024)\",\"worker\":0,\"remote\":\"[2001:db8::7]:500\","
              "\"detail\":\"offered 3DES/HMAC-MD5-96/MODP-1024\"}");
}

Test(log, messages_tell_all)
{
    struct audit audit = audit_of(AUDIT_SESSION_DOWN, CAUSE_PEER_DELETE);

    audit.bytes_in = 1234567;
    audit.bytes_out = 999;
    audit.duration = 11520 * NS_PER_S;
    cr_assert_str_eq(message_of(&audit),
                     "alice@example.net disconnected: client ended the session; after 3h12m, 1.2 MB "
                     "received, 999 B sent");
    audit = audit_of(AUDIT_LOGIN_FAILED, CAUSE_PSK_WRONG);
    cr_assert_str_eq(message_of(&audit),
                     "login failed for alice@example.net from 192.0.2.7:4500: pre-shared key does not match");
    audit = audit_of(AUDIT_CHILD_FAILED, CAUSE_TS_NONE);
    cr_assert_str_eq(message_of(&audit),
                     "alice@example.net was refused a Child SA: no common traffic selectors");
    audit = audit_of(AUDIT_QUIRK, CAUSE_NONE);
    audit.detail = "cp_in_rekey";
    cr_assert_str_eq(
        message_of(&audit),
        "alice@example.net is different (cp_in_rekey, known from RouterOS): a configuration payload "
        "in CREATE_CHILD_SA; ignored: addresses are those of IKE_AUTH");
    audit = (struct audit){.type = AUDIT_READY, .count = 17};
    cr_assert_str_eq(message_of(&audit), "worker 0 is ready; 17 sessions restored");
    for (int type = AUDIT_SESSION_UP; type <= AUDIT_READY; type++) {
        audit = audit_of((enum audit_type)type, CAUSE_STORE);
        cr_assert_gt(strlen(message_of(&audit)), 5);
        audit = (struct audit){.type = (enum audit_type)type};
        cr_assert_gt(strlen(message_of(&audit)), 5);
    }
}

/* Identities are a peer's bytes: no line is forged, no terminal obeys, every line is JSON and short enough.
 */
Test(log, attacks_are_escaped)
{
    static const char *const attacks[] = {
        "a\"},{\"event\":\"session_up\"",
        "a\n{\"event\":\"x\"}",
        "\x1b[2J\x1b]0;owned\x07",
        "\xc2\x9b\x32J",
        "\xff\xfe\x80",
        "\\\\\\\\\"",
        "\xe2\x80\xae evil",
        "a\0b",
    };
    static const uint8_t types[] = {ID_FQDN, ID_RFC822_ADDR, ID_KEY_ID, ID_DER_ASN1_DN, ID_IPV4_ADDR, 99};
    char line[LOG_LINE_MAX];

    for (size_t i = 0; i < HF_COUNT(attacks) + 2; i++) {
        for (size_t k = 0; k < HF_COUNT(types); k++) {
            struct identity id = {.type = types[k], .len = IKE_ID_BYTES_MAX};
            memset(id.data, i % 2 ? '\\' : '\x1b', sizeof(id.data));
            if (i < HF_COUNT(attacks)) {
                id.len = (uint16_t)(strlen(attacks[i]) + 2);
                memcpy(id.data, attacks[i], strlen(attacks[i]));
            }
            struct audit audit = audit_of(AUDIT_LOGIN_FAILED, CAUSE_AUTH_WRONG);
            audit.remote_id = audit.local_id = &id;
            audit.detail = i < HF_COUNT(attacks) ? attacks[i] : NULL;
            size_t len = log_format_audit(line, sizeof(line), WALL_NS, 0, &audit);
            cr_assert(len > 0 && len == strlen(line));
            for (size_t at = 0; at < len; at++) {
                cr_assert((unsigned char)line[at] >= 0x20 && line[at] != 0x7f, "%zu %zu", i, k);
            }
            cr_assert_null(strstr(line, "\xc2\x9b"));
            cr_assert_str_eq(member(line, "event"), "login_failed");
        }
    }
}

Test(log, long_lines_are_cut_not_broken)
{
    static char huge[8192];
    char line[LOG_LINE_MAX];
    struct audit audit = audit_of(AUDIT_LOGIN_FAILED, CAUSE_NO_PROPOSAL);

    memset(huge, '"', sizeof(huge) - 1);
    audit.detail = huge;
    size_t len = log_format_audit(line, sizeof(line), WALL_NS, 0, &audit);
    cr_assert(len > 0 && len < sizeof(line));
    cr_assert_str_eq(member(line, "cause"), "no_proposal");
    struct log_field fields[] = {LOG_TEXT("a", huge), LOG_TEXT("b", huge), LOG_NUMBER("n", -5)};
    len = log_format_event(line, sizeof(line), WALL_NS, LOG_LEVEL_ERROR, "x", fields, 3, huge);
    cr_assert(len > 0 && len < sizeof(line));
    cr_assert_str_eq(member(line, "level"), "error");
}

/* ---- writing ---- */

static const char *file_text(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

static void say(struct log *log, const char *message)
{
    log_event(log, WALL_NS, LOG_LEVEL_INFO, "test", LOG_FIELDS(LOG_NUMBER("n", 1)), "%s", message);
}

Test(log, levels_and_rotation)
{
    struct folder folder = folder_new();
    const char *path = text_keep(folder_path(&folder, "events.log")),
               *old = text_keep(folder_path(&folder, "old.log"));
    struct audit debug = audit_of(AUDIT_IKE_REKEYED, CAUSE_NONE);
    struct log log;

    cr_assert(log_open(&log, path, LOG_LEVEL_INFO));
    log_audit(&log, WALL_NS, 0, &debug);
    log_event(&log, WALL_NS, LOG_LEVEL_DEBUG, "test", LOG_NO_FIELDS, "not this");
    say(&log, "before");
    cr_assert_eq(rename(path, old), 0);
    say(&log, "between");
    cr_assert(log_reopen(&log));
    say(&log, "after");
    log_close(&log);
    cr_assert_str_eq(file_text(path),
                     "{\"time\":\"2026-11-23T21:00:00.123Z\",\"level\":\"info\",\"event\":\"test\","
                     "\"message\":\"after\",\"n\":1}\n");
    cr_assert_not_null(strstr(file_text(old), "between"));
    cr_assert_null(strstr(file_text(old), "after"));
    cr_assert_eq(log.lines, 3);
    cr_assert_eq(log.lost, 0);
    cr_assert(!log_open(&log, folder_path(&folder, "none/events.log"), LOG_LEVEL_INFO));
    cr_assert_eq(log.fd, STDERR_FILENO);
}

enum { NOBODY = 65534 };

/* What logrotate does, and a daemon that became another user after it opened the file. */
static void rotate_as_nobody(bool folder_is_ours, const char *command)
{
    struct folder folder = folder_new();
    const char *path = text_keep(folder_path(&folder, "events.log"));
    struct log log;
    int status;

    cr_assert_eq(chmod(folder.path, 0755), 0);
    cr_assert_eq(chown(folder.path, folder_is_ours ? NOBODY : 0, 0), 0, "run as root");
    cr_assert(log_open(&log, path, LOG_LEVEL_INFO));
    say(&log, "before");
    cr_assert(log_give(&log, NOBODY));
    cr_assert_eq(chdir(folder.path), 0);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    cr_assert(waitpid(child, &status, 0) == child && status == 0, "%s", command);
    child = fork();
    if (child == 0) {
        bool fine = setresuid(NOBODY, NOBODY, NOBODY) == 0 && log_reopen(&log);
        say(&log, "after");
        _exit(!fine);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "cannot be opened anew: %s", command);
    const char *text = file_text(path);
    cr_expect(text[0] == '{' && strstr(text, "after") != NULL, "%s: %s", command, text);
    log_close(&log);
}

Test(log, rotation_for_another_user)
{
    rotate_as_nobody(false, "true");
    rotate_as_nobody(false, "cp -p events.log new && mv events.log old && > new && mv new events.log");
    rotate_as_nobody(false, "cp events.log old && truncate -s 0 events.log"); /* copytruncate */
    rotate_as_nobody(true, "mv events.log old");                              /* nocreate */
}

Test(log, losses_are_counted_said_once_and_over)
{
    struct folder folder = folder_new();
    int errors = open(folder_path(&folder, "stderr"), O_RDWR | O_CREAT, 0600), pipes[2];
    int full = open("/dev/full", O_WRONLY);
    struct log log;
    char text[4096];

    cr_assert(errors >= 0 && full >= 0 && pipe(pipes) == 0);
    cr_assert_eq(dup2(errors, STDERR_FILENO), STDERR_FILENO);
    log_over(&log, full, LOG_LEVEL_INFO);
    for (int i = 0; i < 5; i++) {
        say(&log, "lost");
    }
    cr_assert_eq(log.lost, 5);
    cr_assert_eq(log.lines, 0);
    ssize_t len = pread(errors, text, sizeof(text), 0);
    cr_assert(len > 0 && memchr(text, '\n', (size_t)len) == text + len - 1, "one line on standard error");
    log.fd = pipes[1];
    say(&log, "here again");
    len = read(pipes[0], text, sizeof(text) - 1);
    cr_assert_gt(len, 0);
    text[len] = '\0';
    char *second = strchr(text, '\n') + 1;
    second[-1] = '\0';
    cr_assert_str_eq(member(text, "event"), "log_lost");
    cr_assert_str_eq(member(text, "message"), "5 lines could not be written here and are lost");
    cr_assert_str_eq(member(second, "message"), "here again");
    close(pipes[0]);
    close(pipes[1]);
    say(&log, "closed descriptor");
    cr_assert_eq(log.lost, 6);
}

/* Half a line went out: the next begins on a line of its own. */
Test(log, torn_line_is_ended)
{
    int pipes[2];
    char text[4096];
    struct log log;

    cr_assert_eq(pipe(pipes), 0);
    log_over(&log, pipes[1], LOG_LEVEL_INFO);
    log.torn = true;
    say(&log, "whole");
    ssize_t len = read(pipes[0], text, sizeof(text) - 1);
    cr_assert_gt(len, 1);
    text[len] = '\0';
    cr_assert_eq(text[0], '\n');
    cr_assert_str_eq(member(text + 1, "message"), "whole");
    cr_assert(!log.torn);
}

/* A pager that stands still: the line is lost and counted, and who wrote it goes on. */
Test(log, full_pipe_holds_nobody_up)
{
    int ends[2];
    struct log log;
    char block[4096] = {0};
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], block, sizeof(block)) > 0) {
    }
    cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
    log_over(&log, ends[1], LOG_LEVEL_INFO);
    alarm(5); /* ends the test when the write blocks after all */
    log_event(&log, WALL_NS, LOG_LEVEL_INFO, "test", LOG_NO_FIELDS, "into a full pipe");
    alarm(0);
    cr_expect_eq(atomic_load(&log.lost), 1);
    cr_expect_eq(atomic_load(&log.lines), 0);
    close(ends[0]);
    close(ends[1]);
}
