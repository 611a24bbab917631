/* Internal to the core: bounded fields between protobuf-c's messages and our structs. */
#ifndef TCCP_CORE_FIELDS_H
#define TCCP_CORE_FIELDS_H

#include "lib/base/protobuf.h"
#include "tcd/core/command.h"

#include "proto/command.pb-c.h"

/* Each copies a field and returns false when it is out of bounds. Text: no control characters, and
 * zeros after it up to its capacity (names are keys). Names: letters, digits, '-', '_', '.', '@';
 * not empty. */
bool field_text(const char *source, char *destination, size_t length_max);
bool field_name(const char *source, struct core_name *ret_name);
bool field_digest(ProtobufCBinaryData source, struct digest *ret_digest);
/* Zero when the field is empty. */
bool field_digest_optional(ProtobufCBinaryData source, struct digest *ret_digest);
bool field_tpm_name(ProtobufCBinaryData source, struct tpm_name *ret_name);
bool field_fixed(ProtobufCBinaryData source, void *destination, size_t size);
bool field_view(ProtobufCBinaryData source, size_t size_min, size_t size_max, struct view *ret);
bool field_boot(const Tccp__Log__BootCounters *source, struct boot_counters *ret);
bool field_progress(const Tccp__Log__AppraisalProgress *source, struct appraisal_progress *ret);
bool field_role(Tccp__Log__UserRole source, enum user_role *ret_role);
bool field_policy(const Tccp__Log__VmPolicy *source, struct vm_policy *ret_policy);
/* An absent one is empty. */
bool field_finding(const Tccp__Log__Finding *source, struct finding *ret_finding);
/* NULL where there is none to write. */
Tccp__Log__Finding *finding_to_message(const struct finding *finding,
                                       Tccp__Log__Finding *ret_message);
/* True when no part of the message is of a later version than this. */
bool message_is_known(const ProtobufCMessage *message);

/* The other way. A digest of zeros becomes an empty field where it is optional. */
ProtobufCBinaryData data_of_digest(const struct digest *digest);
ProtobufCBinaryData data_of_digest_optional(const struct digest *digest);
ProtobufCBinaryData data_of_tpm_name(const struct tpm_name *name);
/* protobuf-c does not write to what is packed, but has no const. */
char *text_of(const char *text);
Tccp__Log__UserRole role_to_wire(enum user_role role);

/* A message of a policy with all that it points to. */
struct policy_message {
    Tccp__Log__VmPolicy message;
    Tccp__Log__AttributeRule rules[CORE_RULE_COUNT_MAX];
    Tccp__Log__AttributeRule *rule_pointers[CORE_RULE_COUNT_MAX];
    char *values[CORE_RULE_COUNT_MAX][CORE_RULE_VALUE_COUNT_MAX];
};
void policy_to_message(const struct vm_policy *policy, struct policy_message *ret_message);
void boot_to_message(const struct boot_counters *boot, Tccp__Log__BootCounters *ret_message);
void progress_to_message(const struct appraisal_progress *progress,
                         Tccp__Log__AppraisalProgress *ret_message);

#endif
