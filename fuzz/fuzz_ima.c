/* IMA logs: every prefix that parses replays, from the start and in two steps, to the same state.
 */
#include "lib/attest/ima.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view view = {data, size};
    struct reader reader = reader_of(view);
    struct digest value = {{0}}, first = {{0}};
    struct ima_state whole = {0}, steps = {0};
    struct refusal refusal;
    size_t count = 0, first_size = 0;

    while (reader.left) {
        struct ima_entry entry;
        struct digest digest;

        if (ima_entry_read(&reader, &entry) != STATUS_OK) {
            break;
        }
        ASSERT(entry.path.size > 0 && entry.file_digest.size >= SHA256_SIZE);
        digest = ima_entry_digest(&entry);
        pcr_extend(&value, &digest);
        if (++count == 1) {
            first = value;
            first_size = size - reader.left;
        }
    }
    if (count > 0 && ima_replay(&whole, view, &value, NULL, NULL, &refusal) == STATUS_OK) {
        struct view rest = {data + first_size, size - first_size};

        ASSERT(whole.count == count);
        ASSERT(ima_replay(&steps, view, &first, NULL, NULL, &refusal) == STATUS_OK);
        ASSERT(steps.count == 1);
        ASSERT(ima_replay(&steps, rest, &value, NULL, NULL, &refusal) == STATUS_OK);
        ASSERT(steps.count == whole.count && digest_equal(&steps.aggregate, &whole.aggregate));
    }
    return 0;
}
