/* The agent's configuration on its way from the launcher: exactly what was read, and nothing that
 * can be changed afterwards. */
#include "nodeagent/launcher/agent_config.h"
#include "nodeagent/launcher/supervisor.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = SWTPM_PATH_SIZE + 32, PATIENCE_MS = 10000 };

struct fixture {
    char folder[SWTPM_PATH_SIZE], config[PATH_SIZE], output[PATH_SIZE], again[PATH_SIZE];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    (void)snprintf(fixture->config, sizeof fixture->config, "%s/agent.conf", fixture->folder);
    (void)snprintf(fixture->output, sizeof fixture->output, "%s/output", fixture->folder);
    (void)snprintf(fixture->again, sizeof fixture->again, "%s/again", fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    (void)unsetenv(AGENT_CONFIG_FD_ENVIRONMENT);
    (void)unsetenv(AGENT_CONFIG_PATH_ENVIRONMENT);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void file_expect(const char *path, const char *text)
{
    char content[4096] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(content, 1, sizeof content - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(content, text);
}

static void give(int fd)
{
    char number[16];

    (void)snprintf(number, sizeof number, "%d", fd);
    assert_int_equal(setenv(AGENT_CONFIG_FD_ENVIRONMENT, number, 1), 0);
    assert_int_equal(setenv(AGENT_CONFIG_PATH_ENVIRONMENT, "/etc/agent.conf", 1), 0);
}

static void what_could_still_be_changed_is_not_taken(void **state)
{
    static const int seals[] = {0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK,
                                F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_SHRINK};
    struct fixture *fixture = *state;
    struct bytes text = {0};
    const char *name;
    int fd;

    for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
        fd = memfd_create("test", MFD_ALLOW_SEALING);
        assert_int_equal(write(fd, "a = 1\n", 6), 6);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
        give(fd);
        assert_status(agent_config_take(&text, &name), STATUS_UNTRUSTED);
    }
    file_write(fixture->config, "a = 1\n", 6);
    fd = open(fixture->config, O_RDONLY);
    give(fd);
    assert_status(agent_config_take(&text, &name), STATUS_UNTRUSTED);
}

static void what_is_no_descriptor_is_not_taken(void **state)
{
    static const char *const numbers[] = {"", "x", "1", "-1", "999", "5000", "3x"};
    struct bytes text = {0};
    const char *name;

    (void)state;
    assert_status(agent_config_take(&text, &name), STATUS_NOT_FOUND);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        give(0);
        assert_int_equal(setenv(AGENT_CONFIG_FD_ENVIRONMENT, numbers[i], 1), 0);
        assert_status(agent_config_take(&text, &name), STATUS_NOT_FOUND);
    }
}

static void what_is_no_file_of_a_size_is_not_read(void **state)
{
    struct fixture *fixture = *state;
    char *large = calloc(1, AGENT_CONFIG_SIZE_MAX + 1);
    int fd;

    assert_status(agent_config_seal(fixture->config, &fd), STATUS_NOT_FOUND);
    assert_int_equal(errno, ENOENT);
    assert_status(agent_config_seal(fixture->folder, &fd), STATUS_IO);
    assert_int_equal(mkfifo(fixture->output, 0600), 0);
    assert_status(agent_config_seal(fixture->output, &fd), STATUS_IO);
    file_write(fixture->config, large, AGENT_CONFIG_SIZE_MAX + 1);
    assert_status(agent_config_seal(fixture->config, &fd), STATUS_TOO_LARGE);
    file_write(fixture->config, large, AGENT_CONFIG_SIZE_MAX);
    assert_ok(agent_config_seal(fixture->config, &fd));
    close(fd);
    free(large);
}

static void the_bytes_are_those_that_were_read_whatever_becomes_of_the_file(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes text = {0};
    const char *name;
    int fd, again;

    file_write(fixture->config, "perimeter = \"one\"\n", 18);
    assert_ok(agent_config_seal(fixture->config, &fd));
    file_write(fixture->config, "perimeter = \"two\"\n", 18);
    assert_int_equal(unlink(fixture->config), 0);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    /* Wherever another holder has read to. */
    assert_true(lseek(fd, 7, SEEK_SET) == 7);
    again = dup(fd);
    give(fd);
    assert_ok(agent_config_take(&text, &name));
    assert_true(view_equal(bytes_view(&text), view_string("perimeter = \"one\"\n")));
    assert_string_equal(name, "/etc/agent.conf");
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close(again);
}

static void agent_run(struct agent *agent)
{
    struct pollfd end;
    const char *step;

    assert_ok(agent_start(agent, 1000, &step));
    end = (struct pollfd){.fd = agent->pidfd, .events = POLLIN};
    assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
    assert_true(agent_collect(agent, 2000));
}

/* A shell in the agent's place tells what it was given, tries to change it, and has the file
 * replaced by another before it looks again. */
static void an_agent_is_given_what_the_file_held_when_it_was_started(void **state)
{
    struct fixture *fixture = *state;
    char script[8 * PATH_SIZE], next[PATH_SIZE + 8], expected[2 * PATH_SIZE];
    char shell[] = "/bin/sh", option[] = "-c";
    struct agent_settings settings = {.config_path = fixture->config, .network_fd = -1};
    struct agent agent;
    const char *step;

    (void)snprintf(next, sizeof next, "%s.next", fixture->config);
    (void)snprintf(script, sizeof script,
                   "{ cat <&$TCCP_CONFIG_FD; echo $TCCP_CONFIG_PATH; "
                   "(echo rubbish >/proc/self/fd/$TCCP_CONFIG_FD) 2>/dev/null || echo sealed; "
                   "mv %s %s 2>/dev/null || rm -f %s; "
                   "cat /proc/self/fd/$TCCP_CONFIG_FD; } >%s; "
                   "for n in $(seq 3 40); do [ ! -e /proc/$$/fd/$n ] || echo $n; done >%s; exit 0",
                   next, fixture->config, fixture->config, fixture->output, fixture->again);
    settings.arguments[0] = shell;
    settings.arguments[1] = option;
    settings.arguments[2] = script;
    agent_init(&agent, &settings);
    file_write(fixture->config, "first\n", 6);
    file_write(next, "second\n", 7);

    agent_run(&agent);
    (void)snprintf(expected, sizeof expected, "first\n%s\nsealed\nfirst\n", fixture->config);
    file_expect(fixture->output, expected);
    /* Nothing else was inherited than its channel and its configuration; 10 is the shell's own. */
    file_expect(fixture->again, "3\n4\n10\n");

    agent_run(&agent);
    (void)snprintf(expected, sizeof expected, "second\n%s\nsealed\nsecond\n", fixture->config);
    file_expect(fixture->output, expected);

    /* There is none any more. */
    assert_status(agent_start(&agent, 3000, &step), STATUS_NOT_FOUND);
    assert_string_equal(step, fixture->config);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(what_could_still_be_changed_is_not_taken),
        WITH(what_is_no_descriptor_is_not_taken),
        WITH(what_is_no_file_of_a_size_is_not_read),
        WITH(the_bytes_are_those_that_were_read_whatever_becomes_of_the_file),
        WITH(an_agent_is_given_what_the_file_held_when_it_was_started),
    };

    return cmocka_run_group_tests_name("launcher/agent_config", tests, NULL, NULL);
}
