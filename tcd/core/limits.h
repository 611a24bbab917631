/* The limits of the replicated state and of what may be proposed to it. */
#ifndef TCCP_CORE_LIMITS_H
#define TCCP_CORE_LIMITS_H

enum {
    /* log entries */
    COMMAND_SIZE_MAX = 1024 * 1024,

    /* what the state holds */
    CORE_MEMBER_COUNT_MAX = 9,
    CORE_NODE_COUNT_MAX = 10000,        /* in a manifest */
    CORE_NODE_RECORD_COUNT_MAX = 40000, /* with those that left it and still hold VMs */
    CORE_POLICY_COUNT_MAX = 64,
    CORE_OPERATOR_COUNT_MAX = 256,
    CORE_USER_COUNT_MAX = 20000,
    CORE_SUCCESSION_COUNT_MAX = 64,
    CORE_VM_COUNT_MAX = 100000, /* tombstones are counted too */
    SESSION_COUNT_MAX = 10000,
    SESSION_RESULT_COUNT_MAX = 1024,             /* results that a session remembers */
    RESULT_SLOT_COUNT_MAX = 1024 * 1024,         /* over all sessions */
    SEEN_COUNT_MAX = 32768,                      /* nonces and trusted keys that are remembered */
    REFERENCE_COUNT_MAX = 64,                    /* reference sets, incomplete ones included */
    REFERENCE_UPLOAD_COUNT_MAX = 4,              /* incomplete ones */
    REFERENCE_SIZE_MAX = 16 * 1024 * 1024,       /* bytes of one */
    REFERENCE_TOTAL_SIZE_MAX = 64 * 1024 * 1024, /* of all, counted as large as they will be */
    RENEWAL_COUNT_MAX = CORE_NODE_COUNT_MAX,     /* in one batch of renewals */

    /* fields; strings without their NUL */
    CORE_NAME_LENGTH_MAX = 63,
    CORE_VALUE_LENGTH_MAX = 63,
    CORE_ADDRESS_LENGTH_MAX = 255,
    CORE_REASON_LENGTH_MAX = 63,
    CORE_DETAIL_LENGTH_MAX = 255,
    CORE_ATTRIBUTE_COUNT_MAX = 16, /* of a node */
    CORE_RULE_COUNT_MAX = 8,       /* attribute rules of a VM's policy */
    CORE_RULE_VALUE_COUNT_MAX = 8,
    CORE_KEY_SIZE_MAX = 512, /* bytes of a SubjectPublicKeyInfo */
    CORE_KEM_KEY_SIZE = 65,  /* uncompressed P-256 point */
    CORE_ROOT_SIZE_MAX = 4096,
    CORE_DOCUMENT_SIZE_MAX = 968 * 1024, /* a signed document with its signatures */
    CORE_SIGNATURE_COUNT_MAX = 32,
    CORE_SIGNATURE_SIZE_MAX = 512,
    AUDIT_NOTE_LENGTH_MAX = 1024,
    LAUNCH_REQUEST_SIZE_MAX = 16 * 1024,
    PSEUDONYM_SIZE = 16,
    REFERENCE_CHUNK_SIZE_MAX = 256 * 1024, /* in one command */
    CORE_POLICY_REFERENCE_COUNT_MAX = 8,   /* that a policy names */

    SNAPSHOT_SIZE_MAX = 0x7fffffff,
    REFERENCE_PIECE_SIZE =
        64 * 1024, /* of a set's bytes in one record; a restored one may differ */
    SNAPSHOT_RECORD_SIZE_MAX = 2 * CORE_DOCUMENT_SIZE_MAX + 1024 * 1024,
};

#endif
