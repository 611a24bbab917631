/*
 * Internal to the core: what the state has to know of the ETE's documents. Signatures and validity
 * were checked outside (lib/perimeter), by every member; here only what is looked at is parsed, so
 * that a log stays readable for ever whatever else documents come to hold.
 */
#ifndef TCCP_CORE_DOCUMENTS_H
#define TCCP_CORE_DOCUMENTS_H

#include "tcd/core/records.h"

struct node_entry {
    struct core_name name;
    struct tpm_name ek_name;
    struct digest ek_id;
    struct tpm_name replaces; /* size 0: none */
    struct core_name policy_name;
    struct digest policy; /* SHA-256 of the PcrPolicy's bytes */
    bool host_profile;
    unsigned attribute_count;
    struct core_attribute *attributes;
};

struct operator_entry {
    struct core_name name;
    enum user_role role;
    size_t key_size;
    uint8_t key[CORE_KEY_SIZE_MAX];
    struct digest key_id;
};

/* A policy names a reference set. */
struct reference_name {
    struct digest digest;
    struct core_name policy;
};

struct manifest_facts {
    struct digest digest; /* of the document */
    struct digest perimeter_id;
    uint64_t version, epoch;
    uint64_t not_before_s, not_after_s;
    uint32_t lease_s;
    bool development;
    struct digest member_policy;
    unsigned member_count;
    struct member_entry members[CORE_MEMBER_COUNT_MAX];
    struct tpm_name member_replaces[CORE_MEMBER_COUNT_MAX]; /* size 0: none */
    unsigned node_count;
    struct node_entry *nodes;
    unsigned operator_count;
    struct operator_entry *operators;
    unsigned reference_count;
    struct reference_name *references; /* by policy; one set may be named by several */
};

struct endorsement_facts {
    struct digest perimeter_id;
    uint64_t epoch;
    uint64_t not_after_s;
    struct digest tc_keys; /* SHA-256 of tc_sign and tc_kem, each length-prefixed */
};

struct succession_facts {
    struct digest perimeter_id;
    uint64_t number;
};

/* Of the bytes of a SignedDocument. STATUS_MALFORMED, also when names or TPMs are not unique;
 * STATUS_NO_MEMORY. */
WARN_UNUSED enum status manifest_facts_parse(struct view signed_document,
                                             struct manifest_facts **ret_facts);
void manifest_facts_free(struct manifest_facts *facts);
DEFINE_OWN_POINTER(manifest_facts, manifest_facts_free)
WARN_UNUSED enum status endorsement_facts_parse(struct view signed_document,
                                                struct endorsement_facts *ret_facts);
WARN_UNUSED enum status succession_facts_parse(struct view signed_document,
                                               struct succession_facts *ret_facts);

#endif
