/* RFC 9180's base mode with DHKEM(P-256, HKDF-SHA256) and HKDF-SHA256: first messages. */
#ifndef TCCP_TESTS_VECTORS_HPKE_VECTORS_H
#define TCCP_TESTS_VECTORS_HPKE_VECTORS_H

#include "lib/crypto/hpke.h"

struct hpke_vector {
    const char *name;
    enum hpke_aead aead;
    const char *info, *aad, *plaintext;
    const char *recipient_ikm, *recipient_point;
    const char *entropy, *sealed; /* ikmE; enc, then ciphertext */
};

static const struct hpke_vector hpke_vectors[] = {
    {
        .name = "RFC 9180, A.3.1",
        .aead = HPKE_AES_128_GCM,
        .info = "4f6465206f6e2061204772656369616e2055726e",
        .aad = "436f756e742d30",
        .plaintext = "4265617574792069732074727574682c20747275746820626561757479",
        .recipient_ikm = "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
        .recipient_point = "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82"
                           "6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
        .entropy = "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e",
        .sealed = "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
                  "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
                  "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f"
                  "9076ac232e3ab2523f39513434",
    },
    {
        .name = "the HPKE working group's test-vectors.json, AES-256-GCM",
        .aead = HPKE_AES_256_GCM,
        .info = "4f6465206f6e2061204772656369616e2055726e",
        .aad = "436f756e742d30",
        .plaintext = "4265617574792069732074727574682c20747275746820626561757479",
        .recipient_ikm = "03f75a34fe711cbd5a348cd52aca1387c8a69726328b83fa703c4f3e91ce9e7a",
        .recipient_point = "0421dc6b4cc0d2a73090cf944c9f1b8d0a700a153dcaf34721ec8fbb8baeea19e6"
                           "5fd71d34acdcfe1bceff9bde0f1f5f73a2edb3599f533e703a2f42865a3ea819",
        .entropy = "8468257215a9b747463886cc35fb1995bf2041325d6984b48e4fb0d872f43fb2",
        .sealed = "0469f24d3b44c6741cce6660b1c72e05d6d9c615b64dca6947c3eeca104be0cda1"
                  "d4b3e8b1978e1de88aba437155df4fa9008ee3ad02a72f1ab6534cf7fcfadb51"
                  "59b14653f7a80bd228248c71df9caf21319aa29cc90ef8e51761ef91a1275f46"
                  "653b1b056482b17e1cbe1cb1de",
    },
};

#endif
