#include "lib/tpm/host_evidence.h"

#include "lib/attest/event_log.h"

#include <unistd.h>

enum { QUOTE_ATTEMPTS = 5 };

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

static enum status read_event_log(const char *path, struct bytes *ret_log)
{
    OWN(writer) struct writer writer = writer_new(EVENT_LOG_SIZE_MAX);
    enum status status;
    int fd;

    TRY(log_open(path, &fd));
    status = log_read(fd, path, &writer);
    (void)close(fd);
    TRY(status);
    return writer_take(&writer, ret_log);
}

static enum status read_ima_log(const struct host_evidence_request *request, struct bytes *ret_log)
{
    OWN(ima_log_file) struct ima_log_file begun;
    struct ima_log_file *file = request->ima_log;

    ima_log_file_init(&begun);
    return ima_log_file_read(file ? file : &begun, request->ima_log_path,
                             request->demand.ima_entries_known, ret_log);
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
        TRY(read_event_log(request->event_log_path, &evidence.event_log));
    }
    if (request->demand.ima_log) {
        TRY(read_ima_log(request, &evidence.ima_log));
    }
    *ret_evidence = TAKE(evidence);
    return STATUS_OK;
}
