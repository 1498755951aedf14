#include "tests/unit/wire/raw.h"

#include "edge/wire/ids.h"

#include <ctype.h>
#include <stdlib.h>

void raw_u8(struct raw *raw, unsigned value)
{
    hf_assert(raw->len < sizeof(raw->bytes));
    raw->bytes[raw->len++] = (uint8_t)value;
}

void raw_u16(struct raw *raw, unsigned value)
{
    raw_u8(raw, value >> 8 & 0xff);
    raw_u8(raw, value & 0xff);
}

void raw_u32(struct raw *raw, uint32_t value)
{
    raw_u16(raw, value >> 16);
    raw_u16(raw, value & 0xffff);
}

void raw_hex(struct raw *raw, const char *hex)
{
    while (*hex != '\0') {
        if (*hex == ' ' || *hex == '|') {
            hex++;
            continue;
        }
        hf_assert(isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]));
        char digits[3] = {hex[0], hex[1], '\0'};
        unsigned value = (unsigned)strtoul(digits, NULL, 16);
        unsigned long times = 1;
        hex += 2;
        if (*hex == '*') {
            char *end;
            times = strtoul(hex + 1, &end, 10);
            hex = end;
        }
        for (unsigned long i = 0; i < times; i++) {
            raw_u8(raw, value);
        }
    }
}

void raw_text(struct raw *raw, const char *text)
{
    for (; *text != '\0'; text++) {
        raw_u8(raw, (unsigned char)*text);
    }
}

size_t raw_payload(struct raw *raw, unsigned next)
{
    size_t at = raw->len;
    raw_u8(raw, next);
    raw_u8(raw, 0);
    raw_u16(raw, 0);
    return at;
}

void raw_close(struct raw *raw, size_t at)
{
    size_t len = raw->len - at;
    raw->bytes[at + 2] = (uint8_t)(len >> 8);
    raw->bytes[at + 3] = (uint8_t)len;
}

static uint8_t type_of_letter(char letter)
{
    static const char letters[] = "-epikn";
    const char *found = strchr(letters, letter);
    hf_assert(found != NULL && found != letters);
    return (uint8_t)(found - letters);
}

/* One "e20:256"; returns the text behind it. */
static const char *raw_transform(struct raw *raw, const char *text, size_t *ret_at)
{
    char *end;
    unsigned type = type_of_letter(*text);
    unsigned id = (unsigned)strtoul(text + 1, &end, 10);
    size_t at = raw_payload(raw, 3);
    raw_u8(raw, type);
    raw_u8(raw, 0);
    raw_u16(raw, id);
    if (*end == ':') {
        raw_u16(raw, 0x800e);
        raw_u16(raw, (unsigned)strtoul(end + 1, &end, 10));
    }
    raw_close(raw, at);
    *ret_at = at;
    return end;
}

static const char *raw_proposal_head(struct raw *raw, const char *text)
{
    char *end;
    raw_u8(raw, (unsigned)strtoul(text, &end, 10));
    text = end + 1;
    size_t name_len = strcspn(text, " =");
    raw_u8(raw, text[0] == 'i' ? PROTOCOL_IKE : text[0] == 'a' ? PROTOCOL_AH : PROTOCOL_ESP);
    text += name_len;
    size_t size_at = raw->len;
    raw_u16(raw, 0); /* SPI size, number of transforms */
    if (*text == '=') {
        struct raw spi = {.len = 0};
        char hex[32] = {0};
        size_t len = strcspn(++text, " ");
        hf_assert(len < sizeof(hex));
        memcpy(hex, text, len);
        raw_hex(&spi, hex);
        raw->bytes[size_at] = (uint8_t)spi.len;
        raw_hex(raw, hex);
        text += len;
    }
    return text;
}

void raw_sa_body(struct raw *raw, const char *line)
{
    size_t at = 0;
    while (*line != '\0') {
        size_t last = 0;
        at = raw_payload(raw, 2);
        line = raw_proposal_head(raw, line);
        while (*line == ' ') {
            line = raw_transform(raw, line + 1, &last);
            raw->bytes[at + 7]++;
        }
        raw->bytes[last] = 0;
        raw_close(raw, at);
        line += strspn(line, "; ");
    }
    raw->bytes[at] = 0;
}
