#include "tests/support/tpm_relay.h"

#include "lib/base/bytes.h"
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
};

/* Where handles begin (part 2, 7.4): loaded sessions, saved sessions, transient objects. */
static const uint8_t loaded_sessions = 0x02, saved_sessions = 0x03, transient_objects = 0x80;

struct tpm_relay {
    char tcti[2 * SWTPM_PATH_SIZE], path[2 * SWTPM_PATH_SIZE], tpm_path[2 * SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    int listener;
    pthread_t thread;
    pthread_mutex_t mutex; /* over the rest */
    enum relay_command command;
    enum relay_fault fault;
    enum relay_code code;
    unsigned after, times, disturbed;
    enum relay_command watched;
    void (*on_command)(void *argument);
    void *argument;
    bool looks;
    struct tpm_content seen;
    uint32_t noise;
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

static bool write_all(int fd, const uint8_t *data, size_t size)
{
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
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

static int socket_open(const char *path, struct sockaddr_un *ret_address)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%.100s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int tpm_connect_raw(const struct tpm_relay *relay)
{
    struct sockaddr_un address;
    int fd = socket_open(relay->tpm_path, &address);

    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* TPM2_GetCapability(TPM_CAP_HANDLES): how many there are from there on. */
static unsigned handles_count(int server, uint8_t first)
{
    const uint8_t command[] = {0x80, 0x01, 0, 0,     0, 22, 0, 0, 0x01, 0x7a, 0,
                               0,    0,    1, first, 0, 0,  0, 0, 0,    0,    64};
    uint8_t answer[MESSAGE_SIZE_MAX];
    struct reader reader;
    size_t size;

    if (!write_all(server, command, sizeof command) || (size = message_read(server, answer)) == 0 ||
        message_code(answer) != 0) {
        return 0;
    }
    /* moreData (u8), capability (u32), count (u32) */
    reader = reader_of((struct view){answer + HEADER_SIZE + 5, size - HEADER_SIZE - 5});
    return reader_u32(&reader);
}

static struct tpm_content content_of(int server)
{
    return (struct tpm_content){
        .objects = handles_count(server, transient_objects),
        .sessions = handles_count(server, loaded_sessions) + handles_count(server, saved_sessions),
    };
}

/* Whether this command gets the fault. */
static bool is_disturbed(struct tpm_relay *relay, const uint8_t *message)
{
    if (relay->times == 0 ||
        (relay->command != RELAY_ANY && message_code(message) != (uint32_t)relay->command)) {
        return false;
    }
    if (relay->after > 0) {
        relay->after--;
        return false;
    }
    relay->times--;
    relay->disturbed++;
    return true;
}

static size_t code_answer(enum relay_code code, uint8_t *ret_answer)
{
    const uint8_t answer[HEADER_SIZE] = {
        0x80, 0x01, 0, 0, 0, HEADER_SIZE, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};

    memcpy(ret_answer, answer, sizeof answer);
    return sizeof answer;
}

static void garble(struct tpm_relay *relay, uint8_t *answer, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        relay->noise = relay->noise * 1664525 + 1013904223;
        answer[i] = (uint8_t)(relay->noise >> 24);
    }
}

/* Answers a command, by the TPM or in its place. False: the connection ends. */
static bool command_serve(struct tpm_relay *relay, int client, int server, uint8_t *message,
                          size_t size)
{
    bool disturbed, asks, ends = false;

    if (relay->looks) {
        relay->looks = false;
        relay->seen = content_of(server);
    }
    if (relay->on_command && message_code(message) == (uint32_t)relay->watched) {
        relay->on_command(relay->argument);
    }
    disturbed = is_disturbed(relay, message);
    if (disturbed && relay->fault == RELAY_HANGS_UP) {
        return false;
    }
    asks = !disturbed || relay->fault != RELAY_ANSWERS;
    if (asks &&
        (!write_all(server, message, size) || (size = message_read(server, message)) == 0)) {
        return false;
    }
    if (disturbed) {
        switch (relay->fault) {
        case RELAY_ANSWERS:
        case RELAY_ASKS_THEN_LIES:
            size = code_answer(relay->code, message);
            break;
        case RELAY_HANGS_UP:
        case RELAY_ASKS_THEN_HANGS_UP:
            return false;
        case RELAY_GARBLES:
            /* With a header that leads to an end: a reader of ours would wait for more otherwise.
             */
            garble(relay, message, size);
            ends = true;
            break;
        case RELAY_TRUNCATES:
            size /= 2;
            ends = true;
            break;
        }
    }
    return write_all(client, message, size) && !ends;
}

static void *relay_run(void *argument)
{
    struct tpm_relay *relay = argument;
    uint8_t message[MESSAGE_SIZE_MAX];
    int client;

    while ((client = accept(relay->listener, NULL, NULL)) >= 0) {
        int server = tpm_connect_raw(relay);
        bool goes_on = server >= 0;

        while (goes_on) {
            size_t size = message_read(client, message);

            if (size == 0) {
                break;
            }
            pthread_mutex_lock(&relay->mutex);
            goes_on = command_serve(relay, client, server, message, size);
            pthread_mutex_unlock(&relay->mutex);
        }
        if (server >= 0) {
            close(server);
        }
        close(client);
    }
    return NULL;
}

struct tpm_relay *tpm_relay_new(const char *folder)
{
    struct tpm_relay *relay = calloc(1, sizeof *relay);
    char from[2 * SWTPM_PATH_SIZE], to[2 * SWTPM_PATH_SIZE];
    struct sockaddr_un address;

    assert_non_null(relay);
    swtpm_new(folder, "tpm", "p256", &relay->swtpm);
    (void)snprintf(relay->path, sizeof relay->path, "%s/relay", folder);
    (void)snprintf(relay->tpm_path, sizeof relay->tpm_path, "%s/tpm/sock", folder);
    (void)snprintf(relay->tcti, sizeof relay->tcti, "swtpm:path=%s/relay", folder);
    (void)snprintf(from, sizeof from, "%s/tpm/sock.ctrl", folder);
    (void)snprintf(to, sizeof to, "%s/relay.ctrl", folder);
    assert_int_equal(symlink(from, to), 0);
    relay->noise = 1;
    relay->listener = socket_open(relay->path, &address);
    assert_int_equal(bind(relay->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(relay->listener, 1), 0);
    assert_int_equal(pthread_mutex_init(&relay->mutex, NULL), 0);
    assert_int_equal(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
    return relay;
}

void tpm_relay_free(struct tpm_relay *relay)
{
    (void)shutdown(relay->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(relay->thread, NULL), 0);
    close(relay->listener);
    (void)pthread_mutex_destroy(&relay->mutex);
    swtpm_free(&relay->swtpm);
    free(relay);
}

const char *tpm_relay_tcti(const struct tpm_relay *relay)
{
    return relay->tcti;
}

struct swtpm *tpm_relay_swtpm(struct tpm_relay *relay)
{
    return &relay->swtpm;
}

void tpm_relay_disturb(struct tpm_relay *relay, enum relay_command command, enum relay_fault fault,
                       enum relay_code code, unsigned after, unsigned times)
{
    pthread_mutex_lock(&relay->mutex);
    relay->command = command;
    relay->fault = fault;
    relay->code = code;
    relay->after = after;
    relay->times = times;
    relay->disturbed = 0;
    pthread_mutex_unlock(&relay->mutex);
}

unsigned tpm_relay_disturbed(const struct tpm_relay *relay)
{
    return relay->disturbed;
}

void tpm_relay_watch(struct tpm_relay *relay, enum relay_command command,
                     void (*on_command)(void *argument), void *argument)
{
    pthread_mutex_lock(&relay->mutex);
    relay->watched = command;
    relay->on_command = on_command;
    relay->argument = argument;
    pthread_mutex_unlock(&relay->mutex);
}

void tpm_relay_look(struct tpm_relay *relay)
{
    pthread_mutex_lock(&relay->mutex);
    relay->looks = true;
    pthread_mutex_unlock(&relay->mutex);
}

struct tpm_content tpm_relay_seen(const struct tpm_relay *relay)
{
    assert_false(relay->looks);
    return relay->seen;
}

struct tpm_content tpm_relay_content(struct tpm_relay *relay)
{
    struct tpm_content content;
    int server = tpm_connect_raw(relay);

    assert_true(server >= 0);
    content = content_of(server);
    close(server);
    return content;
}
