#include "lib/tpm/host_evidence.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    LOG_SIZE_MAX = 3 << 20, /* leaves room for the rest of a message */
    QUOTE_ATTEMPTS = 5,
};

void host_evidence_free(struct host_evidence *evidence)
{
    bytes_free(&evidence->ak_public);
    bytes_free(&evidence->quote);
    bytes_free(&evidence->signature);
    bytes_free(&evidence->pcr_values);
    bytes_free(&evidence->event_log);
    bytes_free(&evidence->ima_log);
}

struct evidence_view host_evidence_view(const struct host_evidence *evidence)
{
    return (struct evidence_view){
        .ak_public = bytes_view(&evidence->ak_public),
        .quote = bytes_view(&evidence->quote),
        .signature = bytes_view(&evidence->signature),
        .pcr_values = bytes_view(&evidence->pcr_values),
        .event_log = bytes_view(&evidence->event_log),
        .ima_log = bytes_view(&evidence->ima_log),
    };
}

/* Files of securityfs have no size to ask for and grow while they are read. */
static enum status read_log(const char *path, struct bytes *ret_log)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    enum status status = STATUS_OK;
    uint8_t buffer[16384];
    ssize_t count;

    if (!path) {
        log_event(LOG_ERROR, "log-not-configured", "a log is asked for that this host has not");
        return STATUS_NOT_FOUND;
    }
    if (descriptor < 0) {
        log_event(LOG_ERROR, "log-not-readable", "path=%s error=\"%s\"", path, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    while ((count = read(descriptor, buffer, sizeof buffer)) > 0) {
        writer_view(&writer, (struct view){buffer, (size_t)count});
    }
    if (count < 0) {
        log_event(LOG_ERROR, "log-not-readable", "path=%s error=\"%s\"", path, strerror(errno));
        status = STATUS_IO;
    }
    (void)close(descriptor);
    TRY(status);
    return writer_take(&writer, ret_log);
}

/* Leaves out the entries that were sent before. */
static enum status skip_entries(struct bytes *log, uint64_t count)
{
    struct reader reader = reader_of(bytes_view(log));
    struct bytes rest;

    for (uint64_t i = 0; i < count; i++) {
        struct ima_entry entry;

        if (reader.left == 0) {
            return STATUS_CONFLICT; /* Shorter than before: another boot. */
        }
        TRY(ima_entry_read(&reader, &entry));
    }
    TRY(bytes_copy(reader_rest(&reader), &rest));
    bytes_free(log);
    *log = rest;
    return STATUS_OK;
}

/* One attempt; *ret_match tells whether the values are those that were quoted. */
static enum status quote_and_read(struct tpm *tpm, const struct host_evidence_request *request,
                                  struct host_evidence *evidence, bool *ret_match)
{
    struct tpm_quote_info info;
    struct digest digest;

    bytes_free(&evidence->quote);
    bytes_free(&evidence->signature);
    bytes_free(&evidence->pcr_values);
    TRY(tpm_quote(tpm, &request->qualifying, request->demand.pcr_mask, &evidence->quote,
                  &evidence->signature));
    TRY(tpm_pcr_read(tpm, request->demand.pcr_mask, &evidence->pcr_values));
    TRY(tpm_quote_info_parse(bytes_view(&evidence->quote), &info));
    digest = sha256(bytes_view(&evidence->pcr_values));
    *ret_match = view_equal(digest_view(&digest),
                            (struct view){info.pcr_digest.bytes, info.pcr_digest.size});
    evidence->reset_count = info.reset_count;
    evidence->restart_count = info.restart_count;
    return STATUS_OK;
}

enum status host_evidence_collect(struct tpm *tpm, const struct tpm_identity *identity,
                                  const struct host_evidence_request *request,
                                  struct host_evidence *ret_evidence)
{
    OWN(host_evidence) struct host_evidence evidence = {0};
    bool match = false;

    TRY(bytes_copy(bytes_view(&identity->ak_public), &evidence.ak_public));
    for (unsigned i = 0; i < QUOTE_ATTEMPTS && !match; i++) {
        TRY(quote_and_read(tpm, request, &evidence, &match));
    }
    if (!match) {
        return STATUS_BUSY;
    }
    if (request->demand.event_log) {
        TRY(read_log(request->event_log_path, &evidence.event_log));
    }
    if (request->demand.ima_log) {
        TRY(read_log(request->ima_log_path, &evidence.ima_log));
        TRY(skip_entries(&evidence.ima_log, request->demand.ima_entries_known));
    }
    *ret_evidence = TAKE(evidence);
    return STATUS_OK;
}
