/*
 * Everything that a VM is started from: its blobs, copied from where the customer says they lie
 * into storage that nobody else can reach, and the overlay that it writes to. Blocks: for a
 * worker's thread.
 */
#ifndef TCCP_NODEAGENT_IMAGE_FETCH_H
#define TCCP_NODEAGENT_IMAGE_FETCH_H

#include "lib/protocol/image_manifest.h"
#include "nodeagent/image_overlay.h"

/* Descriptors; -1: none. Nothing else leads to what is behind them but a shared overlay's name. */
struct image_set {
    int kernel, initrd; /* sealed memory; only with a kernel */
    int disk;           /* only to be read */
    int overlay;
};
#define IMAGE_SET_NONE ((struct image_set){-1, -1, -1, -1})
void image_set_close(struct image_set *set);

struct image_order {
    const struct image_manifest *manifest;
    const char *location; /* "file:///folder" or "/folder"; blobs are named by their digest */
    const char *folder;   /* of the agent's own: for the disk's copy and a private overlay */
    struct digest vm;
    enum overlay_mode overlay_mode;
    const char *shared_folder; /* for the overlay; NULL with OVERLAY_PRIVATE, and with no other */
    uint64_t start_generation; /* in the name of a shared overlay */
    struct view overlay_key;   /* text; not for one that exists */
};

/*
 * Refusals say which blob: IMAGE_DIGEST, NOT_FOUND, MALFORMED; those of the overlay see
 * image_overlay.h. On failure nothing is left but an overlay that was there, OVERLAY_SHARED_NEW's
 * forerunner excepted. A shared overlay outlives the set: image_overlay_remove().
 */
WARN_UNUSED enum status image_fetch(const struct image_order *order, struct image_set *ret_set,
                                    struct refusal *ret_refusal);

/* The folder that a location names, or NULL. */
const char *image_location_folder(const char *location);

#endif
