/* Internal to the core: records to SnapshotRecord messages, for snapshots and for the digest. */
#ifndef TCCP_CORE_RECORDS_PACK_H
#define TCCP_CORE_RECORDS_PACK_H

#include "tcd/core/sessions.h"
#include "tcd/core/state.h"

/* Bytes that the caller owns. Each aborts when memory runs out. */
struct bytes record_of_header(const struct registry *registry);
struct bytes record_of_perimeter(const struct perimeter *perimeter);
struct bytes record_of_member(const struct member *member);
struct bytes record_of_user(const struct user *user);
struct bytes record_of_node(const struct node *node);
struct bytes record_of_session(const struct session *session);
struct bytes record_of_seen(const struct registry *registry);
/* Without the request, which never changes and may be large, where only the digest is wanted. */
struct bytes record_of_vm(const struct vm *vm, bool with_request);
/* Without the bytes: the digests stand for them. */
struct bytes record_of_reference(const struct reference_blob *reference);
struct bytes record_of_end(uint64_t record_count, const struct digest *digest);

#endif
