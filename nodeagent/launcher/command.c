#include "nodeagent/launcher/command.h"

#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

PRINTF_LIKE(2, 3) static void add(struct qemu_command *command, const char *format, ...)
{
    char *text = NULL;
    va_list list;

    if (command->count > QEMU_ARGUMENTS_MAX) {
        return;
    }
    va_start(list, format);
    if (command->count == QEMU_ARGUMENTS_MAX || vasprintf(&text, format, list) < 0) {
        /* Marks the command as failed; builders need no checks of their own. */
        command->count = QEMU_ARGUMENTS_MAX + 1;
    } else {
        command->arguments[command->count++] = text;
    }
    va_end(list);
}

static void add_confinement(struct qemu_command *command)
{
    add(command, "-nodefaults");
    add(command, "-no-user-config");
    add(command, "-display");
    add(command, "none");
    add(command, "-sandbox");
    add(command, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    /* A guest that reboots is started again by the coordinator's word only. */
    add(command, "-no-reboot");
    /* CPUs stopped until `cont`. */
    add(command, "-S");
}

static void add_machine(struct qemu_command *command, enum accelerator accelerator,
                        const struct vm_shape *shape)
{
    add(command, "-accel");
    add(command, accelerator == ACCELERATOR_KVM ? "kvm" : "tcg");
    add(command, "-cpu");
    add(command, accelerator == ACCELERATOR_KVM ? "host,migratable=on" : "max");
    add(command, "-machine");
    add(command, QEMU_MACHINE ",memory-backend=ram,usb=off,vmport=off,dump-guest-core=off");
    add(command, "-m");
    add(command, "%uM", shape->memory_mib);
    add(command, "-object");
    add(command, "memory-backend-file,id=ram,size=%uM,mem-path=/proc/self/fd/%d,share=on",
        shape->memory_mib, QEMU_FD_MEMORY);
    add(command, "-smp");
    add(command, "%u,sockets=1,cores=%u,threads=1", shape->vcpus, shape->vcpus);
}

static void add_monitor(struct qemu_command *command, const char *id, int fd)
{
    add(command, "-chardev");
    add(command, "socket,id=%s,fd=%d", id, fd);
    add(command, "-mon");
    add(command, "chardev=%s,mode=control", id);
}

enum status qemu_command_build(const char *program, enum accelerator accelerator,
                               const struct digest *vm, const struct vm_shape *shape,
                               struct qemu_command *ret_command)
{
    OWN(qemu_command) struct qemu_command command = {0};

    add(&command, "%s", program);
    add(&command, "-name");
    add(&command, "tccp-%.8s", hex_short(digest_view(vm)).text);
    add_confinement(&command);
    add_machine(&command, accelerator, shape);
    add_monitor(&command, "qmp", QEMU_FD_QMP);
    add_monitor(&command, "witness", QEMU_FD_WITNESS);
    /* The guest's console goes to a ring in QEMU, which the agent reads over QMP: a guest that
     * talks never waits for a reader, and a new agent finds what the old one did not read. */
    add(&command, "-chardev");
    add(&command, "ringbuf,id=console,size=65536");
    add(&command, "-serial");
    add(&command, "chardev:console");
    add(&command, "-object");
    add(&command, "rng-builtin,id=entropy");
    add(&command, "-device");
    add(&command, "virtio-rng-pci,rng=entropy,addr=0x4");
    if (shape->has_kernel) {
        add(&command, "-kernel");
        add(&command, "/proc/self/fd/%d", QEMU_FD_KERNEL);
        add(&command, "-initrd");
        add(&command, "/proc/self/fd/%d", QEMU_FD_INITRD);
        add(&command, "-append");
        add(&command, "%.*s", (int)shape->command_line.size,
            shape->command_line.size ? (const char *)shape->command_line.data : "");
    }
    if (shape->is_incoming) {
        add(&command, "-incoming");
        add(&command, "defer");
    }
    if (command.count > QEMU_ARGUMENTS_MAX) {
        return STATUS_NO_MEMORY;
    }
    *ret_command = TAKE(command);
    return STATUS_OK;
}

void qemu_command_free(struct qemu_command *command)
{
    for (unsigned i = 0; i < QEMU_ARGUMENTS_MAX; i++) {
        free(command->arguments[i]);
    }
    *command = (struct qemu_command){0};
}

struct digest vm_shape_digest(const struct vm_shape *shape)
{
    /* Whoever changes what a guest sees (above, or in vm_attach_disk()) changes this, too. */
    static const char devices[] = QEMU_MACHINE " virtio-rng-pci@4 virtio-blk-pci@5 isa-serial";
    uint8_t numbers[6];
    struct view parts[3];

    for (unsigned i = 0; i < 4; i++) {
        numbers[i] = (uint8_t)(shape->memory_mib >> (24 - 8 * i));
    }
    numbers[4] = (uint8_t)(shape->vcpus >> 8);
    numbers[5] = (uint8_t)shape->vcpus;
    parts[0] = VIEW_OF_ARRAY(devices);
    parts[1] = VIEW_OF_ARRAY(numbers);
    /* The only part of variable size comes last. */
    parts[2] = shape->command_line;
    return sha256_list(parts, ARRAY_SIZE(parts));
}
