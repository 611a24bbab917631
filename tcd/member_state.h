/*
 * The member's own file ("member" in its state directory, proto/member.proto): who it is, and under
 * which documents. It exists from the moment that the member belongs to the cluster.
 */
#ifndef TCCP_TCD_MEMBER_STATE_H
#define TCCP_TCD_MEMBER_STATE_H

#include "lib/base/refusal.h"
#include "tcd/in_force.h"

struct member_state {
    char name[64];
    uint64_t raft_id;
    struct bytes bundle; /* PerimeterBundle */
};
void member_state_free(struct member_state *state);
DEFINE_OWN_VALUE(member_state, member_state_free)

enum { MEMBER_STATE_SIZE_MAX = BUNDLE_SIZE_MAX + 1024 };

/* STATUS_NOT_FOUND: it belongs to no cluster yet. STATUS_MALFORMED, STATUS_IO. */
WARN_UNUSED enum status member_state_read(const char *directory, struct member_state *ret_state);
/* Whole or not at all, and durably. */
WARN_UNUSED enum status member_state_write(const char *directory, const struct member_state *state);

/* The file's bytes; for the fuzz target as well. */
WARN_UNUSED enum status member_state_parse(struct view bytes, struct member_state *ret_state);

#endif
