#include "cli/evidence_folder.h"

#include "cli/files.h"

#include "lib/attest/tpm_structures.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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
    size_t offset; /* of its content in a struct evidence_folder */
};

#define PART(member) offsetof(struct evidence_folder, member)
static const struct part parts[] = {
    {"quote/quote.attest", NULL, PART_SIZE_MAX, false, PART(quote)},
    {"quote/quote.sig", NULL, PART_SIZE_MAX, false, PART(signature)},
    {"quote/ak.tpmt", NULL, PART_SIZE_MAX, false, PART(ak_public)},
    {"quote/qualifying.bin", NULL, PART_SIZE_MAX, false, PART(qualifying)},
    {"quote/pcrs_quoted.bin", NULL, PART_SIZE_MAX, false, PART(pcr_values)},
    {"quote/ek.tpmt", "quote/ek_rsa.tpmt", PART_SIZE_MAX, true, PART(ek_public)},
    {"quote/ek.crt", "quote/ek_rsa.crt", PART_SIZE_MAX, true, PART(ek_certificate)},
    {"eventlog.bin", NULL, EVENT_LOG_SIZE_MAX, true, PART(event_log)},
    {"ima.bin", NULL, IMA_LOG_SIZE_MAX, true, PART(ima_log)},
};

static struct bytes *part_of(struct evidence_folder *folder, const struct part *part)
{
    return (struct bytes *)((char *)folder + part->offset);
}

static enum exit_code part_load(const struct cli *cli, const char *path, const struct part *part,
                                struct evidence_folder *folder)
{
    char file[PATH_MAX];

    (void)snprintf(file, sizeof file, "%s/%s", path, part->name);
    if (part->other && !file_exists(file)) {
        (void)snprintf(file, sizeof file, "%s/%s", path, part->other);
    }
    if (part->may_be_missing && !file_exists(file)) {
        return EXIT_DONE;
    }
    return file_load(cli, file, part->size_max, part_of(folder, part));
}

static enum exit_code quote_read(const struct cli *cli, const char *where,
                                 struct evidence_folder *folder)
{
    struct tpm_quote_info info;

    if (tpm_quote_info_parse(bytes_view(&folder->quote), &info) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s is no quote of a TPM", where);
    }
    folder->pcr_mask = info.selection_count == 1 ? info.selections[0].pcr_mask : 0;
    folder->firmware = info.firmware;
    return EXIT_DONE;
}

enum exit_code evidence_folder_load(const struct cli *cli, const char *path,
                                    struct evidence_folder *ret_folder)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    char where[PATH_MAX];
    enum exit_code exit_code = EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && i < ARRAY_SIZE(parts); i++) {
        exit_code = part_load(cli, path, &parts[i], &folder);
    }
    if (exit_code == EXIT_DONE) {
        (void)snprintf(where, sizeof where, "%s/quote/quote.attest", path);
        exit_code = quote_read(cli, where, &folder);
    }
    if (exit_code == EXIT_DONE) {
        *ret_folder = TAKE(folder);
    }
    return exit_code;
}

enum exit_code evidence_folder_of_view(const struct cli *cli, const char *name,
                                       const struct evidence_view *evidence, struct view qualifying,
                                       struct evidence_folder *ret_folder)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    const struct {
        struct view from;
        struct bytes *to;
    } copies[] = {
        {evidence->ek_certificate, &folder.ek_certificate},
        {evidence->ek_public, &folder.ek_public},
        {evidence->ak_public, &folder.ak_public},
        {evidence->quote, &folder.quote},
        {evidence->signature, &folder.signature},
        {evidence->event_log, &folder.event_log},
        {evidence->ima_log, &folder.ima_log},
        {evidence->pcr_values, &folder.pcr_values},
        {qualifying, &folder.qualifying},
    };
    char where[PATH_MAX];
    enum exit_code exit_code;

    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        if (bytes_copy(copies[i].from, copies[i].to) != STATUS_OK) {
            return report_status(cli, "keep the evidence", STATUS_NO_MEMORY);
        }
    }
    (void)snprintf(where, sizeof where, "what %s shows", name);
    exit_code = quote_read(cli, where, &folder);
    if (exit_code == EXIT_DONE) {
        *ret_folder = TAKE(folder);
    }
    return exit_code;
}

enum exit_code evidence_folder_check_new(const struct cli *cli, const char *path)
{
    const struct dirent *entry;
    bool is_empty = true;
    DIR *folder = opendir(path);

    if (!folder) {
        return errno == ENOENT ? EXIT_DONE
                               : report(cli, EXIT_FAILED, "", "cannot use %s as a folder: %s", path,
                                        strerror(errno));
    }
    while (is_empty && (entry = readdir(folder))) {
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    (void)closedir(folder);
    return is_empty ? EXIT_DONE
                    : report(cli, EXIT_FAILED, "name a new folder", "%s is not empty", path);
}

enum exit_code evidence_folder_store(const struct cli *cli, const char *path,
                                     const struct evidence_folder *folder)
{
    char file[PATH_MAX];
    enum exit_code exit_code = evidence_folder_check_new(cli, path);

    if (exit_code == EXIT_DONE) {
        exit_code = folder_make(cli, path);
    }
    if (exit_code == EXIT_DONE) {
        (void)snprintf(file, sizeof file, "%s/quote", path);
        exit_code = folder_make(cli, file);
    }
    for (size_t i = 0; exit_code == EXIT_DONE && i < ARRAY_SIZE(parts); i++) {
        const struct part *part = &parts[i];
        struct bytes content = *part_of((struct evidence_folder *)(uintptr_t)folder, part);

        if (content.size > 0 || !part->may_be_missing) {
            (void)snprintf(file, sizeof file, "%s/%s", path, part->name);
            exit_code = file_create(cli, file, 0600, bytes_view(&content));
        }
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

enum status evidence_folder_appraise(const struct evidence_folder *folder,
                                     const struct reference_set *set, const struct view *cas,
                                     size_t ca_count, struct refusal *ret_refusal)
{
    static const struct pcr_policy nothing_more;
    const struct references references = {.enforced = {1, {set}}};
    struct evidence_view evidence = evidence_folder_view(folder);
    struct evidence_demand demand = appraisal_demand(&nothing_more, &references);
    struct appraisal appraisal;
    struct tpm_public ak;

    if (tpm_public_parse(evidence.ak_public, &ak) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_AK_ATTRIBUTES, "quote/ak.tpmt is no TPMT_PUBLIC");
    }
    return appraisal_run(&evidence,
                         &(struct appraisal_inputs){
                             .policy = &nothing_more,
                             .references = references,
                             .more_pcrs = folder->pcr_mask & ~demand.pcr_mask,
                             .qualifying = bytes_view(&folder->qualifying),
                             .ak_trust = ca_count ? AK_TRUST_BY_EK : AK_TRUST_BY_NAME,
                             .cas = cas,
                             .ca_count = ca_count,
                             .expected_ak = &ak.name,
                             .now_s = now_s(),
                         },
                         &appraisal, ret_refusal);
}
