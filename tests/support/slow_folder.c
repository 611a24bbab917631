/*
 * A folder on a slow disk, for tests that need a moment to stand still:
 *
 *     slow_folder FOLDER PROGRAM GATE
 *
 * As long as the file GATE is there, processes whose program is PROGRAM wait when they open a file
 * in FOLDER; everybody else is let through. Needs root. Runs until it is killed, and then nobody
 * waits any more.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

enum { WAITING_MAX = 64, POLL_MS = 20 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static bool is_program(pid_t pid, const char *program)
{
    char path[64], name[64] = "";
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (!file) {
        return false;
    }
    if (!fgets(name, sizeof name, file)) {
        name[0] = '\0';
    }
    (void)fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return strcmp(name, program) == 0;
}

static void let_through(int group, int fd)
{
    const struct fanotify_response response = {.fd = fd, .response = FAN_ALLOW};

    /* Who was killed meanwhile is not there to hear it. */
    if (write(group, &response, sizeof response) != (ssize_t)sizeof response) {
        (void)fprintf(stderr, "slow_folder: nobody waits for %d\n", fd);
    }
    (void)close(fd);
}

int main(int argc, char **argv)
{
    int waiting[WAITING_MAX], group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
    size_t count = 0;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: slow_folder FOLDER PROGRAM GATE\n");
        return 64;
    }
    if (group < 0 || fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD,
                                   AT_FDCWD, argv[1]) != 0) {
        die("slow_folder");
    }
    for (;;) {
        struct pollfd poll_fd = {.fd = group, .events = POLLIN};
        struct fanotify_event_metadata events[16];
        ssize_t size;

        if (poll(&poll_fd, 1, POLL_MS) > 0) {
            size = read(group, events, sizeof events);
            if (size < 0) {
                die("slow_folder: read");
            }
            for (const struct fanotify_event_metadata *event = events; FAN_EVENT_OK(event, size);
                 event = FAN_EVENT_NEXT(event, size)) {
                if (count < WAITING_MAX && is_program(event->pid, argv[2])) {
                    waiting[count++] = event->fd;
                } else {
                    let_through(group, event->fd);
                }
            }
        }
        while (count > 0 && access(argv[3], F_OK) != 0) {
            let_through(group, waiting[--count]);
        }
    }
}
