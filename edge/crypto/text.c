#include "edge/crypto/text.h"

static const char digits[] = "0123456789abcdef";

struct text text_of(char *out, size_t cap)
{
    hf_assert(cap > sizeof("..."));
    return (struct text){.out = out, .cap = cap};
}

void text_add_char(struct text *text, char c)
{
    if (text->len + sizeof("...") >= text->cap) {
        text->cut = true;
    }
    if (!text->cut) {
        text->out[text->len++] = c;
    }
}

void text_add(struct text *text, const char *string)
{
    while (*string != '\0') {
        text_add_char(text, *string++);
    }
}

void text_add_number(struct text *text, uint64_t value)
{
    char reversed[20];
    size_t len = 0;

    do {
        reversed[len++] = digits[value % 10];
        value /= 10;
    } while (value > 0);
    while (len > 0) {
        text_add_char(text, reversed[--len]);
    }
}

void text_add_hex(struct text *text, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        text_add_char(text, digits[bytes.data[i] >> 4]);
        text_add_char(text, digits[bytes.data[i] & 15]);
    }
}

void text_add_escaped(struct text *text, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        struct span one = span_of(bytes.data + i, 1);
        if (!ascii_is_printable(one)) {
            text_add(text, "\\x");
            text_add_hex(text, one);
        } else {
            text_add(text, bytes.data[i] == '\\' ? "\\" : "");
            text_add_char(text, (char)bytes.data[i]);
        }
    }
}

const char *text_end(struct text *text)
{
    if (text->cut) {
        memcpy(text->out + text->len, "...", 3);
        text->len += 3;
    }
    text->out[text->len] = '\0';
    return text->out;
}

bool ascii_is_printable(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ascii_equal(struct span a, struct span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower((char)a.data[i]) != ascii_lower((char)b.data[i])) {
            return false;
        }
    }
    return true;
}

int ascii_digit(char c)
{
    char lower = ascii_lower(c);

    if (lower >= '0' && lower <= '9') {
        return lower - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
