/*
 * A member of the coordinator that says what a test wants, in a thread of its own; the perimeter
 * that it belongs to, with a user of it; and the settings of a run of tccpctl that asks it.
 */
#ifndef TCCP_TESTS_SUPPORT_MEMBER_H
#define TCCP_TESTS_SUPPORT_MEMBER_H

#include "cli/cli.h"

#include "lib/crypto/x509.h"
#include "lib/net/connection.h"

#include "proto/admin.pb-c.h"

#include "tests/support/perimeter.h"

#include <pthread.h>
#include <uv.h>

/* --- the perimeter --- */

struct world {
    struct perimeter_test *perimeter;
    char folder[64]; /* what the program remembers lies there, too */
    struct private_key *user, *server;
    struct bytes ca;
};

struct world *world_new(void);
void world_free(struct world *world);
DEFINE_OWN_POINTER(world, world_free)

/* --- the member --- */

enum { MEMBER_REQUEST_COUNT_MAX = 64 };

struct member;
/* Answers, or does not; in the member's thread. */
typedef void (*member_answer)(struct member *member, struct connection *connection,
                              const Tccp__AdminRequest *request);

struct member {
    member_answer answer;
    void *argument;               /* the test's */
    char address[64], leader[64]; /* its own; the one that member_redirect() names */
    struct bytes leaf;            /* its certificate */
    uv_loop_t loop;
    uv_async_t stop;
    struct listener *listener;
    struct tls_context *tls;
    pthread_t thread;
    /* What came; to be read after its end. */
    size_t count;
    Tccp__AdminRequest__KindCase kinds[MEMBER_REQUEST_COUNT_MAX];
    uint64_t sessions[MEMBER_REQUEST_COUNT_MAX], numbers[MEMBER_REQUEST_COUNT_MAX];
};

/* What it shows: a leaf of this role under `authority`, and the CA certificate. */
void member_start(struct member *member, const struct world *world, member_answer answer,
                  void *argument, enum certificate_role role, const struct private_key *authority);
void member_stop(struct member *member);

/* `response` but for its tag. */
void member_reply(struct connection *connection, const Tccp__AdminRequest *request,
                  Tccp__AdminResponse *response);
void member_refuse(struct connection *connection, const Tccp__AdminRequest *request,
                   const char *reason, const char *detail);
/* It does not lead; `leader` does, or nobody where that is empty. */
void member_redirect(const struct member *member, struct connection *connection,
                     const Tccp__AdminRequest *request);
/* Session 77. */
void member_open_session(struct connection *connection, const Tccp__AdminRequest *request);

/* --- the run --- */

enum { RUN_OPTION_COUNT_MAX = 8 };

struct run {
    struct cli cli;
    struct option_spec specs[RUN_OPTION_COUNT_MAX];
    char identity[128], perimeter[PERIMETER_ID_TEXT_SIZE], addresses[160];
};

/* The world's user asks these addresses, quietly, for 5 s at most. */
void run_new(struct run *run, const struct world *world, const char *addresses);
/* Another option; value NULL: a switch. */
void run_set(struct run *run, const char *name, const char *value);

#endif
