/*
 * PURE. Memory for evidence that is too large for one message: so much at a time, first come first
 * served. Whoever is first in line and does not fit is waited for: small ones that came later do
 * not overtake it, or it might wait for ever.
 */
#ifndef TCCP_TCD_EVIDENCE_BUDGET_H
#define TCCP_TCD_EVIDENCE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

enum evidence_place_state { EVIDENCE_PLACE_NONE, EVIDENCE_PLACE_WAITING, EVIDENCE_PLACE_GRANTED };

/* In line, or with room of its own. Lies in what asked; all zero: neither. */
struct evidence_place {
    enum evidence_place_state state;
    size_t size;
    struct evidence_place *next, *previous;
};

struct evidence_line {
    struct evidence_place *first, *last;
};

struct evidence_budget {
    size_t total, used;
    struct evidence_line waiting, granted; /* the longest there first */
};

void evidence_budget_init(struct evidence_budget *budget, size_t total);
/* Gets in line for so many bytes, 1 to the total. The place is neither yet. */
void evidence_budget_ask(struct evidence_budget *budget, struct evidence_place *place, size_t size);
/* Gives room to who is first in line; NULL: there is nobody, or no room. */
struct evidence_place *evidence_budget_grant(struct evidence_budget *budget);
/* Leaves the line, or gives the room back. Any place. */
void evidence_budget_release(struct evidence_budget *budget, struct evidence_place *place);

#endif
