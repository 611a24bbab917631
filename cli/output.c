#include "cli/output.h"

#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_code output_end(const struct cli *cli)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return report(cli, EXIT_FAILED, "", "cannot write to standard output");
    }
    return EXIT_DONE;
}

static bool print_structured(const struct cli *cli, const struct value *value)
{
    if (cli->format == FORMAT_JSON) {
        value_print_json(value, stdout);
        return true;
    }
    if (cli->format == FORMAT_YAML) {
        value_print_yaml(value, stdout);
        return true;
    }
    return false;
}

/* The caller frees. */
static char *cell(const struct value *object, const struct column *column)
{
    const struct value *value = value_get(object, column->key);

    return value_text(value);
}

static void print_name(const struct value *object, const struct column *columns)
{
    char *text = cell(object, &columns[0]);

    (void)printf("%s\n", text);
    free(text);
}

static bool is_shown(const struct cli *cli, const struct column *column)
{
    return !column->wide_only || cli->format == FORMAT_WIDE;
}

enum exit_code output_list(const struct cli *cli, const struct value *list,
                           const struct column *columns)
{
    struct table_view *table;

    if (print_structured(cli, list)) {
        return output_end(cli);
    }
    if (cli->format == FORMAT_NAME) {
        for (size_t i = 0; i < value_count(list); i++) {
            print_name(value_at(list, i), columns);
        }
        return output_end(cli);
    }
    table = table_view_new();
    for (const struct column *column = columns; column->title; column++) {
        if (is_shown(cli, column)) {
            table_view_column(table, column->title);
        }
    }
    for (size_t i = 0; i < value_count(list); i++) {
        size_t place = 0;

        table_view_row(table);
        for (const struct column *column = columns; column->title; column++) {
            if (is_shown(cli, column)) {
                char *text = cell(value_at(list, i), column);

                table_view_cell(table, place++, text);
                free(text);
            }
        }
    }
    table_view_print(table, stdout);
    table_view_free(table);
    return output_end(cli);
}

/* A list has a line for each item. */
static void print_field(const char *title, int width, const struct value *value)
{
    size_t count = value_count(value);

    for (size_t i = 0; i < (count ? count : 1); i++) {
        char *text = value_text(count ? value_at(value, i) : value);

        (void)printf("%-*s  %s\n", width, i ? "" : title, text);
        free(text);
    }
}

enum exit_code output_object(const struct cli *cli, const struct value *object,
                             const struct column *columns)
{
    size_t width = 0;

    if (print_structured(cli, object)) {
        return output_end(cli);
    }
    if (cli->format == FORMAT_NAME) {
        print_name(object, columns);
        return output_end(cli);
    }
    for (const struct column *column = columns; column->title; column++) {
        size_t length = strlen(column->title);

        width = length > width ? length : width;
    }
    for (const struct column *column = columns; column->title; column++) {
        if (is_shown(cli, column) && value_get(object, column->key)) {
            print_field(column->title, (int)width, value_get(object, column->key));
        }
    }
    return output_end(cli);
}

enum exit_code output_text(const struct cli *cli, const char *key, struct view text)
{
    if (cli->format == FORMAT_JSON || cli->format == FORMAT_YAML) {
        OWN(value) struct value *object = value_object();
        char *string = strndup(text.size ? (const char *)text.data : "", text.size);

        ASSERT(string);
        value_set_string(object, key, string);
        free(string);
        (void)print_structured(cli, object);
    } else {
        (void)fwrite(text.data, 1, text.size, stdout);
    }
    return output_end(cli);
}
