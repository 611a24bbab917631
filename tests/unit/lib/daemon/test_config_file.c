#include "lib/daemon/config_file.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct config_key keys[] = {
    {.name = "name", .type = CONFIG_STRING, .is_required = true},
    {.name = "listen", .type = CONFIG_STRING, .default_string = "127.0.0.1:1"},
    {.name = "lease_s",
     .type = CONFIG_NUMBER,
     .default_number = 30,
     .number_min = 5,
     .number_max = 600},
    {.name = "size", .type = CONFIG_NUMBER},
    {.name = "development", .type = CONFIG_FLAG},
    {.name = "members", .type = CONFIG_STRINGS},
};

static char path[] = "/tmp/tccp-config-XXXXXX";

static enum status read_text(const char *text, size_t size, struct config_file **ret_config,
                             char *ret_error)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    ret_error[0] = 0;
    return config_file_read(path, keys, ARRAY_SIZE(keys), ret_config, ret_error);
}

static void every_mistake_is_told_with_file_and_line(void **state)
{
    static const struct {
        const char *text, *line, *what;
    } mistakes[] = {
        {"name = \"a\"\nnonsense = 3\n", ":2: ", "nonsense"},
        {"\n\nname = \"a\nb\n", ":", ""},
        {"name = \"a\"\nlease_s = 4\n", ":2: ", "lease_s must be from 5 to 600"},
        {"name = \"a\"\nlease_s = 601\n", ":2: ", "lease_s must be from 5 to 600"},
        {"name = \"a\"\nsize = -1\n", ":2: ", "size must be from 0"},
        {"name = \"a\"\nsize = 99999999999999999999999\n", ":2: ", "size"},
        {"name = \"a\"\nlease_s = ten\n", ":2: ", "lease_s"},
        {"name = \"a\"\ndevelopment = perhaps\n", ":2: ", "development"},
        {"lease_s = 30\n", ": ", "name is missing"},
        {"", ": ", "name is missing"},
        {"name = \"a\"\n\nname = \"b\"\n", ":3: ", "name is given twice, first in line 1"},
        {"members = {\"a\"}\nname = \"a\"\nmembers += {\"b\"}\n", ":3: ", "members is given twice"},
        {"members = {\"a\"}\nname = \"a\"\nmembers = {\"b\"}\n", ":3: ", "members is given twice"},
        {"members = \"a\"\nname = \"a\"\nmembers = \"b\"\n", ":3: ", "members is given twice"},
        {"# a\n// b\n/* c\n d */ name = \"a#b\" # x\nnonsense = 1\n", ":5: ", "nonsense"},
        {"name = \"a\"\n/* never\nsize = 3\n", ":2: ", "no end"},
        {"name = \"a\"\ninclude(\"/etc/passwd\")\n", ":2: ", "include"},
        {"name = a\"\nb\"\nsize = 3\n", ":", ""},
        {"size = 3\nname = \"${HOME}\"\n", ":2: ", "variables"},
        {"name = \"a${HOME:-b}\"\n", ":1: ", "variables"},
        {"name = \"a\"\nlisten =\n", ":", ""},
        {"name = \"a\x01\"\n", ":1: ", "control character 0x01"},
    };
    char error[CONFIG_ERROR_SIZE];
    struct config_file *config;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        char expected[300];

        assert_status(read_text(mistakes[i].text, strlen(mistakes[i].text), &config, error),
                      STATUS_MALFORMED);
        (void)snprintf(expected, sizeof expected, "%s%s", path, mistakes[i].line);
        if (strncmp(error, expected, strlen(expected)) != 0 || !strstr(error, mistakes[i].what) ||
            strchr(error, '\n')) {
            fail_msg("%s -> %s", mistakes[i].text, error);
        }
    }
}

static void a_nul_hides_nothing(void **state)
{
    static const char text[] = "name = \"a\"\n\0nonsense = 3\n";
    char error[CONFIG_ERROR_SIZE];
    struct config_file *config;

    (void)state;
    assert_status(read_text(text, sizeof text - 1, &config, error), STATUS_MALFORMED);
    assert_non_null(strstr(error, ":2: control character"));
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    char error[CONFIG_ERROR_SIZE];
    struct config_file *config;

    (void)state;
    assert_status(config_file_read("/nonexistent/tcd.conf", keys, ARRAY_SIZE(keys), &config, error),
                  STATUS_NOT_FOUND);
    assert_string_equal(error, "/nonexistent/tcd.conf: cannot open: No such file or directory");
    assert_status(config_file_read("/tmp", keys, ARRAY_SIZE(keys), &config, error), STATUS_IO);
    assert_string_equal(error, "/tmp: is not a file");
}

static void values_are_typed_and_absent_ones_have_their_defaults(void **state)
{
    static const char text[] = "# a comment\nname = \"o#n//e\"\nsize = 7\ndevelopment = true\n"
                               "members = {\"a:1\", \"b:2\"}\n";
    char error[CONFIG_ERROR_SIZE];
    struct config_file *config;

    (void)state;
    assert_ok(read_text(text, sizeof text - 1, &config, error));
    assert_string_equal(config_string(config, "name"), "o#n//e");
    assert_string_equal(config_string(config, "listen"), "127.0.0.1:1");
    assert_false(config_has(config, "listen"));
    assert_true(config_has(config, "name"));
    assert_int_equal(config_number(config, "lease_s"), 30);
    assert_int_equal(config_number(config, "size"), 7);
    assert_true(config_flag(config, "development"));
    assert_int_equal(config_list_size(config, "members"), 2);
    assert_string_equal(config_list_item(config, "members", 1), "b:2");
    assert_status(config_error(config, "size", error, "%s", "no such size"), STATUS_MALFORMED);
    assert_non_null(strstr(error, ":3: size: no such size"));
    config_file_free(config);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_is_told_with_file_and_line),
        cmocka_unit_test(a_nul_hides_nothing),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(values_are_typed_and_absent_ones_have_their_defaults),
    };
    return cmocka_run_group_tests_name("config_file", tests, make_file, remove_file);
}
