/* Compares two files as trees: lists whose entries have a name or an id are matched by it, other lists and
 * single values are compared whole. */
#include "edge/ops/config_diff.h"

#include "edge/ops/findings.h"

#include <stdio.h>
#include <string.h>

enum { VALUE_MAX = 80 };

struct side {
    const struct yaml_index *index;
    uint32_t node; /* YAML_NONE: not there */
};

struct diff {
    struct config_changes *changes;
    char path[CHECK_PATH_MAX];
};

static void nodes_compare(struct diff *diff, struct side before, struct side after);

/* ---- what needs a restart ---- */

static bool needs_restart(const char *path)
{
    static const char *const parts[] = {"listen",
                                        "workers",
                                        "shard_bits",
                                        "plane",
                                        "store.type",
                                        "store.path",
                                        "store.size_mb",
                                        "store.servers",
                                        "store.user",
                                        "store.password_file",
                                        "store.tls",
                                        "store.fleet",
                                        "store.replicas",
                                        "fleet",
                                        "bgp.interface",
                                        "bgp.frr",
                                        "bgp.health",
                                        "fleet_key",
                                        "limits.sessions",
                                        "limits.half_open",
                                        "log.file",
                                        "metrics",
                                        "control",
                                        "user",
                                        "steering.pins",
                                        "steering.node",
                                        "steering.hop_port"};

    for (size_t i = 0; i < HF_COUNT(parts); i++) {
        size_t len = strlen(parts[i]);
        if (strncmp(path, parts[i], len) == 0 && (path[len] == '\0' || path[len] == '.')) {
            return true;
        }
    }
    return false;
}

static void change_add(struct diff *diff, const char *format, ...) HF_PRINTF(2, 3);

static void change_add(struct diff *diff, const char *format, ...)
{
    struct config_changes *changes = diff->changes;
    char text[sizeof(changes->v[0].text)];
    bool restart = needs_restart(diff->path);
    va_list args;

    changes->total++;
    changes->num_restart += restart;
    if (changes->count == CONFIG_CHANGES_MAX) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct config_change *change = &changes->v[changes->count++];
    change->restart = restart;
    (void)snprintf(change->text, sizeof(change->text), "%.100s: %.130s", diff->path, text);
}

/* ---- values as text ---- */

static const struct yaml_node *node_of(struct side side)
{
    return side.node == YAML_NONE ? NULL : &side.index->nodes[side.node];
}

static struct side child_of(struct side side, const char *key)
{
    bool map = side.node != YAML_NONE && side.index->nodes[side.node].kind == YAML_MAP;
    return (struct side){side.index,
                         map ? yaml_child(side.index, side.node, span_of_string(key)) : YAML_NONE};
}

static void value_format(struct side side, char ret_text[VALUE_MAX])
{
    const struct yaml_node *node = node_of(side);
    size_t len = 0;

    ret_text[0] = '\0';
    if (node == NULL) {
        (void)snprintf(ret_text, VALUE_MAX, "(default)");
    } else if (node->kind == YAML_TEXT) {
        (void)snprintf(ret_text, VALUE_MAX, "%s", yaml_text(side.index, side.node));
    } else if (node->kind == YAML_MAP) {
        (void)snprintf(ret_text, VALUE_MAX, "{...}");
    } else {
        len = (size_t)snprintf(ret_text, VALUE_MAX, "[");
        for (uint32_t at = node->first; at != YAML_NONE && len < VALUE_MAX; at = side.index->nodes[at].next) {
            len += (size_t)snprintf(ret_text + len, VALUE_MAX - len, "%s%s", at == node->first ? "" : ", ",
                                    yaml_text(side.index, at));
        }
        if (len < VALUE_MAX) {
            (void)snprintf(ret_text + len, VALUE_MAX - len, "]");
        }
    }
}

static bool same(struct side a, struct side b)
{
    const struct yaml_node *x = node_of(a), *y = node_of(b);

    if (x == NULL || y == NULL || x->kind != y->kind || x->count != y->count) {
        return x == y;
    }
    if (x->kind == YAML_TEXT) {
        return strcmp(yaml_text(a.index, a.node), yaml_text(b.index, b.node)) == 0;
    }
    struct side i = {a.index, x->first}, k = {b.index, y->first};
    for (; i.node != YAML_NONE; i.node = i.index->nodes[i.node].next, k.node = k.index->nodes[k.node].next) {
        if (strcmp(yaml_key(i.index, i.node), yaml_key(k.index, k.node)) != 0 || !same(i, k)) {
            return false;
        }
    }
    return true;
}

static void values_compare(struct diff *diff, struct side before, struct side after)
{
    char old[VALUE_MAX], new[VALUE_MAX];
    const char *dot = strrchr(diff->path, '.');

    if (same(before, after)) {
        return;
    }
    if (dot != NULL && strcmp(dot, ".secret") == 0) {
        change_add(diff, "changed");
        return;
    }
    value_format(before, old);
    value_format(after, new);
    change_add(diff, "%s -> %s", old, new);
}

/* ---- groups and lists ---- */

/* Goes one step down for the time of a comparison. */
static size_t path_push(struct diff *diff, const char *format, const char *name)
{
    size_t len = strlen(diff->path);
    char step[CHECK_PATH_MAX];

    (void)snprintf(step, sizeof(step), format, name);
    (void)snprintf(diff->path + len, sizeof(diff->path) - len, "%s",
                   len == 0 && step[0] == '.' ? step + 1 : step);
    return len;
}

static void maps_compare(struct diff *diff, struct side before, struct side after)
{
    const struct yaml_node *old = node_of(before), *new = node_of(after);

    for (uint32_t at = old == NULL ? YAML_NONE : old->first; at != YAML_NONE;
         at = before.index->nodes[at].next) {
        const char *key = yaml_key(before.index, at);
        size_t len = path_push(diff, ".%s", key);
        nodes_compare(diff, (struct side){before.index, at}, child_of(after, key));
        diff->path[len] = '\0';
    }
    for (uint32_t at = new == NULL ? YAML_NONE : new->first; at != YAML_NONE;
         at = after.index->nodes[at].next) {
        const char *key = yaml_key(after.index, at);
        if (child_of(before, key).node == YAML_NONE) {
            size_t len = path_push(diff, ".%s", key);
            nodes_compare(diff, (struct side){before.index, YAML_NONE}, (struct side){after.index, at});
            diff->path[len] = '\0';
        }
    }
}

/* "name", "id" or "address" of an entry, NULL without. */
static const char *entry_name(struct side entry)
{
    struct side name = child_of(entry, "name");
    if (name.node == YAML_NONE) {
        name = child_of(entry, "id");
    }
    if (name.node == YAML_NONE) {
        name = child_of(entry, "address");
    }
    return name.node == YAML_NONE ? NULL : yaml_text(name.index, name.node);
}

/* Where a search in a list goes on: files mostly keep their order, and lists of secrets can be long. */
struct cursor {
    struct side list;
    uint32_t node, number;
};

static struct cursor cursor_at_start(struct side list)
{
    const struct yaml_node *node = node_of(list);
    return (struct cursor){.list = list, .node = node == NULL ? YAML_NONE : node->first};
}

static bool name_is(struct side entry, const char *name)
{
    const char *other = entry_name(entry);
    return other != NULL && strcmp(other, name) == 0;
}

/* Steps behind the entry of that name, which is returned; stays where it is when there is none. */
static struct side entry_find(struct cursor *cursor, const char *name)
{
    const struct yaml_node *nodes = cursor->list.index->nodes;
    struct cursor start = cursor_at_start(cursor->list), at = cursor->node == YAML_NONE ? start : *cursor;

    for (uint32_t left = start.node == YAML_NONE ? 0 : nodes[cursor->list.node].count; left > 0; left--) {
        struct side entry = {cursor->list.index, at.node};
        bool found = name_is(entry, name);
        at.node = nodes[at.node].next;
        at.number++;
        if (found) {
            *cursor = at;
            return entry;
        }
        at = at.node == YAML_NONE ? start : at;
    }
    return (struct side){cursor->list.index, YAML_NONE};
}

static void entries_added(struct diff *diff, struct side before, struct side after)
{
    struct cursor cursor = cursor_at_start(before);
    struct side entry = {after.index, cursor_at_start(after).node};

    for (; entry.node != YAML_NONE; entry.node = after.index->nodes[entry.node].next) {
        const char *name = entry_name(entry);
        if (name != NULL && entry_find(&cursor, name).node == YAML_NONE) {
            size_t len = path_push(diff, "[%s]", name);
            change_add(diff, "added");
            diff->path[len] = '\0';
        }
    }
}

static void entries_compare(struct diff *diff, struct side before, struct side after)
{
    struct cursor cursor = cursor_at_start(after);
    struct side entry = {before.index, cursor_at_start(before).node};
    uint32_t last = 0;
    bool moved = false;

    for (; entry.node != YAML_NONE; entry.node = before.index->nodes[entry.node].next) {
        const char *name = entry_name(entry);
        if (name == NULL) {
            continue; /* the schema demands a name or an id */
        }
        size_t len = path_push(diff, "[%s]", name);
        struct side other = entry_find(&cursor, name);
        if (other.node == YAML_NONE) {
            change_add(diff, "removed");
        } else {
            moved |= cursor.number < last;
            last = cursor.number;
            nodes_compare(diff, entry, other);
        }
        diff->path[len] = '\0';
    }
    entries_added(diff, before, after);
    if (moved) {
        change_add(diff, "the order has changed");
    }
}

static bool is_of_maps(struct side side)
{
    const struct yaml_node *node = node_of(side);
    return node != NULL && node->kind == YAML_LIST && node->first != YAML_NONE &&
           side.index->nodes[node->first].kind == YAML_MAP;
}

static void nodes_compare(struct diff *diff, struct side before, struct side after)
{
    const struct yaml_node *old = node_of(before), *new = node_of(after);

    if ((old != NULL && old->kind == YAML_MAP) || (new != NULL &&new->kind == YAML_MAP)) {
        maps_compare(diff, before, after);
    } else if (is_of_maps(before) || is_of_maps(after)) {
        entries_compare(diff, before, after);
    } else {
        values_compare(diff, before, after);
    }
}

void config_diff(const struct config *before, const struct config *after, struct config_changes *ret_changes)
{
    struct diff diff = {.changes = ret_changes};

    memset(ret_changes, 0, sizeof(*ret_changes));
    maps_compare(&diff, (struct side){before->index, 0}, (struct side){after->index, 0});
}
