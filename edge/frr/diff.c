/* From one configuration to another. A line stands in the context of the lines above it that are indented
 * less; what differs is taken out or put in within its context, and nothing else is touched, so that sessions
 * stay up whose lines are the same. */
#include "edge/frr/setup.h"

#include "edge/frr/text.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 2048, DEPTH_MAX = 3, WORDS_MAX = 6 };

struct line {
    struct span text;
    struct span above[DEPTH_MAX - 1]; /* empty: none */
    uint32_t depth;
};

struct lines {
    struct line v[LINES_MAX];
    uint32_t count;
    bool overflow;
};

static bool begins_with(struct span text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

static struct span word(struct span text, uint32_t number)
{
    size_t at = 0, from;
    for (;; number--) {
        while (at < text.len && text.data[at] == ' ') {
            at++;
        }
        from = at;
        while (at < text.len && text.data[at] != ' ') {
            at++;
        }
        if (number == 0 || at == text.len) {
            return number == 0 ? span_of(text.data + from, at - from) : span_of(text.data, 0);
        }
    }
}

static struct span outermost(const struct line *line)
{
    return line->depth == 0 ? line->text : line->above[0];
}

/* ---- reading */

static bool is_ours(const struct line *line, const char *only, struct span router)
{
    static const char *const names[] = {"ip prefix-list HF-", "ipv6 prefix-list HF-", "route-map HF-"};
    struct span top = outermost(line);
    if (only != NULL) {
        return begins_with(top, only);
    }
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        if (begins_with(top, names[i])) {
            return true;
        }
    }
    struct span inner = line->depth == 1 ? line->text : line->above[1];
    bool is_profile = span_equal(top, span_of_string("bfd")) &&
                      (line->depth == 0 || span_equal(inner, span_of_string("profile holdfast")));
    return is_profile || (router.len > 0 && span_equal(top, router));
}

static void line_read(struct lines *lines, struct span *stack, struct span raw)
{
    uint32_t depth = 0;
    while (depth < raw.len && raw.data[depth] == ' ') {
        depth++;
    }
    struct span text = span_of(raw.data + depth, raw.len - depth);
    if (text.len == 0 || text.data[0] == '!' || begins_with(text, "exit") || depth >= DEPTH_MAX) {
        return;
    }
    stack[depth] = text;
    if (lines->count == LINES_MAX) {
        lines->overflow = true;
        return;
    }
    struct line *line = &lines->v[lines->count++];
    *line = (struct line){.text = text, .depth = depth};
    for (uint32_t i = 0; i < depth && i < DEPTH_MAX - 1; i++) {
        line->above[i] = stack[i];
    }
}

static struct span router_of(const char *text)
{
    const char *at = strncmp(text, "router bgp ", 11) == 0 ? text : strstr(text, "\nrouter bgp ");
    if (at == NULL) {
        return span_of(NULL, 0);
    }
    at += *at == '\n';
    return span_of(at, strcspn(at, "\r\n"));
}

/* Of the lines of `text` those that are ours. */
static struct lines *lines_read(const char *text, const char *only, struct span router)
{
    struct span stack[DEPTH_MAX] = {{0}};
    struct lines *lines = calloc(1, sizeof(*lines));
    while (lines != NULL && *text != '\0') {
        size_t len = strcspn(text, "\r\n");
        uint32_t before = lines->count;
        line_read(lines, stack, span_of(text, len));
        if (lines->count > before && !is_ours(&lines->v[before], only, router)) {
            lines->count = before;
        }
        text += len + (text[len] != '\0');
    }
    return lines;
}

/* ---- comparing */

static bool same_place(const struct line *a, const struct line *b)
{
    return a->depth == b->depth && span_equal(a->above[0], b->above[0]) &&
           span_equal(a->above[1], b->above[1]);
}

static bool has_line(const struct lines *lines, const struct line *line)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        if (same_place(&lines->v[i], line) && span_equal(lines->v[i].text, line->text)) {
            return true;
        }
    }
    return false;
}

/* How many words say what a line is about; what follows is its value, which a new one replaces. */
static uint32_t key_words(struct span text)
{
    static const struct {
        const char *start;
        uint32_t words;
    } rows[] = {
        {"neighbor ", 3},     {"set ", 2},
        {"match ", 3},        {"bgp router-id ", 2},
        {"ip ", 5},           {"ipv6 ", 5},
        {"redistribute ", 2}, {"detect-multiplier ", 1},
        {"transmit-", 1},     {"receive-interval", 1},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (begins_with(text, rows[i].start)) {
            return rows[i].words;
        }
    }
    return UINT32_MAX;
}

static struct span last_word(struct span text)
{
    size_t at = text.len;
    while (at > 0 && text.data[at - 1] != ' ') {
        at--;
    }
    return span_of(text.data + at, text.len - at);
}

static bool replaces(struct span new, struct span old)
{
    uint32_t words = key_words(old);
    if (words == UINT32_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < words; i++) {
        if (!span_equal(word(new, i), word(old, i))) {
            return false;
        }
    }
    struct span what = word(old, 2), connect = span_of_string("connect");
    if (begins_with(old, "neighbor ") && span_equal(what, span_of_string("timers"))) {
        return span_equal(word(new, 3), connect) == span_equal(word(old, 3), connect);
    }
    if (begins_with(old, "neighbor ") && span_equal(what, span_of_string("route-map"))) {
        return span_equal(last_word(new), last_word(old));
    }
    return !begins_with(old, "neighbor ") || !span_equal(what, span_of_string("bfd"));
}

static bool is_replaced(const struct lines *wanted, const struct line *old)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (same_place(&wanted->v[i], old) && replaces(wanted->v[i].text, old->text)) {
            return true;
        }
    }
    return false;
}

/* With a line that opens a context goes all that is in it; with a neighbour, all lines about it. */
static bool goes_with_another(const struct lines *wanted, const struct line *old)
{
    bool has_above = old->depth == 0, has_neighbour = !begins_with(old->text, "neighbor ");
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct line *line = &wanted->v[i];
        has_above = has_above || (line->depth == 0 && span_equal(line->text, old->above[0]));
        has_neighbour = has_neighbour || (begins_with(line->text, "neighbor ") &&
                                          span_equal(word(line->text, 1), word(old->text, 1)));
    }
    return !has_above || (!has_neighbour && !span_equal(word(old->text, 2), span_of_string("remote-as")));
}

/* ---- writing */

struct place {
    struct text *out;
    const struct line *at; /* the context is this line's; NULL: the outermost */
};

static void place_leave(struct place *place)
{
    for (uint32_t i = place->at == NULL ? 0 : place->at->depth; i > 0; i--) {
        text_add(place->out, "exit\n");
    }
    place->at = NULL;
}

static void place_go(struct place *place, const struct line *line)
{
    if (place->at != NULL && same_place(place->at, line)) {
        return;
    }
    place_leave(place);
    for (uint32_t i = 0; i < line->depth && i < DEPTH_MAX - 1; i++) {
        text_add(place->out, "%.*s\n", (int)line->above[i].len, (const char *)line->above[i].data);
    }
    place->at = line;
}

static void put_removal(struct place *place, const struct line *line)
{
    bool negated = begins_with(line->text, "no ");
    const char *text = (const char *)line->text.data + (negated ? 3 : 0);
    place_go(place, line);
    text_add(place->out, "%s%.*s\n", negated ? "" : "no ", (int)(line->text.len - (negated ? 3 : 0)), text);
}

static bool opens(struct span text)
{
    return begins_with(text, "route-map ") || begins_with(text, "router ") ||
           span_equal(text, span_of_string("bfd")) || begins_with(text, "address-family ") ||
           begins_with(text, "profile ");
}

static void put_new(struct place *place, const struct line *line)
{
    place_go(place, line);
    text_add(place->out, "%.*s\n", (int)line->text.len, (const char *)line->text.data);
    if (opens(line->text)) { /* where its lines, if any, find it again */
        text_add(place->out, "exit\n");
    }
}

bool frr_diff(const char *running, const char *wanted, const char *only, char *ret_commands, size_t cap)
{
    struct text out = {.out = ret_commands, .cap = cap};
    struct place place = {.out = &out};
    struct span router = router_of(wanted);
    struct lines *old = lines_read(running, only, router), *new = lines_read(wanted, only, router);
    bool fine = old != NULL && new != NULL && !old->overflow && !new->overflow;
    ret_commands[0] = '\0';
    for (uint32_t i = 0; fine && i < old->count; i++) {
        const struct line *line = &old->v[i];
        bool is_shared = span_equal(line->text, span_of_string("bfd")); /* others' profiles are in it, too */
        if (!is_shared && !has_line(new, line) && !is_replaced(new, line) && !goes_with_another(new, line)) {
            put_removal(&place, line);
        }
    }
    for (uint32_t i = 0; fine && i < new->count; i++) {
        if (!has_line(old, &new->v[i])) {
            put_new(&place, &new->v[i]);
        }
    }
    place_leave(&place);
    free(old);
    free(new);
    return fine && !out.overflow;
}

uint32_t frr_other_asn(const char *running, uint32_t asn)
{
    struct span router = router_of(running);
    char number[16] = "";
    struct span text = router.len == 0 ? router : word(router, 2);
    if (text.len == 0 || text.len >= sizeof(number) || word(router, 3).len > 0) {
        return 0; /* none, or of another VRF */
    }
    memcpy(number, text.data, text.len);
    uint32_t other = (uint32_t)strtoul(number, NULL, 10);
    return other == asn ? 0 : other;
}
