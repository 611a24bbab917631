/* Captured logs in pieces, for logs that somebody worked on. */
#ifndef TCCP_TESTS_LOG_PIECES_H
#define TCCP_TESTS_LOG_PIECES_H

#include "tests/unit/lib/attest/evidence_files.h"

enum { EVENTS_MAX = 256, ENTRIES_MAX = 256 };

/* A log as its header and its events or entries, each with all its bytes. */
struct pieces {
    struct bytes log;
    struct view head;
    size_t count;
    struct view items[EVENTS_MAX];
    struct event events[EVENTS_MAX];       /* of an event log */
    struct ima_entry entries[ENTRIES_MAX]; /* of IMA's */
};

static inline void pieces_free(struct pieces *pieces)
{
    bytes_free(&pieces->log);
    free(pieces);
}
DEFINE_OWN_POINTER(pieces, pieces_free)

static inline struct pieces *events_load(const char *folder)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);
    struct event_log log;
    const uint8_t *at;

    assert_non_null(pieces);
    pieces->log = evidence_file(folder, "eventlog.bin");
    assert_ok(event_log_open(bytes_view(&pieces->log), &log, NULL));
    pieces->head = (struct view){pieces->log.data, (size_t)(log.reader.at - pieces->log.data)};
    for (at = log.reader.at;
         event_log_next(&log, &pieces->events[pieces->count], NULL) == STATUS_OK;
         at = log.reader.at) {
        pieces->items[pieces->count++] = (struct view){at, (size_t)(log.reader.at - at)};
        assert_true(pieces->count < EVENTS_MAX);
    }
    return pieces;
}

static inline struct pieces *entries_load(const char *folder)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);
    struct reader reader;

    assert_non_null(pieces);
    pieces->log = evidence_file(folder, "ima.bin");
    reader = reader_of(bytes_view(&pieces->log));
    while (reader.left) {
        const uint8_t *at = reader.at;

        assert_ok(ima_entry_read(&reader, &pieces->entries[pieces->count]));
        pieces->items[pieces->count++] = (struct view){at, (size_t)(reader.at - at)};
        assert_true(pieces->count < ENTRIES_MAX);
    }
    return pieces;
}

static inline void pieces_write(struct writer *writer, const struct pieces *pieces, size_t from,
                                size_t to)
{
    for (size_t i = from; i < to; i++) {
        writer_view(writer, pieces->items[i]);
    }
}

/* The values that a folder's quote is over. */
static inline struct pcr_bank quoted_by(const char *folder)
{
    OWN(evidence_files) struct evidence_files files = evidence_load(folder);
    struct pcr_bank bank;

    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values),
                               strcmp(folder, "uki-sb") == 0 ? EVIDENCE_MASK_UKI : EVIDENCE_MASK,
                               &bank));
    return bank;
}

#endif
