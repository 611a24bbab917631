#include "lib/protocol/evidence_transfer.h"

#include "lib/protocol/message.h"

#include <stdlib.h>
#include <string.h>

enum { ANNOUNCEMENT_SIZE_MAX = 256 };

/* --- announcement --- */

enum status evidence_announce(const struct evidence_announcement *announcement,
                              struct bytes *ret_message)
{
    Tccp__EvidenceAnnounce message = TCCP__EVIDENCE_ANNOUNCE__INIT;

    message.kind = announcement->kind;
    message.size = announcement->size;
    if (announcement->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE) {
        message.mac = protobuf_data(digest_view(&announcement->mac));
    }
    return protobuf_pack(&message.base, ANNOUNCEMENT_SIZE_MAX, ret_message);
}

enum status evidence_read_announcement(struct view bytes, Tccp__NodeMessageKind expected,
                                       struct evidence_announcement *ret_announcement,
                                       struct refusal *ret_refusal)
{
    OWN(message)
    Tccp__EvidenceAnnounce *message = (Tccp__EvidenceAnnounce *)protobuf_unpack(
        &tccp__evidence_announce__descriptor, bytes, ANNOUNCEMENT_SIZE_MAX);
    struct evidence_announcement announcement = {.kind = expected};
    bool has_mac = expected == TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE;

    if (!message ||
        (has_mac ? !message_digest(message->mac, &announcement.mac) : message->mac.len != 0)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "EvidenceAnnounce");
    }
    if (message->kind != expected) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER, "message %d announced, expected %d",
                      (int)message->kind, (int)expected);
    }
    if (message->size <= EVIDENCE_DIRECT_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "%llu bytes of evidence are not announced, but sent",
                      (unsigned long long)message->size);
    }
    if (message->size > EVIDENCE_MESSAGE_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "evidence of %llu bytes, at most %d",
                      (unsigned long long)message->size, EVIDENCE_MESSAGE_SIZE_MAX);
    }
    announcement.size = message->size;
    *ret_announcement = announcement;
    return STATUS_OK;
}

/* --- sender --- */

void evidence_sender_begin(struct evidence_sender *sender, struct bytes *evidence)
{
    ASSERT(!evidence_is_direct(evidence->size) && evidence->size <= EVIDENCE_MESSAGE_SIZE_MAX);
    evidence_sender_free(sender);
    sender->evidence = TAKE(*evidence);
}

enum status evidence_sender_go(struct evidence_sender *sender)
{
    if (sender->evidence.size == 0 || sender->is_going) {
        return STATUS_CONFLICT;
    }
    sender->is_going = true;
    return STATUS_OK;
}

bool evidence_sender_next(struct evidence_sender *sender, struct view *ret_part)
{
    size_t left = sender->evidence.size - sender->sent;

    if (!sender->is_going) {
        return false;
    }
    if (left == 0) {
        evidence_sender_free(sender);
        return false;
    }
    *ret_part = (struct view){sender->evidence.data + sender->sent,
                              left < EVIDENCE_PART_SIZE_MAX ? left : EVIDENCE_PART_SIZE_MAX};
    sender->sent += ret_part->size;
    return true;
}

void evidence_sender_free(struct evidence_sender *sender)
{
    bytes_free(&sender->evidence);
    *sender = (struct evidence_sender){0};
}

/* --- receiver --- */

enum status evidence_receiver_open(struct evidence_receiver *receiver, uint64_t size)
{
    ASSERT(!receiver->evidence.data && size > 0 && size <= EVIDENCE_MESSAGE_SIZE_MAX);
    /* The kernel gives the memory as it is written to: what was announced costs nothing yet. */
    receiver->evidence.data = malloc((size_t)size);
    if (!receiver->evidence.data) {
        return STATUS_NO_MEMORY;
    }
    receiver->evidence.size = (size_t)size;
    return STATUS_OK;
}

enum status evidence_receiver_take(struct evidence_receiver *receiver, struct view part,
                                   struct refusal *ret_refusal)
{
    size_t left = receiver->evidence.size - receiver->received;
    size_t expected = left < EVIDENCE_PART_SIZE_MAX ? left : EVIDENCE_PART_SIZE_MAX;

    if (expected == 0) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER,
                      "a part of evidence that was not announced");
    }
    if (part.size != expected) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a part of %zu bytes, expected %zu",
                      part.size, expected);
    }
    memcpy(receiver->evidence.data + receiver->received, part.data, part.size);
    receiver->received += part.size;
    return STATUS_OK;
}

bool evidence_receiver_is_whole(const struct evidence_receiver *receiver)
{
    return receiver->evidence.size > 0 && receiver->received == receiver->evidence.size;
}

struct bytes evidence_receiver_finish(struct evidence_receiver *receiver)
{
    struct bytes evidence = receiver->evidence;

    ASSERT(evidence_receiver_is_whole(receiver));
    *receiver = (struct evidence_receiver){0};
    return evidence;
}

void evidence_receiver_free(struct evidence_receiver *receiver)
{
    bytes_free(&receiver->evidence);
    *receiver = (struct evidence_receiver){0};
}
