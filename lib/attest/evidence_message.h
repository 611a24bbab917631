/* Evidence as it travels (proto/perimeter.proto) and as it is appraised. */
#ifndef TCCP_ATTEST_EVIDENCE_MESSAGE_H
#define TCCP_ATTEST_EVIDENCE_MESSAGE_H

#include "lib/attest/appraisal.h"
#include "lib/base/protobuf.h"
#include "proto/perimeter.pb-c.h"

/* Views into the message, which must outlive them. */
static inline struct evidence_view evidence_view_of_message(const Tccp__Evidence *message)
{
    return (struct evidence_view){
        .ek_certificate = protobuf_view(message->ek_certificate),
        .ek_public = protobuf_view(message->ek_public),
        .ak_public = protobuf_view(message->ak_public),
        .quote = protobuf_view(message->quote),
        .signature = protobuf_view(message->signature),
        .event_log = protobuf_view(message->event_log),
        .ima_log = protobuf_view(message->ima_log),
        .pcr_values = protobuf_view(message->pcr_values),
    };
}

/* STATUS_MALFORMED unless it asks for a quote. */
WARN_UNUSED static inline enum status evidence_demand_of_message(
    const Tccp__EvidenceDemand *message, struct evidence_demand *ret_demand)
{
    if (!message || message->pcr_mask == 0 || (message->pcr_mask & ~(uint32_t)PCR_MASK_ALL) != 0) {
        return STATUS_MALFORMED;
    }
    *ret_demand = (struct evidence_demand){
        .pcr_mask = message->pcr_mask,
        .event_log = message->event_log,
        .ima_log = message->ima_log,
        .ima_entries_known = message->ima_entries_known,
    };
    return STATUS_OK;
}

static inline Tccp__EvidenceDemand evidence_demand_to_message(const struct evidence_demand *demand)
{
    Tccp__EvidenceDemand message = TCCP__EVIDENCE_DEMAND__INIT;

    message.pcr_mask = demand->pcr_mask;
    message.event_log = demand->event_log;
    message.ima_log = demand->ima_log;
    message.ima_entries_known = demand->ima_entries_known;
    return message;
}

/* For packing: the message borrows the bytes. */
static inline Tccp__Evidence evidence_view_to_message(const struct evidence_view *view)
{
    Tccp__Evidence message = TCCP__EVIDENCE__INIT;

    message.ek_certificate = protobuf_data(view->ek_certificate);
    message.ek_public = protobuf_data(view->ek_public);
    message.ak_public = protobuf_data(view->ak_public);
    message.quote = protobuf_data(view->quote);
    message.signature = protobuf_data(view->signature);
    message.event_log = protobuf_data(view->event_log);
    message.ima_log = protobuf_data(view->ima_log);
    message.pcr_values = protobuf_data(view->pcr_values);
    return message;
}

#endif
