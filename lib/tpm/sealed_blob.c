#include "lib/tpm/sealed_blob.h"

#include "lib/tpm/tpm.h"

#include <string.h>
#include <tss2/tss2_mu.h>

enum { FORMAT = 1 };

enum status sealed_blob_write(const struct sealed_blob *blob, struct bytes *ret_bytes)
{
    OWN(writer) struct writer writer = writer_new(TPM_SEALED_BLOB_SIZE_MAX);
    uint8_t public[sizeof(TPMT_PUBLIC)];
    size_t size = 0;

    if (Tss2_MU_TPMT_PUBLIC_Marshal(&blob->public.publicArea, public, sizeof public, &size) !=
        TSS2_RC_SUCCESS) {
        return STATUS_TPM;
    }
    writer_u32(&writer, FORMAT);
    writer_u32(&writer, blob->pcr_mask);
    writer_sized16(&writer, (struct view){public, size});
    writer_sized16(&writer, (struct view){blob->private.buffer, blob->private.size});
    return writer_take(&writer, ret_bytes);
}

enum status sealed_blob_parse(struct view bytes, struct sealed_blob *ret_blob)
{
    struct sealed_blob blob = {0};
    struct reader reader = reader_of(bytes);
    struct view public, private;
    size_t used = 0;

    reader_require(&reader, bytes.size <= TPM_SEALED_BLOB_SIZE_MAX);
    reader_require(&reader, reader_u32(&reader) == FORMAT);
    blob.pcr_mask = reader_u32(&reader);
    reader_require(&reader, blob.pcr_mask != 0 && blob.pcr_mask >> PCR_COUNT == 0);
    public = reader_sized16(&reader, sizeof(TPMT_PUBLIC));
    private = reader_sized16(&reader, sizeof blob.private.buffer);
    reader_require(&reader, public.size > 0 && private.size > 0);
    if (!reader_done(&reader) ||
        Tss2_MU_TPMT_PUBLIC_Unmarshal(public.data, public.size, &used, &blob.public.publicArea) !=
            TSS2_RC_SUCCESS ||
        used != public.size) {
        return STATUS_MALFORMED;
    }
    memcpy(blob.private.buffer, private.data, private.size);
    blob.private.size = (UINT16) private.size;
    *ret_blob = blob;
    return STATUS_OK;
}
