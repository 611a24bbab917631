#include "nodeagent/vms.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/protocol/run_grant.h"
#include "nodeagent/vms_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FETCH_THREADS = 2,
    FETCH_QUEUE_MAX = 256,
    COMMAND_SIZE_MAX = 4096, /* bytes */
};

void vms_log_refusal(const char *event, const struct digest *vm, enum status status,
                     const struct refusal *refusal)
{
    log_event(LOG_WARNING, event, "vm=%s reason=%s detail=\"%s\"", hex_short(digest_view(vm)).text,
              status == STATUS_REFUSED ? refusal_name(refusal->code) : status_text(status),
              refusal->detail);
}

/* --- the table --- */

struct vm_entry *entry_new(struct vms *vms, const struct vm_record *record)
{
    struct vm_entry *entry = calloc(1, sizeof *entry);

    ASSERT(entry);
    entry->record = *record;
    entry->vms = vms;
    entry->images = IMAGE_SET_NONE;
    entry->qmp_fd = entry->memory_fd = entry->secrets_fd = -1;
    table_insert(&vms->table, entry);
    return entry;
}

void entry_forget(struct vm_entry *entry)
{
    (void)table_remove(&entry->vms->table, &entry->record.vm);
    entry_free(entry);
}

/* --- grants and commands --- */

/* It is to run and is not here; how it ended may have been told before the coordinator gave it this
 * generation. */
static void report_missing(struct vms *vms, const struct vm_entry *entry,
                           const struct run_grant *grant)
{
    const bool has_ended =
        entry && (entry->record.outcome == RECORD_ENDED || entry->record.outcome == RECORD_FAILED);

    if (vms->is_listed) {
        vms_report(vms, &grant->vm, grant->generation,
                   has_ended ? entry->record.outcome : RECORD_FAILED,
                   has_ended ? entry->record.detail : "the VM is not on this node");
    }
}

static void take_grant(struct vms *vms, struct view payload,
                       const struct registrant_identity *identity, const struct public_key *tc_sign)
{
    struct run_grant_expectation expectation = {
        .scope = identity->scope, .tc_sign = tc_sign, .registration = identity->registration_id};
    struct vm_entry *entry = NULL;
    struct refusal refusal = {0};
    struct run_grant grant;
    enum grant_answer answer;
    enum status status = run_grant_peek(payload, &expectation.vm, &refusal);

    if (status == STATUS_OK) {
        entry = table_find(&vms->table, &expectation.vm);
        expectation.generation_seen = entry ? entry->record.generation : 0;
        status = run_grant_check(payload, &expectation, &grant, &refusal);
    }
    if (status != STATUS_OK) {
        vms_log_refusal("grant-refused", &expectation.vm, status, &refusal);
        return;
    }
    answer = record_take_grant(entry ? &entry->record : NULL, grant.generation);
    if (answer == GRANT_REPORT) {
        report_missing(vms, entry, &grant);
        return;
    }
    if (answer == GRANT_IGNORE || grant.generation < entry->grant_generation) {
        return;
    }
    bytes_free(&entry->grant);
    if (bytes_copy(payload, &entry->grant) != STATUS_OK) {
        return; /* It comes again. */
    }
    entry->grant_generation = grant.generation;
    if (answer == GRANT_APPLY) {
        entry_apply_grant(entry);
    }
}

static void command_do(struct vms *vms, const struct digest *vm, uint64_t generation,
                       bool is_destroy)
{
    struct vm_entry *entry = table_find(&vms->table, vm);
    enum record_outcome outcome = is_destroy ? RECORD_DESTROYED : RECORD_ENDED;

    switch (record_take_command(entry ? &entry->record : NULL, generation)) {
    case COMMAND_IGNORE:
        return;
    case COMMAND_END:
        entry->record.generation = generation;
        entry_end(entry, outcome, "%s", is_destroy ? "destroyed as asked" : "stopped as asked");
        return;
    case COMMAND_REPORT:
        vms_report(vms, vm, generation, outcome, entry ? entry->record.detail : "it is not here");
        return;
    }
}

static void pause_do(struct vms *vms, const struct digest *vm, uint64_t generation)
{
    struct vm_entry *entry = table_find(&vms->table, vm);

    switch (record_take_pause(entry ? &entry->record : NULL, generation)) {
    case PAUSE_IGNORE:
        return;
    case PAUSE_FREEZE:
        entry_pause(entry, generation);
        return;
    case PAUSE_FIRST_STAY:
        entry_move_stop(entry, "it is to be paused");
        return;
    case PAUSE_END:
        entry->record.generation = generation;
        entry_end(entry, RECORD_FAILED, "it was to be paused before it began");
        return;
    case PAUSE_REPORT:
        vms_report(vms, vm, generation, RECORD_FAILED,
                   entry ? entry->record.detail : "the VM is not on this node");
        return;
    }
}

static void command_take(struct vms *vms, const struct digest *vm, const Tccp__VmCommand *command)
{
    switch (command->action) {
    case TCCP__VM_ACTION__VM_ACTION_STOP:
        command_do(vms, vm, command->generation, false);
        break;
    case TCCP__VM_ACTION__VM_ACTION_DESTROY:
        command_do(vms, vm, command->generation, true);
        break;
    case TCCP__VM_ACTION__VM_ACTION_PAUSE:
        pause_do(vms, vm, command->generation);
        break;
    case TCCP__VM_ACTION__VM_ACTION_UNSPECIFIED:
    case _TCCP__VM_ACTION_IS_INT_SIZE:
        break;
    }
}

static void take_command(struct vms *vms, struct view payload)
{
    Tccp__VmCommand *command = (Tccp__VmCommand *)protobuf_unpack(&tccp__vm_command__descriptor,
                                                                  payload, COMMAND_SIZE_MAX);
    struct digest vm;

    if (!command) {
        log_event(LOG_WARNING, "command-malformed", "size=%zu", payload.size);
        return;
    }
    if (digest_of_view(protobuf_view(command->vm), &vm) == STATUS_OK &&
        (vms->is_listed || !vms->launcher)) {
        command_take(vms, &vm, command);
    }
    tccp__vm_command__free_unpacked(command, NULL);
}

void vms_message(struct vms *vms, Tccp__NodeMessageKind kind, struct view payload)
{
    struct registrant_identity identity;
    OWN(public_key) struct public_key *tc_sign = NULL;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK ||
        public_key_parse(identity.tc_sign, &tc_sign) != STATUS_OK) {
        return;
    }
    if (kind == TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER) {
        vms_take_order(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__RUN_GRANT) {
        take_grant(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__VM_COMMAND) {
        take_command(vms, payload);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_TICKET) {
        vms_take_ticket(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_READY) {
        vms_take_ready(vms, payload, &identity);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_DECISION) {
        vms_take_decision(vms, payload, &identity, tc_sign);
    } else {
        log_event(LOG_NOTICE, "vm-message-unsupported", "kind=%d", (int)kind);
    }
}

/* --- registrations --- */

static void on_told(void *argument, const struct launcher_reply *reply)
{
    (void)argument;
    if (reply->status != STATUS_OK) {
        log_event(LOG_WARNING, "launcher-refused", "reason=%s detail=\"%s\"",
                  reply->status == STATUS_REFUSED ? refusal_name(reply->refusal->code)
                                                  : status_text(reply->status),
                  reply->refusal->detail);
    }
}

static void tell_lease(struct vms *vms, uint64_t registration_id, uint64_t renewed_ms)
{
    struct launcher_request request = {
        .kind = LAUNCHER_LEASE, .registration = registration_id, .renewed_ms = renewed_ms};

    if (vms->launcher) {
        launcher_client_request(vms->launcher, &request, NULL, on_told, NULL);
    }
}

void vms_registration_lost(struct vms *vms)
{
    struct vm_entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&vms->table, &cursor))) {
        if (entry->record.state != RECORD_OVER && !record_survives(&entry->record)) {
            entry_end(entry, RECORD_NO_OUTCOME, "its registration was lost");
        }
    }
}

void vms_registered(struct vms *vms)
{
    struct registrant_identity identity;
    struct launcher_request trust = {.kind = LAUNCHER_TRUST};
    struct vm_entry *entry;
    size_t cursor = 0;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK) {
        return;
    }
    while ((entry = table_next(&vms->table, &cursor))) {
        if (entry->record.state == RECORD_OVER) {
            entry_forget(entry);
        } else if (!record_survives(&entry->record)) {
            entry_end(entry, RECORD_NO_OUTCOME, "its registration was lost");
        } else {
            entry->is_adopted = true;
            entry_move_stop(entry, "its registration was lost");
        }
    }
    if (vms->port && migration_port_set_identity(vms->port, identity.certificate,
                                                 identity.tk_sign) != STATUS_OK) {
        log_event(LOG_ERROR, "migrations-not-taken", "reason=\"the certificate cannot be used\"");
    }
    if (vms->launcher) {
        trust.payload = identity.ca_certificate;
        launcher_client_request(vms->launcher, &trust, NULL, on_told, NULL);
    }
    tell_lease(vms, identity.registration_id, identity.renewed_ms);
    vms->owes_inventory = true;
    if (vms->is_listed || !vms->launcher) {
        vms_send_inventory(vms);
    }
}

void vms_renewed(struct vms *vms, uint64_t renewed_ms, bool is_new_connection)
{
    struct registrant_identity identity;
    struct vm_entry *entry;
    size_t cursor = 0;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK) {
        return;
    }
    tell_lease(vms, identity.registration_id, renewed_ms);
    while ((entry = table_next(&vms->table, &cursor))) {
        entry_try_again(entry);
    }
    cursor = 0;
    if (!is_new_connection) {
        return;
    }
    if (vms->is_listed || !vms->launcher) {
        vms_send_inventory(vms);
    }
    while ((entry = table_next(&vms->table, &cursor))) {
        const struct vm_record *record = &entry->record;

        if (record->state == RECORD_OVER && record->outcome != RECORD_NO_OUTCOME) {
            vms_report(vms, &record->vm, record->generation, record->outcome, record->detail);
        } else {
            vms_tell_running(entry);
        }
    }
}

/* --- from the launcher --- */

static void on_notice(void *argument, const struct launcher_notice *notice)
{
    struct vms *vms = argument;
    struct vm_entry *entry = table_find(&vms->table, &notice->vm);

    if (notice->kind == LAUNCHER_GONE && entry && entry->is_held) {
        entry_gone(entry, notice);
    } else if (notice->kind == LAUNCHER_STATE) {
        log_event(LOG_NOTICE, "vm-fenced", "vm=%s state=%s",
                  hex_short(digest_view(&notice->vm)).text, vm_state_name(notice->state));
    }
}

static void on_inventory(void *argument, const struct launcher_notice *notice,
                         const int fds[VM_FD_COUNT])
{
    struct launcher_request destroy = {.kind = LAUNCHER_DESTROY, .vm = notice->vm};
    struct vms *vms = argument;
    struct vm_entry *entry;
    struct vm_record record = record_adopted(&notice->vm, notice->generation);
    /* A migration's destination is frozen when all of the state is there. */
    const bool is_whole = notice->has_run || notice->state == VM_FROZEN;

    if (is_whole && notice->state != VM_KILLED && !table_find(&vms->table, &notice->vm)) {
        entry = entry_new(vms, &record);
        entry->is_adopted = true;
        entry_adopt(entry, fds, notice->state);
        return;
    }
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        (void)close(fds[i]);
    }
    if (!is_whole) {
        /* Half-started, perhaps without its disk: it never ran, so nothing is lost. */
        launcher_client_request(vms->launcher, &destroy, NULL, NULL, NULL);
    }
}

static void on_listed(void *argument, const struct launcher_reply *reply)
{
    struct vms *vms = argument;

    if (reply->status == STATUS_OK) {
        vms->is_listed = true;
        if (vms->owes_inventory) {
            vms_send_inventory(vms);
        }
    }
}

static void on_launcher_closed(void *argument, enum status status)
{
    struct vms *vms = argument;

    log_event(LOG_ERROR, "launcher-lost", "reason=\"%s\"", status_text(status));
    vms->config.callbacks.on_launcher_lost(vms->config.argument);
}

/* --- start and end --- */

/* What an agent left that was killed while it made an overlay. */
static enum status folder_empty(const char *path)
{
    DIR *folder;
    struct dirent *entry;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return STATUS_IO;
    }
    folder = opendir(path);
    if (!folder) {
        return STATUS_IO;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    (void)closedir(folder);
    return STATUS_OK;
}

static enum status launcher_open(struct vms *vms)
{
    static const struct launcher_client_handlers handlers = {on_notice, on_inventory,
                                                             on_launcher_closed};
    struct launcher_request list = {.kind = LAUNCHER_LIST};

    if (vms->config.launcher_fd < 0) {
        log_event(LOG_NOTICE, "no-launcher",
                  "text=\"not started by tccp-launcher: this node runs no VMs\"");
        return STATUS_OK;
    }
    TRY(folder_empty(vms->folder));
    TRY(launcher_client_open(vms->config.loop, vms->config.launcher_fd, &handlers, vms,
                             &vms->launcher));
    launcher_client_request(vms->launcher, &list, NULL, on_listed, vms);
    return STATUS_OK;
}

static enum status port_open(struct vms *vms, char *ret_error)
{
    const struct vms_config *config = &vms->config;

    return config->migration_address
               ? migration_port_open(config->loop, config->migration_address, &vms->port, ret_error)
               : STATUS_OK;
}

enum status vms_open(const struct vms_config *config, struct vms **ret_vms, char *ret_error)
{
    struct vms *vms = calloc(1, sizeof *vms);
    enum status status = STATUS_NO_MEMORY;

    ret_error[0] = '\0';
    if (!vms) {
        return STATUS_NO_MEMORY;
    }
    vms->config = *config;
    TABLE_INIT(&vms->table, struct vm_entry, record.vm);
    vms->folder = strdup(config->folder);
    if (vms->folder) {
        status = worker_open(config->loop, FETCH_THREADS, FETCH_QUEUE_MAX, &vms->worker);
    }
    if (status == STATUS_OK) {
        status = port_open(vms, ret_error);
    }
    if (status == STATUS_OK) {
        status = launcher_open(vms);
    }
    if (status != STATUS_OK) {
        vms_close(vms);
        return status;
    }
    *ret_vms = vms;
    return STATUS_OK;
}

void vms_close(struct vms *vms)
{
    struct vm_entry *entry;

    if (!vms) {
        return;
    }
    vms->is_closing = true;
    if (vms->worker) {
        worker_close(vms->worker);
    }
    while ((entry = table_first(&vms->table))) {
        entry_forget(entry);
    }
    launcher_client_close(vms->launcher);
    migration_port_close(vms->port);
    table_free(&vms->table);
    free(vms->folder);
    free(vms);
}
