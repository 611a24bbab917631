#include "lib/daemon/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { SIGNAL_COUNT = 3 };

struct signals {
    uv_signal_t handles[SIGNAL_COUNT];
    unsigned open_count;
    bool is_stopping;
    void (*on_stop)(void *argument, int signal_number);
    void (*on_reload)(void *argument);
    void *argument;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;

    if (number == SIGHUP) {
        if (signals->on_reload) {
            signals->on_reload(signals->argument);
        }
        return;
    }
    /* Whoever asks twice does not want to wait for the end in order. */
    if (signals->is_stopping) {
        _exit(1);
    }
    signals->is_stopping = true;
    signals->on_stop(signals->argument, number);
}

enum status signals_open(struct uv_loop_s *loop, void (*on_stop)(void *argument, int signal_number),
                         void (*on_reload)(void *argument), void *argument,
                         struct signals **ret_signals)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    struct signals *signals = calloc(1, sizeof *signals);

    if (!signals) {
        return STATUS_NO_MEMORY;
    }
    signals->on_stop = on_stop;
    signals->on_reload = on_reload;
    signals->argument = argument;
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (uv_signal_init(loop, &signals->handles[i]) != 0) {
            signals_close(signals);
            return STATUS_IO;
        }
        signals->handles[i].data = signals;
        signals->open_count++;
        if (uv_signal_start(&signals->handles[i], on_signal, numbers[i]) != 0) {
            signals_close(signals);
            return STATUS_IO;
        }
        /* Waiting for signals alone keeps no program alive. */
        uv_unref((uv_handle_t *)&signals->handles[i]);
    }
    *ret_signals = signals;
    return STATUS_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct signals *signals = handle->data;

    if (--signals->open_count == 0) {
        free(signals);
    }
}

void signals_close(struct signals *signals)
{
    unsigned count = signals->open_count;

    if (count == 0) {
        free(signals);
    }
    for (unsigned i = 0; i < count; i++) {
        uv_close((uv_handle_t *)&signals->handles[i], on_closed);
    }
}
