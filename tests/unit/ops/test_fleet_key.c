#include "edge/ops/fleet_key.h"
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

Test(fleet_key, text)
{
    static const struct {
        const char *text;
        bool fine;
    } rows[] = {
        {HEX, true},
        {"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", true},
        {BASE64, true},
        {" \t" BASE64 "\r\n", true},
        {"", false},
        {HEX "0", false},
        {"0g0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", false},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", false}, /* bits that no byte has */
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A", false},
        {BASE64 " " BASE64, false},
    };
    uint8_t key[FLEET_KEY_BYTES];
    char text[FLEET_KEY_TEXT_MAX];

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        memset(key, 0xee, sizeof(key));
        cr_assert_eq(fleet_key_parse(span_of_string(rows[i].text), key), rows[i].fine, "%s", rows[i].text);
        for (size_t k = 0; k < sizeof(key); k++) {
            cr_assert_eq(key[k], rows[i].fine ? k : 0xee);
        }
        if (rows[i].fine) {
            cr_assert_str_eq(fleet_key_format(key, text), BASE64);
        }
    }
}

Test(fleet_key, file)
{
    struct folder folder = folder_new();
    const char *path = folder_path(&folder, "fleet.key");
    uint8_t made[FLEET_KEY_BYTES], again[FLEET_KEY_BYTES];
    char error[FLEET_KEY_ERROR_MAX];
    struct stat st;

    cr_assert(!fleet_key_load(path, made, error));
    cr_assert_not_null(strstr(error, "/fleet.key: no such file"));
    cr_assert(fleet_key_create(path, made, error), "%s", error);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert(fleet_key_load(path, again, error), "%s", error);
    cr_assert_arr_eq(made, again, sizeof(made));
    cr_assert(!fleet_key_create(path, again, error), "a key is never overwritten");
    cr_assert_not_null(strstr(error, "File exists"));
    folder_write(&folder, "fleet.key", "short", 0600);
    cr_assert(!fleet_key_load(path, again, error));
    cr_assert_not_null(strstr(error, "is not a fleet key (32 bytes as hex or base64)"));
    cr_assert(!fleet_key_create(folder_path(&folder, "none/fleet.key"), again, error));
}

/* A crash at any moment leaves a whole key or none: the name appears by a rename. */
Test(fleet_key, appears_whole)
{
    struct folder folder = folder_new();
    const char *path = folder_path(&folder, "fleet.key");
    uint8_t key[FLEET_KEY_BYTES];
    char error[FLEET_KEY_ERROR_MAX];
    _Alignas(struct inotify_event) char events[4096];
    struct stat st;

    folder_write(&folder, "fleet.key.new", "half a k", 0644); /* of a start that was cut off */
    int watch = inotify_init1(IN_NONBLOCK);
    cr_assert(watch >= 0 && inotify_add_watch(watch, folder.path, IN_CREATE | IN_MOVED_TO) >= 0);
    cr_assert(fleet_key_create(path, key, error), "%s", error);
    ssize_t len = read(watch, events, sizeof(events));
    uint32_t seen = 0;
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const struct inotify_event *)(events + at);
        seen |= strcmp(event->name, "fleet.key") == 0 ? event->mask : 0;
        at += (ssize_t)sizeof(*event) + event->len;
    }
    cr_expect_eq(seen, IN_MOVED_TO);
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    cr_expect_eq(access(folder_path(&folder, "fleet.key.new"), F_OK), -1);
}
