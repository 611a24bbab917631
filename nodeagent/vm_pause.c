/* The coordinator withdrew a VM's grants: its node was found bad (docs/PROTOCOL.md, section 5). */
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "nodeagent/vms_internal.h"

#include <inttypes.h>

static void on_frozen(void *argument, const struct launcher_reply *reply)
{
    struct vm_entry *entry = argument;
    /* One that the deadline had stopped does not run either, and needs a newer grant as well. */
    const bool rests = reply->status == STATUS_OK || (reply->status == STATUS_REFUSED &&
                                                      reply->refusal->code == REFUSAL_WRONG_STATE);

    if (entry->record.state == RECORD_PREPARED || entry->record.state == RECORD_LOADED) {
        log_event(rests ? LOG_NOTICE : LOG_ERROR, rests ? "vm-paused" : "vm-not-paused",
                  "vm=%s generation=%" PRIu64, hex_short(digest_view(&entry->record.vm)).text,
                  entry->record.generation);
        if (rests) {
            vms_tell_paused(entry);
        }
    }
    entry_answered(entry);
}

void entry_pause(struct vm_entry *entry, uint64_t generation)
{
    struct launcher_request request = {.kind = LAUNCHER_FREEZE, .vm = entry->record.vm};

    /* One that waits for a grant, or for a decision, goes on waiting. */
    (void)record_move(&entry->record, RECORD_PAUSED);
    entry->record.generation = generation;
    /* Whatever was granted before is worth nothing. */
    bytes_free(&entry->grant);
    entry->runs_when_ready = false;
    entry->calls++;
    launcher_client_request(entry->vms->launcher, &request, NULL, on_frozen, entry);
}
