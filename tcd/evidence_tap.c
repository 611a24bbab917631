#include "tcd/evidence_tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One node's. Without a name it is not in use. */
struct slot {
    struct core_name node;
    uint8_t token[EVIDENCE_TOKEN_SIZE];
    struct bytes evidence; /* empty: it is waited for */
    uint64_t touched_ms;   /* when it was last asked about, or came */
    bool is_read;          /* to its end */
};

struct evidence_tap {
    struct slot slots[EVIDENCE_TAP_COUNT_MAX];
};

enum status evidence_tap_new(struct evidence_tap **ret_tap)
{
    struct evidence_tap *tap = calloc(1, sizeof *tap);

    if (!tap) {
        return STATUS_NO_MEMORY;
    }
    *ret_tap = tap;
    return STATUS_OK;
}

static bool is_used(const struct slot *slot)
{
    return slot->node.text[0] != '\0';
}

static bool is_waiting(const struct slot *slot)
{
    return is_used(slot) && slot->evidence.size == 0;
}

static void slot_close(struct slot *slot)
{
    bytes_free(&slot->evidence);
    memset(slot, 0, sizeof *slot);
}

void evidence_tap_clear(struct evidence_tap *tap)
{
    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        slot_close(&tap->slots[i]);
    }
}

void evidence_tap_free(struct evidence_tap *tap)
{
    if (tap) {
        evidence_tap_clear(tap);
        free(tap);
    }
}

static struct slot *slot_of(const struct evidence_tap *tap, const char *node)
{
    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        const struct slot *slot = &tap->slots[i];

        if (is_used(slot) && strcmp(slot->node.text, node) == 0) {
            return (struct slot *)(uintptr_t)slot;
        }
    }
    return NULL;
}

static struct slot *slot_free(struct evidence_tap *tap)
{
    struct slot *read = NULL;

    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        struct slot *slot = &tap->slots[i];

        if (!is_used(slot)) {
            return slot;
        }
        if (slot->is_read && (!read || slot->touched_ms < read->touched_ms)) {
            read = slot;
        }
    }
    if (read) {
        slot_close(read);
    }
    return read;
}

enum status evidence_tap_open(struct evidence_tap *tap, const char *node, struct view fresh,
                              uint64_t now_ms, struct view *ret_token, struct refusal *ret_refusal)
{
    struct slot *slot = slot_of(tap, node);

    ASSERT(fresh.size == EVIDENCE_TOKEN_SIZE && *node);
    if (slot && slot->is_read) {
        /* Who asks after it was read wants what the node shows now. */
        slot_close(slot);
        slot = NULL;
    }
    if (!slot) {
        slot = slot_free(tap);
        if (!slot) {
            return refuse(ret_refusal, REFUSAL_NOT_READY, "the evidence of %d nodes is being read",
                          EVIDENCE_TAP_COUNT_MAX);
        }
        (void)snprintf(slot->node.text, sizeof slot->node.text, "%s", node);
        memcpy(slot->token, fresh.data, sizeof slot->token);
    }
    slot->touched_ms = now_ms;
    *ret_token = VIEW_OF_ARRAY(slot->token);
    return STATUS_OK;
}

bool evidence_tap_wants(const struct evidence_tap *tap, const char *node)
{
    const struct slot *slot = slot_of(tap, node);

    return slot && is_waiting(slot);
}

const char *evidence_tap_next(const struct evidence_tap *tap, size_t *cursor)
{
    while (*cursor < EVIDENCE_TAP_COUNT_MAX) {
        const struct slot *slot = &tap->slots[(*cursor)++];

        if (is_waiting(slot)) {
            return slot->node.text;
        }
    }
    return NULL;
}

void evidence_tap_put(struct evidence_tap *tap, const char *node, struct bytes *evidence,
                      uint64_t now_ms)
{
    struct slot *slot = slot_of(tap, node);

    if (slot && is_waiting(slot) && evidence->size <= EVIDENCE_SIZE_MAX) {
        slot->evidence = TAKE(*evidence);
        slot->touched_ms = now_ms;
    }
    bytes_free(evidence);
}

enum status evidence_tap_read(struct evidence_tap *tap, struct view token, uint64_t offset,
                              size_t size_max, uint64_t now_ms, struct view *ret_piece,
                              uint64_t *ret_size)
{
    struct slot *slot = NULL;
    size_t left;

    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        if (is_used(&tap->slots[i]) && view_equal(VIEW_OF_ARRAY(tap->slots[i].token), token)) {
            slot = &tap->slots[i];
        }
    }
    if (!slot) {
        return STATUS_NOT_FOUND;
    }
    slot->touched_ms = now_ms;
    if (is_waiting(slot)) {
        return STATUS_NOT_READY;
    }
    if (offset >= slot->evidence.size) {
        return STATUS_MALFORMED;
    }
    left = slot->evidence.size - (size_t)offset;
    slot->is_read |= left <= size_max;
    *ret_piece = (struct view){slot->evidence.data + offset, left < size_max ? left : size_max};
    *ret_size = slot->evidence.size;
    return STATUS_OK;
}

void evidence_tap_tick(struct evidence_tap *tap, uint64_t now_ms)
{
    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        struct slot *slot = &tap->slots[i];

        if (is_used(slot) && now_ms - slot->touched_ms >= EVIDENCE_UNASKED_MS) {
            slot_close(slot);
        }
    }
}
