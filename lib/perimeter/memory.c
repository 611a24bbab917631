#include "lib/perimeter/memory.h"

#include <inttypes.h>
#include <stdio.h>

enum status perimeter_memory_check(const struct perimeter_memory *memory,
                                   const struct perimeter_memory *shown,
                                   struct refusal *ret_refusal)
{
    if (shown->succession < memory->succession) {
        return refuse(ret_refusal, REFUSAL_OLD_SUCCESSION,
                      "keys of succession %" PRIu64 " are shown; %" PRIu64 " was seen before",
                      shown->succession, memory->succession);
    }
    if (shown->epoch < memory->epoch) {
        return refuse(ret_refusal, REFUSAL_OLD_EPOCH,
                      "epoch %" PRIu64 " is shown; %" PRIu64 " was seen before", shown->epoch,
                      memory->epoch);
    }
    if (shown->manifest_version && shown->manifest_version < memory->manifest_version) {
        return refuse(ret_refusal, REFUSAL_OLD_VERSION,
                      "manifest version %" PRIu64 " is shown; %" PRIu64 " was seen before",
                      shown->manifest_version, memory->manifest_version);
    }
    return STATUS_OK;
}

static bool raise(uint64_t *number, uint64_t shown)
{
    if (shown <= *number) {
        return false;
    }
    *number = shown;
    return true;
}

bool perimeter_memory_raise(struct perimeter_memory *memory, const struct perimeter_memory *shown)
{
    bool raised = raise(&memory->succession, shown->succession);

    raised |= raise(&memory->epoch, shown->epoch);
    raised |= raise(&memory->manifest_version, shown->manifest_version);
    return raised;
}

void perimeter_memory_print(const struct perimeter_memory *memory,
                            char ret_text[PERIMETER_MEMORY_TEXT_SIZE])
{
    (void)snprintf(ret_text, PERIMETER_MEMORY_TEXT_SIZE, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                   memory->succession, memory->epoch, memory->manifest_version);
}

/* A decimal number without sign or leading zeroes, and the one character that ends it. */
static enum status number_read(struct reader *reader, char end, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t digits = 0;

    for (;;) {
        uint8_t byte = reader_u8(reader);

        if (reader->bad) {
            return STATUS_MALFORMED;
        }
        if (byte == (uint8_t)end && digits) {
            *ret_number = number;
            return STATUS_OK;
        }
        if (byte < '0' || byte > '9' || (digits && number == 0) ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(byte - '0'), &number)) {
            return STATUS_MALFORMED;
        }
        digits++;
    }
}

enum status perimeter_memory_parse(struct view text, struct perimeter_memory *ret_memory)
{
    struct reader reader = reader_of(text);
    struct perimeter_memory memory;

    TRY(number_read(&reader, ' ', &memory.succession));
    TRY(number_read(&reader, ' ', &memory.epoch));
    TRY(number_read(&reader, '\n', &memory.manifest_version));
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_memory = memory;
    return STATUS_OK;
}
