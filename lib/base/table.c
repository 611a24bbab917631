#include "lib/base/table.h"

#include "lib/base/status.h"

#include <stdlib.h>
#include <string.h>

struct table_slot {
    void *record; /* NULL: removed */
    uint64_t hash;
};

enum { INDEX_SIZE_MIN = 16 };
#define INDEX_EMPTY UINT32_MAX
/* A slot that was given up keeps its index entry, so that probing goes on past it. */

static uint64_t mix(uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdU;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53U;
    return value ^ value >> 33;
}

static uint64_t key_hash(const struct table *table, const void *key)
{
    const uint8_t *at = key;
    uint64_t hash = table->key_size, word;
    size_t left = table->key_size;

    while (left > 0) {
        size_t size = left < sizeof word ? left : sizeof word;

        word = 0;
        memcpy(&word, at, size);
        hash = mix(hash ^ word) + 0x9e3779b97f4a7c15U;
        at += size;
        left -= size;
    }
    return hash;
}

static const void *key_of(const struct table *table, const void *record)
{
    return (const uint8_t *)record + table->key_offset;
}

void table_init(struct table *table, size_t key_size, size_t key_offset)
{
    *table = (struct table){.key_size = key_size, .key_offset = key_offset};
}

void table_free(struct table *table)
{
    free(table->slots);
    free(table->index);
    *table = (struct table){.key_size = table->key_size, .key_offset = table->key_offset};
}

static void index_add(struct table *table, size_t slot)
{
    size_t mask = table->index_size - 1;
    size_t at = (size_t)table->slots[slot].hash & mask;

    while (table->index[at] != INDEX_EMPTY) {
        at = (at + 1) & mask;
    }
    table->index[at] = (uint32_t)slot;
}

/* Closes the gaps and makes room for at least one more record. */
static void rebuild(struct table *table)
{
    size_t used = 0, index_size = INDEX_SIZE_MIN;

    for (size_t i = table->first; i < table->used; i++) {
        if (table->slots[i].record) {
            table->slots[used++] = table->slots[i];
        }
    }
    ASSERT(used == table->count);
    table->first = 0;
    table->used = used;
    while (index_size < 4 * (table->count + 1)) {
        index_size *= 2;
    }
    ASSERT(index_size / 2 < INDEX_EMPTY);
    if (index_size != table->index_size) {
        free(table->index);
        table->index = malloc(index_size * sizeof *table->index);
        table->slots = realloc(table->slots, index_size / 2 * sizeof *table->slots);
        ASSERT(table->index && table->slots);
        table->index_size = index_size;
        table->slot_capacity = index_size / 2;
    }
    memset(table->index, 0xff, index_size * sizeof *table->index);
    for (size_t i = 0; i < used; i++) {
        index_add(table, i);
    }
}

/* The index entry of the record with that key, or of the first free one. */
static size_t probe(const struct table *table, const void *key, uint64_t hash)
{
    size_t mask = table->index_size - 1;
    size_t at = (size_t)hash & mask;

    for (; table->index[at] != INDEX_EMPTY; at = (at + 1) & mask) {
        const struct table_slot *slot = &table->slots[table->index[at]];

        if (slot->record && slot->hash == hash &&
            memcmp(key_of(table, slot->record), key, table->key_size) == 0) {
            break;
        }
    }
    return at;
}

void *table_find(const struct table *table, const void *key)
{
    size_t at;

    if (table->count == 0) {
        return NULL;
    }
    at = probe(table, key, key_hash(table, key));
    return table->index[at] == INDEX_EMPTY ? NULL : table->slots[table->index[at]].record;
}

void table_insert(struct table *table, void *record)
{
    const void *key = key_of(table, record);

    ASSERT(!table_find(table, key));
    if (table->used == table->slot_capacity) {
        rebuild(table);
    }
    table->slots[table->used] = (struct table_slot){record, key_hash(table, key)};
    index_add(table, table->used);
    table->used++;
    table->count++;
}

void *table_remove(struct table *table, const void *key)
{
    void *record;
    size_t at, slot;

    if (table->count == 0) {
        return NULL;
    }
    at = probe(table, key, key_hash(table, key));
    if (table->index[at] == INDEX_EMPTY) {
        return NULL;
    }
    slot = table->index[at];
    record = table->slots[slot].record;
    table->slots[slot].record = NULL;
    table->count--;
    while (table->first < table->used && !table->slots[table->first].record) {
        table->first++;
    }
    return record;
}

void *table_first(const struct table *table)
{
    return table->count > 0 ? table->slots[table->first].record : NULL;
}

void *table_next(const struct table *table, size_t *cursor)
{
    if (*cursor < table->first) {
        *cursor = table->first;
    }
    while (*cursor < table->used) {
        void *record = table->slots[(*cursor)++].record;

        if (record) {
            return record;
        }
    }
    return NULL;
}
