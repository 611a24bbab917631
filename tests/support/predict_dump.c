/*
 * What an image will measure, for boot tests: prints one event a line, "PCR TYPE DIGEST ROLE NAME".
 *
 *     predict_dump on|off IMAGE              the image's own events, Secure Boot on or off
 *     predict_dump learn LOG IMAGE           all events of the machine type whose good boot LOG is
 *     predict_dump check LOG IMAGE SEEN      those, compared with the log SEEN: PCR 0 to 15 but 10
 *
 * Exit status: 0; 3 when it is refused, with the reason on standard error; 1 otherwise.
 */
#include "lib/base/text.h"
#include "lib/daemon/file.h"
#include "lib/predict/boot.h"
#include "lib/predict/uki.h"

#include <stdio.h>
#include <string.h>

enum { MASK_BOOT = 0xfbff };

static void print(const struct prediction *prediction)
{
    for (size_t i = 0; i < prediction->count; i++) {
        const struct predicted_event *event = &prediction->events[i];
        char digest[HEX_SIZE(SHA256_SIZE)];

        hex_encode(digest_view(&event->digest), digest);
        printf("%u 0x%08x %s \"%s\" \"%s\"\n", event->pcr, event->type, digest,
               event_role_name(event->role), event->name);
    }
}

static enum status compare(const struct prediction *prediction, const char *path,
                           struct refusal *refusal)
{
    OWN(event_sequence) struct event_sequence sequence = {0};
    OWN(bytes) struct bytes seen = {0};

    TRY(file_read(path, EVENT_LOG_SIZE_MAX, &seen));
    TRY(prediction_sequence(prediction, MASK_BOOT, &sequence));
    return event_sequence_check(&sequence, bytes_view(&seen), refusal);
}

static enum status run(int argc, char **argv, struct refusal *refusal)
{
    OWN(prediction) struct prediction prediction = {0};
    OWN(bytes) struct bytes image = {0}, log = {0};

    if (argc == 3 && (strcmp(argv[1], "on") == 0 || strcmp(argv[1], "off") == 0)) {
        TRY(file_read(argv[2], PE_IMAGE_SIZE_MAX, &image));
        TRY(uki_predict(bytes_view(&image), argv[1][1] == 'n', &prediction, refusal));
        print(&prediction);
        return STATUS_OK;
    }
    if (!(argc == 4 && strcmp(argv[1], "learn") == 0) &&
        !(argc == 5 && strcmp(argv[1], "check") == 0)) {
        return refuse(refusal, REFUSAL_MALFORMED, "wrong arguments");
    }
    TRY(file_read(argv[2], EVENT_LOG_SIZE_MAX, &log));
    TRY(file_read(argv[3], PE_IMAGE_SIZE_MAX, &image));
    TRY(boot_predict(bytes_view(&log), bytes_view(&image), &prediction, refusal));
    print(&prediction);
    return argc == 5 ? compare(&prediction, argv[4], refusal) : STATUS_OK;
}

int main(int argc, char **argv)
{
    struct refusal refusal = {0};
    enum status status = run(argc, argv, &refusal);

    if (status == STATUS_REFUSED) {
        fprintf(stderr, "predict_dump: %s: %s\n", refusal_name(refusal.code), refusal.detail);
        return 3;
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "predict_dump: %s\n", status_text(status));
        return 1;
    }
    return 0;
}
