/*
 * Internal to the core: reference sets, which policies of the manifest name by digest. They come in
 * pieces; what was received in full and has its digest is complete and never changes.
 *
 * Bounded in number and bytes (limits.h). Where room is needed the oldest incomplete upload gives
 * way to a new one beyond REFERENCE_UPLOAD_COUNT_MAX, and the oldest complete sets that the
 * manifest in force does not name.
 */
#ifndef TCCP_CORE_REFERENCES_H
#define TCCP_CORE_REFERENCES_H

#include "tcd/core/documents.h"
#include "tcd/core/state.h"

#include "proto/command.pb-c.h"

/* REFERENCE_CHUNK: ALREADY_EXISTS when the set is complete, OUT_OF_ORDER unless the chunk is the
 * next one or begins anew, REFERENCE_DIGEST when the last one does not lead to the digest, LIMIT
 * when there is no room. */
enum refusal_code reference_add_chunk(struct registry *registry, const struct command *command);
/* REFERENCE_MISSING unless every set that the manifest names is complete. */
enum refusal_code references_check_manifest(struct registry *registry,
                                            const struct manifest_facts *facts);
void reference_free(struct reference_blob *reference);

/* Of a snapshot: a set, then its data in order. */
enum status reference_restore(struct registry *registry, const Tccp__Log__ReferenceRecord *message);
enum status reference_restore_data(struct registry *registry,
                                   const Tccp__Log__ReferenceData *message);

#endif
