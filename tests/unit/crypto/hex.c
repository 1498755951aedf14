#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>
#include <ctype.h>

static int digit_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

struct hex hex(const char *text)
{
    struct hex value = {.len = 0};

    while (*text != '\0') {
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        hf_assert(isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]));
        hf_assert(value.len < HEX_BYTES_MAX);
        value.bytes[value.len++] = (uint8_t)(digit_of(text[0]) << 4 | digit_of(text[1]));
        text += 2;
    }
    return value;
}

struct span hex_span(const struct hex *value)
{
    return span_of(value->bytes, value->len);
}

void hex_expect(const char *what, struct span got, const char *expected)
{
    struct hex want = hex(expected);

    cr_assert_eq(got.len, want.len, "%s: %zu bytes, expected %zu", what, got.len, want.len);
    for (size_t i = 0; i < want.len; i++) {
        cr_assert_eq(got.data[i], want.bytes[i], "%s: byte %zu is %02x, expected %02x", what, i, got.data[i],
                     want.bytes[i]);
    }
}
