/*
 * What a client, node or member remembers of a perimeter, so that nobody can show it an older
 * state: the highest succession, epoch and manifest version that it saw verified (docs/PROTOCOL.md,
 * section 1; invariant I5). A value; its owner keeps it in a file.
 */
#ifndef TCCP_PERIMETER_MEMORY_H
#define TCCP_PERIMETER_MEMORY_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"

/* All zeroes: nothing was seen yet. */
struct perimeter_memory {
    uint64_t succession;
    uint64_t epoch;
    uint64_t manifest_version;
};

/* Refused when what is shown lies behind what was seen. A version of 0 means that no manifest is
 * shown. */
WARN_UNUSED enum status perimeter_memory_check(const struct perimeter_memory *memory,
                                               const struct perimeter_memory *shown,
                                               struct refusal *ret_refusal);
/* Takes in what was verified. True when it raised something: write it down. */
bool perimeter_memory_raise(struct perimeter_memory *memory, const struct perimeter_memory *shown);

/* Text form, one line "succession epoch version\n", for the owner's file. */
enum { PERIMETER_MEMORY_TEXT_SIZE = 3 * 21 + 1 };
void perimeter_memory_print(const struct perimeter_memory *memory,
                            char ret_text[PERIMETER_MEMORY_TEXT_SIZE]);
WARN_UNUSED enum status perimeter_memory_parse(struct view text,
                                               struct perimeter_memory *ret_memory);

#endif
