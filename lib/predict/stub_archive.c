#include "lib/predict/stub_archive.h"

#include <stdio.h>
#include <string.h>

enum {
    ARCHIVE_HEADER_SIZE = 110, /* of an entry: magic, then 13 numbers of 8 hexadecimal digits */
    ARCHIVE_SIZE_MAX = 1 << 20,
    MODE_FOLDER = 0040555,
    MODE_FILE = 0100444,
};

static void pad(struct writer *writer)
{
    while (writer->size % 4 != 0 && writer->status == STATUS_OK) {
        writer_u8(writer, 0);
    }
}

/* The name is written with its NUL; header and name together, and the contents, are padded. */
static void entry_write(struct writer *writer, unsigned inode, unsigned mode, const char *name,
                        struct view contents)
{
    char header[ARCHIVE_HEADER_SIZE + 1];
    size_t name_size = strlen(name) + 1;

    /* inode, mode, owner, group, links, time, size, four device numbers, size of the name, check */
    (void)snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08x%032x%08x%08x", inode,
                   mode, 0, 0, 1, 0, (unsigned)contents.size, 0, (unsigned)name_size, 0);
    writer_view(writer, view_string(header));
    writer_view(writer, (struct view){(const uint8_t *)name, name_size});
    pad(writer);
    writer_view(writer, contents);
    pad(writer);
}

/* One archive of one file, as pack_cpio_literal() of systemd-stub makes it. */
static void archive_write(struct writer *writer, const char *path, struct view contents)
{
    /* Upper case in the size of the name, unlike all others. */
    static const char trailer[] = "070701"
                                  "00000000000000000000000000000000"
                                  "00000001"
                                  "000000000000000000000000000000000000000000000000"
                                  "0000000B"
                                  "00000000"
                                  "TRAILER!!!\0\0\0"; /* and the text's own NUL: four */

    if (contents.size == 0) {
        return;
    }
    entry_write(writer, 1, MODE_FOLDER, ".extra", (struct view){0});
    entry_write(writer, 2, MODE_FILE, path, contents);
    writer_view(writer, VIEW_OF_ARRAY(trailer));
}

enum status stub_initrd_digest(struct view initrd, struct view pcrsig, struct view pcrpkey,
                               struct digest *ret_digest)
{
    static const uint8_t zeroes[3];
    OWN(writer) struct writer writer = writer_new(ARCHIVE_SIZE_MAX);
    OWN(bytes) struct bytes archives = {0};
    struct sha256 hash;

    archive_write(&writer, ".extra/tpm2-pcr-signature.json", pcrsig);
    archive_write(&writer, ".extra/tpm2-pcr-public-key.pem", pcrpkey);
    TRY(writer_take(&writer, &archives));
    sha256_init(&hash);
    sha256_update(&hash, initrd);
    if (archives.size > 0) {
        sha256_update(&hash, (struct view){zeroes, (4 - initrd.size % 4) % 4});
        sha256_update(&hash, bytes_view(&archives));
    }
    *ret_digest = sha256_final(&hash);
    return STATUS_OK;
}
