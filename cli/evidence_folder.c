#include "cli/evidence_folder.h"

#include "cli/files.h"

#include "lib/attest/tpm_structures.h"

#include <limits.h>
#include <stdio.h>

enum { PART_SIZE_MAX = 64 * 1024 };

void evidence_folder_free(struct evidence_folder *folder)
{
    bytes_free(&folder->event_log);
    bytes_free(&folder->ima_log);
    bytes_free(&folder->quote);
    bytes_free(&folder->signature);
    bytes_free(&folder->ak_public);
    bytes_free(&folder->qualifying);
    bytes_free(&folder->pcr_values);
    bytes_free(&folder->ek_public);
    bytes_free(&folder->ek_certificate);
}

/* `other`: a second name, or NULL. */
struct part {
    const char *name, *other;
    size_t size_max;
    bool may_be_missing;
    struct bytes *content;
};

static enum exit_code part_load(const struct cli *cli, const char *folder, const struct part *part)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s", folder, part->name);
    if (part->other && !file_exists(path)) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, part->other);
    }
    if (part->may_be_missing && !file_exists(path)) {
        return EXIT_DONE;
    }
    return file_load(cli, path, part->size_max, part->content);
}

static enum exit_code quote_read(const struct cli *cli, const char *path,
                                 struct evidence_folder *folder)
{
    struct tpm_quote_info info;

    if (tpm_quote_info_parse(bytes_view(&folder->quote), &info) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s/quote/quote.attest is no quote of a TPM", path);
    }
    folder->pcr_mask = info.selection_count == 1 ? info.selections[0].pcr_mask : 0;
    folder->firmware = info.firmware;
    return EXIT_DONE;
}

enum exit_code evidence_folder_load(const struct cli *cli, const char *path,
                                    struct evidence_folder *ret_folder)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    const struct part parts[] = {
        {"quote/quote.attest", NULL, PART_SIZE_MAX, false, &folder.quote},
        {"quote/quote.sig", NULL, PART_SIZE_MAX, false, &folder.signature},
        {"quote/ak.tpmt", NULL, PART_SIZE_MAX, false, &folder.ak_public},
        {"quote/qualifying.bin", NULL, PART_SIZE_MAX, false, &folder.qualifying},
        {"quote/pcrs_quoted.bin", NULL, PART_SIZE_MAX, false, &folder.pcr_values},
        {"quote/ek.tpmt", "quote/ek_rsa.tpmt", PART_SIZE_MAX, true, &folder.ek_public},
        {"quote/ek.crt", "quote/ek_rsa.crt", PART_SIZE_MAX, true, &folder.ek_certificate},
        {"eventlog.bin", NULL, EVENT_LOG_SIZE_MAX, true, &folder.event_log},
        {"ima.bin", NULL, IMA_LOG_SIZE_MAX, true, &folder.ima_log},
    };
    enum exit_code exit_code = EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && i < ARRAY_SIZE(parts); i++) {
        exit_code = part_load(cli, path, &parts[i]);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = quote_read(cli, path, &folder);
    }
    if (exit_code == EXIT_DONE) {
        *ret_folder = TAKE(folder);
    }
    return exit_code;
}

struct evidence_view evidence_folder_view(const struct evidence_folder *folder)
{
    return (struct evidence_view){
        .ek_certificate = bytes_view(&folder->ek_certificate),
        .ek_public = bytes_view(&folder->ek_public),
        .ak_public = bytes_view(&folder->ak_public),
        .quote = bytes_view(&folder->quote),
        .signature = bytes_view(&folder->signature),
        .event_log = bytes_view(&folder->event_log),
        .ima_log = bytes_view(&folder->ima_log),
        .pcr_values = bytes_view(&folder->pcr_values),
    };
}
