/* What stands where in a YAML file: libcyaml fills structures but keeps no positions, and stops at the first
 * thing it does not like. This is the same file as a tree, by libyaml's events. Private to edge/ops. */
#pragma once

#include "edge/base/span.h"

#define YAML_NODES_MAX (1u << 20)
#define YAML_DEPTH_MAX 16
#define YAML_KEYS_MAX 128 /* of one map */
#define YAML_NONE UINT32_MAX

enum yaml_kind { YAML_TEXT, YAML_MAP, YAML_LIST };

struct yaml_node {
    enum yaml_kind kind;
    bool plain;            /* YAML_TEXT without quotes: may be a number, true, false or nothing at all */
    uint32_t line, column; /* from 1: the value, or its key when it has no value */
    uint32_t key_line, key_column;
    uint32_t key, text;   /* offsets into strings, YAML_NONE without */
    uint32_t first, last; /* children, in order */
    uint32_t next;        /* sibling */
    uint32_t count;       /* of children */
};

struct yaml_problem {
    uint32_t line, column;
    char text[160];
};

struct yaml_index {
    struct yaml_node *nodes; /* [0] is the document; none for an empty file */
    uint32_t num_nodes, cap_nodes;
    char *strings;
    size_t strings_len, strings_cap;
};

/* NULL with ret_problem for what is not YAML, and for YAML that a config does not need: more than one
 * document, anchors and aliases, a key twice, keys that are no text, nesting beyond YAML_DEPTH_MAX. */
struct yaml_index *yaml_index_new(struct span text, struct yaml_problem *ret_problem);
void yaml_index_free(struct yaml_index *index); /* NULL is fine; wipes: there are secrets among the strings */

/* The child of a map, or YAML_NONE. */
uint32_t yaml_child(const struct yaml_index *index, uint32_t node, struct span key);
/* The node of "pools[0].ipv4", "" for the document; false when only a part of the path is there: ret_node is
 * then the last node that is (YAML_NONE in an empty file). */
bool yaml_find(const struct yaml_index *index, const char *path, uint32_t *ret_node);
const char *yaml_key(const struct yaml_index *index, uint32_t node);
const char *yaml_text(const struct yaml_index *index, uint32_t node);
/* A plain scalar that means nothing: "key:", "key: ~", "key: null". */
bool yaml_is_null(const struct yaml_index *index, uint32_t node);
