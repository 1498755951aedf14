/* Text tables: columns as wide as their widest cell, cells of any length, printed at the end. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

struct table {
    const char *const *titles;
    size_t columns;
    char **cells; /* row by row */
    size_t count, cap;
};

struct table table_of(const char *const *titles, size_t columns);
/* Copies the text; NULL is "-". */
void table_add(struct table *table, const char *text);
void table_print(struct table *table, FILE *out); /* and frees */
