/* Members of a JSON row as short texts for a table; each returns ret_text. */
#pragma once

#include <yyjson.h>

#define CELL_MAX 600

const char *cell_text(yyjson_val *row, const char *key, char ret_text[CELL_MAX]);
const char *cell_join(yyjson_val *row, const char *key, char ret_text[CELL_MAX]);
const char *cell_duration(yyjson_val *row, const char *key, char ret_text[CELL_MAX]); /* "3h12m" */
const char *cell_bytes(yyjson_val *row, const char *key, char ret_text[CELL_MAX]);    /* "104.9M" */
