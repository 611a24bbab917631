/* Public areas: what is accepted can be checked, imported and named without surprise. */
#include "lib/attest/attestation_key.h"
#include "lib/attest/ek_certificate.h"
#include "lib/attest/tpm_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(evp_pkey) EVP_PKEY *key = NULL;
    struct tpm_public public_area;
    struct tpm_name name;
    struct refusal refusal;

    if (tpm_public_parse((struct view){data, size}, &public_area) != STATUS_OK) {
        return 0;
    }
    ASSERT(tpm_name_of_view(tpm_name_view(&public_area.name), &name) == STATUS_OK);
    ASSERT(tpm_name_equal(&name, &public_area.name));
    (void)!attestation_key_check(&public_area, &refusal);
    (void)!ek_template_check(&public_area, &refusal);
    (void)!tpm_key_import(&public_area, &key);
    return 0;
}
