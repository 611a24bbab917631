/* The plaintext of a ticket, which any customer chooses; and sealed texts. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vm_fuzz *fuzz = vm_fuzz();
    struct digest image = sha256(view_string("image"));
    OWN(secret) struct secret plaintext = {0};
    OWN(ticket) struct ticket ticket = {.cust_sign_size = 0};
    struct ticket opened;
    struct refusal refusal;

    ASSERT(ticket_open((struct view){data, size}, &fuzz->scope, fuzz->key, &image, &opened,
                       &refusal) != STATUS_OK);
    if (secret_copy((struct view){data, size}, &plaintext) != STATUS_OK) {
        return 0;
    }
    {
        OWN(secret) struct secret copy = {0};
        OWN(vm_secret) struct vm_secret parts = {.plaintext = {0}};

        ASSERT(secret_copy((struct view){data, size}, &copy) == STATUS_OK);
        if (vm_secret_parse(&copy, &parts) == STATUS_OK) {
            ASSERT(parts.body.size + VM_SECRET_HEADER_SIZE == size);
        }
    }
    if (ticket_parse(&plaintext, &ticket, &refusal) == STATUS_OK) {
        ASSERT(!plaintext.data && ticket.secret.key.size == VM_KEY_SIZE);
        ASSERT(ticket.cust_sign_size > 0 && ticket.policy_bytes.size > 0);
    } else {
        ASSERT(plaintext.data);
    }
    return 0;
}
