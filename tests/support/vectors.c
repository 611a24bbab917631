#include "tests/support/vectors.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

struct bytes vector_load(const char *path)
{
    const char *top = getenv("TOP_SRCDIR");
    char full[1024];
    struct bytes bytes;
    FILE *file;
    long size;

    (void)snprintf(full, sizeof full, "%s/tests/vectors/%s", top ? top : ".", path);
    file = fopen(full, "rb");
    if (!file) {
        fail_msg("cannot open %s (is TOP_SRCDIR set?)", full);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    bytes = (struct bytes){malloc((size_t)size ? (size_t)size : 1), (size_t)size};
    assert_non_null(bytes.data);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    (void)fclose(file);
    return bytes;
}
