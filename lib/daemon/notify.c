/* sd_notify(3)'s protocol: a datagram of "KEY=value" lines to the socket named in $NOTIFY_SOCKET.
 */
#include "lib/daemon/daemon.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_SIZE_MAX = 512, MICROSECONDS_PER_MS = 1000, WATCHDOG_SAFETY = 2 };

static void send_message(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length;
    int fd;

    if (!path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    length = strlen(path);
    if (length < 2 || length >= sizeof name.sun_path) {
        return;
    }
    memcpy(name.sun_path, path, length);
    if (path[0] == '@') {
        name.sun_path[0] = 0; /* the abstract namespace */
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    /* A service manager that does not listen is no reason to stop serving. */
    (void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&name,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

void notify_ready(void)
{
    send_message("READY=1");
}

void notify_stopping(void)
{
    send_message("STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char message[MESSAGE_SIZE_MAX] = "STATUS=";
    size_t used = strlen(message);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message + used, sizeof message - used, format, arguments);
    va_end(arguments);
    /* A second line would be a second message. */
    message[strcspn(message, "\n")] = 0;
    send_message(message);
}

void notify_watchdog(void)
{
    send_message("WATCHDOG=1");
}

unsigned notify_watchdog_interval_ms(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!interval || (pid && strtol(pid, NULL, 10) != getpid())) {
        return 0;
    }
    return (unsigned)(strtoull(interval, NULL, 10) / MICROSECONDS_PER_MS / WATCHDOG_SAFETY);
}
