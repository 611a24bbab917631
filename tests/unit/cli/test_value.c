#include "cli/value.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* What the printer writes; the caller frees. */
static char *printed(const struct value *value, void (*print)(const struct value *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    print(value, file);
    (void)fclose(file);
    return text;
}

static struct value *example(void)
{
    struct value *object = value_object(), *list = value_list(), *inner = value_object();

    value_set_string(object, "name", "n1");
    value_set_string(object, "reason", NULL);
    value_set_number(object, "count", 7);
    value_set_bool(object, "live", true);
    value_set_time(object, "since", 86400);
    value_set_time(object, "never", 0);
    value_set_hex(object, "id", view_string("ab"));
    value_add(list, value_string("no"));
    value_set_number(inner, "x", 1);
    value_set_number(inner, "y", 2);
    value_add(list, inner);
    value_set(object, "list", list);
    value_set(object, "empty", value_list());
    return object;
}

static void yaml_keeps_strings_apart_from_other_scalars(void **state)
{
    OWN(value) struct value *object = example();
    char *text = printed(object, value_print_yaml);

    (void)state;
    assert_string_equal(text, "name: \"n1\"\nreason: null\ncount: 7\nlive: true\n"
                              "since: \"1970-01-02T00:00:00Z\"\nnever: null\nid: \"6162\"\n"
                              "list:\n  - \"no\"\n  - x: 1\n    y: 2\nempty: []\n");
    free(text);
}

static void json_has_the_keys_in_order(void **state)
{
    OWN(value) struct value *object = value_object();
    char *text;

    (void)state;
    value_set_number(object, "b", 1);
    value_set_number(object, "a", UINT64_MAX);
    text = printed(object, value_print_json);
    assert_string_equal(text, "{\n  \"b\": 1,\n  \"a\": 9223372036854775807\n}\n");
    free(text);
}

static void tables_show_words(void **state)
{
    OWN(value) struct value *object = example();
    static const char *const expected[][2] = {
        {"name", "n1"}, {"reason", ""}, {"count", "7"},          {"live", "yes"},
        {"never", ""},  {"empty", ""},  {"list", "no, x=1, y=2"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        char *text = value_text(value_get(object, expected[i][0]));

        assert_string_equal(text, expected[i][1]);
        free(text);
    }
}

static void what_is_not_utf8_is_shown_all_the_same(void **state)
{
    OWN(value) struct value *string = value_string("a\xff\x62");
    char *text = value_text(string);

    (void)state;
    assert_string_equal(text, "a?b");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_keeps_strings_apart_from_other_scalars),
        cmocka_unit_test(json_has_the_keys_in_order),
        cmocka_unit_test(tables_show_words),
        cmocka_unit_test(what_is_not_utf8_is_shown_all_the_same),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
