#include "tests/support/processes.h"

#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 5, SCAN_CHUNK = 1 << 20 };

static void on_tick(uv_timer_t *timer)
{
    ++*(unsigned *)timer->data;
}

bool loop_turn(uv_loop_t *loop, const bool *flag, unsigned patience_ms)
{
    unsigned ticks = 0;
    uv_timer_t timer;

    assert_int_equal(uv_timer_init(loop, &timer), 0);
    timer.data = &ticks;
    uv_update_time(loop);
    assert_int_equal(uv_timer_start(&timer, on_tick, TICK_MS, TICK_MS), 0);
    while (!(flag && *flag) && ticks < patience_ms / TICK_MS) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(loop, UV_RUN_NOWAIT);
    return flag && *flag;
}

void loop_wait(uv_loop_t *loop, const bool *flag, unsigned patience_ms)
{
    assert_true(loop_turn(loop, flag, patience_ms));
}

void loop_run_for(uv_loop_t *loop, unsigned time_ms)
{
    (void)loop_turn(loop, NULL, time_ms);
}

/* --- processes --- */

char process_state(pid_t pid)
{
    char path[64], text[512] = "";
    const char *end;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    (void)!fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    end = strrchr(text, ')');
    return end ? end[2] : 0;
}

void process_wait_state(uv_loop_t *loop, pid_t pid, const char *states, unsigned patience_ms)
{
    for (unsigned waited = 0; waited < patience_ms; waited += 2 * TICK_MS) {
        char state = process_state(pid);

        if (state ? strchr(states, state) != NULL : strchr(states, '-') != NULL) {
            return;
        }
        loop_run_for(loop, 2 * TICK_MS);
    }
    fail_msg("process %d is %c, not one of %s", (int)pid, process_state(pid), states);
}

bool process_file_has(pid_t pid, const char *file, const char *needle)
{
    static char text[65536];
    char path[64];
    size_t size;
    FILE *handle;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    handle = fopen(path, "r");
    assert_non_null(handle);
    size = fread(text, 1, sizeof text, handle);
    (void)fclose(handle);
    return memmem(text, size, needle, strlen(needle)) != NULL;
}

static unsigned count_in(int memory_fd, uint64_t begin, uint64_t end, const char *needle)
{
    static char chunk[SCAN_CHUNK + 256];
    size_t length = strlen(needle);
    unsigned count = 0;

    for (uint64_t at = begin; at < end; at += SCAN_CHUNK) {
        /* A little more than a chunk, so that nothing hides on the border. */
        size_t wanted = end - at < sizeof chunk ? (size_t)(end - at) : SCAN_CHUNK + length - 1;
        ssize_t size = pread(memory_fd, chunk, wanted, (off_t)at);
        const char *found = chunk;

        while (size > 0 &&
               (found = memmem(found, (size_t)(chunk + size - found), needle, length))) {
            count++;
            found++;
        }
    }
    return count;
}

unsigned process_memory_count(pid_t pid, const char *needle)
{
    char path[64], line[512];
    unsigned count = 0;
    FILE *maps;
    int memory_fd;

    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    memory_fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "r");
    assert_true(memory_fd >= 0 && maps);
    while (fgets(line, sizeof line, maps)) {
        uint64_t begin, end;
        char access[8];

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, access) == 3 &&
            access[0] == 'r' && access[1] == 'w') {
            count += count_in(memory_fd, begin, end, needle);
        }
    }
    (void)fclose(maps);
    (void)close(memory_fd);
    return count;
}

pid_t process_child_named(pid_t parent, const char *name)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) && !found) {
        char path[300], text[512] = "";
        const char *end;
        FILE *file;
        int ppid = 0;

        (void)snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!file) {
            continue;
        }
        (void)!fread(text, 1, sizeof text - 1, file);
        (void)fclose(file);
        end = strrchr(text, ')');
        if (end && sscanf(end + 2, "%*c %d", &ppid) == 1 && ppid == parent && strstr(text, name)) {
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    (void)closedir(folder);
    return found;
}
