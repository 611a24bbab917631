/*
 * Evidence that is larger than a message may be: announced, and sent in parts when the coordinator
 * has room for it (docs/PROTOCOL.md, section 3, "Large evidence").
 *
 *     sender                                          receiver
 *     evidence_announce      -- EvidenceAnnounce -->  evidence_read_announcement (then: makes room)
 *     evidence_sender_go     <- EvidenceGo ---------  evidence_receiver_open
 *     evidence_sender_next   -- EvidencePart, ... ->  evidence_receiver_take
 *
 * What came whole is the same RegisterEvidence or RenewEvidence as if it had come in one message.
 * Parts say nothing about their place: the connection keeps them in order, and what they make up
 * is MACed (registration) or has to lead to what was quoted (renewal).
 */
#ifndef TCCP_PROTOCOL_EVIDENCE_TRANSFER_H
#define TCCP_PROTOCOL_EVIDENCE_TRANSFER_H

#include "lib/attest/event_log.h"
#include "lib/attest/ima.h"
#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

#include "proto/node.pb-c.h"

enum {
    /* Bytes of a RegisterEvidence or RenewEvidence: both logs, and what goes with them. */
    EVIDENCE_MESSAGE_SIZE_MAX = IMA_LOG_SIZE_MAX + EVENT_LOG_SIZE_MAX + (1 << 20),
    /* Of memory that a parsed one takes beside its bytes: it has few fields. */
    EVIDENCE_OVERHEAD_MAX = 16 * 1024,
    /* Up to here it is one message. */
    EVIDENCE_DIRECT_SIZE_MAX = 256 * 1024,
    /* Every part but the last has exactly so many bytes. */
    EVIDENCE_PART_SIZE_MAX = 256 * 1024,
};

struct evidence_announcement {
    Tccp__NodeMessageKind kind; /* REGISTER_EVIDENCE or RENEW_EVIDENCE */
    uint64_t size;
    struct digest mac; /* REGISTER_EVIDENCE: announcement_mac(); else not there, all zero */
};

static inline bool evidence_is_direct(size_t size)
{
    return size <= EVIDENCE_DIRECT_SIZE_MAX;
}

/* The message that says so. */
WARN_UNUSED enum status evidence_announce(const struct evidence_announcement *announcement,
                                          struct bytes *ret_message);
/* Refused unless it announces this kind, and a size between what is sent at once and what is too
 * large. The MAC is not checked here. */
WARN_UNUSED enum status evidence_read_announcement(struct view message,
                                                   Tccp__NodeMessageKind expected,
                                                   struct evidence_announcement *ret_announcement,
                                                   struct refusal *ret_refusal);

/* All zero: nothing is to be sent. */
struct evidence_sender {
    struct bytes evidence;
    size_t sent;
    bool is_going; /* there is room */
};

/* Takes evidence that was announced. What was under way before is dropped. */
void evidence_sender_begin(struct evidence_sender *sender, struct bytes *evidence);
/* There is room. STATUS_CONFLICT when nothing was announced, or it was said before. */
WARN_UNUSED enum status evidence_sender_go(struct evidence_sender *sender);
/* The next part: a view that lasts until the next call. False: there is none (any more), or it may
 * not be sent yet. */
WARN_UNUSED bool evidence_sender_next(struct evidence_sender *sender, struct view *ret_part);
void evidence_sender_free(struct evidence_sender *sender);
DEFINE_OWN_VALUE(evidence_sender, evidence_sender_free)

/* All zero: nothing is expected. */
struct evidence_receiver {
    struct bytes evidence; /* as large as announced */
    size_t received;
};

/* size: of an announcement that was read. */
WARN_UNUSED enum status evidence_receiver_open(struct evidence_receiver *receiver, uint64_t size);
/* Refused unless the part has as many bytes as the next one must have. */
WARN_UNUSED enum status evidence_receiver_take(struct evidence_receiver *receiver, struct view part,
                                               struct refusal *ret_refusal);
bool evidence_receiver_is_whole(const struct evidence_receiver *receiver);
/* Once it is whole: the evidence, which is the caller's. Nothing is expected any more. */
struct bytes evidence_receiver_finish(struct evidence_receiver *receiver);
void evidence_receiver_free(struct evidence_receiver *receiver);
DEFINE_OWN_VALUE(evidence_receiver, evidence_receiver_free)

#endif
