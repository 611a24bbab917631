/* {u32 size, a firmware log, an image}: what both predict together, signatures included. */
#include "lib/predict/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(prediction) struct prediction prediction = {0};
    OWN(event_sequence) struct event_sequence sequence = {0};
    struct reader reader = reader_of((struct view){data, size});
    struct view log = reader_view(&reader, reader_u32_le(&reader));
    struct refusal refusal;

    if (boot_predict(log, reader_rest(&reader), &prediction, &refusal) == STATUS_OK) {
        ASSERT(prediction_sequence(&prediction, PCR_MASK_ALL, &sequence) == STATUS_OK);
        ASSERT(sequence.step_count == prediction.count && prediction.count > 3);
    }
    return 0;
}
