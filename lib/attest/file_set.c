#include "lib/attest/file_set.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_KEY_SIZE = 8, MAGIC_SIZE = 16 };
static const uint8_t magic[MAGIC_SIZE] = "tccp-files\0\0\0\0\0\1";

static const uint8_t *entry_at(const struct file_set *set, size_t index)
{
    return set->entries + index * FILE_SET_ENTRY_SIZE;
}

static uint64_t key_at(const struct file_set *set, size_t index)
{
    struct reader reader = reader_of((struct view){entry_at(set, index), PATH_KEY_SIZE});

    return reader_u64(&reader);
}

enum status file_set_open(struct view view, struct file_set *ret_set)
{
    struct reader reader = reader_of(view);
    struct view head = reader_view(&reader, MAGIC_SIZE);
    uint64_t count = reader_u64(&reader);
    struct file_set set = {.entries = reader.at};

    if (!view_equal(head, VIEW_OF_ARRAY(magic))) {
        return STATUS_MALFORMED;
    }
    if (count > FILE_SET_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    set.count = (size_t)count;
    if (reader.bad || reader.left != set.count * FILE_SET_ENTRY_SIZE) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 1; i < set.count; i++) {
        if (memcmp(entry_at(&set, i - 1), entry_at(&set, i), FILE_SET_ENTRY_SIZE) >= 0) {
            return STATUS_MALFORMED;
        }
    }
    *ret_set = set;
    return STATUS_OK;
}

static struct digest path_hash(struct view path)
{
    return sha256(path);
}

/* The first entry whose key is not less. Keys are hashes, evenly spread, so the place is estimated
 * from the key; should a set be made uneven on purpose, halving takes over after a few guesses. */
static size_t position_of(const struct file_set *set, uint64_t key)
{
    enum { GUESS_COUNT = 6, WINDOW = 8 };
    size_t low = 0, high = set->count; /* the answer lies in [low, high] */
    uint64_t low_key = 0, high_key = UINT64_MAX;

    for (unsigned guess = 0; guess < GUESS_COUNT && high - low > WINDOW; guess++) {
        uint64_t span = high_key - low_key;
        size_t middle = low + (size_t)((unsigned __int128)(key - low_key) * (high - low - 1) /
                                       (span ? span : 1));
        uint64_t middle_key = key_at(set, middle);

        if (middle_key < key) {
            low = middle + 1;
            low_key = middle_key;
        } else {
            high = middle;
            high_key = middle_key;
        }
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (key_at(set, middle) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum file_verdict file_set_find(const struct file_set *set, struct view path,
                                const struct digest *digest, struct digest *ret_known)
{
    struct digest hash = path_hash(path);
    struct reader reader = reader_of((struct view){hash.bytes, PATH_KEY_SIZE});
    uint64_t key = reader_u64(&reader);
    size_t first = position_of(set, key);
    bool known = false;

    for (size_t at = first; at < set->count && key_at(set, at) == key; at++) {
        if (memcmp(entry_at(set, at) + PATH_KEY_SIZE, digest->bytes, SHA256_SIZE) == 0) {
            return FILE_ALLOWED;
        }
        known = true;
    }
    if (!known) {
        return FILE_UNKNOWN;
    }
    if (ret_known) {
        memcpy(ret_known->bytes, entry_at(set, first) + PATH_KEY_SIZE, SHA256_SIZE);
    }
    return FILE_CHANGED;
}

void file_set_builder_free(struct file_set_builder *builder)
{
    free(builder->entries);
    *builder = (struct file_set_builder){0};
}

enum status file_set_builder_add(struct file_set_builder *builder, struct view path,
                                 const struct digest *digest)
{
    struct digest hash = path_hash(path);
    uint8_t *entry;

    if (builder->count >= FILE_SET_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (builder->count == builder->capacity) {
        size_t capacity = builder->capacity ? 2 * builder->capacity : 256;
        uint8_t *entries = reallocarray(builder->entries, capacity, FILE_SET_ENTRY_SIZE);

        if (!entries) {
            return STATUS_NO_MEMORY;
        }
        builder->entries = entries;
        builder->capacity = capacity;
    }
    entry = builder->entries + builder->count++ * FILE_SET_ENTRY_SIZE;
    memcpy(entry, hash.bytes, PATH_KEY_SIZE);
    memcpy(entry + PATH_KEY_SIZE, digest->bytes, SHA256_SIZE);
    return STATUS_OK;
}

static int entry_order(const void *left, const void *right)
{
    return memcmp(left, right, FILE_SET_ENTRY_SIZE);
}

enum status file_set_builder_take(struct file_set_builder *builder, struct bytes *ret_bytes)
{
    OWN(writer) struct writer writer = writer_new(FILE_SET_SIZE_MAX);
    struct file_set all = {builder->entries, builder->count};
    size_t count = 0;

    if (all.count) {
        qsort(builder->entries, all.count, FILE_SET_ENTRY_SIZE, entry_order);
    }
    for (size_t i = 0; i < all.count; i++) {
        if (i == 0 || entry_order(entry_at(&all, i - 1), entry_at(&all, i)) != 0) {
            count++;
        }
    }
    writer_view(&writer, VIEW_OF_ARRAY(magic));
    writer_u64(&writer, count);
    for (size_t i = 0; i < all.count; i++) {
        if (i == 0 || entry_order(entry_at(&all, i - 1), entry_at(&all, i)) != 0) {
            writer_view(&writer, (struct view){entry_at(&all, i), FILE_SET_ENTRY_SIZE});
        }
    }
    TRY(writer_take(&writer, ret_bytes));
    file_set_builder_free(builder);
    return STATUS_OK;
}
