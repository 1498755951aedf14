#include "edge/ops/fleet_key.h"

#include "edge/base/secret.h"
#include "edge/ops/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum {
    HEX_CHARS = FLEET_KEY_BYTES * 2,
    BASE64_CHARS = 43, /* and one '=' */
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int base64_value(uint8_t c)
{
    const char *at = c == '\0' ? NULL : strchr(base64, c);
    return at == NULL ? -1 : (int)(at - base64);
}

static bool hex_read(struct span text, uint8_t *ret_key)
{
    for (size_t i = 0; i < FLEET_KEY_BYTES; i++) {
        int high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool base64_read(struct span text, uint8_t *ret_key)
{
    uint32_t bits = 0, num_bits = 0;
    size_t len = 0;

    for (size_t i = 0; i < BASE64_CHARS; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        num_bits += 6;
        if (num_bits >= 8) {
            num_bits -= 8;
            ret_key[len++] = (uint8_t)(bits >> num_bits);
        }
    }
    return len == FLEET_KEY_BYTES && (bits & ((1u << num_bits) - 1)) == 0 && text.data[BASE64_CHARS] == '=';
}

bool fleet_key_parse(struct span text, uint8_t ret_key[FLEET_KEY_BYTES])
{
    uint8_t key[FLEET_KEY_BYTES];

    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    while (text.len > 0 && is_space(text.data[0])) {
        text = span_of(text.data + 1, text.len - 1);
    }
    bool read = (text.len == HEX_CHARS && hex_read(text, key)) ||
                (text.len == BASE64_CHARS + 1 && base64_read(text, key));
    if (read) {
        memcpy(ret_key, key, sizeof(key));
    }
    secret_wipe(key, sizeof(key));
    return read;
}

const char *fleet_key_format(const uint8_t key[FLEET_KEY_BYTES], char ret_text[FLEET_KEY_TEXT_MAX])
{
    uint32_t bits = 0, num_bits = 0;
    size_t len = 0;

    for (size_t i = 0; i < FLEET_KEY_BYTES; i++) {
        bits = bits << 8 | key[i];
        for (num_bits += 8; num_bits >= 6; num_bits -= 6) {
            ret_text[len++] = base64[bits >> (num_bits - 6) & 63];
        }
    }
    ret_text[len++] = base64[bits << (6 - num_bits) & 63];
    ret_text[len++] = '=';
    ret_text[len] = '\0';
    return ret_text;
}

bool fleet_key_load(const char *path, uint8_t ret_key[FLEET_KEY_BYTES], char ret_error[FLEET_KEY_ERROR_MAX])
{
    struct file file;
    const char *error = file_read(path, 4096, &file);

    if (error == NULL) {
        bool read = fleet_key_parse(span_of(file.data, file.len), ret_key);
        file_free(&file);
        error = read ? NULL : "is not a fleet key (32 bytes as hex or base64)";
    }
    (void)snprintf(ret_error, FLEET_KEY_ERROR_MAX, "%s%s%s", error == NULL ? "" : path,
                   error == NULL ? "" : ": ", error == NULL ? "" : error);
    return error == NULL;
}

static bool all_written(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0;
}

/* The name too must survive a power cut. */
static bool folder_sync(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : HF_MAX((int)(slash - path), 1),
                   slash == NULL ? "." : path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return synced;
}

static bool key_write(int fd, const uint8_t key[FLEET_KEY_BYTES])
{
    char text[FLEET_KEY_TEXT_MAX];
    (void)fleet_key_format(key, text);
    size_t len = strlen(text);
    text[len] = '\n';
    bool written = all_written(fd, text, len + 1);
    secret_wipe(text, sizeof(text));
    return written;
}

/* Under another name first: a crash must not leave half a key, which no later start would replace. */
static bool key_make(const char *path, const char *draft, uint8_t *ret_key)
{
    (void)unlink(draft); /* of a start that was cut off */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool made = getrandom(ret_key, FLEET_KEY_BYTES, 0) == FLEET_KEY_BYTES && key_write(fd, ret_key) &&
                renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
    int error = errno;
    (void)close(fd);
    if (!made) {
        (void)unlink(draft);
    } else if (!folder_sync(path)) {
        error = errno;
        made = false;
        (void)unlink(path);
    }
    errno = error;
    return made;
}

bool fleet_key_create(const char *path, uint8_t ret_key[FLEET_KEY_BYTES], char ret_error[FLEET_KEY_ERROR_MAX])
{
    char draft[4096];
    bool fits = snprintf(draft, sizeof(draft), "%s.new", path) < (int)sizeof(draft);

    ret_error[0] = '\0';
    errno = ENAMETOOLONG;
    if (fits && key_make(path, draft, ret_key)) {
        return true;
    }
    (void)snprintf(ret_error, FLEET_KEY_ERROR_MAX, "%s: cannot be made: %s", path, strerror(errno));
    return false;
}
