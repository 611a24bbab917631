/* What an agent's configuration says of migrations, and what it may not say. */
#include "tests/support/test.h"

#include "lib/perimeter/root.h"
#include "nodeagent/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_up(void **state)
{
    static char path[32];
    int fd;

    strcpy(path, "/tmp/tccp-config-XXXXXX");
    fd = mkstemp(path);
    *state = path;
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    return unlink(*state);
}

/* A configuration that is whole, and another line, the third. */
static enum status read_with(const char *path, const char *line, struct config *ret_config,
                             char *ret_error)
{
    const struct digest perimeter = {{0}};
    char id[PERIMETER_ID_TEXT_SIZE];
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    perimeter_id_print(&perimeter, id);
    assert_true(fprintf(file, "perimeter = \"%s\"\ncoordinators = {\"tc1:7440\"}\n%s\n", id, line) >
                0);
    assert_int_equal(fclose(file), 0);
    ret_error[0] = '\0';
    return config_read(path, ret_config, ret_error);
}

static void a_wrong_value_is_told_in_one_line(void **state)
{
    static const struct {
        const char *line, *what;
    } mistakes[] = {
        {"shared-directory = \"srv/vms\"", "shared-directory: \"srv/vms\" is no absolute path"},
        {"shared-directory = \"nfs://host/vms\"", "is no absolute path"},
        {"shared-directory = {\"/a\", \"/b\"}", "{"},
        {"migration-address = \"n1.example\"",
         "migration-address: \"n1.example\" is not host:port"},
        {"migration-address = \"n1.example:0\"", "is not host:port"},
        {"migration-address = \":7442\"", "is not host:port"},
        {"migration-address = \"n1.example:70000\"", "is not host:port"},
        {"migration-address = \"unix:/run/agent.sock\"", "is not host:port"},
        {"migration-adress = \"n1.example:7442\"", "migration-adress"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        char error[CONFIG_ERROR_SIZE], expected[64];
        struct config config = {0};

        assert_status(read_with(*state, mistakes[i].line, &config, error), STATUS_MALFORMED);
        (void)snprintf(expected, sizeof expected, "%s:3: ", (const char *)*state);
        if (strncmp(error, expected, strlen(expected)) != 0 || !strstr(error, mistakes[i].what) ||
            strchr(error, '\n')) {
            fail_msg("%s -> %s", mistakes[i].line, error);
        }
    }
}

static void without_a_word_of_it_nothing_is_shared_and_no_migration_taken(void **state)
{
    static const char *const lines[] = {"", "shared-directory = \"\"", "migration-address = \"\""};

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char error[CONFIG_ERROR_SIZE];
        OWN(config) struct config config = {0};

        assert_ok(read_with(*state, lines[i], &config, error));
        assert_null(config.shared_directory);
        assert_null(config.migration_address);
    }
}

static void what_is_said_is_read(void **state)
{
    OWN(config) struct config config = {0};
    char error[CONFIG_ERROR_SIZE];

    assert_ok(read_with(*state,
                        "shared-directory = \"/srv/vms\"\nmigration-address = \"[::1]:7442\"",
                        &config, error));
    assert_string_equal(config.shared_directory, "/srv/vms");
    assert_string_equal(config.migration_address, "[::1]:7442");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_value_is_told_in_one_line),
        cmocka_unit_test(without_a_word_of_it_nothing_is_shared_and_no_migration_taken),
        cmocka_unit_test(what_is_said_is_read),
    };

    return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
