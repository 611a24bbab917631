#include "tcd/replica_queue.h"

#include <stdlib.h>

void proposals_init(struct proposals *proposals)
{
    *proposals = (struct proposals){.end = &proposals->first};
}

void proposals_push(struct proposals *proposals, struct proposal *proposal)
{
    proposal->next = NULL;
    *proposals->end = proposal;
    proposals->end = &proposal->next;
    proposals->count++;
}

struct proposal *proposals_pop(struct proposals *proposals)
{
    struct proposal *proposal = proposals->first;

    if (proposal) {
        proposals->first = proposal->next;
        proposals->count--;
        if (!proposals->first) {
            proposals->end = &proposals->first;
        }
    }
    return proposal;
}

void proposals_finish(struct proposals *proposals, enum status status)
{
    struct proposal *proposal = proposals->first;

    proposals_init(proposals);
    for (struct proposal *next; proposal; proposal = next) {
        next = proposal->next;
        proposal->done(proposal->argument, status);
        free(proposal);
    }
}

void proposals_move(struct proposals *from, struct proposals *to)
{
    *to->end = from->first;
    if (from->first) {
        to->end = from->end;
        to->count += from->count;
    }
    proposals_init(from);
}

void reads_init(struct reads *reads)
{
    *reads = (struct reads){.end = &reads->first};
}

void reads_push(struct reads *reads, struct read_request *read)
{
    read->next = NULL;
    *reads->end = read;
    reads->end = &read->next;
}

void reads_move(struct reads *from, struct reads *to)
{
    *to->end = from->first;
    if (from->first) {
        to->end = from->end;
    }
    reads_init(from);
}

void reads_finish(struct reads *reads, enum status status)
{
    struct read_request *read = reads->first;

    reads_init(reads);
    for (struct read_request *next; read; read = next) {
        next = read->next;
        read->done(read->argument, status);
        free(read);
    }
}
