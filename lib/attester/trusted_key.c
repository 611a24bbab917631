#include "lib/attester/trusted_key.h"

void trusted_key_free(struct trusted_key *key)
{
    private_key_free(key->sign);
    private_key_free(key->kem);
    *key = (struct trusted_key){0};
}

enum status trusted_key_new(struct trusted_key *ret_key)
{
    OWN(trusted_key) struct trusted_key key = {0};

    TRY(private_key_generate(KEY_ECDSA_P256, &key.sign));
    TRY(private_key_generate(KEY_ECDSA_P256, &key.kem));
    private_key_point(key.kem, key.kem_point);
    *ret_key = TAKE(key);
    return STATUS_OK;
}

struct key_pair_view trusted_key_public(const struct trusted_key *key)
{
    return (struct key_pair_view){private_key_spki(key->sign), VIEW_OF_ARRAY(key->kem_point)};
}
