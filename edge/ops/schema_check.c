#include "edge/ops/schema_check.h"

#include <stdio.h>
#include <stdlib.h>

/* A node and what the schema wants there. */
struct visit {
    const struct check *check;
    uint32_t node;
    const cyaml_schema_value_t *schema;
    const char *path;
};

static void value_check(const struct visit *visit);

static void fail(const struct visit *visit, const char *text)
{
    check_fail(visit->check, visit->path, "%s", text);
}

static const char *kind_name(const struct yaml_index *index, uint32_t node)
{
    switch (index->nodes[node].kind) {
    case YAML_MAP:
        return "a group of keys";
    case YAML_LIST:
        return "a list";
    default:
        return yaml_is_null(index, node) ? "nothing" : "a single value";
    }
}

/* True when the node is of that kind (and, for a text, says something). */
static bool kind_is(const struct visit *visit, enum yaml_kind kind, const char *wanted)
{
    const struct yaml_index *index = visit->check->index;
    bool nothing = yaml_is_null(index, visit->node);

    if (index->nodes[visit->node].kind == kind && !nothing) {
        return true;
    }
    check_fail(visit->check, visit->path, "expected %s, found %s", wanted, kind_name(index, visit->node));
    return false;
}

/* ---- keys ---- */

/* Edits (insert, delete, replace) between two keys, capped: enough to know a slip of the finger. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[33];
    size_t len_b = strlen(b);

    if (len_b >= HF_COUNT(row) || strlen(a) >= HF_COUNT(row)) {
        return UINT32_MAX;
    }
    for (size_t k = 0; k <= len_b; k++) {
        row[k] = (unsigned)k;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= len_b; k++) {
            unsigned replace = diagonal + (a[i - 1] != b[k - 1]);
            diagonal = row[k];
            row[k] = HF_MIN(replace, HF_MIN(row[k], row[k - 1]) + 1);
        }
    }
    return row[len_b];
}

static const char *nearest(const cyaml_schema_field_t *fields, const char *key)
{
    const char *best = NULL;
    unsigned best_distance = 3;

    for (; fields->key != NULL; fields++) {
        unsigned d = distance(key, fields->key);
        if (d < best_distance) {
            best = fields->key;
            best_distance = d;
        }
    }
    return best;
}

static void key_refuse(const struct visit *visit, const struct yaml_node *child, const char *key)
{
    const cyaml_schema_field_t *fields = visit->schema->mapping.fields;
    const char *near = nearest(fields, key);
    char known[240] = "";
    size_t len = 0;

    for (; fields->key != NULL && len < sizeof(known); fields++) {
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len > 0 ? ", " : "", fields->key);
    }
    struct finding_place place = {.line = child->key_line, .column = child->key_column};
    if (near != NULL) {
        finding_at(visit->check, place, visit->path, "unknown key '%.60s'; did you mean '%s'?", key, near);
    } else {
        finding_at(visit->check, place, visit->path, "unknown key '%.60s'; known here: %s", key, known);
    }
}

static const cyaml_schema_field_t *field_of(const cyaml_schema_field_t *fields, const char *key)
{
    while (fields->key != NULL && strcmp(fields->key, key) != 0) {
        fields++;
    }
    return fields->key == NULL ? NULL : fields;
}

static struct check_path child_path(const struct visit *visit, const char *key)
{
    return check_path_of("%s%s%s", visit->path, visit->path[0] != '\0' ? "." : "", key);
}

static void map_check(const struct visit *visit)
{
    const struct yaml_index *index = visit->check->index;
    const cyaml_schema_field_t *fields = visit->schema->mapping.fields;

    if (!kind_is(visit, YAML_MAP, "a group of keys")) {
        return;
    }
    for (uint32_t at = index->nodes[visit->node].first; at != YAML_NONE; at = index->nodes[at].next) {
        const char *key = yaml_key(index, at);
        const cyaml_schema_field_t *field = field_of(fields, key);
        if (field == NULL) {
            key_refuse(visit, &index->nodes[at], key);
            continue;
        }
        struct check_path path = child_path(visit, key);
        struct visit child = {visit->check, at, &field->value, path.text};
        value_check(&child);
    }
    for (; fields->key != NULL; fields++) {
        bool required = (fields->value.flags & CYAML_FLAG_OPTIONAL) == 0;
        if (required && yaml_child(index, visit->node, span_of_string(fields->key)) == YAML_NONE) {
            struct check_path path = child_path(visit, fields->key);
            check_fail(visit->check, path.text, "missing");
        }
    }
}

/* ---- lists and single values ---- */

static void list_check(const struct visit *visit)
{
    const struct yaml_index *index = visit->check->index;
    uint32_t number = 0;

    if (!kind_is(visit, YAML_LIST, "a list")) {
        return;
    }
    uint32_t count = index->nodes[visit->node].count;
    if (count < visit->schema->sequence.min) {
        fail(visit, "the list is empty");
    }
    if (count > visit->schema->sequence.max) {
        check_fail(visit->check, visit->path, "%u entries, at most %u are possible", count,
                   visit->schema->sequence.max);
        return;
    }
    for (uint32_t at = index->nodes[visit->node].first; at != YAML_NONE; at = index->nodes[at].next) {
        struct check_path path = check_path_of("%s[%u]", visit->path, number++);
        struct visit child = {visit->check, at, visit->schema->sequence.entry, path.text};
        value_check(&child);
    }
}

static void text_check(const struct visit *visit)
{
    if (!kind_is(visit, YAML_TEXT, "a text")) {
        return;
    }
    size_t len = strlen(yaml_text(visit->check->index, visit->node));
    if (len < visit->schema->string.min) {
        fail(visit, "the text is empty");
    } else if (len > visit->schema->string.max) {
        check_fail(visit->check, visit->path, "longer than %u characters", visit->schema->string.max);
    }
}

static void number_check(const struct visit *visit)
{
    if (!kind_is(visit, YAML_TEXT, "a number")) {
        return;
    }
    const char *text = yaml_text(visit->check->index, visit->node);
    size_t len = strlen(text);
    if (strspn(text, "0123456789") != len || (len > 1 && text[0] == '0')) {
        check_fail(visit->check, visit->path, "'%.60s' is not a number", text);
        return;
    }
    uint64_t max = UINT64_MAX >> (64 - 8 * visit->schema->data_size);
    if (len > 19 || strtoull(text, NULL, 10) > max) {
        check_fail(visit->check, visit->path, "%.60s is too large", text);
    }
}

static void bool_check(const struct visit *visit)
{
    if (!kind_is(visit, YAML_TEXT, "true or false")) {
        return;
    }
    const char *text = yaml_text(visit->check->index, visit->node);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        check_fail(visit->check, visit->path, "'%.60s' is neither true nor false", text);
    }
}

static void choice_check(const struct visit *visit)
{
    char known[160] = "";
    size_t len = 0;

    if (!kind_is(visit, YAML_TEXT, "a single value")) {
        return;
    }
    const char *text = yaml_text(visit->check->index, visit->node);
    for (uint32_t i = 0; i < visit->schema->enumeration.count && len < sizeof(known); i++) {
        const char *choice = visit->schema->enumeration.strings[i].str;
        if (strcmp(text, choice) == 0) {
            return;
        }
        bool last = i > 0 && i + 1 == visit->schema->enumeration.count;
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
                                i == 0 ? ""
                                : last ? " or "
                                       : ", ",
                                choice);
    }
    check_fail(visit->check, visit->path, "'%.60s' is not one of %s", text, known);
}

static void value_check(const struct visit *visit)
{
    switch (visit->schema->type) {
    case CYAML_MAPPING:
        map_check(visit);
        break;
    case CYAML_SEQUENCE:
        list_check(visit);
        break;
    case CYAML_STRING:
        text_check(visit);
        break;
    case CYAML_UINT:
        number_check(visit);
        break;
    case CYAML_BOOL:
        bool_check(visit);
        break;
    case CYAML_ENUM:
        choice_check(visit);
        break;
    default:
        hf_assert(false); /* the schema has a type that nothing here checks */
    }
}

bool schema_check(const struct check *check, const cyaml_schema_value_t *schema)
{
    uint32_t before = check->errors->num_errors;
    struct visit visit = {check, 0, schema, ""};

    if (check->index->num_nodes == 0) {
        fail(&visit, "the file is empty");
        return false;
    }
    value_check(&visit);
    return check->errors->num_errors == before;
}
