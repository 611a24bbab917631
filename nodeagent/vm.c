#include "nodeagent/vm.h"

#include "lib/base/text.h"
#include "lib/net/timer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sets of descriptors in QEMU, and slots of scripts. */
enum {
    FD_SET_KEY_BASE = 1,
    FD_SET_KEY_OVERLAY,
    FD_SET_IMAGE_BASE,
    FD_SET_IMAGE_OVERLAY,
    SLOT_KEY_BASE = 0,
    SLOT_KEY_OVERLAY,
    SLOT_IMAGE_BASE,
    SLOT_IMAGE_OVERLAY,
};

struct vm {
    struct qmp *qmp;
    struct vm_handlers handlers;
    void *argument;
    struct qmp_script *script; /* the one that runs */
    vm_on_done on_done;
    void *done_argument;
    struct question *questions; /* that wait for an answer */
    bool tracks_memory;
    struct timer *abandon_timer;
    uint64_t abandon_until_ms;
    struct question *abandon; /* who waits for it */
};

/* Who is told of the answer to a single command. */
struct question {
    struct question *next;
    struct vm *vm;
    enum status refusal; /* of a sequence that was refused at once */
    vm_on_done on_done;
    void (*on_status)(void *argument, enum status status, const char *state);
    void (*on_text)(void *argument, enum status status, struct view text);
    void *argument;
};

static struct question *question_new(struct vm *vm, void *argument)
{
    struct question *question = calloc(1, sizeof *question);

    /* Without these few bytes nobody could be told of anything. */
    ASSERT(question);
    *question = (struct question){.next = vm->questions, .vm = vm, .argument = argument};
    vm->questions = question;
    return question;
}

/* Copies it out and frees it: whom it tells may close the VM. */
static struct question question_take(struct question *question)
{
    struct question taken = *question;
    struct question **at = &taken.vm->questions;

    while (*at != question) {
        at = &(*at)->next;
    }
    *at = question->next;
    free(question);
    return taken;
}

static void kvm_answer(void *argument, const struct qmp_reply *reply)
{
    struct vm *vm = argument;
    bool enabled = false;

    vm->tracks_memory =
        reply->status == STATUS_OK && qmp_value_flag(reply->value, "enabled", &enabled) && enabled;
}

bool vm_tracks_memory(const struct vm *vm)
{
    return vm->tracks_memory;
}

static void on_ready(void *argument)
{
    struct vm *vm = argument;

    qmp_execute(vm->qmp, "query-kvm", NULL, -1, VM_COMMAND_TIMEOUT_MS, kvm_answer, vm);
    if (vm->handlers.on_ready) {
        vm->handlers.on_ready(vm->argument);
    }
}

static void on_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct vm *vm = argument;

    if (vm->handlers.on_event) {
        vm->handlers.on_event(vm->argument, name, data);
    }
}

static void on_closed(void *argument, enum status status)
{
    struct vm *vm = argument;

    if (vm->handlers.on_closed) {
        vm->handlers.on_closed(vm->argument, status);
    }
}

/* --- a migration that an earlier agent left --- */

enum { ABANDON_ASK_MS = 50 };

static void abandoned(struct vm *vm, enum status status, const char *error)
{
    const struct question question = question_take(TAKE(vm->abandon));

    question.on_done(question.argument, status, error);
}

static bool is_over(const char *state)
{
    return !state || strcmp(state, "none") == 0 || strcmp(state, "completed") == 0 ||
           strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

static void abandon_answer(void *argument, const struct qmp_reply *reply)
{
    struct vm *vm = argument;

    if (reply->status != STATUS_OK) {
        abandoned(vm, reply->status, reply->error);
    } else if (is_over(qmp_value_string(reply->value, "status"))) {
        abandoned(vm, STATUS_OK, "");
    } else if (time_boot_ms() >= vm->abandon_until_ms) {
        abandoned(vm, STATUS_TIMEOUT, "QEMU does not give up its migration");
    } else {
        timer_start(vm->abandon_timer, ABANDON_ASK_MS);
    }
}

static void ask_again(void *argument)
{
    struct vm *vm = argument;

    qmp_execute(vm->qmp, "query-migrate", NULL, -1, VM_COMMAND_TIMEOUT_MS, abandon_answer, vm);
}

static void cancel_answer(void *argument, const struct qmp_reply *reply)
{
    struct vm *vm = argument;

    if (reply->status == STATUS_OK || reply->status == STATUS_REFUSED) {
        ask_again(vm);
    } else {
        abandoned(vm, reply->status, reply->error);
    }
}

void vm_abandon_migration(struct vm *vm, vm_on_done on_done, void *argument)
{
    ASSERT(!vm->abandon);
    vm->abandon = question_new(vm, argument);
    vm->abandon->on_done = on_done;
    vm->abandon_until_ms = time_boot_ms() + VM_ABANDON_TIMEOUT_MS;
    qmp_execute(vm->qmp, "migrate_cancel", NULL, -1, VM_COMMAND_TIMEOUT_MS, cancel_answer, vm);
}

enum status vm_open(struct uv_loop_s *loop, int qmp_fd, enum qmp_start start,
                    const struct vm_handlers *handlers, void *argument, struct vm **ret_vm)
{
    static const struct qmp_handlers qmp_handlers = {on_ready, on_event, on_closed};
    struct vm *vm = calloc(1, sizeof *vm);
    enum status status;

    if (!vm) {
        return STATUS_NO_MEMORY;
    }
    vm->handlers = *handlers;
    vm->argument = argument;
    status = timer_new(loop, ask_again, vm, &vm->abandon_timer);
    if (status == STATUS_OK) {
        status = qmp_open(loop, qmp_fd, start, &qmp_handlers, vm, &vm->qmp);
    }
    if (status != STATUS_OK) {
        if (vm->abandon_timer) {
            timer_free(vm->abandon_timer);
        }
        free(vm);
        return status;
    }
    *ret_vm = vm;
    return STATUS_OK;
}

void vm_close(struct vm *vm)
{
    if (vm) {
        qmp_script_cancel(vm->script);
        qmp_close(vm->qmp);
        timer_free(vm->abandon_timer);
        while (vm->questions) {
            (void)question_take(vm->questions);
        }
        free(vm);
    }
}

struct qmp *vm_qmp(struct vm *vm)
{
    return vm->qmp;
}

/* --- sequences --- */

static void script_done(void *argument, enum status status, const char *error)
{
    struct vm *vm = argument;

    vm->script = NULL;
    vm->on_done(vm->done_argument, status, error);
}

/* One that was refused at once is answered like any other, from the loop. */
static void refused_answer(void *argument, const struct qmp_reply *reply)
{
    const struct question question = question_take(argument);

    (void)reply;
    question.on_done(question.argument, question.refusal, status_text(question.refusal));
}

static void vm_refuse(struct vm *vm, enum status status, vm_on_done on_done, void *argument)
{
    struct question *question = question_new(vm, argument);

    question->on_done = on_done;
    question->refusal = status;
    qmp_execute(vm->qmp, "query-status", NULL, -1, VM_COMMAND_TIMEOUT_MS, refused_answer, question);
}

static void vm_run_script(struct vm *vm, struct qmp_script *script, vm_on_done on_done,
                          void *argument)
{
    vm->script = script;
    vm->on_done = on_done;
    vm->done_argument = argument;
    qmp_script_run(script, vm->qmp, script_done, vm);
}

/* --- keys --- */

/* The key as a memfd that goes to QEMU and is closed here at once. */
static enum status key_memfd(struct view key, int *ret_fd)
{
    int fd = memfd_create("key", MFD_CLOEXEC);

    if (fd < 0) {
        return STATUS_IO;
    }
    if (key.size == 0 || write(fd, key.data, key.size) != (ssize_t)key.size) {
        (void)close(fd);
        return STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static enum status script_add_key(struct qmp_script *script, const char *id, struct view key,
                                  unsigned fd_set, unsigned slot)
{
    struct qmp_arguments *arguments;
    int fd;

    TRY(key_memfd(key, &fd));
    qmp_script_add_fd(script, fd, fd_set, slot);
    (void)close(fd);
    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "qom-type", "secret");
    qmp_arguments_string(arguments, "id", id);
    qmp_script_add(script, "object-add", arguments);
    qmp_script_use_slot(script, "file", slot);
    arguments = qmp_arguments_new();
    qmp_arguments_number(arguments, "fdset-id", fd_set);
    qmp_script_add_cleanup(script, "remove-fd", arguments);
    return STATUS_OK;
}

static enum status script_add_keys(struct qmp_script *script, const struct vm_keys *keys)
{
    TRY(script_add_key(script, "key-base", keys->base, FD_SET_KEY_BASE, SLOT_KEY_BASE));
    return script_add_key(script, "key-overlay", keys->overlay, FD_SET_KEY_OVERLAY,
                          SLOT_KEY_OVERLAY);
}

static void script_remove_keys(struct qmp_script *script)
{
    static const char *const ids[] = {"key-base", "key-overlay"};

    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        struct qmp_arguments *arguments = qmp_arguments_new();

        qmp_arguments_string(arguments, "id", ids[i]);
        qmp_script_add_cleanup(script, "object-del", arguments);
    }
}

/* --- disks --- */

/* The file, then the format on it. `backing` NULL: it rests on nothing. */
static void script_add_image(struct qmp_script *script, const char *name, int fd, unsigned fd_set,
                             unsigned slot, const char *key, const char *backing, bool writable)
{
    struct qmp_arguments *arguments = qmp_arguments_new();

    qmp_script_add_fd(script, fd, fd_set, slot);
    qmp_arguments_format(arguments, "node-name", "%s-file", name);
    qmp_arguments_string(arguments, "driver", "file");
    qmp_arguments_format(arguments, "filename", "/dev/fdset/%u", fd_set);
    /* Who has the image is decided by the coordinator; locks would only tie the two ends of a
     * migration to one another. */
    qmp_arguments_string(arguments, "locking", "off");
    qmp_arguments_flag(arguments, "read-only", !writable);
    qmp_arguments_flag(arguments, "auto-read-only", false);
    qmp_script_add(script, "blockdev-add", arguments);

    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "node-name", name);
    qmp_arguments_string(arguments, "driver", "qcow2");
    qmp_arguments_format(arguments, "file", "%s-file", name);
    qmp_arguments_flag(arguments, "read-only", !writable);
    qmp_arguments_string(arguments, "encrypt.format", "luks");
    qmp_arguments_string(arguments, "encrypt.key-secret", key);
    if (backing) {
        qmp_arguments_string(arguments, "backing", backing);
    } else {
        qmp_arguments_null(arguments, "backing");
    }
    qmp_script_add(script, "blockdev-add", arguments);
}

void vm_attach_disk(struct vm *vm, int base_fd, int overlay_fd, const struct vm_keys *keys,
                    vm_on_done on_done, void *argument)
{
    OWN(qmp_script) struct qmp_script *script = NULL;
    struct qmp_arguments *arguments;

    if (vm->script) {
        vm_refuse(vm, STATUS_BUSY, on_done, argument);
        return;
    }
    script = qmp_script_new(VM_COMMAND_TIMEOUT_MS);
    if (script_add_keys(script, keys) != STATUS_OK) {
        vm_refuse(vm, STATUS_IO, on_done, argument);
        return;
    }
    script_add_image(script, "base", base_fd, FD_SET_IMAGE_BASE, SLOT_IMAGE_BASE, "key-base", NULL,
                     false);
    script_add_image(script, "overlay", overlay_fd, FD_SET_IMAGE_OVERLAY, SLOT_IMAGE_OVERLAY,
                     "key-overlay", "base", true);
    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "driver", "virtio-blk-pci");
    qmp_arguments_string(arguments, "id", "disk");
    qmp_arguments_string(arguments, "drive", "overlay");
    /* The same place on both ends of a migration. */
    qmp_arguments_string(arguments, "addr", "0x5");
    qmp_script_add(script, "device_add", arguments);
    script_remove_keys(script);
    vm_run_script(vm, TAKE(script), on_done, argument);
}

void vm_run(struct vm *vm, const struct vm_keys *keys, vm_on_done on_done, void *argument)
{
    OWN(qmp_script) struct qmp_script *script = NULL;

    if (vm->script) {
        vm_refuse(vm, STATUS_BUSY, on_done, argument);
        return;
    }
    script = qmp_script_new(VM_COMMAND_TIMEOUT_MS);
    if (keys && script_add_keys(script, keys) != STATUS_OK) {
        vm_refuse(vm, STATUS_IO, on_done, argument);
        return;
    }
    qmp_script_add(script, "cont", NULL);
    if (keys) {
        script_remove_keys(script);
    }
    vm_run_script(vm, TAKE(script), on_done, argument);
}

void vm_pause(struct vm *vm, vm_on_done on_done, void *argument)
{
    struct qmp_script *script;

    if (vm->script) {
        vm_refuse(vm, STATUS_BUSY, on_done, argument);
        return;
    }
    script = qmp_script_new(VM_COMMAND_TIMEOUT_MS);
    qmp_script_add(script, "stop", NULL);
    vm_run_script(vm, script, on_done, argument);
}

/* --- questions --- */

static void status_answer(void *argument, const struct qmp_reply *reply)
{
    const struct question question = question_take(argument);
    const char *state = qmp_value_string(reply->value, "status");
    enum status status = reply->status == STATUS_OK && !state ? STATUS_MALFORMED : reply->status;

    question.on_status(question.argument, status, status == STATUS_OK ? state : reply->error);
}

void vm_status(struct vm *vm,
               void (*on_status)(void *argument, enum status status, const char *state),
               void *argument)
{
    struct question *question = question_new(vm, argument);

    question->on_status = on_status;
    qmp_execute(vm->qmp, "query-status", NULL, -1, VM_COMMAND_TIMEOUT_MS, status_answer, question);
}

static void console_answer(void *argument, const struct qmp_reply *reply)
{
    const struct question question = question_take(argument);
    const char *text = qmp_value_string(reply->value, "");
    OWN(bytes) struct bytes decoded = {0};
    enum status status = reply->status;

    if (status == STATUS_OK) {
        status = text ? base64_decode(view_string(text), VM_CONSOLE_READ_MAX, &decoded)
                      : STATUS_MALFORMED;
    }
    question.on_text(question.argument, status, bytes_view(&decoded));
}

void vm_console_read(struct vm *vm,
                     void (*on_text)(void *argument, enum status status, struct view text),
                     void *argument)
{
    struct question *question = question_new(vm, argument);
    struct qmp_arguments *arguments = qmp_arguments_new();

    question->on_text = on_text;
    qmp_arguments_string(arguments, "device", "console");
    qmp_arguments_number(arguments, "size", VM_CONSOLE_READ_MAX);
    qmp_arguments_string(arguments, "format", "base64");
    qmp_execute(vm->qmp, "ringbuf-read", arguments, -1, VM_COMMAND_TIMEOUT_MS, console_answer,
                question);
}
