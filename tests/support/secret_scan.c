/*
 * For system tests: is a secret in a file?
 *
 *     secret_scan [-k FILE [-v VM:GENERATION]...] [-x NAME]... PIDS PATH...
 *
 * Secrets are what lies in the secure heap of each process (PIDS: pids with commas between them, or
 * `-` for none): the locked mapping that no dump contains is read through /proc/PID/mem, which
 * takes CAP_SYS_PTRACE, and each random 32 bytes of it are one. With -k also the VM's key in FILE
 * and the passphrase of its image, with -v the one of the overlay of that VM and generation.
 *
 * Each is looked for as it is, with its bytes turned around, in hexadecimal of either case and in
 * base64 wherever it may begin, in every file under the PATHs but those of a NAME. Prints how many
 * it looked for, and each file that has one of them. Ends with 0 when none has, 1 when one has, 2
 * when it could not look.
 */
#include "lib/base/status.h"
#include "lib/base/text.h"
#include "lib/protocol/vm_keys.h"

#include <ctype.h>
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
    NEEDLE_FORM_COUNT = 7,    /* raw, turned around, two of hexadecimal, three of base64 */
    NEEDLE_COUNT_MAX = 4096,
    NAME_COUNT_MAX = 8,
    HEAP_SIZE_MAX = 16 << 20,
};

struct needle {
    uint8_t bytes[NEEDLE_SIZE];
};

static struct needle needles[NEEDLE_FORM_COUNT * NEEDLE_COUNT_MAX];
static size_t needle_count;
static bool begins[65536]; /* by the first two bytes of a needle */
static unsigned secret_count, found_count, file_count;
static const char *left_out[NAME_COUNT_MAX];
static unsigned left_out_count;

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

static void form_add(const void *bytes)
{
    ASSERT(needle_count < ARRAY_SIZE(needles));
    memcpy(needles[needle_count++].bytes, bytes, NEEDLE_SIZE);
}

/* 32 characters of a text are as good as all of it: they stand for 16 or 24 of its bytes. */
static void secret_add(const uint8_t *bytes)
{
    uint8_t turned[NEEDLE_SIZE];
    char hex[2 * NEEDLE_SIZE + 1];

    if (secret_count == NEEDLE_COUNT_MAX) {
        die("more secrets than it has room for");
    }
    secret_count++;
    form_add(bytes);
    /* OpenSSL keeps numbers with the least significant byte first. */
    for (size_t i = 0; i < NEEDLE_SIZE; i++) {
        turned[i] = bytes[NEEDLE_SIZE - 1 - i];
    }
    form_add(turned);
    hex_encode((struct view){bytes, NEEDLE_SIZE}, hex);
    form_add(hex);
    for (size_t i = 0; hex[i]; i++) {
        hex[i] = (char)toupper((unsigned char)hex[i]);
    }
    form_add(hex);
    /* Groups of three bytes may begin at any of its first three: without these, then, and with as
     * many after them as 32 characters take. */
    for (size_t skipped = 0; skipped < 3; skipped++) {
        char text[BASE64_SIZE(NEEDLE_SIZE)];

        base64_encode((struct view){bytes + skipped, NEEDLE_SIZE - 8}, text);
        form_add(text);
    }
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
            secret_add(content + i);
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
}

static void needles_sort(void)
{
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

    for (unsigned i = 0; i < left_out_count; i++) {
        if (strcmp(path + place->base, left_out[i]) == 0) {
            return 0;
        }
    }
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

/* --- a VM's keys --- */

static struct secret vm_key;

static void passphrase_add(struct secret *passphrase)
{
    ASSERT(passphrase->size == VM_PASSPHRASE_SIZE);
    secret_add(passphrase->data);
    secret_add(passphrase->data + NEEDLE_SIZE);
    secret_free(passphrase);
}

static void vm_key_take(const char *path)
{
    FILE *file = fopen(path, "re");
    struct secret passphrase = {0};

    if (!file || vm_key.data || secret_new(NEEDLE_SIZE, &vm_key) != STATUS_OK ||
        fread(vm_key.data, NEEDLE_SIZE, 1, file) != 1 || fgetc(file) != EOF ||
        vm_image_key(secret_view(&vm_key), &passphrase) != STATUS_OK) {
        die(path);
    }
    (void)fclose(file);
    secret_add(vm_key.data);
    passphrase_add(&passphrase);
}

static void overlay_take(char *text)
{
    char *colon = strchr(text, ':');
    struct secret passphrase = {0};
    struct digest vm;

    if (!vm_key.data || !colon) {
        die("-v VM:GENERATION comes after -k");
    }
    *colon = '\0';
    if (hex_decode(text, vm.bytes, sizeof vm.bytes) != STATUS_OK ||
        vm_overlay_key(secret_view(&vm_key), &vm, strtoull(colon + 1, NULL, 10), &passphrase) !=
            STATUS_OK) {
        die(text);
    }
    passphrase_add(&passphrase);
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "k:v:x:")) != -1) {
        if (option == 'k') {
            vm_key_take(optarg);
        } else if (option == 'v') {
            overlay_take(optarg);
        } else if (option == 'x' && left_out_count < NAME_COUNT_MAX) {
            left_out[left_out_count++] = optarg;
        } else {
            die("an option that it has not");
        }
    }
    if (argc - optind < 2) {
        die("usage: secret_scan [-k FILE [-v VM:GENERATION]...] [-x NAME]... PIDS PATH...");
    }
    for (char *pid = strtok(argv[optind], ","); pid; pid = strtok(NULL, ",")) {
        if (strcmp(pid, "-") != 0) {
            heap_take(pid);
        }
    }
    needles_sort();
    /* Who finds nothing in what certainly has it has not looked. */
    if (needle_count == 0 ||
        !has_needle((const uint8_t *)needles, sizeof *needles * needle_count)) {
        die("nothing to look for");
    }
    for (int i = optind + 1; i < argc; i++) {
        if (nftw(argv[i], file_look, 16, FTW_PHYS) != 0) {
            die(argv[i]);
        }
    }
    printf("%u secrets, %u files\n", secret_count, file_count);
    return found_count == 0 ? 0 : 1;
}
