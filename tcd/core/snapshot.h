/* Internal to the core: a snapshot is a sequence of records, see proto/command.proto. */
#ifndef TCCP_CORE_SNAPSHOT_H
#define TCCP_CORE_SNAPSHOT_H

#include "tcd/core/state.h"

#include "proto/command.pb-c.h"

enum { SNAPSHOT_FORMAT = 1, SNAPSHOT_RECORD_COUNT_MAX = 1000000 };

/*
 * Adds one record to a registry that holds those before it. STATUS_MALFORMED unless the record is
 * within its bounds and consistent with them; STATUS_UNSUPPORTED for another format. The header
 * comes first, then the perimeter; the others come in the order of their kinds, which the caller
 * checks. The end is the caller's.
 */
enum status record_restore(struct registry *registry, const Tccp__Log__SnapshotRecord *record);
/* After the last record. */
enum status records_finish(struct registry *registry);

#endif
