#include "tests/support/swtpm.h"

#include "tests/support/test.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_TRIES = 1000, ARGUMENTS_MAX = 8, KINDS_SIZE = 32, FOLDERS_OPEN_MAX = 8 };

static int entry_remove(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_make(char ret_path[SWTPM_PATH_SIZE])
{
    strcpy(ret_path, "/tmp/tccp.XXXXXX");
    assert_non_null(mkdtemp(ret_path));
}

void folder_remove(const char *path)
{
    (void)nftw(path, entry_remove, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

static pid_t script_start(const char *const arguments[])
{
    const char *command[ARGUMENTS_MAX + 3] = {"bash", SWTPM_SCRIPT};
    pid_t pid = fork();

    if (pid == 0) {
        for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++) {
            command[i + 2] = arguments[i];
        }
        /* A test that dies leaves no TPM behind. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp("bash", (char *const *)(uintptr_t)command);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void script_run(const char *const arguments[])
{
    pid_t pid = script_start(arguments);
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("swtpm.sh %s %s failed", arguments[0], arguments[1]);
    }
}

static bool socket_answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers;

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return answers;
}

void swtpm_start(struct swtpm *swtpm)
{
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    char control[SWTPM_PATH_SIZE + 16], data[SWTPM_PATH_SIZE + 16];

    (void)snprintf(control, sizeof control, "%s/sock.ctrl", swtpm->state);
    (void)snprintf(data, sizeof data, "%s/sock", swtpm->state);
    swtpm->pid = script_start((const char *const[]){"exec", swtpm->state, NULL});
    for (unsigned try = 0; !socket_answers(control) || !socket_answers(data); try++) {
        if (try >= START_TRIES || waitpid(swtpm->pid, NULL, WNOHANG) != 0) {
            fail_msg("the TPM %s did not start", swtpm->state);
        }
        (void)nanosleep(&pause, NULL);
    }
}

void swtpm_new(const char *folder, const char *name, const char *kinds, struct swtpm *ret_swtpm)
{
    char ca[SWTPM_PATH_SIZE], list[KINDS_SIZE];
    const char *arguments[ARGUMENTS_MAX + 1] = {"create", ret_swtpm->state, ca};
    size_t count = 3;

    (void)snprintf(ca, sizeof ca, "%s/ca", folder);
    (void)snprintf(ret_swtpm->state, sizeof ret_swtpm->state, "%s/%s", folder, name);
    (void)snprintf(ret_swtpm->tcti, sizeof ret_swtpm->tcti, "swtpm:path=%.80s/sock",
                   ret_swtpm->state);
    (void)snprintf(list, sizeof list, "%s", kinds);
    for (char *kind = strtok(list, " "); kind && count < ARGUMENTS_MAX; kind = strtok(NULL, " ")) {
        arguments[count++] = kind;
    }
    script_run(arguments);
    swtpm_start(ret_swtpm);
}

void swtpm_stop(struct swtpm *swtpm)
{
    if (swtpm->pid > 0) {
        script_run((const char *const[]){"stop", swtpm->state, NULL});
        (void)waitpid(swtpm->pid, NULL, 0);
        swtpm->pid = 0;
    }
}

void swtpm_kill(struct swtpm *swtpm)
{
    if (swtpm->pid > 0) {
        (void)kill(swtpm->pid, SIGKILL);
        (void)waitpid(swtpm->pid, NULL, 0);
        swtpm->pid = 0;
    }
}

void swtpm_free(struct swtpm *swtpm)
{
    swtpm_kill(swtpm);
}

void swtpm_reset(struct swtpm *swtpm)
{
    script_run((const char *const[]){"reset", swtpm->state, NULL});
}
