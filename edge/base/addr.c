#include "edge/base/addr.h"

#include "edge/base/bytes.h"
#include "edge/base/writer.h"

enum {
    V4_DEPTH = 96, /* bits before the IPv4 address in the v4-mapped form */
    GROUPS = 8,
};

static const uint8_t V4_MAPPED[V4_DEPTH / 8] = {[10] = 0xff, [11] = 0xff};

bool ip_is_v4(const struct ip_addr *addr)
{
    return memcmp(addr->bytes, V4_MAPPED, sizeof(V4_MAPPED)) == 0;
}

struct span ip_span(const struct ip_addr *addr)
{
    return ip_is_v4(addr) ? span_of(addr->bytes + sizeof(V4_MAPPED), 4) : span_of(addr->bytes, 16);
}

bool ip_is_zero(const struct ip_addr *addr)
{
    static const uint8_t zeros[16];
    struct span own = ip_span(addr);
    return memcmp(own.data, zeros, own.len) == 0;
}

struct ip_addr ip_from_v4(const uint8_t bytes[4])
{
    struct ip_addr addr;
    memcpy(addr.bytes, V4_MAPPED, sizeof(V4_MAPPED));
    memcpy(addr.bytes + sizeof(V4_MAPPED), bytes, 4);
    return addr;
}

struct ip_addr ip_from_v6(const uint8_t bytes[16])
{
    struct ip_addr addr;
    memcpy(addr.bytes, bytes, 16);
    return addr;
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return ip_compare(a, b) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && ip_equal(&a->addr, &b->addr);
}

int ip_compare(const struct ip_addr *a, const struct ip_addr *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

struct ip_addr ip_add(const struct ip_addr *addr, uint64_t offset)
{
    struct ip_addr sum = *addr;
    if (ip_is_v4(addr)) {
        be32_store(sum.bytes + 12, be32_load(addr->bytes + 12) + (uint32_t)offset);
        return sum;
    }
    uint64_t low = be64_load(addr->bytes + 8) + offset;
    be64_store(sum.bytes + 8, low);
    be64_store(sum.bytes, be64_load(addr->bytes) + (low < offset ? 1 : 0));
    return sum;
}

static void number_write(struct writer *w, uint32_t value, uint32_t base)
{
    char digits[10];
    size_t num = 0;
    do {
        digits[num++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    while (num > 0) {
        writer_u8(w, (uint8_t)digits[--num]);
    }
}

static void v4_write(struct writer *w, const uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            writer_u8(w, '.');
        }
        number_write(w, bytes[i], 10);
    }
}

/* RFC 5952 4.2: the longest run of zero groups becomes "::", the first of equals, never a single group. */
static int zero_run(const struct ip_addr *addr, int *ret_first)
{
    int longest = 1;
    *ret_first = GROUPS;
    for (int i = 0, run = 0; i < GROUPS; i++) {
        run = be16_load(addr->bytes + 2 * i) == 0 ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            *ret_first = i + 1 - run;
        }
    }
    return longest;
}

static void v6_write(struct writer *w, const struct ip_addr *addr)
{
    int run_first;
    int run = zero_run(addr, &run_first);
    for (int i = 0; i < GROUPS; i++) {
        if (i == run_first) {
            writer_bytes(w, "::", 2);
            i += run - 1;
            continue;
        }
        if (i > 0 && i != run_first + run) {
            writer_u8(w, ':');
        }
        number_write(w, be16_load(addr->bytes + 2 * i), 16);
    }
}

static void ip_write(struct writer *w, const struct ip_addr *addr)
{
    if (ip_is_v4(addr)) {
        v4_write(w, addr->bytes + sizeof(V4_MAPPED));
    } else {
        v6_write(w, addr);
    }
}

/* Ends the text; the sizes in addr.h are large enough for every value, so an overflow is our own mistake. */
static const char *text_end(struct writer *w)
{
    writer_u8(w, 0);
    hf_assert(!w->overflow);
    return (const char *)w->data;
}

const char *ip_format(const struct ip_addr *addr, char ret_text[IP_TEXT_MAX])
{
    struct writer w = writer_of(ret_text, IP_TEXT_MAX);
    ip_write(&w, addr);
    return text_end(&w);
}

const char *endpoint_format(const struct endpoint *ep, char ret_text[ENDPOINT_TEXT_MAX])
{
    struct writer w = writer_of(ret_text, ENDPOINT_TEXT_MAX);
    bool brackets = !ip_is_v4(&ep->addr);
    if (brackets) {
        writer_u8(&w, '[');
    }
    ip_write(&w, &ep->addr);
    if (brackets) {
        writer_u8(&w, ']');
    }
    writer_u8(&w, ':');
    number_write(&w, ep->port, 10);
    return text_end(&w);
}

const char *prefix_format(const struct ip_prefix *prefix, char ret_text[PREFIX_TEXT_MAX])
{
    struct writer w = writer_of(ret_text, PREFIX_TEXT_MAX);
    ip_write(&w, &prefix->addr);
    writer_u8(&w, '/');
    number_write(&w, prefix->bits, 10);
    return text_end(&w);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One to `digits_max` digits; the cursor is then behind them. */
static bool number_parse(const char **cursor, uint32_t base, uint32_t digits_max, uint32_t *ret_value)
{
    uint32_t value = 0, num = 0;
    for (; num < digits_max; num++, (*cursor)++) {
        int digit = digit_value(**cursor);
        if (digit < 0 || (uint32_t)digit >= base) {
            break;
        }
        value = value * base + (uint32_t)digit;
    }
    *ret_value = value;
    return num > 0;
}

/* A decimal number up to `max` without leading zeros, which some read as octal. */
static bool decimal_parse(const char **cursor, uint32_t max, uint32_t *ret_value)
{
    const char *start = *cursor;
    if (!number_parse(cursor, 10, 3, ret_value) || *ret_value > max) {
        return false;
    }
    return *start != '0' || *cursor == start + 1;
}

static bool v4_parse(const char *text, uint8_t ret_bytes[4])
{
    for (int i = 0; i < 4; i++) {
        uint32_t value;
        if ((i > 0 && *text++ != '.') || !decimal_parse(&text, 255, &value)) {
            return false;
        }
        ret_bytes[i] = (uint8_t)value;
    }
    return *text == 0;
}

/* What stands after the groups parsed so far: nothing, ":" and more, or the only "::". */
static bool v6_separator(const char **cursor, int num, int *gap)
{
    if (**cursor == 0) {
        return true;
    }
    if (*(*cursor)++ != ':') {
        return false;
    }
    if (**cursor == ':') {
        (*cursor)++;
        bool first = *gap < 0;
        *gap = num;
        return first;
    }
    return **cursor != 0;
}

/* RFC 4291 2.2: eight groups, or fewer and one "::" for the zeros; the last two may be written as IPv4. */
static bool v6_parse(const char *text, uint8_t ret_bytes[16])
{
    uint8_t bytes[16] = {0};
    int num = 0, gap = -1; /* groups so far, and how many of them stand before "::" */
    if (text[0] == ':' && text[1] == ':') {
        gap = 0;
        text += 2;
    }
    while (*text != 0) {
        uint32_t group;
        if (num <= GROUPS - 2 && (num > 0 || gap == 0) && v4_parse(text, bytes + 2 * num)) {
            num += 2;
            break;
        }
        if (num == GROUPS || !number_parse(&text, 16, 4, &group)) {
            return false;
        }
        be16_store(bytes + 2 * num++, (uint16_t)group);
        if (!v6_separator(&text, num, &gap)) {
            return false;
        }
    }
    if (gap < 0 ? num != GROUPS : num == GROUPS) {
        return false;
    }
    size_t before = gap < 0 ? 16 : 2 * (size_t)gap;
    size_t after = 2 * (size_t)num - before;
    memset(ret_bytes, 0, 16);
    memcpy(ret_bytes, bytes, before);
    memcpy(ret_bytes + 16 - after, bytes + before, after);
    return true;
}

bool ip_parse(const char *text, struct ip_addr *ret_addr)
{
    uint8_t bytes[16];
    if (v4_parse(text, bytes)) {
        *ret_addr = ip_from_v4(bytes);
        return true;
    }
    if (v6_parse(text, bytes)) {
        *ret_addr = ip_from_v6(bytes);
        return true;
    }
    return false;
}

/* The address with every bit after the first `depth` set to those of `fill`. */
static struct ip_addr host_bits_fill(const struct ip_addr *addr, uint32_t depth, uint8_t fill)
{
    struct ip_addr result = *addr;
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t kept = depth > 8 * i ? HF_MIN(depth - 8 * i, 8) : 0;
        uint8_t host = (uint8_t)(0xff >> kept);
        result.bytes[i] = (uint8_t)((result.bytes[i] & ~host) | (fill & host));
    }
    return result;
}

bool prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
    char head[IP_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t head_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (head_len >= sizeof(head)) {
        return false;
    }
    memcpy(head, text, head_len);
    head[head_len] = 0;

    struct ip_addr addr;
    if (!ip_parse(head, &addr)) {
        return false;
    }
    /* "::ffff:10.0.0.0/104" counts its length from the start of the v4-mapped form. Lengths below 96 are
     * refused by the test for host bits, because the form's ones are then beyond the length. */
    bool counts_from_v6 = strchr(head, ':') != NULL;
    uint32_t depth = 128;
    if (slash != NULL) {
        const char *bits = slash + 1;
        if (!decimal_parse(&bits, 128, &depth) || *bits != 0) {
            return false;
        }
        depth += counts_from_v6 ? 0 : V4_DEPTH;
    }
    struct ip_addr first = host_bits_fill(&addr, HF_MIN(depth, 128), 0);
    if (depth > 128 || !ip_equal(&first, &addr)) {
        return false;
    }
    bool is_v4 = ip_is_v4(&addr);
    uint32_t bits = is_v4 ? depth - V4_DEPTH : depth;
    *ret_prefix = (struct ip_prefix){.addr = addr, .bits = (uint8_t)bits, .is_v4 = is_v4};
    return true;
}

/* Length of the prefix in the 128-bit form. */
static uint32_t prefix_depth(const struct ip_prefix *prefix)
{
    hf_assert(prefix->bits <= (prefix->is_v4 ? 32 : 128));
    return prefix->bits + (prefix->is_v4 ? V4_DEPTH : 0);
}

bool prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
    if (ip_is_v4(addr) != prefix->is_v4) {
        return false;
    }
    struct ip_addr first = prefix_first(prefix);
    struct ip_addr same = host_bits_fill(addr, prefix_depth(prefix), 0);
    return ip_equal(&first, &same);
}

bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return a->is_v4 == b->is_v4 && a->bits == b->bits && ip_equal(&a->addr, &b->addr);
}

bool prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
    const struct ip_prefix *wide = a->bits <= b->bits ? a : b;
    const struct ip_prefix *narrow = wide == a ? b : a;
    if (a->is_v4 != b->is_v4) {
        return false;
    }
    struct ip_addr first = prefix_first(wide);
    struct ip_addr same = host_bits_fill(&narrow->addr, prefix_depth(wide), 0);
    return ip_equal(&first, &same);
}

struct ip_addr prefix_first(const struct ip_prefix *prefix)
{
    return host_bits_fill(&prefix->addr, prefix_depth(prefix), 0);
}

struct ip_addr prefix_last(const struct ip_prefix *prefix)
{
    return host_bits_fill(&prefix->addr, prefix_depth(prefix), 0xff);
}
