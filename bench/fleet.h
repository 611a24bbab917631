/*
 * Thousands of compute hosts in one process: each a connection of its own (lib/net/client.h, as the
 * agent of a real host has), a TPM in software (soft_node.h), and the node's side of registration
 * and renewal. A host does what a nodeagent does with the coordinator's messages, except that it
 * checks a member's certificate and the bundle once for all hosts and not the member's quote.
 */
#ifndef TCCP_BENCH_FLEET_H
#define TCCP_BENCH_FLEET_H

#include "bench/soft_node.h"

#include <uv.h>

enum {
    FLEET_MEMBER_MAX = 5,
    FLEET_SECOND_MAX = 600, /* of one measurement */
    FLEET_LATENCY_MAX = 1024 * 1024,
    FLEET_REGISTERING_MAX = 64, /* at once; the others wait for their turn */
};

/* How a host behaves once it is registered. */
enum fleet_manner {
    FLEET_PROMPT,
    FLEET_MUTE, /* never answers a challenge */
    FLEET_SLOW, /* its bytes arrive one at a time */
    FLEET_LOUD, /* sends as long a log as it may, and comes again as soon as it is answered */
};

/* What happened to the hosts that are watched, since fleet_watch(). */
struct fleet_counts {
    uint64_t registrations, renewals, connections, disconnections, refusals, redirects;
    uint64_t leases_lost; /* by the host's own clock, or by the coordinator's word */
    char first_refusal[96], first_failure[96];
    size_t latency_count;
    float *latencies_ms; /* from the challenge to its acceptance */
    unsigned seconds;
    uint32_t work_per_s[FLEET_SECOND_MAX]; /* registrations, resumptions and renewals */
};

struct fleet;

/* As long as the process lives. */
struct fleet *fleet_new(uv_loop_t *loop, size_t count);
/* Writes the manufacturer's certificate (DER) and the hosts' entries for the manifest; the last
 * `logging` of them with the policy "logging", the others with "any". */
void fleet_write(const struct fleet *fleet, const char *ca_path, const char *nodes_path,
                 size_t logging);
/* Where the coordinator is; before anything connects. slow: where FLEET_SLOW hosts go instead. */
void fleet_point(struct fleet *fleet, const struct digest *perimeter_id,
                 const char *const *addresses, size_t count, const char *slow);
/* The hosts [first, first + count) register, so many at a time, and behave so. on_done: all are. */
void fleet_register(struct fleet *fleet, size_t first, size_t count, enum fleet_manner manner,
                    void (*on_done)(void *argument), void *argument);
/* Counts anew, of the hosts [first, first + count) only. */
void fleet_watch(struct fleet *fleet, size_t first, size_t count);
/* Up to date now: leases that ran out without a word are counted as lost. */
const struct fleet_counts *fleet_counts(struct fleet *fleet);
/* Of the watched: how many have a live lease. */
size_t fleet_live(const struct fleet *fleet);
/* The member that the last registration or renewal came from. */
const char *fleet_leader(const struct fleet *fleet);
/* The hosts [first, first + count) leave; they may register again. */
void fleet_close(struct fleet *fleet, size_t first, size_t count);

#endif
