#include "cli/ledger.h"

#include "cli/files.h"

#include "lib/base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *what;
    enum refusal_code refusal;
} kinds[] = {
    [LEDGER_MANIFEST] = {"manifest", "sign this manifest", REFUSAL_VERSION_SIGNED},
    [LEDGER_ENDORSEMENT] = {"endorsement", "endorse this seed", REFUSAL_EPOCH_ENDORSED},
};

/* What the ledger says of this number: a line "KIND NUMBER HEX". */
static bool ledger_find(struct view text, const char *prefix, struct view *ret_hex)
{
    struct reader reader = reader_of(text);
    size_t prefix_size = strlen(prefix);

    while (reader.left) {
        const uint8_t *end = memchr(reader.at, '\n', reader.left);
        struct view line = reader_view(&reader, end ? (size_t)(end - reader.at) : reader.left);

        (void)reader_view(&reader, end ? 1 : 0);
        if (line.size > prefix_size && memcmp(line.data, prefix, prefix_size) == 0) {
            *ret_hex = (struct view){line.data + prefix_size, line.size - prefix_size};
            return true;
        }
    }
    return false;
}

enum exit_code ledger_note(const struct cli *cli, const char *key_path, enum ledger_kind kind,
                           uint64_t number, const struct digest *what)
{
    OWN(bytes) struct bytes before = {0}, after = {0};
    OWN(writer) struct writer writer = writer_new(LEDGER_SIZE_MAX);
    char path[PATH_MAX], prefix[64], hex[HEX_SIZE(SHA256_SIZE)];
    struct view known;
    enum exit_code exit_code;

    if (snprintf(path, sizeof path, "%s.ledger", key_path) >= (int)sizeof path) {
        return report_usage(cli, "the path %s is too long", key_path);
    }
    if (file_exists(path)) {
        exit_code = file_load(cli, path, LEDGER_SIZE_MAX, &before);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    hex_encode(digest_view(what), hex);
    (void)snprintf(prefix, sizeof prefix, "%s %" PRIu64 " ", kinds[kind].name, number);
    if (ledger_find(bytes_view(&before), prefix, &known)) {
        struct refusal refusal = {.code = REFUSAL_NONE};

        if (view_equal(known, view_string(hex))) {
            return EXIT_DONE;
        }
        (void)!refuse(&refusal, kinds[kind].refusal, "%s says %s%.*s", path, prefix,
                      (int)(known.size > 16 ? 16 : known.size), (const char *)known.data);
        return report_refusal(cli, kinds[kind].what, &refusal);
    }
    writer_view(&writer, bytes_view(&before));
    writer_format(&writer, "%s%s\n", prefix, hex);
    if (writer_take(&writer, &after) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s is full", path);
    }
    return file_store(cli, path, 0600, bytes_view(&after));
}
