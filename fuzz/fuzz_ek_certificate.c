/* EK certificates: a u16 length, a public area (TPMT_PUBLIC), then the certificate. It is checked
 * against no CA, and against itself as the CA, so that the profile's checks are reached. */
#include "lib/attest/ek_certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of((struct view){data, size});
    struct view public_area = reader_sized16(&reader, TPM_PUBLIC_SIZE_MAX);
    struct view certificate = reader_rest(&reader);
    struct tpm_public ek;
    struct refusal refusal;

    if (reader.bad || tpm_public_parse(public_area, &ek) != STATUS_OK) {
        return 0;
    }
    ASSERT(ek_certificate_check(certificate, &ek, NULL, 0, 1796083200, &refusal) != STATUS_OK);
    ASSERT(ek_certificate_check(certificate, &ek, &certificate, 1, 1796083200, &refusal) !=
           STATUS_OK);
    (void)!ek_certificate_profile_check(certificate, &ek, &refusal);
    return 0;
}
