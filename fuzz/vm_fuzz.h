/* Keys and scope of the targets that fuzz documents about VMs: the input is the document, and is
 * signed with the key that the check expects, so that what lies behind the signature is reached. */
#ifndef TCCP_FUZZ_VM_FUZZ_H
#define TCCP_FUZZ_VM_FUZZ_H

#include "lib/protocol/signed_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct vm_fuzz {
    struct private_key *key;
    struct public_key *public_key;
    struct signer signer;
    struct scope scope;
};

static inline const struct vm_fuzz *vm_fuzz(void)
{
    static struct vm_fuzz fuzz;

    if (!fuzz.key) {
        ASSERT(private_key_derive_p256(view_string("keying material for all the keys"),
                                       &fuzz.key) == STATUS_OK);
        ASSERT(private_key_public(fuzz.key, &fuzz.public_key) == STATUS_OK);
        fuzz.signer = signer_of_key(fuzz.key);
        fuzz.scope = (struct scope){sha256(view_string("perimeter")), 3};
    }
    return &fuzz;
}

/* False when it is too large to be one. */
static inline bool vm_fuzz_sign(enum signed_kind kind, const uint8_t *data, size_t size,
                                struct bytes *ret_message)
{
    const struct vm_fuzz *fuzz = vm_fuzz();

    return signed_message_make(kind, &fuzz->scope, (struct view){data, size}, &fuzz->signer,
                               ret_message) == STATUS_OK;
}

#endif
