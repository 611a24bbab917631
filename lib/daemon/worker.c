#include "lib/daemon/worker.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

enum {
    PASSED_MAX = 32, /* so many others may go before a long job that waits */
    FINISH_MAX = 16, /* in one turn of the loop */
};

struct job {
    struct job *next;
    bool is_long;
    void (*work)(void *argument);
    void (*done)(void *argument);
    void *argument;
};

/* First in, first out. */
struct job_queue {
    struct job *first, **end;
};

struct worker {
    uv_async_t finished_signal;
    uv_mutex_t mutex; /* over all from here to stopping */
    uv_cond_t wake;
    struct job_queue waiting, waiting_long, finished;
    unsigned running_long; /* threads */
    unsigned passed;       /* jobs that went before a long one which waits */
    bool stopping;
    unsigned thread_count; /* the opener's and closer's own */
    unsigned long_max;     /* so many threads may run long jobs; never changes */
    uv_thread_t threads[WORKER_THREAD_MAX];
    size_t load, queue_max; /* the loop's own */
};

static void queue_init(struct job_queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_push(struct job_queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static struct job *queue_pop(struct job_queue *queue)
{
    struct job *job = queue->first;

    if (job) {
        queue->first = job->next;
        if (!queue->first) {
            queue->end = &queue->first;
        }
    }
    return job;
}

/* The next job that a thread may take now; NULL: there is none. */
static struct job *job_take(struct worker *worker)
{
    bool may_be_long = worker->waiting_long.first && worker->running_long < worker->long_max;

    if (may_be_long && (!worker->waiting.first || worker->passed >= PASSED_MAX)) {
        worker->passed = 0;
        worker->running_long++;
        return queue_pop(&worker->waiting_long);
    }
    worker->passed += worker->waiting_long.first && worker->waiting.first;
    return queue_pop(&worker->waiting);
}

static void thread_main(void *argument)
{
    struct worker *worker = argument;

    uv_mutex_lock(&worker->mutex);
    for (;;) {
        struct job *job = NULL;

        while (!worker->stopping && !(job = job_take(worker))) {
            uv_cond_wait(&worker->wake, &worker->mutex);
        }
        if (worker->stopping) {
            break;
        }
        uv_mutex_unlock(&worker->mutex);
        job->work(job->argument);
        uv_mutex_lock(&worker->mutex);
        if (job->is_long) {
            worker->running_long--;
            uv_cond_signal(&worker->wake); /* Another may be long now. */
        }
        queue_push(&worker->finished, job);
        (void)uv_async_send(&worker->finished_signal);
    }
    uv_mutex_unlock(&worker->mutex);
}

/* Up to so many: what done() does takes time, too, and the loop has other work. */
static bool finish_jobs(struct worker *worker, unsigned count_max)
{
    struct job *job = NULL;

    for (unsigned count = 0; count < count_max; count++) {
        uv_mutex_lock(&worker->mutex);
        job = queue_pop(&worker->finished);
        uv_mutex_unlock(&worker->mutex);
        if (!job) {
            return true;
        }
        worker->load--;
        job->done(job->argument);
        free(job);
    }
    return false;
}

static void on_finished(uv_async_t *async)
{
    if (!finish_jobs(async->data, FINISH_MAX)) {
        (void)uv_async_send(async); /* The rest in the loop's next turn. */
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void stop_threads(struct worker *worker)
{
    uv_mutex_lock(&worker->mutex);
    worker->stopping = true;
    uv_cond_broadcast(&worker->wake);
    uv_mutex_unlock(&worker->mutex);
    for (unsigned i = 0; i < worker->thread_count; i++) {
        (void)uv_thread_join(&worker->threads[i]);
    }
}

enum status worker_open(struct uv_loop_s *loop, unsigned thread_count, size_t queue_max,
                        struct worker **ret_worker)
{
    struct worker *worker;

    ASSERT(thread_count > 0 && thread_count <= WORKER_THREAD_MAX);
    worker = calloc(1, sizeof *worker);
    if (!worker) {
        return STATUS_NO_MEMORY;
    }
    queue_init(&worker->waiting);
    queue_init(&worker->waiting_long);
    queue_init(&worker->finished);
    worker->queue_max = queue_max;
    worker->long_max = thread_count > 1 ? thread_count - 1 : 1;
    worker->finished_signal.data = worker;
    if (uv_mutex_init(&worker->mutex) != 0) {
        free(worker);
        return STATUS_IO;
    }
    if (uv_cond_init(&worker->wake) != 0) {
        uv_mutex_destroy(&worker->mutex);
        free(worker);
        return STATUS_IO;
    }
    if (uv_async_init(loop, &worker->finished_signal, on_finished) != 0) {
        uv_cond_destroy(&worker->wake);
        uv_mutex_destroy(&worker->mutex);
        free(worker);
        return STATUS_IO;
    }
    while (worker->thread_count < thread_count) {
        if (uv_thread_create(&worker->threads[worker->thread_count], thread_main, worker) != 0) {
            worker_close(worker);
            return STATUS_IO;
        }
        worker->thread_count++;
    }
    *ret_worker = worker;
    return STATUS_OK;
}

static enum status submit(struct worker *worker, bool is_long, void (*work)(void *argument),
                          void (*done)(void *argument), void *argument)
{
    struct job *job;

    if (worker->stopping) {
        return STATUS_CLOSED; /* Nobody would run it. */
    }
    if (worker->load >= worker->queue_max) {
        return STATUS_BUSY;
    }
    job = malloc(sizeof *job);
    if (!job) {
        return STATUS_NO_MEMORY;
    }
    *job = (struct job){.is_long = is_long, .work = work, .done = done, .argument = argument};
    worker->load++;
    uv_mutex_lock(&worker->mutex);
    queue_push(is_long ? &worker->waiting_long : &worker->waiting, job);
    uv_cond_signal(&worker->wake);
    uv_mutex_unlock(&worker->mutex);
    return STATUS_OK;
}

enum status worker_submit(struct worker *worker, void (*work)(void *argument),
                          void (*done)(void *argument), void *argument)
{
    return submit(worker, false, work, done, argument);
}

enum status worker_submit_long(struct worker *worker, void (*work)(void *argument),
                               void (*done)(void *argument), void *argument)
{
    return submit(worker, true, work, done, argument);
}

size_t worker_load(const struct worker *worker)
{
    return worker->load;
}

void worker_close(struct worker *worker)
{
    struct job *job;

    if (!worker) {
        return;
    }
    stop_threads(worker);
    while ((job = queue_pop(&worker->waiting)) || (job = queue_pop(&worker->waiting_long))) {
        queue_push(&worker->finished, job);
    }
    (void)finish_jobs(worker, UINT_MAX);
    uv_cond_destroy(&worker->wake);
    uv_mutex_destroy(&worker->mutex);
    uv_close((uv_handle_t *)&worker->finished_signal, on_closed);
}
