/* PE images, and unified kernel images among them. */
#include "lib/predict/uki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void predict(struct view view, bool secure_boot)
{
    OWN(prediction) struct prediction prediction = {0};
    struct refusal refusal;

    if (uki_predict(view, secure_boot, &prediction, &refusal) == STATUS_OK) {
        /* The image, and name and contents of .linux. */
        ASSERT(prediction.count >= 3 && prediction.events[0].pcr == 4);
        ASSERT(prediction.events[0].role == EVENT_ROLE_KERNEL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view view = {data, size}, pkcs7;
    struct refusal refusal;
    struct pe_image image;
    size_t at = 0;

    if (pe_image_parse(view, &image, &refusal) == STATUS_OK) {
        struct digest digest = pe_image_digest(&image);

        ASSERT(!digest_is_zero(&digest));
        while (pe_image_signature(&image, &at, &pkcs7, &refusal) == STATUS_OK) {
            ASSERT(pkcs7.data > data && pkcs7.data + pkcs7.size <= data + size);
        }
    }
    predict(view, true);
    predict(view, false);
    return 0;
}
