/*
 * For system tests: is anything that lies in a process's secure heap also in a file?
 *
 *     secret_scan PID PATH...
 *
 * Reads the process's secure heap (the locked mapping that no dump contains) through
 * /proc/PID/mem, which takes CAP_SYS_PTRACE, and looks for each random 32 bytes of it, in both byte
 * orders, in every file under the PATHs. Prints how many it looked for, and each file that has one
 * of them. Ends with 0 when none has, 1 when one has, 2 when it could not look.
 */
#include "lib/base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NEEDLE_SIZE = 32,         /* a seed, a scalar of P-256, a symmetric key */
    NEEDLE_DISTINCT_MIN = 20, /* different bytes: of 32 random ones there are 30 */
    NEEDLE_COUNT_MAX = 4096,
    HEAP_SIZE_MAX = 16 << 20,
};

struct needle {
    uint8_t bytes[NEEDLE_SIZE];
};

static struct needle needles[2 * NEEDLE_COUNT_MAX];
static size_t needle_count;
static bool begins[65536]; /* by the first two bytes of a needle */
static unsigned found_count, file_count;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "secret_scan: %s\n", what);
    exit(2);
}

static bool looks_random(const uint8_t *bytes)
{
    bool has[256] = {false};
    unsigned distinct = 0;

    for (size_t i = 0; i < NEEDLE_SIZE; i++) {
        distinct += !has[bytes[i]];
        has[bytes[i]] = true;
    }
    return distinct >= NEEDLE_DISTINCT_MIN;
}

static int compare(const void *left, const void *right)
{
    return memcmp(left, right, NEEDLE_SIZE);
}

static void needle_add(const uint8_t *bytes)
{
    if (needle_count + 2 > ARRAY_SIZE(needles)) {
        die("more secrets than it has room for");
    }
    memcpy(needles[needle_count].bytes, bytes, NEEDLE_SIZE);
    /* OpenSSL keeps numbers with the least significant byte first. */
    for (size_t i = 0; i < NEEDLE_SIZE; i++) {
        needles[needle_count + 1].bytes[i] = bytes[NEEDLE_SIZE - 1 - i];
    }
    needle_count += 2;
}

/* Allocations of the secure heap begin at multiples of 32 bytes (lib/base/secret.c). */
static void mapping_take(int memory, uint64_t start, uint64_t end)
{
    size_t size = end - start;
    uint8_t *content = size <= HEAP_SIZE_MAX ? malloc(size) : NULL;

    if (!content) {
        die("a secure heap of this size is not expected");
    }
    for (size_t done = 0; done < size;) {
        ssize_t count = pread(memory, content + done, size - done, (off_t)(start + done));

        if (count <= 0) {
            die("the secure heap cannot be read");
        }
        done += (size_t)count;
    }
    for (size_t i = 0; i + NEEDLE_SIZE <= size; i += NEEDLE_SIZE) {
        if (looks_random(content + i)) {
            needle_add(content + i);
        }
    }
    free(content);
}

static void heap_take(const char *pid)
{
    char path[64], line[512];
    unsigned long long start = 0, end = 0;
    FILE *maps;
    int memory;

    (void)snprintf(path, sizeof path, "/proc/%s/mem", pid);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%s/smaps", pid);
    maps = fopen(path, "re");
    if (memory < 0 || !maps) {
        die("the process cannot be looked into");
    }
    while (fgets(line, sizeof line, maps)) {
        unsigned long long from, to;

        if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
            start = from;
            end = to;
        }
        /* rd, lo, dd: readable, locked, not dumped. */
        if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " rd ") && strstr(line, " wr ") &&
            strstr(line, " lo ") && strstr(line, " dd")) {
            mapping_take(memory, start, end);
        }
    }
    (void)fclose(maps);
    close(memory);
    qsort(needles, needle_count, sizeof *needles, compare);
    for (size_t i = 0; i < needle_count; i++) {
        begins[needles[i].bytes[0] << 8 | needles[i].bytes[1]] = true;
    }
}

static bool has_needle(const uint8_t *content, size_t size)
{
    for (size_t i = 0; i + NEEDLE_SIZE <= size; i++) {
        if (begins[content[i] << 8 | content[i + 1]] &&
            bsearch(content + i, needles, needle_count, sizeof *needles, compare)) {
            return true;
        }
    }
    return false;
}

static int file_look(const char *path, const struct stat *about, int type, struct FTW *place)
{
    FILE *file;
    uint8_t *content;
    size_t size;

    (void)place;
    if (type != FTW_F || !(S_ISREG(about->st_mode) || about->st_size == 0) ||
        S_ISSOCK(about->st_mode) || S_ISFIFO(about->st_mode)) {
        return 0;
    }
    /* Files of /proc say that they are empty. */
    size = about->st_size > 0 ? (size_t)about->st_size : 1 << 20;
    file = fopen(path, "re");
    content = malloc(size);
    if (!file && errno == ENOENT) {
        free(content);
        return 0; /* Gone meanwhile: the next one is looked at. */
    }
    if (!file || !content) {
        die(path);
    }
    size = fread(content, 1, size, file);
    (void)fclose(file);
    file_count++;
    if (has_needle(content, size)) {
        printf("found in %s\n", path);
        found_count++;
    }
    free(content);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        die("usage: secret_scan PID PATH...");
    }
    heap_take(argv[1]);
    /* Who finds nothing in what certainly has it has not looked. */
    if (needle_count == 0 ||
        !has_needle((const uint8_t *)needles, sizeof *needles * needle_count)) {
        die("nothing to look for");
    }
    for (int i = 2; i < argc; i++) {
        if (nftw(argv[i], file_look, 16, FTW_PHYS) != 0) {
            die(argv[i]);
        }
    }
    printf("%zu secrets, %u files\n", needle_count / 2, file_count);
    return found_count == 0 ? 0 : 1;
}
