/*
 * Who may run a VM (docs/PROTOCOL.md, section 5), for spin.
 *
 * Two hosts and the committed state of the coordinator. Every step of every party may happen at any time; what the
 * coordinator sends arrives late, repeatedly, or never. Leases run out, agents restart (QEMU lives on under the
 * launcher), one host crashes, the owner's grant is withdrawn because its host was found bad. Claims: never do two copies
 * run; none runs that was frozen because its grant was withdrawn, before its host registered anew; when nothing more can
 * happen, one runs, unless a host took the only copy with it.
 *
 * -DWITHOUT_A ... -DWITHOUT_E take one rule of section 5 away, -DWITHOUT_W the new generation of a withdrawal;
 * formal/test_ownership.sh expects that to break a claim. (f) is about who may be given a key (I1), not about these claims.
 *
 * model                               tcd/core (command kinds)
 *   authorise                           MIGRATION_AUTHORIZED
 *   report                              MIGRATION_REPORTED
 *   decide_done, decide_abort           MIGRATION_DONE, MIGRATION_ABORTED
 *   send_grant                          GRANT_ISSUED
 *   commit_resumed                      RESUMED
 *   destroy                             COPY_DESTROYED (pending: PENDING_DESTROY)
 *   revert                              OWNERSHIP_REVERTED
 *   start_elsewhere                     VM_FENCED, then RESTART_AUTHORIZED
 *   expire                              LEASE_EXPIRED
 *   register                            NODE_REGISTERED, VM_READOPTED
 *   withdraw                            GRANT_WITHDRAWN (the owner's node is quarantined or revoked)
 *   pause                               pending: PENDING_PAUSE
 */

#define SOURCE 0
#define DESTINATION 1
#define OTHER(h) (1 - (h))

/* A host's copy of the VM. */
#define ABSENT 0
#define INCOMING 1 /* being received: cannot run */
#define FROZEN 2   /* complete, does not run */
#define RUNNING 3

/* The migration, as committed. */
#define IDLE 0
#define OPEN 1
#define DONE 2
#define ABORTED 3

#ifndef MIGRATIONS_MAX
#define MIGRATIONS_MAX 2
#endif
#ifndef RESTARTS_MAX
#define RESTARTS_MAX 2
#endif
#ifndef WITHDRAWALS_MAX
#define WITHDRAWALS_MAX 1
#endif
#ifndef EXPIRIES_MAX
#define EXPIRIES_MAX 2
#endif

/* A host: copy and highest generation belong to the launcher, the rest to the agent. */
byte copy[2];
byte seen[2];          /* highest generation the launcher met */
bool agent[2];         /* the agent lives */
bool unregistered[2];  /* it restarted and has to register */
bool lease[2];         /* as the host counts it */
bool frozen_by_us;     /* the source froze its copy for the switch-over */

/* The committed state. */
bool lease_committed[2];
byte registration[2];
byte owner;
byte generation = 1;
byte migration = IDLE;
byte migration_count;
byte reported[2];      /* number of the migration last reported */
bool resumed = 1;
bool paused;           /* the owner's grant is withdrawn, until its host registers anew */
bool heeded;           /* its host froze the copy for that */
byte withdrawals;

byte opened;           /* number of the migration that the source has begun */
bool excused;          /* the memory of the VM was lost in a way that nobody can prevent */
byte restarts, expiries, crashes;

/* The last two grants sent to each host: generation and registration; 0: none. */
byte grant_generation[4], grant_registration[4];

#define COMPLETE(h) (copy[h] >= FROZEN)
/* The agent speaks for a registration whose lease, as it counts it, still runs. */
#define ACTIVE(h) (agent[h] && !unregistered[h] && lease[h])

/* A grant that was withdrawn, and heeded, serves no more. */
#define never_withdrawn(h) assert(!(paused && heeded && owner == h && copy[h] == RUNNING))
#define never_two() assert(!(copy[SOURCE] == RUNNING && copy[DESTINATION] == RUNNING))

#ifdef WITHOUT_A
#define raise_generation() skip
#define grant_is_current(i, h) (grant_generation[i] > 0)
#else
#define raise_generation() generation++
#define grant_is_current(i, h) (grant_generation[i] > 0 && grant_generation[i] >= seen[h])
#endif

inline start(h)
{
    copy[h] = RUNNING;
    if
    :: h == SOURCE -> frozen_by_us = 0
    :: else
    fi;
    never_withdrawn(h);
    never_two()
}

inline take_grant(i, h)
{
    seen[h] = grant_generation[i];
    start(h)
}

inline send_grant(h)
{
    grant_generation[2 * h] = grant_generation[2 * h + 1];
    grant_registration[2 * h] = grant_registration[2 * h + 1];
    grant_generation[2 * h + 1] = generation;
    grant_registration[2 * h + 1] = registration[h]
}

inline destroy(h)
{
    copy[h] = ABSENT;
    if
    :: h == SOURCE -> frozen_by_us = 0
    :: else
    fi;
    assert(COMPLETE(SOURCE) || COMPLETE(DESTINATION) || excused)
}

/* The lease runs out on the host: its launcher stops the VM, by its own clock. */
inline lose_lease(h)
{
    lease[h] = 0;
    expiries++;
#ifndef WITHOUT_E
    if
    :: copy[h] == RUNNING -> copy[h] = FROZEN
    :: else
    fi
#endif
}

inline register(h)
{
    if
    :: owner == h -> paused = 0; heeded = 0
    :: else
    fi;
#ifdef WITHOUT_D
    /* A renewal revives the registration that had expired, and with it whatever was sent for it. */
    if
    :: copy[h] == FROZEN && !(h == SOURCE && frozen_by_us) -> start(h)
    :: else
    fi;
#else
    registration[h]++;
#endif
    unregistered[h] = 0;
    lease[h] = 1;
    lease_committed[h] = 1
}

/* A host loses power: copy, TK and what the launcher knew are gone. */
inline crash(h)
{
    crashes++;
    if
    :: !COMPLETE(OTHER(h)) || (owner == h && resumed && migration != OPEN) -> excused = 1
    :: else
    fi;
    copy[h] = ABSENT;
    seen[h] = 0;
    lease[h] = 0;
    agent[h] = 0;
    if
    :: h == SOURCE ->
        frozen_by_us = 0;
        if
        :: copy[DESTINATION] == INCOMING -> copy[DESTINATION] = ABSENT
        :: else
        fi
    :: else
    fi
}

#define EACH_GRANT(i, h)                                                                                          \
    :: atomic { ACTIVE(h) && copy[h] == FROZEN && grant_is_current(i, h) &&                                       \
                grant_registration[i] == registration[h] -> take_grant(i, h) }

#define EACH_HOST(h)                                                                                              \
    EACH_GRANT(2 * h, h)                                                                                          \
    EACH_GRANT(2 * h + 1, h)                                                                                      \
    :: atomic { lease[h] && expiries < EXPIRIES_MAX -> lose_lease(h) }                                            \
    :: atomic { !lease[h] && lease_committed[h] -> lease_committed[h] = 0 /* expire: the host stopped before */ } \
    :: atomic { agent[h] && restarts < RESTARTS_MAX -> agent[h] = 0; restarts++ }                                 \
    :: atomic { !agent[h] -> agent[h] = 1; unregistered[h] = 1 }                                                  \
    :: atomic { agent[h] && (unregistered[h] || !lease[h]) -> register(h) }                                       \
    :: atomic { crashes < 1 -> crash(h) }

init {
    copy[SOURCE] = RUNNING;
    seen[SOURCE] = 1;
    grant_generation[1] = 1;
    grant_registration[1] = 1;
    agent[SOURCE] = 1; agent[DESTINATION] = 1;
    lease[SOURCE] = 1; lease[DESTINATION] = 1;
    lease_committed[SOURCE] = 1; lease_committed[DESTINATION] = 1;
    registration[SOURCE] = 1; registration[DESTINATION] = 1;
    owner = SOURCE;

    do
    /* authorise */
    :: atomic { (migration == IDLE || migration == ABORTED) && owner == SOURCE && resumed && !paused &&
                lease_committed[SOURCE] && lease_committed[DESTINATION] && migration_count < MIGRATIONS_MAX ->
                migration = OPEN; migration_count++; resumed = 0; raise_generation() }

    /* both hosts hold the ticket: the source begins, freezes, the destination has all of it */
    :: atomic { migration == OPEN && opened != migration_count && ACTIVE(SOURCE) && ACTIVE(DESTINATION) &&
                copy[SOURCE] == RUNNING && copy[DESTINATION] == ABSENT ->
                opened = migration_count; copy[DESTINATION] = INCOMING;
                seen[SOURCE] = generation; seen[DESTINATION] = generation }
    :: atomic { migration == OPEN && opened == migration_count && agent[SOURCE] && !frozen_by_us &&
                copy[SOURCE] == RUNNING && copy[DESTINATION] == INCOMING -> copy[SOURCE] = FROZEN; frozen_by_us = 1 }
    :: atomic { frozen_by_us && copy[SOURCE] == FROZEN && copy[DESTINATION] == INCOMING -> copy[DESTINATION] = FROZEN }
    :: atomic { copy[DESTINATION] == INCOMING -> copy[DESTINATION] = ABSENT /* the transfer failed */ }
#ifdef WITHOUT_B
    :: atomic { frozen_by_us && copy[SOURCE] == FROZEN && ACTIVE(SOURCE) && migration == OPEN -> start(SOURCE) }
#endif

    /* report */
    :: atomic { migration == OPEN && reported[SOURCE] != migration_count && ACTIVE(SOURCE) && frozen_by_us &&
                copy[SOURCE] == FROZEN && copy[DESTINATION] == FROZEN -> reported[SOURCE] = migration_count }
    :: atomic { migration == OPEN && reported[DESTINATION] != migration_count && ACTIVE(DESTINATION) &&
                copy[DESTINATION] == FROZEN && opened == migration_count -> reported[DESTINATION] = migration_count }

    /* decide */
    :: atomic { migration == OPEN && reported[SOURCE] == migration_count &&
                reported[DESTINATION] == migration_count && lease_committed[DESTINATION] ->
                migration = DONE; owner = DESTINATION; resumed = 0; raise_generation() }
    :: atomic { migration == OPEN -> migration = ABORTED; resumed = 0; raise_generation() }

    /* grants to the owner that the state names */
    :: atomic { migration != OPEN && lease_committed[owner] && !paused &&
                (grant_generation[2 * owner + 1] != generation ||
                 grant_registration[2 * owner + 1] != registration[owner]) -> send_grant(owner) }

    :: atomic { migration != OPEN && !resumed && copy[owner] == RUNNING && ACTIVE(owner) &&
                seen[owner] == generation -> resumed = 1 /* commit_resumed */ }

    /* withdraw; pause; the host is good again */
    :: atomic { migration != OPEN && !paused && lease_committed[owner] && withdrawals < WITHDRAWALS_MAX ->
                paused = 1; withdrawals++;
#ifndef WITHOUT_W
                raise_generation()
#endif
    }
    :: atomic { paused && !heeded && ACTIVE(owner) && COMPLETE(owner) ->
                seen[owner] = generation; copy[owner] = FROZEN; heeded = 1 }
    :: atomic { paused && ACTIVE(owner) -> register(owner) }

    /* the losing copy */
#ifdef WITHOUT_C
    :: atomic { migration == DONE && copy[SOURCE] == FROZEN && agent[SOURCE] -> destroy(SOURCE) }
    :: atomic { migration == ABORTED && copy[DESTINATION] == FROZEN && agent[DESTINATION] -> destroy(DESTINATION) }
#else
    :: atomic { migration == DONE && owner == DESTINATION && resumed && copy[SOURCE] == FROZEN && agent[SOURCE] ->
                destroy(SOURCE) }
    :: atomic { migration == ABORTED && owner == SOURCE && resumed && copy[DESTINATION] == FROZEN &&
                agent[DESTINATION] -> destroy(DESTINATION) }
    /* revert: the owner's new registration reports that its copy is no more */
    :: atomic { migration == DONE && owner == DESTINATION && !resumed && ACTIVE(DESTINATION) &&
                copy[DESTINATION] == ABSENT && copy[SOURCE] == FROZEN && lease_committed[SOURCE] ->
                owner = SOURCE; migration = ABORTED; paused = 0; heeded = 0; raise_generation() }
    :: atomic { migration == ABORTED && owner == SOURCE && !resumed && ACTIVE(SOURCE) && copy[SOURCE] == ABSENT &&
                copy[DESTINATION] == FROZEN && lease_committed[DESTINATION] ->
                owner = DESTINATION; migration = DONE; paused = 0; heeded = 0; raise_generation() }
#endif

    /* start_elsewhere: the owner is fenced; a new start from the image */
    :: atomic { migration != OPEN && !lease_committed[owner] && copy[OTHER(owner)] == ABSENT && ACTIVE(OTHER(owner)) &&
                lease_committed[OTHER(owner)] ->
                owner = OTHER(owner); copy[owner] = FROZEN; excused = 1; migration = IDLE; paused = 0; heeded = 0;
                migration_count = MIGRATIONS_MAX; resumed = 0; raise_generation() }

    EACH_HOST(SOURCE)
    EACH_HOST(DESTINATION)

    /* Nothing more can happen. */
    :: timeout ->
        assert((copy[SOURCE] == RUNNING) + (copy[DESTINATION] == RUNNING) == 1 || excused);
        break
    od
}
