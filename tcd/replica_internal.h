/* Shared by the replica's files: replica.c (life, turns, rounds), replica_machine.c (what the log
 * drives), replica_members.c (membership), replica_disk.c. */
#ifndef TCCP_TCD_REPLICA_INTERNAL_H
#define TCCP_TCD_REPLICA_INTERNAL_H

#include "lib/net/timer.h"
#include "tcd/entry.h"
#include "tcd/raft_transport.h"
#include "tcd/replica_queue.h"

#include <raft.h>
#include <raft/uv.h>
#include <uv.h>

enum { TRAILING_ENTRIES_MAX = 8192, DISK_CHECK_INTERVAL_MS = 250 };

enum round_kind {
    ROUND_NONE,
    ROUND_FIRST,   /* the barrier with which a term begins */
    ROUND_BARRIER, /* reads only */
    ROUND_BATCH,   /* commands, and the reads that came before it was closed */
};

/* What is in flight. Taking the next one only when this is done is what makes the groups. */
struct round {
    enum round_kind kind;
    uint64_t term, number;
    bool was_applied_as_ours;
    struct raft_apply apply;
    struct raft_barrier barrier;
    struct proposals proposals;
    struct reads reads;
};

struct change {
    bool is_active;
    uint64_t removed_id;
    struct raft_change request;
    replica_done done;
    void *argument;
};

struct transfer {
    bool is_active;
    struct raft_transfer request;
    replica_done done; /* NULL: the disk guard's */
    void *argument;
};

struct replica {
    struct replica_config config;
    struct raft_transport *transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
    uint64_t incarnation;

    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t wake; /* active while there is work for the next turn */
    uv_timer_t guard;
    unsigned handles_open;
    bool is_started, raft_is_closed, is_closing;
    bool is_applying; /* inside libraft, which takes no other order then */
    void (*on_closed)(void *argument);
    void *on_closed_argument;

    uint64_t led_term;   /* in which this member leads; 0: it does not */
    uint64_t ready_term; /* ... and has applied all that came before; 0: not yet */
    uint64_t turn_ms;    /* CLOCK_BOOTTIME of the loop's last turn */
    bool has_slept;      /* before that turn */
    struct round round;
    struct proposals waiting;
    struct reads waiting_reads;
    struct change change;
    struct transfer transfer;

    struct replica_snapshot snapshot; /* that libraft is writing; release NULL: none */
    uint64_t log_bytes, log_entries;  /* since the last snapshot */
    uint64_t entries_proposed, commands_proposed, snapshots_taken, snapshots_restored;

    int (*io_append)(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned count, raft_io_append_cb done);
    unsigned appends;            /* under way */
    uint64_t append_progress_ms; /* when one began with none before it, or ended */
    uint64_t disk_free;
    bool is_disk_low;
    uint64_t step_down_ms;
};

/* What an error of libraft means to a caller. */
enum status status_of_raft(int error);
/* Ends the process. */
_Noreturn void replica_fatal(struct replica *replica, const char *reason, const char *detail);
/*
 * A process that slept (SIGSTOP, a suspended machine) finds the events of before its sleep waiting
 * for it. What they tell is true of the log, but others may lead since: it must not act on them.
 */
bool replica_is_awake(const struct replica *replica);
bool replica_leads_in(const struct replica *replica, uint64_t term);
/* STATUS_OK when the replica takes proposals; else what to tell the caller. */
enum status replica_check_leader(const struct replica *replica);

/* replica_machine.c: for raft_init(). */
struct raft_fsm replica_fsm(struct replica *replica);
/* replica_disk.c: watches the appends of replica->io, and the free space. */
void replica_watch_disk(struct replica *replica);
void replica_check_disk(struct replica *replica);
/* replica_members.c: hands over because the disk is low, if it leads. */
void replica_hand_over(struct replica *replica);

#endif
