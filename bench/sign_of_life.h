/*
 * A guest's first sign of life: it writes to its disk, and the overlay file grows. Seen from
 * outside, with stat(2), so that it costs the guest nothing. Times are of CLOCK_MONOTONIC.
 */
#ifndef TCCP_BENCH_SIGN_OF_LIFE_H
#define TCCP_BENCH_SIGN_OF_LIFE_H

#include <stdbool.h>
#include <sys/stat.h>

enum { SIGN_POLL_MS = 2, SIGN_PATIENCE_S = 120 };

double bench_now_ms(void);

struct sign_of_life {
    bool is_watching;
    off_t size;
    blkcnt_t blocks;
};

/* True when the file has grown since it was looked at first. */
bool sign_of_life_seen(struct sign_of_life *sign, const char *path);

#endif
