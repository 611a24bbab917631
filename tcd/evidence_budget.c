#include "tcd/evidence_budget.h"

#include "lib/base/status.h"

static void line_add(struct evidence_line *line, struct evidence_place *place)
{
    place->next = NULL;
    place->previous = line->last;
    if (line->last) {
        line->last->next = place;
    } else {
        line->first = place;
    }
    line->last = place;
}

static void line_remove(struct evidence_line *line, struct evidence_place *place)
{
    if (place->previous) {
        place->previous->next = place->next;
    } else {
        line->first = place->next;
    }
    if (place->next) {
        place->next->previous = place->previous;
    } else {
        line->last = place->previous;
    }
    place->next = place->previous = NULL;
}

void evidence_budget_init(struct evidence_budget *budget, size_t total)
{
    *budget = (struct evidence_budget){.total = total};
}

void evidence_budget_ask(struct evidence_budget *budget, struct evidence_place *place, size_t size)
{
    ASSERT(place->state == EVIDENCE_PLACE_NONE && size > 0 && size <= budget->total);
    place->state = EVIDENCE_PLACE_WAITING;
    place->size = size;
    line_add(&budget->waiting, place);
}

struct evidence_place *evidence_budget_grant(struct evidence_budget *budget)
{
    struct evidence_place *place = budget->waiting.first;

    if (!place || place->size > budget->total - budget->used) {
        return NULL;
    }
    line_remove(&budget->waiting, place);
    line_add(&budget->granted, place);
    place->state = EVIDENCE_PLACE_GRANTED;
    budget->used += place->size;
    return place;
}

void evidence_budget_release(struct evidence_budget *budget, struct evidence_place *place)
{
    switch (place->state) {
    case EVIDENCE_PLACE_NONE:
        break;
    case EVIDENCE_PLACE_WAITING:
        line_remove(&budget->waiting, place);
        break;
    case EVIDENCE_PLACE_GRANTED:
        ASSERT(budget->used >= place->size);
        line_remove(&budget->granted, place);
        budget->used -= place->size;
        break;
    }
    *place = (struct evidence_place){0};
}
