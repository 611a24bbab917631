/* The envelope of everything that nodes and the coordinator say to each other: one frame each way.
 */
#ifndef TCCP_PROTOCOL_NODE_MESSAGE_H
#define TCCP_PROTOCOL_NODE_MESSAGE_H

#include "lib/base/protobuf.h"
#include "lib/base/refusal.h"

#include "proto/node.pb-c.h"

enum {
    NODE_MESSAGE_SIZE_MAX = 4 << 20,
    /* Of a frame that a node sends: there are many of them, and each may be halfway through one.
     * What is larger comes in parts (evidence_transfer.h). */
    NODE_FRAME_SIZE_MAX = 512 * 1024,
};

/* Wraps a message that was serialised already. */
WARN_UNUSED enum status node_message_pack(Tccp__NodeMessageKind kind, struct view payload,
                                          struct bytes *ret_frame);
/* Serialises the message and wraps it. */
WARN_UNUSED enum status node_message_pack_message(Tccp__NodeMessageKind kind,
                                                  const ProtobufCMessage *payload,
                                                  struct bytes *ret_frame);

/* NULL when the frame is not one; free it with node_message_free(). Its payload is not looked at.
 */
Tccp__NodeMessage *node_message_unpack(struct view frame);
void node_message_free(Tccp__NodeMessage *message);

/* The two answers that can stand in the place of any other. */
WARN_UNUSED enum status node_message_refused(const struct refusal *refusal,
                                             struct bytes *ret_frame);
WARN_UNUSED enum status node_message_not_leader(const char *leader_address,
                                                struct bytes *ret_frame);
/* Reads a Refused; one with a reason that this version does not know becomes REFUSAL_MALFORMED with
 * the name in it. */
struct refusal node_message_read_refused(struct view payload);

#endif
