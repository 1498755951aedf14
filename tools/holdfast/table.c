#include "tools/holdfast/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct table table_of(const char *const *titles, size_t columns)
{
    return (struct table){.titles = titles, .columns = columns};
}

void table_add(struct table *table, const char *text)
{
    if (table->count == table->cap) {
        size_t cap = table->cap == 0 ? 64 : table->cap * 2;
        char **cells = realloc(table->cells, cap * sizeof(*cells));
        if (cells == NULL) {
            return; /* a table cut short, on a machine without memory */
        }
        table->cells = cells;
        table->cap = cap;
    }
    table->cells[table->count++] = strdup(text == NULL || text[0] == '\0' ? "-" : text);
}

static void print_row(FILE *out, const char *const *cells, const size_t *widths, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        bool last = i + 1 == columns;
        fprintf(out, "%-*s%s", last ? 0 : (int)widths[i], cells[i] == NULL ? "" : cells[i],
                last ? "\n" : "  ");
    }
}

void table_print(struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->columns; i++) {
        widths[i] = strlen(table->titles[i]);
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t len = table->cells[i] == NULL ? 0 : strlen(table->cells[i]);
        size_t *width = &widths[i % table->columns];
        *width = len > *width ? len : *width;
    }
    print_row(out, table->titles, widths, table->columns);
    for (size_t i = 0; i + table->columns <= table->count; i += table->columns) {
        print_row(out, (const char *const *)&table->cells[i], widths, table->columns);
    }
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct table){0};
}
