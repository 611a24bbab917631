/*
 * Threads for work that would stop the loop: TPM commands (one thread, since a TPM does one thing
 * at a time) and the checking of evidence. They are our own: libuv's pool belongs to libraft's disk
 * writes.
 */
#ifndef TCCP_DAEMON_WORKER_H
#define TCCP_DAEMON_WORKER_H

#include "lib/base/status.h"

#include <stddef.h>

struct uv_loop_s;
struct worker;

enum { WORKER_THREAD_MAX = 64 };

/* thread_count threads; queue_max jobs may wait or run. */
WARN_UNUSED enum status worker_open(struct uv_loop_s *loop, unsigned thread_count, size_t queue_max,
                                    struct worker **ret_worker);

/*
 * Runs work(argument) on a thread, then done(argument) on the loop. Jobs of a worker with one
 * thread run in the order of submission (long ones in theirs). STATUS_BUSY when queue_max jobs are
 * under way; STATUS_CLOSED for what the done() of a job submits while the worker closes.
 */
WARN_UNUSED enum status worker_submit(struct worker *worker, void (*work)(void *argument),
                                      void (*done)(void *argument), void *argument);
/*
 * The same for a job that may take a hundred times as long as others: it waits for those, but not
 * for ever, and as long as there is more than one thread such jobs do not get the last one.
 */
WARN_UNUSED enum status worker_submit_long(struct worker *worker, void (*work)(void *argument),
                                           void (*done)(void *argument), void *argument);
size_t worker_load(const struct worker *worker);

/* Waits for the jobs that run, runs done() of every job (those that never ran included, so that
 * owners can free their arguments), and frees the worker in the loop's next turns. */
void worker_close(struct worker *worker);

#endif
