/* A TPM that puts commands off, or goes away in the middle of one: a relay between tss2 and the
 * emulator answers in its place. */
#include "lib/tpm/tpm.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 10, /* tag (u16), size (u32), code (u32): TPM 2.0 Library, part 1, 18 */
    MESSAGE_SIZE_MAX = 4096,
    COMMAND_CREATE_PRIMARY = 0x131,
    COMMAND_QUOTE = 0x158,
    ANSWER_RETRY = 0x922,
    ANSWER_YIELDED = 0x908,
    ANSWER_TESTING = 0x90a,
    ANSWER_FAILURE = 0x101,
};

struct relay {
    char folder[SWTPM_PATH_SIZE], tcti[SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    int listener;
    pthread_t thread;
    /* What to do about which command, and how often. */
    _Atomic uint32_t command, answer;
    atomic_uint times, seen;
    atomic_bool hang_up;
};

static bool read_all(int fd, uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = read(fd, data + done, size - done);

        if (count <= 0) {
            return false;
        }
        done += (size_t)count;
    }
    return true;
}

/* One message; 0 when the other end is gone. */
static size_t message_read(int fd, uint8_t *message)
{
    struct reader reader = reader_of((struct view){message + 2, 4});
    size_t size;

    if (!read_all(fd, message, HEADER_SIZE)) {
        return 0;
    }
    size = reader_u32(&reader);
    if (size < HEADER_SIZE || size > MESSAGE_SIZE_MAX ||
        !read_all(fd, message + HEADER_SIZE, size - HEADER_SIZE)) {
        return 0;
    }
    return size;
}

static uint32_t message_code(const uint8_t *message)
{
    struct reader reader = reader_of((struct view){message + 6, 4});

    return reader_u32(&reader);
}

static int socket_at(const struct relay *relay, const char *name, struct sockaddr_un *ret_address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%.60s/%s", relay->folder,
                   name);
    return fd;
}

static void connection_serve(struct relay *relay, int client, int server)
{
    uint8_t message[MESSAGE_SIZE_MAX];
    size_t size;

    while ((size = message_read(client, message)) > 0) {
        if (message_code(message) == relay->command && relay->times > 0) {
            uint8_t answer[HEADER_SIZE] = {0x80,
                                           0x01,
                                           0,
                                           0,
                                           0,
                                           HEADER_SIZE,
                                           0,
                                           0,
                                           (uint8_t)(relay->answer >> 8),
                                           (uint8_t)relay->answer};

            relay->times--;
            relay->seen++;
            if (relay->hang_up || write(client, answer, sizeof answer) != sizeof answer) {
                return;
            }
            continue;
        }
        if (write(server, message, size) != (ssize_t)size ||
            (size = message_read(server, message)) == 0 ||
            write(client, message, size) != (ssize_t)size) {
            return;
        }
    }
}

static void *relay_run(void *argument)
{
    struct relay *relay = argument;
    int client;

    while ((client = accept(relay->listener, NULL, NULL)) >= 0) {
        struct sockaddr_un address;
        int server = socket_at(relay, "tpm/sock", &address);

        if (connect(server, (const struct sockaddr *)&address, sizeof address) == 0) {
            connection_serve(relay, client, server);
        }
        close(server);
        close(client);
    }
    return NULL;
}

static int setup(void **state)
{
    struct relay *relay = calloc(1, sizeof *relay);
    char from[SWTPM_PATH_SIZE + 16], to[SWTPM_PATH_SIZE + 16];
    struct sockaddr_un address;

    folder_make(relay->folder);
    swtpm_new(relay->folder, "tpm", "p256", &relay->swtpm);
    (void)snprintf(relay->tcti, sizeof relay->tcti, "swtpm:path=%.60s/relay", relay->folder);
    (void)snprintf(from, sizeof from, "%s/tpm/sock.ctrl", relay->folder);
    (void)snprintf(to, sizeof to, "%s/relay.ctrl", relay->folder);
    assert_int_equal(symlink(from, to), 0);
    relay->listener = socket_at(relay, "relay", &address);
    assert_int_equal(bind(relay->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(relay->listener, 1), 0);
    assert_int_equal(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
    *state = relay;
    return 0;
}

static int teardown(void **state)
{
    struct relay *relay = *state;

    (void)shutdown(relay->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(relay->thread, NULL), 0);
    close(relay->listener);
    swtpm_free(&relay->swtpm);
    folder_remove(relay->folder);
    free(relay);
    return 0;
}

static void relay_disturb(struct relay *relay, uint32_t command, uint32_t answer, unsigned times)
{
    relay->seen = 0;
    relay->command = command;
    relay->answer = answer;
    relay->times = times;
}

static enum status quote(struct tpm *tpm)
{
    struct digest nonce = {0};
    OWN(bytes) struct bytes attest = {0};
    OWN(bytes) struct bytes signature = {0};

    return tpm_quote(tpm, &nonce, 1, &attest, &signature);
}

static void a_command_that_is_put_off_is_asked_again(void **state)
{
    struct relay *relay = *state;
    static const uint32_t answers[] = {ANSWER_RETRY, ANSWER_YIELDED, ANSWER_TESTING};
    OWN(tpm) struct tpm *tpm = NULL;

    relay_disturb(relay, COMMAND_CREATE_PRIMARY, ANSWER_TESTING, 12);
    assert_ok(tpm_open(relay->tcti, &tpm));
    assert_int_equal(relay->seen, 12);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        /* More often than tss2 asks by itself. */
        relay_disturb(relay, COMMAND_QUOTE, answers[i], 16);
        assert_ok(quote(tpm));
        assert_int_equal(relay->seen, 16);
    }
}

static void a_failure_is_not_asked_again(void **state)
{
    struct relay *relay = *state;
    OWN(tpm) struct tpm *tpm = NULL;

    assert_ok(tpm_open(relay->tcti, &tpm));
    relay_disturb(relay, COMMAND_QUOTE, ANSWER_FAILURE, 100);
    assert_status(quote(tpm), STATUS_TPM);
    assert_int_equal(relay->seen, 1);
    relay_disturb(relay, COMMAND_QUOTE, 0, 0);
    assert_ok(quote(tpm));
}

static void a_tpm_that_goes_away_in_a_command_can_be_opened_again(void **state)
{
    struct relay *relay = *state;
    struct tpm *tpm;

    assert_ok(tpm_open(relay->tcti, &tpm));
    relay->hang_up = true;
    relay_disturb(relay, COMMAND_QUOTE, 0, 1);
    assert_status(quote(tpm), STATUS_TPM);
    tpm_close(tpm);
    relay->hang_up = false;
    assert_ok(tpm_open(relay->tcti, &tpm));
    assert_ok(quote(tpm));
    tpm_close(tpm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failure_is_not_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tpm_that_goes_away_in_a_command_can_be_opened_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_that_is_put_off_is_asked_again, setup, teardown),
    };

    return cmocka_run_group_tests_name("a busy TPM", tests, NULL, NULL);
}
