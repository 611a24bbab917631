#include "bench/soft_node.h"

#include "lib/attest/pcr_bank.h"

#include <string.h>

/* A path that takes long to hash, and its entry. */
enum { PATH_SIZE = 4000, ENTRY_SIZE_MAX = PATH_SIZE + 256 };

static struct tpm_name name_of(const struct soft_key *key)
{
    struct tpm_public parsed;

    ASSERT(tpm_public_parse(soft_key_public(key), &parsed) == STATUS_OK);
    return parsed.name;
}

void soft_node_make(struct soft_node *node, const struct soft_ca *ca)
{
    node->ek = soft_ek_new(SOFT_P256);
    node->ak = soft_ak_new(SOFT_P256);
    node->ek_name = name_of(&node->ek);
    node->ak_name = name_of(&node->ak);
    node->ek_certificate = soft_ca_issue(&soft_recipe_ecc, &node->ek, ca);
}

void soft_node_free(struct soft_node *node)
{
    soft_key_free(&node->ek);
    soft_key_free(&node->ak);
    bytes_free(&node->ek_certificate);
    trusted_key_free(&node->key);
}

static void number_write(struct writer *writer, size_t number)
{
    for (unsigned octet = 0; octet < 4; octet++) {
        writer_u8(writer, (uint8_t)(number >> (8 * octet)));
    }
}

static void text_write(struct writer *writer, struct view text)
{
    number_write(writer, text.size);
    writer_view(writer, text);
}

struct bytes soft_ima_log(struct soft_ima *ima, size_t size_max)
{
    static const uint8_t header[20] = {1}; /* SHA-1, which nobody looks at */
    static const uint8_t file[8 + SHA256_SIZE] = "sha256:";
    uint8_t path[PATH_SIZE + 1];
    struct writer log = writer_new(size_max + ENTRY_SIZE_MAX);
    struct bytes written;

    memset(path, '/', PATH_SIZE);
    path[PATH_SIZE] = 0;
    do {
        struct writer data = writer_new(ENTRY_SIZE_MAX);
        OWN(bytes) struct bytes content = {0};
        struct digest digest;

        text_write(&data, VIEW_OF_ARRAY(file));
        text_write(&data, ima->count == 0 ? (struct view){(const uint8_t *)"boot_aggregate", 15}
                                          : VIEW_OF_ARRAY(path));
        ASSERT(writer_take(&data, &content) == STATUS_OK);
        number_write(&log, PCR_IMA);
        writer_view(&log, VIEW_OF_ARRAY(header));
        text_write(&log, view_string("ima-ng"));
        text_write(&log, bytes_view(&content));
        digest = sha256(bytes_view(&content));
        pcr_extend(&ima->aggregate, &digest);
        ima->count++;
    } while (log.size + ENTRY_SIZE_MAX <= size_max);
    ASSERT(writer_take(&log, &written) == STATUS_OK);
    return written;
}

void soft_evidence_make(const struct soft_node *node, const struct digest *qualifying,
                        uint32_t pcr_mask, const struct soft_ima *ima, uint64_t clock_ms,
                        struct soft_evidence *ret_evidence)
{
    struct writer values = writer_new(PCR_COUNT * SHA256_SIZE);
    struct soft_quote quote;
    struct pcr_bank bank;
    struct digest digest;

    pcr_bank_reset(&bank);
    bank.values[PCR_IMA] = ima->aggregate;
    digest = pcr_bank_digest(&bank, pcr_mask);
    quote = soft_quote_new(digest_view(qualifying), pcr_mask, &digest);
    quote.clock_ms = clock_ms;
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (pcr_mask & 1u << pcr) {
            writer_view(&values, digest_view(&bank.values[pcr]));
        }
    }
    ret_evidence->quote = soft_quote_bytes(&quote);
    ret_evidence->signature = soft_sign(&node->ak, bytes_view(&ret_evidence->quote));
    ASSERT(writer_take(&values, &ret_evidence->values) == STATUS_OK);
}

struct evidence_view soft_evidence_view(const struct soft_node *node,
                                        const struct soft_evidence *evidence)
{
    return (struct evidence_view){
        .ak_public = soft_key_public(&node->ak),
        .quote = bytes_view(&evidence->quote),
        .signature = bytes_view(&evidence->signature),
        .pcr_values = bytes_view(&evidence->values),
    };
}

void soft_evidence_free(struct soft_evidence *evidence)
{
    bytes_free(&evidence->quote);
    bytes_free(&evidence->signature);
    bytes_free(&evidence->values);
}
