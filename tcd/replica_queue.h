/* PURE. What waits in a replica: commands to be proposed, and reads. */
#ifndef TCCP_TCD_REPLICA_QUEUE_H
#define TCCP_TCD_REPLICA_QUEUE_H

#include "tcd/replica.h"

/* A command that waits to be proposed, or was. */
struct proposal {
    struct proposal *next;
    void *slot;
    replica_done done;
    void *argument;
    size_t size;
    uint8_t command[];
};

struct proposals {
    struct proposal *first, **end;
    size_t count;
};

struct read_request {
    struct read_request *next;
    replica_done done;
    void *argument;
};

struct reads {
    struct read_request *first, **end;
};

void proposals_init(struct proposals *proposals);
void proposals_push(struct proposals *proposals, struct proposal *proposal);
/* The first one, or NULL. */
struct proposal *proposals_pop(struct proposals *proposals);
/* Empties `from` into `to`, behind what is there. */
void proposals_move(struct proposals *from, struct proposals *to);
/* Tells all of them, which are gone then. What they do may fill the list again. */
void proposals_finish(struct proposals *proposals, enum status status);

void reads_init(struct reads *reads);
void reads_push(struct reads *reads, struct read_request *read);
void reads_move(struct reads *from, struct reads *to);
void reads_finish(struct reads *reads, enum status status);

#endif
