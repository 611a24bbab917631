#include "tests/support/ima_log.h"

#include "lib/attest/pcr_bank.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 64, SIGNATURE_SIZE = 9 + 71, DATA_SIZE = 256 };

static void number_write(struct writer *writer, size_t number)
{
    for (unsigned octet = 0; octet < 4; octet++) {
        writer_u8(writer, (uint8_t)(number >> (8 * octet)));
    }
}

static void field_write(struct writer *writer, struct view field)
{
    number_write(writer, field.size);
    writer_view(writer, field);
}

static struct bytes data_of(size_t number)
{
    OWN(writer) struct writer writer = writer_new(DATA_SIZE);
    uint8_t file[8 + SHA256_SIZE] = "sha256:", signature[SIGNATURE_SIZE] = {3, 2, 4};
    struct digest digest = sha256((struct view){(const uint8_t *)&number, sizeof number});
    struct bytes data;
    char path[PATH_SIZE];

    memcpy(file + 8, digest.bytes, sizeof digest.bytes);
    (void)snprintf(path, sizeof path, number == 0 ? "boot_aggregate" : "/usr/lib/file-%zu", number);
    field_write(&writer, VIEW_OF_ARRAY(file));
    field_write(&writer, (struct view){(const uint8_t *)path, strlen(path) + 1});
    field_write(&writer, number == 0 ? (struct view){0} : VIEW_OF_ARRAY(signature));
    ASSERT(writer_take(&writer, &data) == STATUS_OK);
    return data;
}

struct bytes ima_log_make(size_t count, struct digest *ret_aggregate)
{
    static const uint8_t header[20] = {1}; /* SHA-1, which nobody looks at */
    OWN(writer) struct writer writer = writer_new(SIZE_MAX);
    struct bytes log;

    *ret_aggregate = (struct digest){0};
    for (size_t number = 0; number < count; number++) {
        OWN(bytes) struct bytes data = data_of(number);
        struct digest digest = sha256(bytes_view(&data));

        number_write(&writer, PCR_IMA);
        writer_view(&writer, VIEW_OF_ARRAY(header));
        field_write(&writer, view_string("ima-sig"));
        field_write(&writer, bytes_view(&data));
        pcr_extend(ret_aggregate, &digest);
    }
    ASSERT(writer_take(&writer, &log) == STATUS_OK);
    return log;
}
