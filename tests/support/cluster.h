/*
 * Members of a replicated log as processes (replica_driver), orders to them, and a record of
 * everything that was asked and answered, for a checker.
 */
#ifndef TCCP_TESTS_SUPPORT_CLUSTER_H
#define TCCP_TESTS_SUPPORT_CLUSTER_H

#include "tests/support/proxy.h"

#include <stddef.h>

enum {
    CLUSTER_MEMBER_MAX = 5,
    CLUSTER_OPERATION_MAX = 100000,
    CLUSTER_OPTION_MAX = 6,
    CLUSTER_LINE_SIZE = 512,
};

struct cluster_member {
    pid_t pid; /* 0: not running */
    int input, output;
    unsigned raft_id;
    char directory[128], credentials[128], address[64], listen[64];
    const char *options[CLUSTER_OPTION_MAX + 1];
    char buffer[65536];
    size_t buffer_size;
    bool is_ready, leads; /* by its own words */
    bool is_fatal;
    char last_fatal[CLUSTER_LINE_SIZE], last_failure[CLUSTER_LINE_SIZE];
    unsigned statuses; /* answers to "status" */
    struct {
        bool leads, is_disk_low;
        unsigned long long term, leader, revision, applied, snapshots, restored;
        char digest[65];
    } status;
};

enum operation_kind { OPERATION_PROPOSE, OPERATION_READ };

struct operation {
    enum operation_kind kind;
    unsigned member;
    double start_s, end_s; /* end 0: no answer */
    char result[16];       /* name of the status */
    unsigned long long revision;
};

struct cluster {
    char folder[64];
    unsigned count;
    struct cluster_member members[CLUSTER_MEMBER_MAX];
    struct proxy *proxy;
    struct operation *operations; /* the tag of a command or read is its index */
    size_t operation_count;
    unsigned long long *applied; /* by revision: index of the operation + 1, from any member */
    size_t applied_max;
    bool is_divergent; /* two members applied different commands at one revision */
    unsigned changes;
    char last_change[16];
};

double now_s(void);

/* A folder, credentials and addresses for so many members; none runs yet. */
struct cluster *cluster_new(unsigned count);
/* Kills what runs, removes the folder. */
void cluster_free(struct cluster *cluster);
/* ... and starts all, the first one being bootstrapped and the others added as voters. */
struct cluster *cluster_running(unsigned count, const char *const *options);

void member_start(struct cluster *cluster, unsigned member, const char *first_option);
void member_kill(struct cluster *cluster, unsigned member);
void member_signal(struct cluster *cluster, unsigned member, int signal_number);
/* Asks it to close in order; its exit status. */
int member_quit(struct cluster *cluster, unsigned member);
__attribute__((format(printf, 3, 4))) void member_order(struct cluster *cluster, unsigned member,
                                                        const char *format, ...);
/* An order that changes the membership; the status that it ended with. */
const char *member_change(struct cluster *cluster, unsigned member, const char *order,
                          unsigned raft_id, const char *rest);
/* Fresh status of a running member; false: it did not answer in time. */
bool member_ask_status(struct cluster *cluster, unsigned member, unsigned timeout_ms);

/* Takes what the members say for so long. */
void cluster_listen(struct cluster *cluster, unsigned duration_ms);
/* Until somebody leads, other than `except` (count: no exception); its number, or count. */
unsigned cluster_wait_leader(struct cluster *cluster, unsigned except, unsigned timeout_ms);
/* Proposes (and reads) at the member without waiting; the operation's index. */
size_t cluster_propose(struct cluster *cluster, unsigned member, size_t size);
size_t cluster_read(struct cluster *cluster, unsigned member);
/* Keeps every member that believes that it leads busy for so long. */
void cluster_load(struct cluster *cluster, unsigned duration_ms);
/* True when the operation was answered. */
bool cluster_wait(struct cluster *cluster, size_t operation, unsigned timeout_ms);
/* Until all running members have the same revision and digest, which holds all that was
 * acknowledged. */
bool cluster_converge(struct cluster *cluster, unsigned timeout_ms);

/* The checker: NULL, or what is wrong with the record. */
const char *cluster_check(struct cluster *cluster);
size_t cluster_count_ok(const struct cluster *cluster, enum operation_kind kind);

#endif
