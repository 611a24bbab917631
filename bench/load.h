/*
 * A load generator: a client that keeps so many changing requests outstanding on one mutually
 * authenticated connection to the coordinator, finds the leader, and measures how long each takes
 * from the call to the committed answer. The requests are AuditNotes (proto/admin.proto), each with
 * its own number in a session.
 */
#ifndef TCCP_BENCH_LOAD_H
#define TCCP_BENCH_LOAD_H

#include "lib/net/tls.h"

#include <stddef.h>

enum { LOAD_OUTSTANDING_MAX = 1024, LOAD_NOTE_SIZE_MAX = 1024 };

struct load_config {
    const char *const *addresses; /* of members' APIs; the leader is found from any */
    size_t address_count;
    struct tls_context *tls; /* ALPN "tccp-admin/1" */
    size_t note_size;        /* bytes, 1 to LOAD_NOTE_SIZE_MAX */
    unsigned outstanding;    /* 1 to LOAD_OUTSTANDING_MAX */
    unsigned warm_up_ms, duration_ms;
};

struct load_result {
    size_t answered, refused; /* within duration_ms */
    double per_s;
    double p50_ms, p99_ms, longest_ms;
    char refusal[64]; /* the last one's reason */
};

/* Runs a loop of its own. STATUS_TIMEOUT when no leader was found in 30 s; STATUS_IO when the
 * connection was lost on the way, `error` (256 characters) says why. */
WARN_UNUSED enum status load_run(const struct load_config *config, struct load_result *ret_result,
                                 char *ret_error);

#endif
