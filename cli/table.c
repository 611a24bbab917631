#include "cli/table.h"

#include "lib/base/status.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>

struct table_view {
    struct libscols_table *table;
    struct libscols_line *line;
};

struct table_view *table_view_new(void)
{
    struct table_view *table = calloc(1, sizeof *table);

    ASSERT(table);
    table->table = scols_new_table();
    ASSERT(table->table);
    return table;
}

void table_view_free(struct table_view *table)
{
    scols_unref_table(table->table);
    free(table);
}

void table_view_column(struct table_view *table, const char *title)
{
    ASSERT(scols_table_new_column(table->table, title, 0, 0));
}

void table_view_row(struct table_view *table)
{
    table->line = scols_table_new_line(table->table, NULL);
    ASSERT(table->line);
}

void table_view_cell(struct table_view *table, size_t column, const char *text)
{
    ASSERT(scols_line_set_data(table->line, column, *text ? text : "-") == 0);
}

void table_view_print(struct table_view *table, FILE *file)
{
    scols_table_set_stream(table->table, file);
    (void)scols_print_table(table->table);
}
