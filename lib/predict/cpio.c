#include "lib/predict/cpio.h"

#include <string.h>

enum { HEADER_SIZE = 110, NUMBER_SIZE = 8, ALIGNMENT = 4 };

/* The numbers of a header, in their order. */
enum number {
    NUMBER_INODE,
    NUMBER_MODE,
    NUMBER_OWNER,
    NUMBER_GROUP,
    NUMBER_LINKS,
    NUMBER_TIME,
    NUMBER_SIZE_OF_FILE,
    NUMBER_DEVICE_MAJOR,
    NUMBER_DEVICE_MINOR,
    NUMBER_NODE_MAJOR,
    NUMBER_NODE_MINOR,
    NUMBER_SIZE_OF_NAME,
    NUMBER_CHECK,
};
enum { NUMBER_COUNT = NUMBER_CHECK + 1 };

static uint32_t number_read(struct reader *reader)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < NUMBER_SIZE; i++) {
        uint8_t digit = reader_u8(reader);
        bool decimal = digit >= '0' && digit <= '9';
        uint8_t letter = digit | 0x20;

        reader_require(reader, decimal || (letter >= 'a' && letter <= 'f'));
        number = number << 4 | (uint32_t)(decimal ? digit - '0' : letter - 'a' + 10);
    }
    return reader->bad ? 0 : number;
}

/* Skips what fills up to the next header: archives begin at multiples of four. */
static void padding_read(struct reader *reader, size_t size)
{
    (void)reader_view(reader, (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT);
}

static enum status entry_read(struct cpio *cpio, struct cpio_entry *ret_entry,
                              struct refusal *refusal)
{
    struct reader reader =
        reader_of((struct view){cpio->bytes.data + cpio->at, cpio->bytes.size - cpio->at});
    struct view magic = reader_view(&reader, 6);
    uint32_t numbers[NUMBER_COUNT], name_size;

    if (!view_equal(magic, view_string("070701")) && !view_equal(magic, view_string("070702"))) {
        return refuse(refusal, REFUSAL_MALFORMED, "no cpio header of the form newc at byte %zu",
                      cpio->at);
    }
    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        numbers[i] = number_read(&reader);
    }
    name_size = numbers[NUMBER_SIZE_OF_NAME];
    reader_require(&reader, name_size > 1 && name_size <= CPIO_NAME_SIZE_MAX + 1);
    *ret_entry = (struct cpio_entry){
        .archive = cpio->archive,
        .inode = numbers[NUMBER_INODE],
        .mode = numbers[NUMBER_MODE],
        .links = numbers[NUMBER_LINKS],
        .device_major = numbers[NUMBER_DEVICE_MAJOR],
        .device_minor = numbers[NUMBER_DEVICE_MINOR],
        .name = reader_view(&reader, name_size),
    };
    if (reader.bad ||
        memchr(ret_entry->name.data, 0, name_size) != ret_entry->name.data + name_size - 1) {
        return refuse(refusal, REFUSAL_MALFORMED, "the cpio header at byte %zu is malformed",
                      cpio->at);
    }
    ret_entry->name.size--;
    padding_read(&reader, HEADER_SIZE + name_size);
    ret_entry->content = reader_view(&reader, numbers[NUMBER_SIZE_OF_FILE]);
    if (reader.bad) {
        return refuse(refusal, REFUSAL_MALFORMED, "the cpio archive is cut short at byte %zu",
                      cpio->at);
    }
    /* The last entry of all may lack it. */
    if (reader.left > 0) {
        padding_read(&reader, ret_entry->content.size);
    }
    cpio->at = cpio->bytes.size - (reader.bad ? 0 : reader.left);
    return STATUS_OK;
}

enum status cpio_next(struct cpio *cpio, struct cpio_entry *ret_entry, struct refusal *refusal)
{
    for (;;) {
        while (!cpio->inside && cpio->at < cpio->bytes.size && cpio->bytes.data[cpio->at] == 0) {
            cpio->at++;
        }
        if (!cpio->inside && (cpio->at == cpio->bytes.size || cpio->bytes.data[cpio->at] != '0' ||
                              cpio->at % ALIGNMENT != 0)) {
            return STATUS_NOT_FOUND;
        }
        TRY(entry_read(cpio, ret_entry, refusal));
        cpio->inside = !view_equal(ret_entry->name, view_string("TRAILER!!!"));
        if (cpio->inside) {
            return STATUS_OK;
        }
        cpio->archive++;
    }
}
