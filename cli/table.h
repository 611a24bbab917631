/* Tables on a terminal or in a pipe. The only door to libsmartcols. Memory that runs out ends the
 * program. */
#ifndef TCCP_CLI_TABLE_H
#define TCCP_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table_view;
struct table_view *table_view_new(void);
void table_view_free(struct table_view *table);
/* All columns first, then row by row. */
void table_view_column(struct table_view *table, const char *title);
void table_view_row(struct table_view *table);
/* Of the last row; column counts from 0. */
void table_view_cell(struct table_view *table, size_t column, const char *text);
void table_view_print(struct table_view *table, FILE *file);

#endif
