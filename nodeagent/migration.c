#include "nodeagent/migration.h"

#include "lib/base/log.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/net/timer.h"

#include "nodeagent/launcher/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* gnutls reads the keys from a file of this name; QEMU finds the folder under this number. */
#define KEY_FILE "keys.psk"
/* A server without this file looks for a prime first (a fifth of a second to several, while a guest
 * that was stopped waits), although no key exchange of PRIORITY ever uses it. */
#define GROUP_FILE "dh-params.pem"
#define KEY_USER "migration"
#define CREDENTIALS "migration-tls"
#define SOCKET_NAME "migration-socket"
/* TLS 1.3 with a PSK falls back to CHACHA20 in QEMU's gnutls, and re-keying breaks long
 * migrations: AES-256-GCM under TLS 1.2, with the PSK alone as key exchange. The key is used once.
 */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:-KX-ALL:+PSK"

/* ffdhe2048 of RFC 7919. */
static const char group[] = "-----BEGIN DH PARAMETERS-----\n"
                            "MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz\n"
                            "+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a\n"
                            "87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7\n"
                            "YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi\n"
                            "7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD\n"
                            "ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==\n"
                            "-----END DH PARAMETERS-----\n";

enum {
    ASK_TIMEOUT_MS = 5000,
    COMMAND_TIMEOUT_MS = 10000,
    HANG_UP_GRACE_MS = 2000, /* of a destination whose other side is gone: what came may suffice */
    DOWNTIME_LIMIT_MS = 1,   /* so that we stop the guest, not QEMU */
};
#define BANDWIDTH_MAX INT64_C(10000000000) /* bytes a second: no limit */

struct migration {
    struct migration_request request;
    struct migration_steps steps;
    struct qmp *qmp;
    int socket_fd;
    uv_timer_t timer;
    struct qmp_script *script; /* the one that runs */
    void (*on_finished)(void *argument, const struct migration_result *result);
    void *argument;
    bool is_finished;
    uint64_t hung_up_ms; /* when a destination saw that the other side hung up; 0: has not */
};

static void migration_do(struct migration *migration, enum migration_action action);

/* --- the key --- */

/* Files that the VM's group, which is QEMU's, may read. */
static enum status secret_write(int secrets_fd, const char *name, const char *text, size_t size)
{
    int fd = openat(secrets_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
    bool is_whole;

    if (fd < 0) {
        return errno == EEXIST ? STATUS_EXISTS : STATUS_IO;
    }
    is_whole = write(fd, text, size) == (ssize_t)size && fchmod(fd, 0640) == 0;
    (void)close(fd);
    if (!is_whole) {
        (void)unlinkat(secrets_fd, name, 0);
    }
    return is_whole ? STATUS_OK : STATUS_IO;
}

static enum status key_write(const struct migration_request *request)
{
    char line[sizeof KEY_USER + 1 + HEX_SIZE(MIGRATION_KEY_SIZE)];
    enum status status;
    size_t size;

    size = (size_t)snprintf(line, sizeof line, "%s:", KEY_USER);
    hex_encode(request->key, line + size);
    size = strlen(line);
    line[size++] = '\n';
    status = secret_write(request->secrets_fd, KEY_FILE, line, size);
    secret_wipe(line, sizeof line);
    TRY(status);
    /* No secret, and one that is there already serves as well. */
    status = secret_write(request->secrets_fd, GROUP_FILE, group, strlen(group));
    if (status != STATUS_OK && status != STATUS_EXISTS) {
        migration_forget_key(request->secrets_fd);
        return status;
    }
    return STATUS_OK;
}

/* Overwritten first: what is unlinked may stay in memory for a while. */
void migration_forget_key(int secrets_fd)
{
    static const char nothing[sizeof KEY_USER + 1 + HEX_SIZE(MIGRATION_KEY_SIZE)];
    int fd = openat(secrets_fd, KEY_FILE, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t ignored = write(fd, nothing, sizeof nothing);

        (void)ignored;
        (void)close(fd);
    }
    (void)unlinkat(secrets_fd, KEY_FILE, 0);
}

/* --- inputs --- */

static void take(struct migration *migration, const struct migration_input *input)
{
    migration_do(migration, migration_steps_take(&migration->steps, input, time_boot_ms()));
}

static void take_result(struct migration *migration, enum status status, const char *error)
{
    const struct migration_input input = {
        .kind = status == STATUS_OK ? MIGRATION_DONE : MIGRATION_FAILED_IT, .reason = error};

    take(migration, &input);
}

static void script_done(void *argument, enum status status, const char *error)
{
    struct migration *migration = argument;

    migration->script = NULL;
    take_result(migration, status, error);
}

static void command_done(void *argument, const struct qmp_reply *reply)
{
    struct migration *migration = argument;

    take_result(migration, reply->status, reply->error);
}

static void launcher_done(void *argument, const struct launcher_reply *reply)
{
    struct migration *migration = argument;

    take_result(migration, reply->status,
                reply->status == STATUS_REFUSED ? reply->refusal->detail
                                                : status_text(reply->status));
}

/* How long what is left would take, by what QEMU measured of its own speed. */
static uint64_t left_ms(const struct qmp_value *value)
{
    double left, megabits;

    if (!qmp_value_real(value, "ram.remaining", &left) ||
        !qmp_value_real(value, "ram.mbps", &megabits) || !(left >= 0) || !(megabits > 0)) {
        return UINT64_MAX;
    }
    left = left * 8 / 1000 / megabits;
    return left < 1e12 ? (uint64_t)left : UINT64_MAX;
}

static void status_done(void *argument, const struct qmp_reply *reply)
{
    struct migration *migration = argument;
    const char *name = qmp_value_string(reply->value, "status");
    struct migration_input input = {.kind = MIGRATION_STATUS, .is_answer = true};
    int64_t passes = 0;

    if (reply->status != STATUS_OK) {
        take_result(migration, reply->status, reply->error);
        return;
    }
    /* Before any migration QEMU answers with an empty object. */
    input.state = name ? migration_state_of_name(name) : MIGRATION_STATE_NONE;
    if (qmp_value_number(reply->value, "ram.dirty-sync-count", &passes) && passes > 0) {
        input.passes = passes < 1000000 ? (unsigned)passes : 1000000;
        input.left_ms = left_ms(reply->value);
    }
    input.reason = qmp_value_string(reply->value, "error-desc");
    take(migration, &input);
}

/* A destination's QEMU that has lost the other side before anything was sent says nothing of it. */
static bool was_abandoned(struct migration *migration, uint64_t now)
{
    struct pollfd poll_fd = {.fd = migration->socket_fd, .events = POLLRDHUP};

    if (migration->request.role != MIGRATION_DESTINATION || poll(&poll_fd, 1, 0) != 1) {
        return false;
    }
    if (migration->hung_up_ms == 0) {
        migration->hung_up_ms = now;
    }
    return now - migration->hung_up_ms >= HANG_UP_GRACE_MS;
}

static void on_timer(uv_timer_t *timer)
{
    struct migration *migration = timer->data;
    const struct migration_input input = {.kind = MIGRATION_TIME};

    if (was_abandoned(migration, time_boot_ms())) {
        migration_stop(migration, "the other side hung up");
        return;
    }
    take(migration, &input);
}

/* --- actions --- */

static void add_command(struct qmp_script *script, const char *command, const char *key,
                        const char *value, bool is_cleanup)
{
    struct qmp_arguments *arguments = qmp_arguments_new();

    qmp_arguments_string(arguments, key, value);
    if (is_cleanup) {
        qmp_script_add_cleanup(script, command, arguments);
    } else {
        qmp_script_add(script, command, arguments);
    }
}

static struct qmp_script *script_prepare(const struct migration *migration)
{
    const bool is_source = migration->request.role == MIGRATION_SOURCE;
    struct qmp_script *script = qmp_script_new(COMMAND_TIMEOUT_MS);
    struct qmp_arguments *arguments;

    /* What an earlier attempt may have left. */
    add_command(script, "object-del", "id", CREDENTIALS, true);
    add_command(script, "closefd", "fdname", SOCKET_NAME, true);

    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "qom-type", "tls-creds-psk");
    qmp_arguments_string(arguments, "id", CREDENTIALS);
    qmp_arguments_string(arguments, "endpoint", is_source ? "client" : "server");
    qmp_arguments_format(arguments, "dir", "/proc/self/fd/%d", QEMU_FD_SECRETS);
    qmp_arguments_string(arguments, "priority", PRIORITY);
    if (is_source) {
        qmp_arguments_string(arguments, "username", KEY_USER);
    }
    qmp_script_add(script, "object-add", arguments);

    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "tls-creds", CREDENTIALS);
    if (is_source) {
        qmp_arguments_number(arguments, "max-bandwidth", BANDWIDTH_MAX);
        qmp_arguments_number(arguments, "downtime-limit", DOWNTIME_LIMIT_MS);
    }
    qmp_script_add(script, "migrate-set-parameters", arguments);

    arguments = qmp_arguments_new();
    qmp_arguments_capability(arguments, "capabilities", "events", true);
    /* Without it the source says "completed" while the destination is dead. */
    qmp_arguments_capability(arguments, "capabilities", "return-path", true);
    if (is_source) {
        qmp_arguments_capability(arguments, "capabilities", "pause-before-switchover", true);
    } else {
        /* The source may get the disk back: it is not opened for writing before `cont`. */
        qmp_arguments_capability(arguments, "capabilities", "late-block-activate", true);
    }
    qmp_script_add(script, "migrate-set-capabilities", arguments);
    qmp_script_get_fd(script, migration->socket_fd, SOCKET_NAME);
    return script;
}

static struct qmp_script *script_clean_up(void)
{
    struct qmp_script *script = qmp_script_new(COMMAND_TIMEOUT_MS);

    add_command(script, "closefd", "fdname", SOCKET_NAME, true);
    add_command(script, "migrate-set-parameters", "tls-creds", "", true);
    add_command(script, "object-del", "id", CREDENTIALS, true);
    return script;
}

static void run_script(struct migration *migration, struct qmp_script *script)
{
    migration->script = script;
    qmp_script_run(script, migration->qmp, script_done, migration);
}

static void run_command(struct migration *migration, const char *command, const char *key,
                        const char *value)
{
    struct qmp_arguments *arguments = NULL;

    if (key) {
        arguments = qmp_arguments_new();
        qmp_arguments_string(arguments, key, value);
    }
    qmp_execute(migration->qmp, command, arguments, -1, COMMAND_TIMEOUT_MS, command_done,
                migration);
}

static void ask_launcher(struct migration *migration, enum launcher_request_kind kind)
{
    struct launcher_request request = {.kind = kind, .vm = migration->request.vm_id};

    launcher_client_request(migration->request.launcher, &request, NULL, launcher_done, migration);
}

/* QEMU waits for the other side, in some places with its main loop: a peer that neither speaks nor
 * hangs up would hold up the guest. */
static void hang_up(const struct migration *migration)
{
    (void)shutdown(migration->socket_fd, SHUT_RDWR);
}

/* No answer comes any more. */
static void forget(struct migration *migration)
{
    if (migration->script) {
        qmp_script_cancel(TAKE(migration->script));
    }
    qmp_forget(migration->qmp, migration);
    launcher_client_forget(migration->request.launcher, migration);
}

static void finish(struct migration *migration)
{
    const struct migration_result result = {
        .outcome = migration->steps.outcome,
        .is_complete = migration->steps.is_complete,
        .reason = migration->steps.reason,
    };

    /* QEMU may have ended with a question open. */
    forget(migration);
    migration->is_finished = true;
    if (migration->steps.outcome == MIGRATION_RUNS_ON ||
        migration->steps.outcome == MIGRATION_LOST) {
        hang_up(migration);
    }
    migration_forget_key(migration->request.secrets_fd);
    (void)uv_timer_stop(&migration->timer);
    migration->on_finished(migration->argument, &result);
}

static void set_timer(struct migration *migration)
{
    uint64_t next = migration_steps_next_ms(&migration->steps), now = time_boot_ms();

    if (next == UINT64_MAX) {
        (void)uv_timer_stop(&migration->timer);
        return;
    }
    uv_update_time(migration->timer.loop);
    (void)uv_timer_start(&migration->timer, on_timer, next > now ? next - now : 0, 0);
}

static void migration_do(struct migration *migration, enum migration_action action)
{
    if (action != MIGRATION_NOTHING && action != MIGRATION_ASK) {
        log_event(LOG_DEBUG, "migration-step", "vm=%s side=%s action=%s",
                  hex_short(digest_view(&migration->request.vm_id)).text,
                  migration->request.role == MIGRATION_SOURCE ? "source" : "destination",
                  migration_action_name(action));
    }
    switch (action) {
    case MIGRATION_NOTHING:
        break;
    case MIGRATION_PREPARE:
        run_script(migration, script_prepare(migration));
        break;
    case MIGRATION_LISTEN:
        run_command(migration, "migrate-incoming", "uri", "fd:" SOCKET_NAME);
        break;
    case MIGRATION_MIGRATE:
        run_command(migration, "migrate", "uri", "fd:" SOCKET_NAME);
        break;
    case MIGRATION_ASK:
        qmp_execute(migration->qmp, "query-migrate", NULL, -1, ASK_TIMEOUT_MS, status_done,
                    migration);
        break;
    case MIGRATION_STOP:
        run_command(migration, "stop", NULL, NULL);
        break;
    case MIGRATION_SETTLE:
        ask_launcher(migration, LAUNCHER_SETTLE);
        break;
    case MIGRATION_CONTINUE:
        run_command(migration, "migrate-continue", "state", "pre-switchover");
        break;
    case MIGRATION_CANCEL:
        hang_up(migration);
        run_command(migration, "migrate_cancel", NULL, NULL);
        break;
    case MIGRATION_CLEAN_UP:
        if (migration->steps.is_failing) {
            hang_up(migration);
        }
        run_script(migration, script_clean_up());
        break;
    case MIGRATION_FREEZE:
        ask_launcher(migration, LAUNCHER_FREEZE);
        break;
    case MIGRATION_DESTROY:
        hang_up(migration);
        ask_launcher(migration, LAUNCHER_DESTROY);
        break;
    case MIGRATION_FINISHED:
        finish(migration);
        return;
    }
    set_timer(migration);
}

/* --- outside --- */

void migration_on_event(struct migration *migration, const char *name, const struct qmp_value *data)
{
    const char *state = qmp_value_string(data, "status");
    struct migration_input input = {.kind = MIGRATION_STATUS};

    if (migration->is_finished || strcmp(name, "MIGRATION") != 0 || !state) {
        return;
    }
    input.state = migration_state_of_name(state);
    take(migration, &input);
}

void migration_on_gone(struct migration *migration)
{
    const struct migration_input input = {.kind = MIGRATION_GONE};

    if (!migration->is_finished) {
        take(migration, &input);
    }
}

void migration_extend(struct migration *migration, uint64_t lifetime_ms)
{
    migration_steps_extend(&migration->steps, lifetime_ms, time_boot_ms());
    set_timer(migration);
}

void migration_stop(struct migration *migration, const char *reason)
{
    const struct migration_input input = {.kind = MIGRATION_STOP_IT, .reason = reason};

    if (!migration->is_finished) {
        take(migration, &input);
    }
}

enum status migration_start(struct uv_loop_s *loop, const struct migration_request *request,
                            void (*on_finished)(void *argument,
                                                const struct migration_result *result),
                            void *argument, struct migration **ret_migration)
{
    struct migration *migration;
    enum status status;

    ASSERT(request->key.size == MIGRATION_KEY_SIZE);
    TRY(key_write(request));
    migration = calloc(1, sizeof *migration);
    status = migration ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        migration->socket_fd = fcntl(request->socket_fd, F_DUPFD_CLOEXEC, 0);
        status = migration->socket_fd >= 0 ? STATUS_OK : STATUS_IO;
    }
    if (status != STATUS_OK) {
        migration_forget_key(request->secrets_fd);
        free(migration);
        return status;
    }
    migration->request = *request;
    migration->request.key = (struct view){0};
    migration->qmp = vm_qmp(request->vm);
    migration->on_finished = on_finished;
    migration->argument = argument;
    ASSERT(uv_timer_init(loop, &migration->timer) == 0);
    migration->timer.data = migration;
    migration_do(migration, migration_steps_start(&migration->steps, request->role,
                                                  !vm_tracks_memory(request->vm),
                                                  request->lifetime_ms, time_boot_ms()));
    *ret_migration = migration;
    return STATUS_OK;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void migration_free(struct migration *migration)
{
    if (!migration) {
        return;
    }
    if (!migration->is_finished) {
        migration_forget_key(migration->request.secrets_fd);
        forget(migration);
    }
    /* Ours is one of two descriptors of the socket: without this the other side would not see that
     * QEMU is gone. */
    hang_up(migration);
    (void)close(migration->socket_fd);
    uv_close((uv_handle_t *)&migration->timer, timer_closed);
}
