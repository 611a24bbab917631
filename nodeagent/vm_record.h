/*
 * PURE. What the agent knows of one VM on this node, and what it does when the coordinator or the
 * launcher says something about it (docs/PROTOCOL.md, sections 4 and 5).
 *
 *     FETCHING -> STARTING -> ATTACHING -> PREPARED <--refused-- GRANTING -> RUNNING
 *     (image,      (QEMU)      (disk)      (waits for ---grant-->             | ^
 *      overlay)                             a grant)  <-------- grant ---------+-+
 *        `-----------`------------`------------`------------`-------- end --> ENDING -> OVER
 *
 * A live migration, at its destination and at its source (every state ends like those above):
 *
 *     ATTACHING --> INCOMING --loaded--> LOADED --decided--> PREPARED
 *     RUNNING --> LEAVING --kept--> RUNNING, or --frozen--> PREPARED
 *
 * A VM that an earlier agent started begins as PREPARED: it runs, or is stopped, but this agent has
 * no grant for it yet. OVER is kept until the next registration, so that its end can be told again.
 */
#ifndef TCCP_NODEAGENT_VM_RECORD_H
#define TCCP_NODEAGENT_VM_RECORD_H

#include "lib/base/sha256.h"
#include "lib/protocol/launch_order.h"

enum record_state {
    RECORD_FETCHING,  /* its image is copied and its overlay made */
    RECORD_STARTING,  /* the launcher starts QEMU */
    RECORD_ATTACHING, /* QEMU gets its disk */
    RECORD_PREPARED,  /* waits for a grant */
    RECORD_GRANTING,  /* the launcher gets the grant, then QEMU is told to go on */
    RECORD_RUNNING,
    RECORD_INCOMING, /* QEMU waits for the state of a migration, or loads it */
    RECORD_LOADED,   /* all of it is here and frozen; whose the VM is has not been decided */
    RECORD_LEAVING,  /* its state goes to the destination of a migration */
    RECORD_ENDING,   /* what is left of it is taken down */
    RECORD_OVER,     /* nothing is left */
    RECORD_STATE_COUNT
};
const char *record_state_name(enum record_state state);

enum record_step {
    RECORD_FETCHED,
    RECORD_STARTED,
    RECORD_ATTACHED,
    RECORD_GRANTED,   /* a grant goes to the launcher */
    RECORD_REFUSED,   /* the launcher does not take it */
    RECORD_RESUMED,   /* the guest runs */
    RECORD_EXPECTED,  /* the disk is attached, and a migration is to bring the state */
    RECORD_COMPLETED, /* it did */
    RECORD_DECIDED,   /* the coordinator gave the VM to the state that was loaded */
    RECORD_LEAVES,    /* a migration begins to send the state */
    RECORD_KEPT,      /* nothing came of it, and the guest runs on */
    RECORD_FROZEN,    /* the guest was stopped for it: it goes on under a newer grant only */
    RECORD_PAUSED,    /* its grants were withdrawn: it goes on under a newer one only */
    RECORD_END,       /* by a command, a failure or by itself */
    RECORD_GONE,      /* nothing is left of it, here and at the launcher */
    RECORD_STEP_COUNT
};

/* What the coordinator is told at the end. */
enum record_outcome {
    RECORD_NO_OUTCOME, /* nothing: it is not asked about it any more */
    RECORD_ENDED,      /* the guest shut down, or was stopped as asked */
    RECORD_FAILED,
    RECORD_DESTROYED,
    RECORD_NOT_MOVED, /* of a migration's destination: the source still has it */
};

enum { RECORD_DETAIL_SIZE = 160 }; /* characters, with the NUL: as much as the coordinator keeps */

struct vm_record {
    struct digest vm;
    enum record_state state;
    uint64_t generation;   /* the highest seen in an order or a grant */
    uint64_t registration; /* of the last order or grant; 0: an earlier agent's */
    bool is_whole; /* its guest ran here, or all of its state came: there is something to lose */
    bool was_shut_down; /* QEMU said that the guest asked for its end */
    enum record_outcome outcome;
    char detail[RECORD_DETAIL_SIZE];
};

/* Begins at an order; or with what the launcher holds when an agent starts. */
struct vm_record record_new(const struct digest *vm, uint64_t generation, uint64_t registration);
struct vm_record record_adopted(const struct digest *vm, uint64_t generation);

/* False, and nothing happens, where the step is not one of that state's. */
bool record_move(struct vm_record *record, enum record_step step);
/* RECORD_END with an outcome. The first one counts. */
PRINTF_LIKE(3, 4)
bool record_end(struct vm_record *record, enum record_outcome outcome, const char *format, ...);

/* What to do with an order that was checked and is for this node. record: NULL when there is none.
 */
enum order_answer {
    ORDER_BEGIN,   /* start it; what is there is over */
    ORDER_TAKE,    /* it is here: take the key for its proof, and answer again */
    ORDER_REPORT,  /* say again how it ended */
    ORDER_WAIT,    /* it is just being taken down */
    ORDER_REPLACE, /* take down the copy of an older generation; the order comes again */
    ORDER_MISSING, /* there is nothing to readopt */
    ORDER_STALE,   /* of an older generation */
};
enum order_answer record_take_order(const struct vm_record *record, enum order_purpose purpose,
                                    uint64_t generation);

enum grant_answer {
    GRANT_IGNORE,
    GRANT_KEEP, /* until it is prepared */
    GRANT_APPLY,
    GRANT_REPORT, /* nothing is here that could run: say so */
};
enum grant_answer record_take_grant(const struct vm_record *record, uint64_t generation);

enum command_answer {
    COMMAND_IGNORE, /* of an older generation, or it is under way */
    COMMAND_END,
    COMMAND_REPORT, /* nothing is here: say so */
};
enum command_answer record_take_command(const struct vm_record *record, uint64_t generation);

/* The coordinator withdrew its grants, at this generation. */
enum pause_answer {
    PAUSE_IGNORE, /* of an older generation, or it is being taken down */
    PAUSE_FREEZE,
    PAUSE_FIRST_STAY, /* a migration takes it away: that is to end first; the command comes again */
    PAUSE_END,        /* its guest never ran here: there is nothing to keep */
    PAUSE_REPORT,     /* nothing is here: say so */
};
enum pause_answer record_take_pause(const struct vm_record *record, uint64_t generation);

/* Whether a new registration has it in its inventory: it is whole, and here. Whatever was only
 * being started for another registration is to be taken down instead. */
bool record_survives(const struct vm_record *record);

#endif
