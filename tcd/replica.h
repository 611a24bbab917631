/*
 * One member of the replicated log (libraft): commands go in with replica_propose(), come out on
 * every member, in the same order, in machine.apply. Knows nothing of what commands mean.
 *
 * Group commit: what is proposed while an entry is being written goes into the next one; one entry
 * is in flight. Each entry carries its proposer's position in the state (revision, digest); a
 * member whose state is another one at that point halts.
 *
 * Everything runs on the loop's thread. Callbacks never run inside a call of this header, except
 * machine.restore inside replica_start(), and on_fatal.
 */
#ifndef TCCP_TCD_REPLICA_H
#define TCCP_TCD_REPLICA_H

#include "lib/base/sha256.h"
#include "lib/net/tls.h"

struct uv_loop_s;
struct replica;

enum {
    REPLICA_COMMAND_SIZE_MAX = 1024 * 1024, /* bytes of one command */
    REPLICA_MEMBER_MAX = 16,
    REPLICA_ADDRESS_SIZE = 300, /* with NUL */
};

/* The application protocol of connections between members. */
#define REPLICA_ALPN "tccp-raft/1"

/* The state as bytes: the parts one after the other, which stay until release(owner). */
struct replica_snapshot {
    size_t part_count;
    const struct view *parts;
    void *owner;
    void (*release)(void *owner); /* on the loop, once the parts are on disk or have failed */
};

/* What the log drives. */
struct replica_machine {
    void *context;
    /*
     * Applies a committed command. proposer_slot is what replica_propose() was given, where this
     * very member proposed the command in the term in which it leads now and still waits for it;
     * NULL otherwise. Only with a slot may the member act on the command in the outside world.
     * It may propose, read and ask from here; changes of membership and stepping down are
     * STATUS_BUSY, closing is a mistake.
     */
    void (*apply)(void *context, struct view command, void *proposer_slot);
    /* The whole state as bytes. Runs on the loop: at most 10 ms. */
    enum status (*snapshot)(void *context, struct replica_snapshot *ret_snapshot);
    /* Replaces the state. */
    enum status (*restore)(void *context, struct view snapshot);
    /* Where the state is: equal on two members exactly if they applied the same. */
    void (*position)(void *context, uint64_t *ret_revision, struct digest *ret_digest);
};

/* Whose certificate is it? Called for the peer of every connection, after the TLS context's verify
 * function has accepted it. Anything but STATUS_OK ends the connection. */
typedef enum status (*replica_identify)(void *argument, struct view certificate,
                                        uint64_t *ret_raft_id, struct refusal *ret_refusal);

struct replica_callbacks {
    /* This member leads from now on, everything that was committed before is applied, and reads and
     * proposals are taken; or it leads no longer. */
    void (*on_leadership)(void *argument, bool is_leader, uint64_t term);
    /*
     * The member must not go on: "state-diverged", "disk", "log", "entry-format", "snapshot". The
     * function ends the process (after a log line); if it returns, the replica aborts.
     */
    void (*on_fatal)(void *argument, const char *reason, const char *detail);
    void *argument;
};

/* Milliseconds and bytes; a field left 0 gets the default. */
struct replica_config {
    struct uv_loop_s *loop;
    const char *directory;      /* exists; nothing else writes there */
    uint64_t raft_id;           /* never used before by a member that lost its directory */
    const char *address;        /* host:port for the other members */
    const char *listen_address; /* NULL: address */
    struct tls_context *server_tls, *client_tls; /* ALPN REPLICA_ALPN, peer certificate required */
    replica_identify identify;
    void *identify_argument;
    struct replica_machine machine;
    struct replica_callbacks callbacks;
    unsigned election_timeout_ms;  /* 250 */
    unsigned heartbeat_timeout_ms; /* 50 */
    unsigned disk_timeout_ms;      /* 10,000: a write that takes longer is fatal, unless the disk is
                                      full */
    uint64_t disk_free_min;        /* 64 MiB: with less, it proposes nothing and hands over */
    uint64_t snapshot_bytes;       /* 32 MiB of log between snapshots */
    uint64_t trailing_bytes;       /* 8 MiB of log kept behind a snapshot, for members that lag */
    size_t queue_max;              /* 65,536 proposals waiting */
};

/* Reads the member's files; takes no part yet. ret_error holds REPLICA_ERROR_SIZE characters.
 * STATUS_IO, STATUS_DENIED, STATUS_MALFORMED (corrupt files: wipe them and join under a new id),
 * STATUS_NO_MEMORY. */
enum { REPLICA_ERROR_SIZE = 512 };
WARN_UNUSED enum status replica_open(const struct replica_config *config,
                                     struct replica **ret_replica, char *ret_error);
/* Makes this member the first and only one of a new cluster; before replica_start(). STATUS_EXISTS
 * when the directory holds a log already. */
WARN_UNUSED enum status replica_bootstrap(struct replica *replica, char *ret_error);
/* Listens, restores the last snapshot and takes part. A member that is in no cluster yet waits to
 * be added by the leader. STATUS_EXISTS: the address is in use; else as replica_open(). After a
 * failure there is only replica_close(). */
WARN_UNUSED enum status replica_start(struct replica *replica, char *ret_error);
/* Waiting proposals and reads end with STATUS_CLOSED, one in flight with STATUS_UNKNOWN; then
 * on_closed runs and the memory is gone. */
void replica_close(struct replica *replica, void (*on_closed)(void *argument), void *argument);

/* Certificates for connections from now on. */
void replica_set_tls(struct replica *replica, struct tls_context *server_tls,
                     struct tls_context *client_tls);

typedef void (*replica_done)(void *argument, enum status status);

/*
 * Proposes a command of 1 to REPLICA_COMMAND_SIZE_MAX bytes (copied). STATUS_OK: done() will tell:
 *
 *     STATUS_OK           committed in the term in which it was proposed, and applied here
 *     STATUS_NOT_LEADER   not committed, and never will be
 *     STATUS_UNKNOWN      leadership was lost on the way: it may have been or may yet be committed
 *     STATUS_BUSY         not proposed: the disks are full
 *     STATUS_CLOSED       not proposed: the replica is closing
 *
 * Otherwise nothing was proposed and done() is not called: STATUS_NOT_LEADER, STATUS_NOT_READY (it
 * leads but has not applied everything yet), STATUS_BUSY (queue or disk full), STATUS_TOO_LARGE,
 * STATUS_NO_MEMORY. Proposals are committed in the order of the calls.
 */
WARN_UNUSED enum status replica_propose(struct replica *replica, struct view command,
                                        void *proposer_slot, replica_done done, void *argument);

/*
 * done(STATUS_OK): a majority still followed this leader after the call, and the state here holds
 * everything that was committed before the call. Many reads share one round. STATUS_NOT_LEADER,
 * STATUS_NOT_READY, STATUS_BUSY, STATUS_CLOSED as above.
 */
WARN_UNUSED enum status replica_read(struct replica *replica, replica_done done, void *argument);

/* Values as in libraft. A standby takes the log but does not vote; a spare is only known. */
enum replica_role { REPLICA_STANDBY = 0, REPLICA_VOTER = 1, REPLICA_SPARE = 2 };

/*
 * Membership, on the leader, one change at a time (STATUS_BUSY). done(): STATUS_OK committed;
 * STATUS_UNKNOWN leadership lost; STATUS_TIMEOUT: the member that was to vote did not catch up. At
 * once: STATUS_NOT_LEADER, STATUS_NOT_READY, STATUS_EXISTS (id or address taken), STATUS_NOT_FOUND,
 * STATUS_CONFLICT (has that role already), STATUS_DENIED (the leader does not remove itself: step
 * down first), STATUS_MALFORMED (address).
 */
WARN_UNUSED enum status replica_add(struct replica *replica, uint64_t raft_id, const char *address,
                                    replica_done done, void *argument);
WARN_UNUSED enum status replica_assign(struct replica *replica, uint64_t raft_id,
                                       enum replica_role role, replica_done done, void *argument);
/* The removed member is not told; the connections with it are dropped. */
WARN_UNUSED enum status replica_remove(struct replica *replica, uint64_t raft_id, replica_done done,
                                       void *argument);
/* Hands the leadership over, to raft_id or (0) to whoever is most up to date. done(): STATUS_OK
 * another one leads; STATUS_TIMEOUT: nobody took it, this one still leads. While it is under way
 * proposals get STATUS_NOT_LEADER. STATUS_NOT_FOUND: there is nobody to hand over to. */
WARN_UNUSED enum status replica_step_down(struct replica *replica, uint64_t raft_id,
                                          replica_done done, void *argument);

/* Leads, and takes proposals and reads. */
bool replica_is_leader(const struct replica *replica);
uint64_t replica_term(const struct replica *replica);
/* Raft id of the leader as far as known here; 0 while nobody leads. */
uint64_t replica_leader(const struct replica *replica);

struct replica_member {
    uint64_t raft_id;
    char address[REPLICA_ADDRESS_SIZE];
    enum replica_role role;
};
/* The members as known here, uncommitted changes included; returns their number. */
size_t replica_members(const struct replica *replica,
                       struct replica_member ret_members[REPLICA_MEMBER_MAX]);

struct replica_statistics {
    uint64_t applied_index, last_index, term;
    uint64_t entries_proposed, commands_proposed; /* since the start */
    uint64_t snapshots_taken, snapshots_restored;
    uint64_t disk_free; /* bytes */
    bool is_disk_low;
};
void replica_statistics(const struct replica *replica, struct replica_statistics *ret_statistics);

#endif
