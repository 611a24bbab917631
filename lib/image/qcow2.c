#include "lib/image/qcow2.h"

enum {
    CLUSTER_BITS = 16,
    CLUSTER_SIZE = 1 << CLUSTER_BITS,
    /* An entry of the first table is for a cluster of entries, each for a cluster of the disk. */
    ENTRY_SIZE = 8,
    L1_ENTRY_DISK_SIZE = CLUSTER_SIZE / ENTRY_SIZE * CLUSTER_SIZE,
    REFCOUNT_ORDER = 4, /* 16 bits each */
    REFCOUNT_SIZE = 2,
    HEADER_LENGTH = 104,
    EXTENSION_CRYPTO = 0x0537be77,
    EXTENSION_END = 0,
};

/* Where what lies, in clusters; the first table comes last, since its size is the disk's. */
enum {
    AT_HEADER,
    AT_REFCOUNT_TABLE,
    AT_REFCOUNTS,
    AT_LUKS,
    LUKS_CLUSTER_COUNT = (LUKS1_AREA_SIZE + CLUSTER_SIZE - 1) / CLUSTER_SIZE,
    AT_L1 = AT_LUKS + LUKS_CLUSTER_COUNT,
    L1_CLUSTER_COUNT_MAX =
        (QCOW2_DISK_SIZE_MAX / L1_ENTRY_DISK_SIZE * ENTRY_SIZE + CLUSTER_SIZE - 1) / CLUSTER_SIZE,
};
_Static_assert(AT_L1 + L1_CLUSTER_COUNT_MAX <= CLUSTER_SIZE / REFCOUNT_SIZE,
               "one cluster of reference counts is enough");
_Static_assert(QCOW2_DISK_SIZE_MAX / L1_ENTRY_DISK_SIZE <= UINT32_MAX, "entries are counted in 32");

enum { HEAD_SIZE = AT_LUKS * CLUSTER_SIZE + LUKS1_SIZE };

static uint64_t divide_up(uint64_t dividend, uint64_t divisor)
{
    return (dividend + divisor - 1) / divisor;
}

static uint64_t offset_of(uint64_t cluster)
{
    return cluster * CLUSTER_SIZE;
}

static void pad_to(struct writer *writer, uint64_t cluster)
{
    static const uint8_t zeros[4096];

    while (writer->status == STATUS_OK && writer->size < offset_of(cluster)) {
        size_t left = (size_t)offset_of(cluster) - writer->size;

        writer_view(writer, (struct view){zeros, left < sizeof zeros ? left : sizeof zeros});
    }
}

static void write_header(struct writer *writer, uint64_t disk_size, uint32_t l1_entry_count)
{
    writer_u32(writer, QCOW2_MAGIC);
    writer_u32(writer, QCOW2_VERSION);
    writer_u64(writer, 0); /* no backing file */
    writer_u32(writer, 0);
    writer_u32(writer, CLUSTER_BITS);
    writer_u64(writer, disk_size);
    writer_u32(writer, QCOW2_CRYPT_LUKS);
    writer_u32(writer, l1_entry_count);
    writer_u64(writer, offset_of(AT_L1));
    writer_u64(writer, offset_of(AT_REFCOUNT_TABLE));
    writer_u32(writer, 1); /* its clusters */
    writer_u32(writer, 0); /* no snapshots */
    writer_u64(writer, 0);
    writer_u64(writer, 0); /* features: incompatible, compatible, cleared by who does not know */
    writer_u64(writer, 0);
    writer_u64(writer, 0);
    writer_u32(writer, REFCOUNT_ORDER);
    writer_u32(writer, HEADER_LENGTH);
    ASSERT(writer->status != STATUS_OK || writer->size == HEADER_LENGTH);
    writer_u32(writer, EXTENSION_CRYPTO);
    writer_u32(writer, 2 * sizeof(uint64_t));
    writer_u64(writer, offset_of(AT_LUKS));
    writer_u64(writer, LUKS1_AREA_SIZE);
    writer_u32(writer, EXTENSION_END);
    writer_u32(writer, 0);
}

enum status qcow2_format(uint64_t disk_size, struct view passphrase,
                         const struct luks1_entropy *entropy, struct bytes *ret_head,
                         uint64_t *ret_size)
{
    OWN(writer) struct writer writer = writer_new(HEAD_SIZE);
    OWN(bytes) struct bytes luks = {0};
    uint64_t l1_entry_count = divide_up(disk_size, L1_ENTRY_DISK_SIZE);
    uint64_t cluster_count = AT_L1 + divide_up(l1_entry_count * ENTRY_SIZE, CLUSTER_SIZE);

    ASSERT(disk_size > 0 && disk_size % QCOW2_SECTOR_SIZE == 0 && disk_size <= QCOW2_DISK_SIZE_MAX);
    TRY(luks1_format(passphrase, entropy, &luks));
    write_header(&writer, disk_size, (uint32_t)l1_entry_count);
    pad_to(&writer, AT_REFCOUNT_TABLE);
    writer_u64(&writer, offset_of(AT_REFCOUNTS));
    pad_to(&writer, AT_REFCOUNTS);
    for (uint64_t i = 0; i < cluster_count; i++) {
        writer_u16(&writer, 1);
    }
    pad_to(&writer, AT_LUKS);
    writer_view(&writer, bytes_view(&luks));
    TRY(writer_take(&writer, ret_head));
    *ret_size = offset_of(cluster_count);
    return STATUS_OK;
}
