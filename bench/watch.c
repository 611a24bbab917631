/*
 * Runs a command that has a VM launched, and says when its guest showed its first sign of life.
 *
 *     bench/watch FOLDER COMMAND [ARGUMENT...]
 *
 * FOLDER is where overlays of VMs that may migrate lie; it is empty before. Prints
 *
 *     launch_ms   from the start of the command until the guest's disk has grown
 *     command_ms  from its start to its end
 *
 * Exits with the command's status, or 1 when the guest never wrote.
 */
#include "bench/sign_of_life.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The overlay, once it has its name: until then its maker still writes to it. */
static bool overlay_find(const char *folder, char ret_path[PATH_MAX])
{
    DIR *files = opendir(folder);
    const struct dirent *file;
    bool is_found = false;

    while (files && !is_found && (file = readdir(files))) {
        is_found = file->d_name[0] != '.' && !strstr(file->d_name, ".new") &&
                   snprintf(ret_path, PATH_MAX, "%s/%s", folder, file->d_name) < PATH_MAX;
    }
    if (files) {
        (void)closedir(files);
    }
    return is_found;
}

static pid_t command_start(char *const arguments[])
{
    pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* What it prints is not ours. */
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        (void)execvp(arguments[0], arguments);
        _exit(127);
    }
    return child;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = SIGN_POLL_MS * 1000000L};
    struct sign_of_life sign = {0};
    double begin_ms = bench_now_ms(), launch_ms = 0, command_ms = 0;
    char path[PATH_MAX] = "";
    int status = 0;
    pid_t child;

    if (argc < 3) {
        (void)fprintf(stderr, "usage: bench/watch FOLDER COMMAND [ARGUMENT...]\n");
        return 64;
    }
    child = command_start(argv + 2);
    if (child < 0) {
        return 1;
    }
    while (launch_ms == 0 || command_ms == 0) {
        double past_ms = bench_now_ms() - begin_ms;

        if (launch_ms == 0 && (path[0] || overlay_find(argv[1], path)) &&
            sign_of_life_seen(&sign, path)) {
            launch_ms = past_ms;
        }
        if (command_ms == 0 && waitpid(child, &status, WNOHANG) == child) {
            command_ms = past_ms;
        }
        if ((command_ms != 0 && status != 0) || past_ms > SIGN_PATIENCE_S * 1e3) {
            (void)fprintf(stderr, "bench/watch: %s\n",
                          command_ms != 0 && status != 0 ? "the command failed"
                                                         : "the guest never wrote to its disk");
            return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
        }
        (void)nanosleep(&pause, NULL);
    }
    printf("launch_ms: %.1f\ncommand_ms: %.1f\n", launch_ms, command_ms);
    return 0;
}
