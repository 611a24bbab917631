/*
 * Internal to the core: leaves of the audit log (docs/PROTOCOL.md, section 7), made while applying.
 *
 * A leaf is a canonical input (lib/base/canonical.h) with the tag "tccp-audit-leaf" and the fields
 *
 *     index, revision, time_s (numbers), kind, verdict (names), actor (key id or empty),
 *
 * then any number of pairs: name, value; both are text (ids and digests in hexadecimal, numbers in
 * decimal), so that a reader needs no table of kinds. Leaves that concern a VM name the node's
 * pseudonym, never the node.
 */
#ifndef TCCP_CORE_AUDIT_H
#define TCCP_CORE_AUDIT_H

#include "tcd/core/state.h"

/* Begins the leaf of the command that was accepted, or of one of its effects. The leaf ends where
 * the next begins, or with audit_end(). */
void audit_begin(struct registry *registry);
void audit_begin_effect(struct registry *registry, const char *kind);
void audit_begin_refusal(struct registry *registry, enum refusal_code verdict);
void audit_text(struct registry *registry, const char *name, const char *value);
void audit_number(struct registry *registry, const char *name, uint64_t value);
void audit_bytes(struct registry *registry, const char *name, struct view value);
void audit_digest(struct registry *registry, const char *name, const struct digest *value);
void audit_end(struct registry *registry);
/* Forgets the leaves of the last command (not the frontier). */
void audit_clear(struct registry *registry);

#endif
