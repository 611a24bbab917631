#include "tcd/proposals.h"

#include "lib/net/timer.h"

#include <stdlib.h>

struct proposal {
    struct proposal_slot slot; /* first: the machine hands it back */
    proposal_done done;        /* NULL once it was called */
    void *argument;
};

static void applied(struct proposal_slot *slot, const struct outcome *outcome)
{
    struct proposal *proposal = (struct proposal *)slot;
    proposal_done done = proposal->done;

    proposal->done = NULL;
    done(proposal->argument, STATUS_OK, outcome);
}

static void finished(void *argument, enum status status)
{
    struct proposal *proposal = argument;

    if (proposal->done) {
        proposal->done(proposal->argument, status == STATUS_OK ? STATUS_UNKNOWN : status, NULL);
    }
    free(proposal);
}

/* What the members could not decode once it is committed would halt all of them, and again at every
 * start: texts come from outside, and no caller is trusted to have looked at every byte. */
static enum status encode_checked(const struct command *command, struct bytes *ret_bytes)
{
    OWN(command) struct command *decoded = NULL;

    TRY(command_encode(command, ret_bytes));
    return command_decode(bytes_view(ret_bytes), &decoded);
}

void propose(struct replica *replica, struct command *command, proposal_done done, void *argument)
{
    OWN(bytes) struct bytes bytes = {0};
    struct proposal *proposal = calloc(1, sizeof *proposal);
    enum status status = STATUS_NO_MEMORY;

    command->time_s = time_wall_s();
    if (proposal) {
        *proposal = (struct proposal){
            .slot = {.applied = applied},
            .done = done,
            .argument = argument,
        };
        status = encode_checked(command, &bytes);
    }
    if (status == STATUS_OK) {
        status = replica_propose(replica, bytes_view(&bytes), &proposal->slot, finished, proposal);
    }
    if (status != STATUS_OK) {
        free(proposal);
        done(argument, status, NULL);
    }
}
