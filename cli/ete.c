/* The folder of the external trusted entity: its root, its keys. Offline. */
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/passphrase.h"

#include "lib/crypto/entropy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column root_columns[] = {
    {"PERIMETER", "perimeter", false},
    {"NAME", "name", false},
    {"SUCCESSION", "succession", false},
    {"THRESHOLD", "threshold", false},
    {"KEYS", "keys", false},
    {"FILE", "file", false},
    {NULL, NULL, false},
};

static enum exit_code number_option(const struct cli *cli, const char *name, unsigned fallback,
                                    unsigned max, unsigned *ret_number)
{
    const char *text = option_value(cli, name);
    char *end;
    unsigned long number;

    *ret_number = fallback;
    if (!text) {
        return EXIT_DONE;
    }
    number = strtoul(text, &end, 10);
    if (*end || end == text || text[0] == '-' || number < 1 || number > max) {
        return report_usage(cli, "--%s takes a number from 1 to %u, not %s", name, max, text);
    }
    *ret_number = (unsigned)number;
    return EXIT_DONE;
}

static enum exit_code keys_make(const struct cli *cli, const char *folder, unsigned count,
                                struct private_key **ret_keys)
{
    const char *algorithm = option_value(cli, "algorithm");
    bool ed25519 = algorithm && strcmp(algorithm, "ed25519") == 0;

    if (algorithm && !ed25519 && strcmp(algorithm, "p256") != 0) {
        return report_usage(cli, "--algorithm takes p256 or ed25519, not %s", algorithm);
    }
    for (unsigned i = 0; i < count; i++) {
        char path[PATH_MAX];
        enum exit_code exit_code;

        if (private_key_generate(ed25519 ? KEY_ED25519 : KEY_ECDSA_P256, &ret_keys[i]) !=
            STATUS_OK) {
            return report_status(cli, "make a key", STATUS_CRYPTO);
        }
        (void)snprintf(path, sizeof path, "%s/key-%u.pem", folder, i + 1);
        exit_code = key_store(cli, path, ret_keys[i]);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    return EXIT_DONE;
}

static enum exit_code root_show(const struct cli *cli, const struct perimeter_root *root,
                                const char *path)
{
    OWN(value) struct value *object = value_object();

    root_describe(object, root);
    value_set_string(object, "file", path);
    return output_object(cli, object, root_columns);
}

static enum exit_code root_make(const struct cli *cli, const char *folder,
                                struct private_key *const *keys, unsigned count, unsigned threshold)
{
    uint8_t salt[PERIMETER_SALT_SIZE];
    struct view spki[PERIMETER_KEY_COUNT_MAX];
    OWN(bytes) struct bytes bytes = {0};
    struct perimeter_root root;
    char path[PATH_MAX];
    enum exit_code exit_code;

    entropy_fill(salt, sizeof salt);
    for (unsigned i = 0; i < count; i++) {
        spki[i] = private_key_spki(keys[i]);
    }
    if (root_build(option_value(cli, "name"), spki, count, threshold, salt, &bytes) != STATUS_OK ||
        root_parse(bytes_view(&bytes), &root, NULL) != STATUS_OK) {
        return report_usage(cli, "--name takes 1 to %d printable ASCII characters",
                            PERIMETER_NAME_SIZE - 1);
    }
    (void)snprintf(path, sizeof path, "%s/perimeter.root", folder);
    exit_code = file_create(cli, path, 0644, bytes_view(&bytes));
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    note(cli, "Give each key to another person, offline. Customers pin the perimeter's id.");
    return root_show(cli, &root, path);
}

enum exit_code ete_init(struct cli *cli)
{
    struct private_key *keys[PERIMETER_KEY_COUNT_MAX] = {NULL};
    const char *folder = argument_at(cli, 0);
    unsigned count, threshold;
    char path[PATH_MAX];
    enum exit_code exit_code;

    if (!option_value(cli, "name")) {
        return report_usage(cli, "--name is missing");
    }
    exit_code = number_option(cli, "keys", 3, PERIMETER_KEY_COUNT_MAX, &count);
    if (exit_code == EXIT_DONE) {
        exit_code = number_option(cli, "threshold", count / 2 + 1, count, &threshold);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (strlen(folder) > PATH_MAX - 64) {
        return report_usage(cli, "the path %s is too long", folder);
    }
    (void)snprintf(path, sizeof path, "%s/perimeter.root", folder);
    if (file_exists(path)) {
        return report(cli, EXIT_FAILED, "choose another folder", "%s exists already", path);
    }
    exit_code = folder_make(cli, folder);
    if (exit_code == EXIT_DONE) {
        exit_code = keys_make(cli, folder, count, keys);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = root_make(cli, folder, keys, count, threshold);
    }
    for (unsigned i = 0; i < count; i++) {
        if (keys[i]) {
            private_key_free(keys[i]);
        }
    }
    return exit_code;
}

enum exit_code ete_show(struct cli *cli)
{
    OWN(root_files) struct root_files files = {.path = ""};
    const char *folder = argument_at(cli, 0);
    char beside[PATH_MAX];
    enum exit_code exit_code;

    (void)snprintf(beside, sizeof beside, "%s/", folder ? folder : ".");
    exit_code = root_files_load(cli, beside, &files);
    return exit_code == EXIT_DONE ? root_show(cli, &files.root, files.path) : exit_code;
}

enum exit_code ete_new_key(struct cli *cli)
{
    static const struct column columns[] = {
        {"FILE", "file", false}, {"KEY", "key_id", false}, {NULL, NULL, false}};
    OWN(private_key) struct private_key *key = NULL;
    OWN(value) struct value *object = value_object();
    struct digest key_id;
    enum exit_code exit_code;

    if (private_key_generate(KEY_ECDSA_P256, &key) != STATUS_OK) {
        return report_status(cli, "make a key", STATUS_CRYPTO);
    }
    exit_code = key_store(cli, argument_at(cli, 0), key);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    key_id = sha256(private_key_spki(key));
    value_set_string(object, "file", argument_at(cli, 0));
    value_set_hex(object, "key_id", digest_view(&key_id));
    return output_object(cli, object, columns);
}
