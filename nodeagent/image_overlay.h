/*
 * The file that a VM writes to, above its image: encrypted under a key of its own. Where the VM may
 * be migrated it has a name, `<64 hexadecimal digits of the VM's id>.<start generation>`, in a
 * folder that the nodes share; others may be able to write there, so nothing is followed and
 * nothing but a regular file is taken. Blocks: for a worker's thread.
 */
#ifndef TCCP_NODEAGENT_IMAGE_OVERLAY_H
#define TCCP_NODEAGENT_IMAGE_OVERLAY_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

enum overlay_mode {
    OVERLAY_PRIVATE, /* without a name, in the agent's own folder: it ends with its VM */
    /* Made anew. Takes the place of what an earlier start of the same generation left, and overlays
     * of lower start generations of the VM are removed: it was started again without them. */
    OVERLAY_SHARED_NEW,
    OVERLAY_SHARED_EXISTING, /* opened and not changed: another node's QEMU still has it */
};

struct overlay_order {
    enum overlay_mode mode;
    const char *folder; /* the agent's own with OVERLAY_PRIVATE, otherwise the shared one */
    struct digest vm;
    uint64_t start_generation; /* of shared ones */
    struct view key;           /* text; not for existing ones */
};

/* Refuses, before anything long is begun, what could not be carried out as things are now. */
WARN_UNUSED enum status image_overlay_check(const struct overlay_order *order,
                                            struct refusal *ret_refusal);

/* ret_fd reads and writes. NOT_FOUND: the shared folder, or an existing overlay in it, is not
 * there; MALFORMED: what is there is no overlay for a disk of `disk_size` bytes. On failure nothing
 * that was made is left. */
WARN_UNUSED enum status image_overlay_open(const struct overlay_order *order, uint64_t disk_size,
                                           int *ret_fd, struct refusal *ret_refusal);

/* A shared overlay whose VM has ended, or was not started after all; nothing else, and nothing
 * where there is none. */
void image_overlay_remove(const char *shared_folder, const struct digest *vm,
                          uint64_t start_generation);

#endif
