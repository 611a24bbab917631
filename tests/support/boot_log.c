/*
 * What a measured boot extends into PCRs, from its logs: so that a software TPM without firmware
 * can be given that boot.
 *
 *     boot_log events EVENT_LOG           prints "PCR:sha256=DIGEST" for each event
 *     boot_log ima IMA_LOG FROM           the same for entries after the first FROM
 *     boot_log cut IMA_LOG FROM COUNT     writes COUNT entries, as they are
 *     boot_log make COUNT                 writes a log of COUNT entries, each of a signed file
 */
#include "lib/attest/event_log.h"
#include "lib/attest/ima.h"
#include "lib/base/text.h"
#include "lib/daemon/file.h"
#include "tests/support/ima_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(uint32_t pcr, const struct digest *digest)
{
    printf("%u:sha256=%s\n", pcr, hex_digest(digest).text);
}

static enum status print_events(struct view view)
{
    struct event_log log;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, NULL));
    while ((status = event_log_next(&log, &event, NULL)) == STATUS_OK) {
        if (event.type != EVENT_NO_ACTION) {
            print(event.pcr, &event.digest);
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status print_entries(struct view view, unsigned long from)
{
    struct reader reader = reader_of(view);

    for (unsigned long number = 0; reader.left > 0; number++) {
        struct ima_entry entry;
        struct digest digest;

        TRY(ima_entry_read(&reader, &entry));
        digest = ima_entry_digest(&entry);
        if (number >= from) {
            print(PCR_IMA, &digest);
        }
    }
    return STATUS_OK;
}

static enum status write_entries(struct view view, unsigned long from, unsigned long count)
{
    struct reader reader = reader_of(view);

    for (unsigned long number = 0; reader.left > 0 && number < from + count; number++) {
        const uint8_t *start = reader.at;
        struct ima_entry entry;

        TRY(ima_entry_read(&reader, &entry));
        if (number >= from) {
            (void)fwrite(start, 1, (size_t)(reader.at - start), stdout);
        }
    }
    return STATUS_OK;
}

static enum status make_entries(unsigned long count)
{
    struct digest aggregate;
    OWN(bytes) struct bytes log = ima_log_make(count, &aggregate);

    return fwrite(log.data, 1, log.size, stdout) == log.size ? STATUS_OK : STATUS_IO;
}

int main(int argc, char **argv)
{
    OWN(bytes) struct bytes log = {0};
    enum status status = STATUS_MALFORMED;

    if (argc == 3 && strcmp(argv[1], "events") == 0 &&
        file_read(argv[2], EVENT_LOG_SIZE_MAX, &log) == STATUS_OK) {
        status = print_events(bytes_view(&log));
    } else if (argc == 4 && strcmp(argv[1], "ima") == 0 &&
               file_read(argv[2], IMA_LOG_SIZE_MAX, &log) == STATUS_OK) {
        status = print_entries(bytes_view(&log), strtoul(argv[3], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "make") == 0) {
        status = make_entries(strtoul(argv[2], NULL, 10));
    } else if (argc == 5 && strcmp(argv[1], "cut") == 0 &&
               file_read(argv[2], IMA_LOG_SIZE_MAX, &log) == STATUS_OK) {
        status =
            write_entries(bytes_view(&log), strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "boot_log: %s\n", status_text(status));
        return 1;
    }
    return 0;
}
