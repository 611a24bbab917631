/*
 * What every long-running program of ours does at its start and end: harden the process, tell the
 * service manager, log to standard error, end cleanly on SIGTERM and SIGINT.
 */
#ifndef TCCP_DAEMON_DAEMON_H
#define TCCP_DAEMON_DAEMON_H

#include "lib/base/log.h"
#include "lib/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct uv_loop_s;

enum { DAEMON_ERROR_SIZE = 256 };

struct daemon_hardening {
    size_t secret_heap_size; /* bytes, a power of two; 0: no secrets in this process */
    /* True: memory that cannot be locked is an error (a process that holds secrets). False: it is
     * locked where permitted, and daemon_harden() tells in *ret_locked. */
    bool must_lock_memory;
    /* File descriptors from 3 up to keep open besides those of socket activation; the others are
     * closed. */
    const int *keep_fds;
    size_t keep_fd_count;
};

/*
 * Call it first in main(): ignores SIGPIPE, sets umask 077, no core dumps (RLIMIT_CORE 0,
 * PR_SET_DUMPABLE 0), PR_SET_NO_NEW_PRIVS, closes inherited descriptors, opens 0 to 2 on /dev/null
 * where they are closed, locks memory, starts the secret heap. On failure ret_error
 * (DAEMON_ERROR_SIZE characters) holds one line that says what and how to mend it.
 */
WARN_UNUSED enum status daemon_harden(const struct daemon_hardening *hardening, bool *ret_locked,
                                      char *ret_error);

/* --- log --- */

/* Events to standard error: with `<N>` prefixes when systemd's journal reads them, with ISO 8601
 * time (UTC) otherwise. */
void daemon_log_start(enum log_level most_verbose);
/* "error", "warning", "notice", "info", "debug"; STATUS_NOT_FOUND otherwise. */
WARN_UNUSED enum status log_level_of_name(const char *name, enum log_level *ret_level);

/* --- signals --- */

struct signals;
/* on_stop runs once, at the first SIGTERM or SIGINT; a second one ends the process at once with
 * status 1. on_reload (may be NULL) runs at every SIGHUP. */
WARN_UNUSED enum status signals_open(struct uv_loop_s *loop,
                                     void (*on_stop)(void *argument, int signal_number),
                                     void (*on_reload)(void *argument), void *argument,
                                     struct signals **ret_signals);
void signals_close(struct signals *signals);

/* --- service manager: sd_notify(3)'s protocol; all of them do nothing without $NOTIFY_SOCKET ---
 */

void notify_ready(void);
void notify_stopping(void);
/* One line for `systemctl status`. */
PRINTF_LIKE(1, 2) void notify_status(const char *format, ...);
/* Call at least as often as notify_watchdog_interval_ms() says; 0: no watchdog is wanted. */
void notify_watchdog(void);
unsigned notify_watchdog_interval_ms(void);

#endif
