/*
 * What agent and launcher say to each other over the socketpair (SOCK_SEQPACKET) that the agent
 * inherits: one message per datagram, integers big-endian, descriptors beside it (SCM_RIGHTS).
 * PURE.
 *
 * The launcher trusts nothing that the agent says: it may start a sandboxed QEMU of a bounded
 * shape, and stop it; that a guest runs takes a grant that the coordinator signed.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_MESSAGE_H
#define TCCP_NODEAGENT_LAUNCHER_MESSAGE_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

enum {
    LAUNCHER_MESSAGE_SIZE_MAX = 64 * 1024, /* bytes */
    LAUNCHER_FDS_MAX = 3,                  /* descriptors beside one message */
    GUEST_COMMAND_LINE_SIZE_MAX = 2048,    /* bytes, of the guest kernel's command line */
    GUEST_MEMORY_MIB_MIN = 16,
    GUEST_MEMORY_MIB_MAX = 1024 * 1024,
    GUEST_VCPUS_MAX = 64,
    GRANT_SIZE_MAX = 4096,               /* bytes, of a signed run grant */
    CA_CERTIFICATE_SIZE_MAX = 32 * 1024, /* bytes, DER */
    EXIT_DETAIL_SIZE = 256,              /* characters, with the NUL */
};

/* How a VM is to be. */
struct vm_shape {
    uint32_t memory_mib;
    uint16_t vcpus;
    bool is_incoming; /* waits for a migration instead of booting */
    /* A kernel and an initrd come beside the message, as memfds sealed against every change. */
    bool has_kernel;
    struct view command_line; /* of the kernel; empty where there is none */
};

enum launcher_request_kind {
    /* The cluster's CA certificate: checked against the perimeter that the launcher was configured
     * with; grants are verified with its key. */
    LAUNCHER_TRUST = 1,
    /* The agent's registration, which grants must name, and when its lease was last renewed: the
     * deadlines of VMs that are granted to it count from there. */
    LAUNCHER_LEASE,
    /* Makes the guest's memory and starts QEMU with its CPUs stopped. */
    LAUNCHER_START,
    /* A signed run grant. */
    LAUNCHER_GRANT,
    /* The guest stopped for good under its present generation (the source of a migration that
     * switches over): QEMU may finish its work, the guest goes on only under a newer grant. */
    LAUNCHER_SETTLE,
    /* The same, and QEMU itself is stopped. */
    LAUNCHER_FREEZE,
    /* SIGKILL, whatever its state. */
    LAUNCHER_DESTROY,
    /* All VMs, with their descriptors: for an agent that has just been started. */
    LAUNCHER_LIST,
};

struct launcher_request {
    enum launcher_request_kind kind;
    uint32_t tag;          /* returned with the answer */
    struct digest vm;      /* START, SETTLE, FREEZE, DESTROY */
    uint64_t generation;   /* START */
    uint64_t registration; /* LEASE */
    uint64_t renewed_ms;   /* LEASE: CLOCK_BOOTTIME at which the challenge was received that the
                              accepted renewal or registration answered */
    uint32_t prepare_ms;   /* START: until when it must have a grant or be frozen */
    struct vm_shape shape; /* START */
    struct view payload;   /* TRUST: CA certificate; GRANT: signed grant */
};

/* Descriptors that belong to a request of this shape. */
unsigned launcher_request_fd_count(const struct launcher_request *request);

enum vm_state {
    VM_PREPARING, /* QEMU runs, its guest does not; no grant yet */
    VM_RUNNING,   /* under a grant */
    VM_SETTLING,  /* past LAUNCHER_SETTLE */
    VM_FROZEN,    /* QEMU stopped until a newer grant */
    VM_STOPPED,   /* its grant expired: QEMU stopped; killed when the fence time has passed */
    VM_KILLED,    /* SIGKILL was sent */
    VM_STATE_COUNT
};
const char *vm_state_name(enum vm_state state);

enum launcher_notice_kind {
    LAUNCHER_ANSWER = 1, /* to a request; START's carries the VM's descriptors */
    LAUNCHER_INVENTORY,  /* one VM, before the answer to LIST; with its descriptors */
    LAUNCHER_STATE,      /* the launcher changed a VM's state by itself */
    LAUNCHER_GONE,       /* a VM's QEMU has ended */
};

/* A VM's descriptors, in this order. */
enum {
    VM_FD_QMP,     /* the agent's end of QEMU's monitor */
    VM_FD_MEMORY,  /* the guest's memory; can only read */
    VM_FD_SECRETS, /* an empty folder in memory, QEMU_FD_SECRETS in QEMU: for the one secret that
                      QEMU takes only as a file with a name, the key of a migration */
    VM_FD_COUNT
};

struct launcher_notice {
    enum launcher_notice_kind kind;
    uint32_t tag; /* ANSWER, INVENTORY */

    enum status status;     /* ANSWER */
    struct refusal refusal; /* ANSWER with STATUS_REFUSED */

    struct digest vm;                  /* INVENTORY, STATE, GONE */
    uint64_t generation, registration; /* INVENTORY, STATE, GONE: the highest it saw */
    enum vm_state state;               /* INVENTORY, STATE */
    uint64_t deadline_ms;              /* INVENTORY: of its grant, CLOCK_BOOTTIME; 0: none */
    uint32_t memory_mib;               /* INVENTORY */
    bool has_run;                      /* INVENTORY: it ever had a grant */
    bool was_killed;                   /* GONE: by the launcher */
    char detail[EXIT_DETAIL_SIZE];     /* GONE: exit status and QEMU's last line */
};
unsigned launcher_notice_fd_count(const struct launcher_notice *notice);

/* Views of a parsed message point into `message`. STATUS_MALFORMED; nothing outside the limits
 * above comes through. */
WARN_UNUSED enum status launcher_request_parse(struct view message,
                                               struct launcher_request *ret_request);
WARN_UNUSED enum status launcher_notice_parse(struct view message,
                                              struct launcher_notice *ret_notice);
WARN_UNUSED enum status launcher_request_encode(const struct launcher_request *request,
                                                struct bytes *ret_message);
WARN_UNUSED enum status launcher_notice_encode(const struct launcher_notice *notice,
                                               struct bytes *ret_message);

#endif
