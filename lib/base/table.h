/*
 * Hash tables that find records by a key of fixed size, and list them in the order in which they
 * were inserted, whatever was removed between: the same on every machine and in every run.
 *
 * The key lies inside the record, which belongs to the caller and must not move or change its key
 * while it is in the table. Memory that runs out aborts: tables hold state that is replicated.
 */
#ifndef TCCP_BASE_TABLE_H
#define TCCP_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot;

struct table {
    size_t key_size, key_offset;
    size_t count;       /* records */
    size_t first, used; /* slots in use: first <= index < used, some of them empty */
    size_t slot_capacity;
    struct table_slot *slots; /* in the order of insertion */
    size_t index_size;        /* a power of two, or 0 */
    uint32_t *index;
};

/* key_offset: where in a record its key of key_size bytes begins. */
void table_init(struct table *table, size_t key_size, size_t key_offset);
#define TABLE_INIT(table, type, key)                                                               \
    table_init((table), sizeof(((type *)0)->key), offsetof(type, key))
/* Frees the table, not the records. */
void table_free(struct table *table);

/* The record, or NULL. key: key_size bytes. */
void *table_find(const struct table *table, const void *key);
/* Inserts at the end. A record with that key must not be there already. */
void table_insert(struct table *table, void *record);
/* Removes and returns the record; NULL when it is not there. */
void *table_remove(struct table *table, const void *key);
/* The record inserted first of those that are there; NULL when empty. */
void *table_first(const struct table *table);
/* The next record in order; start with *cursor = 0. Removing the record just returned is allowed;
 * inserting starts anew. */
void *table_next(const struct table *table, size_t *cursor);

#endif
