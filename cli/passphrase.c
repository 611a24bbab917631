#include "cli/passphrase.h"

#include "cli/files.h"

#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The first line, without its end. */
static enum exit_code first_line(const struct cli *cli, const struct secret *text,
                                 struct secret *ret_line)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t size = end ? (size_t)(end - text->data) : text->size;

    if (size == 0 || size > PASSPHRASE_SIZE_MAX) {
        return report(cli, EXIT_FAILED, "", "the passphrase is empty, or longer than %d bytes",
                      PASSPHRASE_SIZE_MAX);
    }
    return secret_copy((struct view){text->data, size}, ret_line) == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "keep a passphrase", STATUS_NO_MEMORY);
}

static enum exit_code ask(const struct cli *cli, const char *prompt, struct secret *ret_passphrase)
{
    struct termios usual, silent;
    OWN(secret) struct secret line = {0};
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    size_t size = 0;

    if (terminal < 0 || tcgetattr(terminal, &usual) != 0) {
        if (terminal >= 0) {
            (void)close(terminal);
        }
        return report(cli, EXIT_USAGE, "give --passphrase-file",
                      "a passphrase is needed, and there "
                      "is no terminal to ask for it");
    }
    if (secret_new(PASSPHRASE_SIZE_MAX + 1, &line) != STATUS_OK) {
        (void)close(terminal);
        return report_status(cli, "keep a passphrase", STATUS_NO_MEMORY);
    }
    silent = usual;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(terminal, TCSAFLUSH, &silent);
    (void)dprintf(terminal, "%s", prompt);
    while (size < line.size) {
        ssize_t count = read(terminal, line.data + size, 1);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || line.data[size++] == '\n') {
            break;
        }
    }
    (void)tcsetattr(terminal, TCSAFLUSH, &usual);
    (void)dprintf(terminal, "\n");
    (void)close(terminal);
    return first_line(cli, &line, ret_passphrase);
}

static enum exit_code of_file(const struct cli *cli, const char *path,
                              struct secret *ret_passphrase)
{
    OWN(secret) struct secret content = {0};
    enum exit_code exit_code = file_load_secret(cli, path, &content);

    return exit_code == EXIT_DONE ? first_line(cli, &content, ret_passphrase) : exit_code;
}

static enum exit_code known_passphrase(const struct cli *cli, const char *key_path,
                                       struct secret *ret_passphrase)
{
    const char *path = option_value(cli, "passphrase-file");
    char prompt[PATH_MAX + 32];

    (void)snprintf(prompt, sizeof prompt, "Passphrase of %s: ", key_path);
    return path ? of_file(cli, path, ret_passphrase) : ask(cli, prompt, ret_passphrase);
}

enum exit_code key_load(const struct cli *cli, const char *path, struct private_key **ret_key)
{
    OWN(secret) struct secret pem = {0}, passphrase = {0};
    enum exit_code exit_code = file_load_secret(cli, path, &pem);
    enum status status;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = private_key_of_pem(secret_view(&pem), (struct view){NULL, 0}, ret_key);
    if (status == STATUS_DENIED) {
        exit_code = known_passphrase(cli, path, &passphrase);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        status = private_key_of_pem(secret_view(&pem), secret_view(&passphrase), ret_key);
    }
    if (status == STATUS_DENIED) {
        return report(cli, EXIT_DENIED, "", "the passphrase of %s is wrong", path);
    }
    if (status != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s is no private key of P-256 or Ed25519", path);
    }
    return EXIT_DONE;
}

static enum exit_code new_passphrase(const struct cli *cli, const char *key_path,
                                     struct secret *ret_passphrase)
{
    const char *path = option_value(cli, "passphrase-file");
    OWN(secret) struct secret first = {0}, again = {0};
    char prompt[PATH_MAX + 32];
    enum exit_code exit_code;

    (void)snprintf(prompt, sizeof prompt, "New passphrase of %s: ", key_path);
    exit_code = path ? of_file(cli, path, &first) : ask(cli, prompt, &first);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (first.size < PASSPHRASE_SIZE_MIN) {
        return report(cli, EXIT_FAILED, "", "the passphrase has fewer than %d characters",
                      PASSPHRASE_SIZE_MIN);
    }
    if (!path) {
        exit_code = ask(cli, "Once more: ", &again);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        if (!secret_equal(secret_view(&first), secret_view(&again))) {
            return report(cli, EXIT_FAILED, "", "the two passphrases differ");
        }
    }
    *ret_passphrase = TAKE(first);
    return EXIT_DONE;
}

static enum exit_code public_key_store(const struct cli *cli, const char *path, struct view spki)
{
    char text[BASE64_SIZE(SPKI_SIZE_MAX) + 1];

    base64_encode(spki, text);
    (void)strcat(text, "\n");
    return file_create(cli, path, 0644, view_string(text));
}

enum exit_code key_store(const struct cli *cli, const char *path, const struct private_key *key)
{
    OWN(secret) struct secret passphrase = {0}, pem = {0};
    enum exit_code exit_code = EXIT_DONE;
    char public_path[PATH_MAX];

    if (snprintf(public_path, sizeof public_path, "%s.pub", path) >= (int)sizeof public_path) {
        return report_usage(cli, "the path %s is too long", path);
    }
    if (option_is_set(cli, "no-passphrase")) {
        note(cli, "warning: %s is not encrypted: whoever can read the file has the key", path);
    } else {
        exit_code = new_passphrase(cli, path, &passphrase);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (private_key_to_pem(key, secret_view(&passphrase), &pem) != STATUS_OK) {
        return report_status(cli, "encode a key", STATUS_CRYPTO);
    }
    exit_code = file_create(cli, path, 0600, secret_view(&pem));
    return exit_code == EXIT_DONE ? public_key_store(cli, public_path, private_key_spki(key))
                                  : exit_code;
}

enum exit_code public_key_load(const struct cli *cli, const char *path, struct public_key **ret_key)
{
    OWN(bytes) struct bytes text = {0}, spki = {0};
    enum exit_code exit_code = file_load(cli, path, BASE64_SIZE(SPKI_SIZE_MAX) + 1, &text);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == ' ')) {
        text.size--;
    }
    if (base64_decode(bytes_view(&text), SPKI_SIZE_MAX, &spki) != STATUS_OK ||
        public_key_parse(bytes_view(&spki), ret_key) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s is no public key: base64 of a P-256 or Ed25519 key",
                      path);
    }
    return EXIT_DONE;
}
