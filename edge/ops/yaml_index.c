#include "edge/ops/yaml_index.h"

#include "edge/base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct building {
    struct yaml_index *index;
    struct yaml_problem *problem;
    uint32_t stack[YAML_DEPTH_MAX]; /* open maps and lists */
    uint32_t depth;
    uint32_t documents;
    uint32_t key; /* offset of a key that waits for its value, or YAML_NONE */
    yaml_mark_t key_mark;
};

static bool refuse(struct building *b, yaml_mark_t mark, const char *text)
{
    b->problem->line = (uint32_t)mark.line + 1;
    b->problem->column = (uint32_t)mark.column + 1;
    (void)snprintf(b->problem->text, sizeof(b->problem->text), "%s", text);
    return false;
}

/* ---- memory ---- */

/* Grows by copying, so that what is left behind can be wiped. */
static void *grown(void *old, size_t old_bytes, size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory != NULL && old_bytes > 0) {
        memcpy(memory, old, old_bytes);
        secret_wipe(old, old_bytes);
    }
    if (memory != NULL) {
        free(old);
    }
    return memory;
}

static uint32_t string_add(struct yaml_index *index, const void *bytes, size_t len)
{
    if (index->strings_cap - index->strings_len <= len) {
        size_t cap = (index->strings_cap + len + 4096) * 2;
        char *strings = grown(index->strings, index->strings_len, cap);
        if (strings == NULL) {
            return YAML_NONE;
        }
        index->strings = strings;
        index->strings_cap = cap;
    }
    uint32_t offset = (uint32_t)index->strings_len;
    memcpy(index->strings + offset, bytes, len);
    index->strings[offset + len] = '\0';
    index->strings_len += len + 1;
    return offset;
}

static uint32_t node_new(struct yaml_index *index)
{
    if (index->num_nodes == index->cap_nodes) {
        uint32_t cap = index->cap_nodes * 2 + 64;
        struct yaml_node *nodes =
            grown(index->nodes, index->num_nodes * sizeof(*nodes), cap * sizeof(*nodes));
        if (nodes == NULL) {
            return YAML_NONE;
        }
        index->nodes = nodes;
        index->cap_nodes = cap;
    }
    return index->num_nodes++;
}

/* ---- events ---- */

static bool value_add(struct building *b, const yaml_event_t *event, enum yaml_kind kind, uint32_t *ret_node)
{
    struct yaml_index *index = b->index;
    bool keyed = b->key != YAML_NONE;
    bool nothing = kind == YAML_TEXT && event->data.scalar.length == 0 && event->data.scalar.plain_implicit;
    yaml_mark_t mark = keyed && nothing ? b->key_mark : event->start_mark;
    uint32_t at = index->num_nodes < YAML_NODES_MAX ? node_new(index) : YAML_NONE;

    if (at == YAML_NONE) {
        return refuse(b, event->start_mark, "the file is too large");
    }
    index->nodes[at] = (struct yaml_node){.kind = kind,
                                          .line = (uint32_t)mark.line + 1,
                                          .column = (uint32_t)mark.column + 1,
                                          .key = b->key,
                                          .text = YAML_NONE,
                                          .first = YAML_NONE,
                                          .last = YAML_NONE,
                                          .next = YAML_NONE};
    index->nodes[at].key_line = keyed ? (uint32_t)b->key_mark.line + 1 : index->nodes[at].line;
    index->nodes[at].key_column = keyed ? (uint32_t)b->key_mark.column + 1 : index->nodes[at].column;
    b->key = YAML_NONE;
    if (b->depth > 0) {
        struct yaml_node *parent = &index->nodes[b->stack[b->depth - 1]];
        if (parent->last == YAML_NONE) {
            parent->first = at;
        } else {
            index->nodes[parent->last].next = at;
        }
        parent->last = at;
        parent->count++;
    }
    *ret_node = at;
    return true;
}

static bool is_key_position(const struct building *b)
{
    return b->depth > 0 && b->key == YAML_NONE && b->index->nodes[b->stack[b->depth - 1]].kind == YAML_MAP;
}

static bool key_read(struct building *b, const yaml_event_t *event)
{
    struct span key = span_of(event->data.scalar.value, event->data.scalar.length);
    char text[120];

    if (memchr(key.data, 0, key.len) != NULL) {
        return refuse(b, event->start_mark, "a key holds a zero byte");
    }
    if (b->index->nodes[b->stack[b->depth - 1]].count == YAML_KEYS_MAX) {
        return refuse(b, event->start_mark, "too many keys");
    }
    if (yaml_child(b->index, b->stack[b->depth - 1], key) != YAML_NONE) {
        (void)snprintf(text, sizeof(text), "the key '%.60s' stands here twice", (const char *)key.data);
        return refuse(b, event->start_mark, text);
    }
    b->key = string_add(b->index, key.data, key.len);
    b->key_mark = event->start_mark;
    return b->key != YAML_NONE || refuse(b, event->start_mark, "out of memory");
}

static bool scalar_read(struct building *b, const yaml_event_t *event)
{
    uint32_t node;

    if (event->data.scalar.anchor != NULL) {
        return refuse(b, event->start_mark, "anchors and aliases are not supported");
    }
    if (is_key_position(b)) {
        return key_read(b, event);
    }
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length) != NULL) {
        return refuse(b, event->start_mark, "a text holds a zero byte");
    }
    if (!value_add(b, event, YAML_TEXT, &node)) {
        return false;
    }
    b->index->nodes[node].plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    uint32_t text = string_add(b->index, event->data.scalar.value, event->data.scalar.length);
    b->index->nodes[node].text = text;
    return text != YAML_NONE || refuse(b, event->start_mark, "out of memory");
}

static bool group_open(struct building *b, const yaml_event_t *event, enum yaml_kind kind)
{
    const yaml_char_t *anchor =
        kind == YAML_MAP ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    uint32_t node;

    if (anchor != NULL) {
        return refuse(b, event->start_mark, "anchors and aliases are not supported");
    }
    if (is_key_position(b)) {
        return refuse(b, event->start_mark, "a key must be a text");
    }
    if (b->depth == YAML_DEPTH_MAX) {
        return refuse(b, event->start_mark, "nested too deeply");
    }
    if (!value_add(b, event, kind, &node)) {
        return false;
    }
    b->stack[b->depth++] = node;
    return true;
}

static bool event_take(struct building *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return scalar_read(b, event);
    case YAML_MAPPING_START_EVENT:
        return group_open(b, event, YAML_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return group_open(b, event, YAML_LIST);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return true;
    case YAML_ALIAS_EVENT:
        return refuse(b, event->start_mark, "anchors and aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        return ++b->documents == 1 || refuse(b, event->start_mark, "a second document in the file");
    default:
        return true;
    }
}

static bool syntax_refuse(struct building *b, const yaml_parser_t *parser)
{
    char text[160];
    const char *problem = parser->problem == NULL ? "not YAML" : parser->problem;
    const char *context = parser->context == NULL ? "" : parser->context;

    (void)snprintf(text, sizeof(text), "%s%s%s", problem, *context != '\0' ? " " : "", context);
    return refuse(b, parser->problem_mark, text);
}

static bool events_read(struct building *b, yaml_parser_t *parser)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return syntax_refuse(b, parser);
        }
        done = event.type == YAML_STREAM_END_EVENT;
        bool taken = event_take(b, &event);
        yaml_event_delete(&event);
        if (!taken) {
            return false;
        }
    }
    return true;
}

struct yaml_index *yaml_index_new(struct span text, struct yaml_problem *ret_problem)
{
    struct building b = {.index = calloc(1, sizeof(*b.index)), .problem = ret_problem, .key = YAML_NONE};
    yaml_parser_t parser;

    *ret_problem = (struct yaml_problem){0};
    if (b.index == NULL || yaml_parser_initialize(&parser) == 0) {
        (void)refuse(&b, (yaml_mark_t){0}, "out of memory");
        yaml_index_free(b.index);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, text.data, text.len);
    bool read = events_read(&b, &parser);
    yaml_parser_delete(&parser);
    if (!read) {
        yaml_index_free(b.index);
        return NULL;
    }
    return b.index;
}

void yaml_index_free(struct yaml_index *index)
{
    if (index == NULL) {
        return;
    }
    if (index->strings != NULL) {
        secret_wipe(index->strings, index->strings_len);
    }
    free(index->strings);
    free(index->nodes);
    free(index);
}

/* ---- reading ---- */

const char *yaml_key(const struct yaml_index *index, uint32_t node)
{
    uint32_t key = index->nodes[node].key;
    return key == YAML_NONE ? "" : index->strings + key;
}

const char *yaml_text(const struct yaml_index *index, uint32_t node)
{
    uint32_t text = index->nodes[node].text;
    return text == YAML_NONE ? "" : index->strings + text;
}

bool yaml_is_null(const struct yaml_index *index, uint32_t node)
{
    const struct yaml_node *n = &index->nodes[node];
    const char *text = yaml_text(index, node);

    return n->kind == YAML_TEXT && n->plain &&
           (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

uint32_t yaml_child(const struct yaml_index *index, uint32_t node, struct span key)
{
    for (uint32_t at = index->nodes[node].first; at != YAML_NONE; at = index->nodes[at].next) {
        if (index->nodes[at].key != YAML_NONE && span_equal(span_of_string(yaml_key(index, at)), key)) {
            return at;
        }
    }
    return YAML_NONE;
}

static uint32_t element(const struct yaml_index *index, uint32_t node, uint32_t number)
{
    uint32_t at = index->nodes[node].first;
    while (at != YAML_NONE && number-- > 0) {
        at = index->nodes[at].next;
    }
    return at;
}

bool yaml_find(const struct yaml_index *index, const char *path, uint32_t *ret_node)
{
    *ret_node = index->num_nodes == 0 ? YAML_NONE : 0;
    while (*path != '\0' && *ret_node != YAML_NONE) {
        uint32_t next;
        if (*path == '[') {
            char *end;
            next = element(index, *ret_node, (uint32_t)strtoul(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : end;
        } else {
            path += *path == '.';
            size_t len = strcspn(path, ".[");
            next = yaml_child(index, *ret_node, span_of(path, len));
            path += len;
        }
        if (next == YAML_NONE) {
            return false;
        }
        *ret_node = next;
    }
    return *ret_node != YAML_NONE;
}
