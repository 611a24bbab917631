/*
 * Secrets pass through tss2's buffers and the heap: after the call no copy of them may be left but
 * the caller's own. All memory of this process that can be written is searched.
 */
#include "lib/tpm/tpm.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECRET_SIZE = 32, MASK = 0x5a, CHUNK_SIZE = 1 << 16 };

/* A sanitizer's shadow is larger than any memory, and holds no copies. */
#define REGION_SIZE_MAX (1UL << 30)

/* What is looked for is never in memory itself but behind this mask. */
static uint8_t masked[SECRET_SIZE];

static void secret_make(struct secret *ret_secret)
{
    assert_ok(secret_new(SECRET_SIZE, ret_secret));
    for (unsigned i = 0; i < SECRET_SIZE; i++) {
        ret_secret->data[i] = (uint8_t)(i * 37 + 11);
        masked[i] = ret_secret->data[i] ^ MASK;
    }
}

static bool is_secret_at(const uint8_t *data)
{
    for (unsigned i = 0; i < SECRET_SIZE; i++) {
        if ((data[i] ^ MASK) != masked[i]) {
            return false;
        }
    }
    return true;
}

static unsigned copies_in(uintptr_t start, uintptr_t end)
{
    /* Read through the kernel, into memory that is not searched itself. */
    static uint8_t *chunk;
    unsigned copies = 0;

    if (!chunk) {
        chunk = malloc(CHUNK_SIZE);
    }
    for (uintptr_t at = start; at < end; at += CHUNK_SIZE - SECRET_SIZE) {
        size_t size = end - at < CHUNK_SIZE ? end - at : CHUNK_SIZE;
        struct iovec here = {chunk, size};
        struct iovec there = {(void *)at, size};
        ssize_t count = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

        for (ssize_t i = 0; i + SECRET_SIZE <= count; i++) {
            bool is_own_chunk = at + (uintptr_t)i >= (uintptr_t)chunk &&
                                at + (uintptr_t)i < (uintptr_t)chunk + CHUNK_SIZE;

            copies += !is_own_chunk && is_secret_at(chunk + i);
        }
        memset(chunk, 0, CHUNK_SIZE);
    }
    return copies;
}

static unsigned copies_in_memory(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned copies = 0;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char access[5];

        if (sscanf(line, "%lx-%lx %4s", &start, &end, access) == 3 && access[1] == 'w' &&
            end - start <= REGION_SIZE_MAX) {
            copies += copies_in(start, end);
        }
    }
    (void)fclose(maps);
    return copies;
}

static void the_search_finds_a_copy(void **state)
{
    OWN(secret) struct secret secret = {0};

    (void)state;
    secret_make(&secret);
    assert_int_equal(copies_in_memory(), 1);
}

static void no_copy_is_left_by_sealing_or_unsealing(void **state)
{
    char folder[SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    OWN(tpm) struct tpm *tpm = NULL;
    OWN(secret) struct secret secret = {0};
    OWN(secret) struct secret opened = {0};
    OWN(bytes) struct bytes blob = {0};

    (void)state;
    folder_make(folder);
    swtpm_new(folder, "tpm", "p256", &swtpm);
    assert_ok(tpm_open(swtpm.tcti, &tpm));
    secret_make(&secret);
    assert_ok(tpm_seal(tpm, &secret, 1, &blob));
    assert_int_equal(copies_in_memory(), 1);
    secret_free(&secret);
    assert_ok(tpm_unseal(tpm, bytes_view(&blob), &opened));
    assert_int_equal(opened.size, SECRET_SIZE);
    assert_true(is_secret_at(opened.data));
    assert_int_equal(copies_in_memory(), 1);
    secret_free(&opened);
    assert_int_equal(copies_in_memory(), 0);
    swtpm_free(&swtpm);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_finds_a_copy),
        cmocka_unit_test(no_copy_is_left_by_sealing_or_unsealing),
    };

    return cmocka_run_group_tests_name("secrets in memory", tests, NULL, NULL);
}
