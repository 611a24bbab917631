/* One VM's way from its order to its end. */
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "nodeagent/migration.h"
#include "nodeagent/vms_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* QEMU waits so long for a grant before the launcher takes it down; one that waits for a
     * migration longer, by the time that the coordinator allows for its memory. */
    PREPARE_MS = 60 * 1000,
    PREPARE_MS_PER_MIB = 40,
    RUN_ATTEMPTS_MAX = 5, /* of a guest that there is something to lose of */
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static void log_entry(const struct vm_entry *entry, enum log_level level, const char *event,
                      const char *detail)
{
    log_event(level, event, "vm=%s generation=%" PRIu64 " state=%s detail=\"%s\"",
              hex_short(digest_view(&entry->record.vm)).text, entry->record.generation,
              record_state_name(entry->record.state), detail);
}

/* --- the end --- */

static void keys_drop(struct vm_entry *entry)
{
    secret_free(&entry->image_key);
    secret_free(&entry->overlay_key);
}

static void monitor_drop(struct vm_entry *entry)
{
    entry_move_drop(entry);
    vm_close(TAKE(entry->vm));
    close_fd(&entry->qmp_fd);
    close_fd(&entry->memory_fd);
    close_fd(&entry->secrets_fd);
}

void entry_free(struct vm_entry *entry)
{
    keys_drop(entry);
    image_set_close(&entry->images);
    entry_move_free(entry);
    monitor_drop(entry);
    bytes_free(&entry->grant);
    free(entry);
}

/* A shared folder may take its time. */
struct removal {
    const char *folder;
    struct digest vm;
    uint64_t start_generation;
};

static void work_remove(void *argument)
{
    const struct removal *removal = argument;

    image_overlay_remove(removal->folder, &removal->vm, removal->start_generation);
}

static void done_remove(void *argument)
{
    free(argument);
}

static void overlay_remove(const struct vm_entry *entry)
{
    struct removal *removal = malloc(sizeof *removal);

    if (!removal) {
        return;
    }
    *removal = (struct removal){entry->vms->config.shared_folder, entry->record.vm,
                                entry->start_generation};
    if (worker_submit(entry->vms->worker, work_remove, done_remove, removal) != STATUS_OK) {
        log_entry(entry, LOG_WARNING, "overlay-left", "too much else is to be done");
        free(removal);
    }
}

/* Is it over? */
static void entry_consider(struct vm_entry *entry)
{
    struct vm_record *record = &entry->record;

    if (entry->calls > 0 || entry->is_held || !record_move(record, RECORD_GONE)) {
        return;
    }
    log_entry(entry, LOG_NOTICE, "vm-over", record->detail);
    if ((record->outcome == RECORD_ENDED && entry->overlay_mode != OVERLAY_PRIVATE) ||
        (!record->is_whole && entry->overlay_mode == OVERLAY_SHARED_NEW)) {
        overlay_remove(entry);
    }
    if (record->outcome != RECORD_NO_OUTCOME) {
        vms_report(entry->vms, &record->vm, record->generation, record->outcome, record->detail);
    }
}

void entry_answered(struct vm_entry *entry)
{
    entry->calls--;
    entry_consider(entry);
}

static void on_destroyed(void *argument, const struct launcher_reply *reply)
{
    struct vm_entry *entry = argument;

    entry->calls--;
    /* Otherwise the launcher says so when QEMU is gone. */
    if (reply->status == STATUS_REFUSED && reply->refusal->code == REFUSAL_NOT_FOUND) {
        entry->is_held = false;
    }
    entry_consider(entry);
}

static void entry_take_down(struct vm_entry *entry)
{
    struct launcher_request request = {.kind = LAUNCHER_DESTROY, .vm = entry->record.vm};

    if (!entry->is_fetching) {
        keys_drop(entry);
        image_set_close(&entry->images);
    }
    monitor_drop(entry);
    bytes_free(&entry->grant);
    if (entry->is_held && !entry->is_destroyed) {
        entry->is_destroyed = true;
        entry->calls++;
        launcher_client_request(entry->vms->launcher, &request, NULL, on_destroyed, entry);
    }
    entry_consider(entry);
}

void entry_end(struct vm_entry *entry, enum record_outcome outcome, const char *format, ...)
{
    char detail[RECORD_DETAIL_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    /* What a migration was to bring here is with its source still. */
    if (outcome == RECORD_FAILED && entry->migration != 0 && !entry->record.is_whole) {
        outcome = RECORD_NOT_MOVED;
    }
    if (record_end(&entry->record, outcome, "%s", detail)) {
        log_entry(entry, outcome == RECORD_FAILED ? LOG_WARNING : LOG_NOTICE, "vm-ends", detail);
        entry_take_down(entry);
    }
}

static void entry_fail(struct vm_entry *entry, const char *what, enum status status,
                       const struct refusal *refusal)
{
    if (status == STATUS_REFUSED && refusal) {
        entry_end(entry, RECORD_FAILED, "%s: %s: %s", what, refusal_name(refusal->code),
                  refusal->detail[0] ? refusal->detail : refusal_sentence(refusal->code));
    } else {
        entry_end(entry, RECORD_FAILED, "%s: %s", what, status_text(status));
    }
}

/* QEMU is gone, and everything that it said has been read. */
static void entry_ended_by_itself(struct vm_entry *entry)
{
    if (entry->record.was_shut_down) {
        entry_end(entry, RECORD_ENDED, "the guest shut down");
    } else {
        entry_end(entry, RECORD_FAILED, "%s", entry->gone_detail);
    }
    entry_consider(entry);
}

void entry_gone(struct vm_entry *entry, const struct launcher_notice *notice)
{
    entry->is_held = false;
    entry_move_gone(entry);
    (void)snprintf(entry->gone_detail, sizeof entry->gone_detail, "%s: %s",
                   notice->was_killed ? "the launcher ended it, its time without a grant was over"
                                      : "QEMU ended",
                   notice->detail);
    if (!entry->vm || entry->monitor_closed) {
        entry_ended_by_itself(entry);
    }
}

/* --- grants --- */

static void on_run(void *argument, enum status status, const char *error)
{
    struct vm_entry *entry = argument;

    if (status != STATUS_OK && entry->record.is_whole && ++entry->run_attempts < RUN_ATTEMPTS_MAX) {
        /* It may be the only copy, and a disk that is away for a moment comes back: again with the
         * next grant or renewal. */
        log_entry(entry, LOG_WARNING, "vm-does-not-run", error);
        (void)record_move(&entry->record, RECORD_REFUSED);
        return;
    }
    if (status != STATUS_OK) {
        entry_end(entry, RECORD_FAILED, "the guest does not run: %s", error);
        return;
    }
    entry->run_attempts = 0;
    if (!record_move(&entry->record, RECORD_RESUMED)) {
        return;
    }
    entry->granted_generation = entry->applying_generation;
    entry->needs_keys = false;
    if (!entry->keeps_keys) {
        keys_drop(entry);
    }
    log_entry(entry, LOG_NOTICE, "vm-runs", "");
    vms_tell_running(entry);
    if (entry->grant_generation > entry->granted_generation) {
        entry_apply_grant(entry);
    }
}

/* The launcher has the grant. */
static void entry_run(struct vm_entry *entry)
{
    const struct vm_keys keys = {secret_view(&entry->image_key), secret_view(&entry->overlay_key)};

    entry->runs_when_ready = !entry->monitor_ready || (entry->needs_keys && keys.base.size == 0);
    if (!entry->runs_when_ready) {
        vm_run(entry->vm, entry->needs_keys ? &keys : NULL, on_run, entry);
    }
}

void entry_keyed(struct vm_entry *entry)
{
    if (entry->runs_when_ready) {
        entry_run(entry);
    }
}

static void monitor_open(struct vm_entry *entry, enum qmp_start start);

static void on_granted(void *argument, const struct launcher_reply *reply)
{
    struct vm_entry *entry = argument;

    entry->calls--;
    if (entry->record.state != RECORD_GRANTING) {
        entry_consider(entry);
        return;
    }
    if (reply->status != STATUS_OK) {
        /* Another grant may come; without one the launcher's deadline ends this. */
        log_entry(entry, LOG_WARNING, "grant-not-taken",
                  reply->status == STATUS_REFUSED ? reply->refusal->detail
                                                  : status_text(reply->status));
        (void)record_move(&entry->record, RECORD_REFUSED);
        return;
    }
    if (entry->applying_generation > entry->record.generation) {
        entry->record.generation = entry->applying_generation;
    }
    entry_run(entry);
    if (!entry->vm) {
        monitor_open(entry, QMP_RESUMED);
    }
}

void entry_apply_grant(struct vm_entry *entry)
{
    struct launcher_request request = {.kind = LAUNCHER_GRANT,
                                       .payload = bytes_view(&entry->grant)};

    if (record_move(&entry->record, RECORD_GRANTED)) {
        entry->applying_generation = entry->grant_generation;
        entry->calls++;
        launcher_client_request(entry->vms->launcher, &request, NULL, on_granted, entry);
    }
}

void entry_try_again(struct vm_entry *entry)
{
    if ((entry->record.state == RECORD_PREPARED || entry->record.state == RECORD_RUNNING) &&
        entry->grant.size > 0 && entry->grant_generation > entry->granted_generation &&
        entry->grant_generation >= entry->record.generation) {
        entry_apply_grant(entry);
    }
}

/* --- QEMU's monitor --- */

static void on_attached(void *argument, enum status status, const char *error)
{
    struct vm_entry *entry = argument;

    image_set_close(&entry->images);
    /* QEMU has them as ciphers, or gets them no more. */
    if (!entry->keeps_keys && !entry->needs_keys) {
        keys_drop(entry);
    }
    if (status != STATUS_OK) {
        entry_end(entry, RECORD_FAILED, "the disk cannot be attached: %s", error);
    } else if (entry->migration != 0) {
        entry_expected(entry);
    } else if (record_move(&entry->record, RECORD_ATTACHED) && entry->grant.size > 0) {
        entry_apply_grant(entry);
    }
}

/* QEMU hears this agent, and does nothing for the one before any more. */
static void monitor_is_ready(struct vm_entry *entry)
{
    entry->monitor_ready = true;
    entry_keyed(entry);
}

static void on_abandoned(void *argument, enum status status, const char *error)
{
    struct vm_entry *entry = argument;

    /* A guest that runs is not ended for it; whether one can be let run is seen then. */
    if (status != STATUS_OK) {
        log_entry(entry, LOG_WARNING, "migration-not-abandoned", error);
    }
    monitor_is_ready(entry);
}

static void on_monitor_ready(void *argument)
{
    struct vm_entry *entry = argument;
    const struct vm_keys keys = {secret_view(&entry->image_key), secret_view(&entry->overlay_key)};

    if (entry->record.state == RECORD_ATTACHING) {
        entry->monitor_ready = true;
        vm_attach_disk(entry->vm, entry->images.disk, entry->images.overlay, &keys, on_attached,
                       entry);
    } else {
        vm_abandon_migration(entry->vm, on_abandoned, entry);
    }
}

static void on_monitor_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct vm_entry *entry = argument;
    bool by_guest = false;

    entry_move_event(entry, name, data);
    if (strcmp(name, "SHUTDOWN") == 0 && data && qmp_value_flag(data, "guest", &by_guest)) {
        entry->record.was_shut_down = by_guest;
    }
}

static void on_monitor_closed(void *argument, enum status status)
{
    struct vm_entry *entry = argument;

    entry->monitor_closed = true;
    entry->monitor_ready = false;
    if (!entry->is_held) {
        entry_ended_by_itself(entry);
    } else if (status != STATUS_CLOSED) {
        entry_fail(entry, "QEMU's monitor", status, NULL);
    }
    /* Else QEMU has ended, as the launcher will say. */
}

static void monitor_open(struct vm_entry *entry, enum qmp_start start)
{
    static const struct vm_handlers handlers = {on_monitor_ready, on_monitor_event,
                                                on_monitor_closed};
    enum status status = STATUS_CLOSED;

    if (entry->qmp_fd >= 0) {
        status =
            vm_open(entry->vms->config.loop, entry->qmp_fd, start, &handlers, entry, &entry->vm);
    }
    if (status != STATUS_OK) {
        entry_fail(entry, "QEMU's monitor", status, NULL);
        return;
    }
    entry->qmp_fd = -1;
}

static void descriptors_take(struct vm_entry *entry, const int fds[VM_FD_COUNT])
{
    entry->qmp_fd = fds[VM_FD_QMP];
    entry->memory_fd = fds[VM_FD_MEMORY];
    entry->secrets_fd = fds[VM_FD_SECRETS];
}

void entry_adopt(struct vm_entry *entry, const int fds[VM_FD_COUNT], enum vm_state state)
{
    entry->is_held = true;
    /* Frozen for a migration, at either end of it. */
    entry->needs_keys = state == VM_FROZEN || state == VM_SETTLING;
    descriptors_take(entry, fds);
    migration_forget_key(entry->secrets_fd);
    log_entry(entry, LOG_NOTICE, "vm-found", vm_state_name(state));
    /* A QEMU that is stopped would not answer before its grant. */
    if (state == VM_RUNNING) {
        monitor_open(entry, QMP_RESUMED);
    }
}

/* --- start --- */

static void on_started(void *argument, const struct launcher_reply *reply)
{
    struct vm_entry *entry = argument;

    entry->calls--;
    /* QEMU has them. */
    close_fd(&entry->images.kernel);
    close_fd(&entry->images.initrd);
    if (reply->status != STATUS_OK) {
        entry_fail(entry, "the launcher does not start it", reply->status, reply->refusal);
        entry_consider(entry);
        return;
    }
    entry->is_held = true;
    descriptors_take(entry, reply->fds);
    if (record_move(&entry->record, RECORD_STARTED)) {
        monitor_open(entry, QMP_FRESH);
    } else {
        entry_take_down(entry);
    }
}

static void entry_start(struct vm_entry *entry)
{
    const struct image_manifest *manifest = &entry->manifest;
    const int fds[] = {entry->images.kernel, entry->images.initrd};
    struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = entry->record.vm,
        .generation = entry->record.generation,
        .prepare_ms = PREPARE_MS + (uint32_t)(entry->migration == 0
                                                  ? 0
                                                  : manifest->memory_size / IMAGE_MEMORY_UNIT *
                                                        PREPARE_MS_PER_MIB),
        .shape = {.memory_mib = (uint32_t)(manifest->memory_size / IMAGE_MEMORY_UNIT),
                  .vcpus = (uint16_t)manifest->vcpu_count,
                  .is_incoming = entry->migration != 0,
                  .has_kernel = manifest->kernel.size > 0,
                  .command_line = view_string(manifest->command_line)},
    };

    entry->calls++;
    launcher_client_request(entry->vms->launcher, &request, fds, on_started, entry);
}

static void work_fetch(void *argument)
{
    struct vm_entry *entry = argument;
    const struct image_order order = {
        .manifest = &entry->manifest,
        .location = entry->location,
        .folder = entry->vms->folder,
        .vm = entry->record.vm,
        .overlay_mode = entry->overlay_mode,
        .shared_folder =
            entry->overlay_mode == OVERLAY_PRIVATE ? NULL : entry->vms->config.shared_folder,
        .start_generation = entry->start_generation,
        .overlay_key = secret_view(&entry->overlay_key),
    };

    entry->fetch_status = image_fetch(&order, &entry->images, &entry->fetch_refusal);
}

static void done_fetch(void *argument)
{
    struct vm_entry *entry = argument;

    entry->calls--;
    entry->is_fetching = false;
    if (entry->vms->is_closing) {
        return;
    }
    if (entry->record.state == RECORD_ENDING) {
        entry_take_down(entry);
    } else if (entry->fetch_status != STATUS_OK) {
        entry_fail(entry, "image", entry->fetch_status, &entry->fetch_refusal);
    } else if (record_move(&entry->record, RECORD_FETCHED)) {
        entry_start(entry);
    }
}

void entry_begin(struct vm_entry *entry)
{
    const struct image_manifest *manifest = &entry->manifest;
    uint64_t memory_mib = manifest->memory_size / IMAGE_MEMORY_UNIT;
    enum status status;

    if (memory_mib < GUEST_MEMORY_MIB_MIN || memory_mib > GUEST_MEMORY_MIB_MAX ||
        manifest->vcpu_count > GUEST_VCPUS_MAX) {
        entry_end(entry, RECORD_FAILED, "limit: %" PRIu64 " MiB and %u CPUs are not served here",
                  memory_mib, manifest->vcpu_count);
        return;
    }
    if (entry->overlay_mode != OVERLAY_PRIVATE && !entry->vms->config.shared_folder) {
        entry_end(entry, RECORD_FAILED,
                  "this node shares no disks with others (it has no shared-directory)");
        return;
    }
    entry->calls++;
    entry->is_fetching = true;
    status = worker_submit(entry->vms->worker, work_fetch, done_fetch, entry);
    if (status != STATUS_OK) {
        entry->calls--;
        entry->is_fetching = false;
        entry_fail(entry, "too many VMs are being started", status, NULL);
    }
}
