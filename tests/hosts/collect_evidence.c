/*
 * For whole boots: the evidence of the machine that it runs on, as a folder.
 *
 *     collect_evidence TCTI QUALIFYING PCRS FOLDER
 *
 * QUALIFYING is what the quote shall say, 64 hexadecimal digits; PCRS the mask of PCRs to be
 * quoted, hexadecimal. FOLDER is made. It gets what tests/vectors/boots/README.md describes: the
 * two logs as `eventlog.bin` and `ima.bin`, the quote and who signed it under `quote/`.
 */
#include "lib/base/text.h"
#include "lib/tpm/host_evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 64, PATH_SIZE = 4096 };

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "collect_evidence: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void must(const char *what, enum status status)
{
    if (status != STATUS_OK) {
        die(what, status_text(status));
    }
}

static void folder_make(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        die(path, strerror(errno));
    }
}

static void file_write(const char *folder, const char *name, struct view content)
{
    char path[PATH_SIZE];
    FILE *file;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        die(name, "its path is too long");
    }
    file = fopen(path, "wbe");
    if (!file || fwrite(content.data, 1, content.size, file) != content.size || fclose(file) != 0) {
        die(path, strerror(errno));
    }
}

int main(int argc, char **argv)
{
    OWN(tpm) struct tpm *tpm = NULL;
    OWN(tpm_identity) struct tpm_identity identity = {0};
    OWN(host_evidence) struct host_evidence evidence = {0};
    struct host_evidence_request request = {.demand = {.event_log = true, .ima_log = true},
                                            .event_log_path = EVENT_LOG_PATH,
                                            .ima_log_path = IMA_LOG_PATH};
    char quote[PATH_SIZE];
    const char *folder;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: collect_evidence TCTI QUALIFYING PCRS FOLDER\n");
        return EXIT_USAGE;
    }
    must(argv[2], hex_decode(argv[2], request.qualifying.bytes, sizeof request.qualifying.bytes));
    request.demand.pcr_mask = (uint32_t)strtoul(argv[3], NULL, 16);
    folder = argv[4];
    must(argv[1], tpm_open(argv[1], &tpm));
    must("identity", tpm_identity(tpm, &identity));
    must("evidence", host_evidence_collect(tpm, &identity, &request, &evidence));

    folder_make(folder);
    file_write(folder, "eventlog.bin", bytes_view(&evidence.event_log));
    file_write(folder, "ima.bin", bytes_view(&evidence.ima_log));
    if (snprintf(quote, sizeof quote, "%s/quote", folder) >= (int)sizeof quote) {
        die(folder, "too long");
    }
    folder_make(quote);
    file_write(quote, "quote.attest", bytes_view(&evidence.quote));
    file_write(quote, "quote.sig", bytes_view(&evidence.signature));
    file_write(quote, "pcrs_quoted.bin", bytes_view(&evidence.pcr_values));
    file_write(quote, "qualifying.bin", digest_view(&request.qualifying));
    file_write(quote, "ak.tpmt", bytes_view(&identity.ak_public));
    file_write(quote, "ak.name", bytes_view(&identity.ak_name));
    file_write(quote, "ek.tpmt", bytes_view(&identity.ek_public));
    file_write(quote, "ek.crt", bytes_view(&identity.ek_certificate));
    return EXIT_SUCCESS;
}
