#include "bench/sign_of_life.h"

#include <time.h>

double bench_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool sign_of_life_seen(struct sign_of_life *sign, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0) {
        return false;
    }
    if (!sign->is_watching) {
        *sign = (struct sign_of_life){true, about.st_size, about.st_blocks};
        return false;
    }
    return about.st_size > sign->size || about.st_blocks > sign->blocks;
}
