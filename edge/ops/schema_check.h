/* Holds a file to the schema before libcyaml reads it, so that every misplaced key and every wrong type is
 * found in one run, with its place and in words. Stricter than libcyaml: numbers are decimal, booleans are
 * true or false. Private to edge/ops. */
#pragma once

#include "edge/ops/findings.h"

#include <cyaml/cyaml.h>

/* False when something was found. */
HF_MUST bool schema_check(const struct check *check, const cyaml_schema_value_t *schema);
