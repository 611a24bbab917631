/*
 * One member of a replicated log as a process of its own, for fault tests: the state is a chain of
 * hashes over the commands. Orders come on standard input, one a line; answers and events go to
 * standard output.
 *
 *   replica_driver DIRECTORY ID ADDRESS LISTEN CREDENTIALS [option=value ...]
 *
 * Options: bootstrap=1, snapshot_bytes=N, trailing_bytes=N, disk_free_min=N, disk_timeout_ms=N,
 * name=PREFIX (of acceptable certificates, followed by the raft id; default "member"), trace=1
 * (says what is applied: applied REVISION TAG).
 *
 *   propose TAG SIZE   -> done TAG STATUS REVISION
 *   read TAG           -> read TAG STATUS REVISION
 *   status             -> status leads term leader revision digest applied snapshots restored low
 *   add TAG ID ADDRESS | assign TAG ID ROLE | remove TAG ID | step-down TAG ID
 *                      -> change TAG STATUS
 *   corrupt            -> corrupted      (the state, as a broken memory might)
 *   quit               -> closes in order
 *
 *   Events: ready, leads TERM, follows TERM, fatal REASON DETAIL
 */
#include "lib/base/text.h"
#include "lib/daemon/daemon.h"
#include "tcd/replica.h"
#include "tests/support/credentials.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { LINE_SIZE_MAX = 8192, EXIT_FATAL = 3 };

struct driver {
    uv_loop_t loop;
    uv_pipe_t input;
    struct replica *replica;
    const char *name_prefix;
    bool is_traced;
    uint64_t revision;
    struct digest digest;
    char line[LINE_SIZE_MAX];
    size_t line_size;
};

/* What a proposer waits for. */
struct waiting {
    struct driver *driver;
    char tag[64];
    uint64_t revision; /* filled by apply */
};

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* --- the machine --- */

static void machine_apply(void *context, struct view command, void *slot)
{
    struct driver *driver = context;
    struct waiting *waiting = slot;

    driver->digest = sha256_two(digest_view(&driver->digest), command);
    driver->revision++;
    if (waiting) {
        waiting->revision = driver->revision;
    }
    if (driver->is_traced) {
        say("applied %" PRIu64 " %.*s", driver->revision,
            (int)strnlen((const char *)command.data, command.size), (const char *)command.data);
    }
}

enum { STATE_SIZE = 8 + SHA256_SIZE, STATE_PADDING = 256 * 1024 };

/* Large enough that installing a snapshot takes more than one packet. */
static enum status machine_snapshot(void *context, struct replica_snapshot *ret_snapshot)
{
    struct driver *driver = context;
    struct kept {
        struct view part;
        uint8_t bytes[STATE_SIZE + STATE_PADDING];
    } *kept = calloc(1, sizeof *kept);

    if (!kept) {
        return STATUS_NO_MEMORY;
    }
    memcpy(kept->bytes, &driver->revision, 8);
    memcpy(kept->bytes + 8, driver->digest.bytes, SHA256_SIZE);
    kept->part = VIEW_OF_ARRAY(kept->bytes);
    *ret_snapshot = (struct replica_snapshot){1, &kept->part, kept, free};
    return STATUS_OK;
}

static enum status machine_restore(void *context, struct view snapshot)
{
    struct driver *driver = context;

    if (snapshot.size != STATE_SIZE + STATE_PADDING) {
        return STATUS_MALFORMED;
    }
    memcpy(&driver->revision, snapshot.data, 8);
    memcpy(driver->digest.bytes, snapshot.data + 8, SHA256_SIZE);
    return STATUS_OK;
}

static void machine_position(void *context, uint64_t *ret_revision, struct digest *ret_digest)
{
    struct driver *driver = context;

    *ret_revision = driver->revision;
    *ret_digest = driver->digest;
}

/* --- callbacks --- */

static void on_leadership(void *argument, bool is_leader, uint64_t term)
{
    (void)argument;
    say("%s %" PRIu64, is_leader ? "leads" : "follows", term);
}

static void on_fatal(void *argument, const char *reason, const char *detail)
{
    (void)argument;
    say("fatal %s %s", reason, detail);
    _exit(EXIT_FATAL);
}

static enum status identify(void *argument, struct view certificate, uint64_t *ret_raft_id,
                            struct refusal *ret_refusal)
{
    struct driver *driver = argument;
    size_t prefix = strlen(driver->name_prefix);
    char name[64];

    credentials_name(certificate, name);
    if (strncmp(name, driver->name_prefix, prefix) != 0) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_ROLE, "%s", name);
    }
    *ret_raft_id = strtoull(name + prefix, NULL, 10);
    return STATUS_OK;
}

static const char *status_name(enum status status)
{
    static const char *const names[STATUS_COUNT] = {
#define X(name, text) [STATUS_##name] = #name,
        STATUS_LIST(X)
#undef X
    };
    return names[status];
}

static void on_proposed(void *argument, enum status status)
{
    struct waiting *waiting = argument;

    say("done %s %s %" PRIu64, waiting->tag, status_name(status), waiting->revision);
    free(waiting);
}

static void on_read(void *argument, enum status status)
{
    struct waiting *waiting = argument;

    say("read %s %s %" PRIu64, waiting->tag, status_name(status), waiting->driver->revision);
    free(waiting);
}

static void on_changed(void *argument, enum status status)
{
    struct waiting *waiting = argument;

    say("change %s %s", waiting->tag, status_name(status));
    free(waiting);
}

/* --- orders --- */

static void propose(struct driver *driver, struct waiting *waiting, size_t size)
{
    uint8_t *command = calloc(1, size + sizeof waiting->tag);
    enum status status;

    ASSERT(command);
    (void)snprintf((char *)command, sizeof waiting->tag, "%s", waiting->tag);
    status = replica_propose(
        driver->replica,
        (struct view){command, size < sizeof waiting->tag ? strlen(waiting->tag) : size}, waiting,
        on_proposed, waiting);
    free(command);
    if (status != STATUS_OK) {
        on_proposed(waiting, status);
    }
}

static void status_say(struct driver *driver)
{
    struct replica_statistics statistics;
    char digest[HEX_SIZE(SHA256_SIZE)];

    replica_statistics(driver->replica, &statistics);
    hex_encode(digest_view(&driver->digest), digest);
    say("status %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %d",
        replica_is_leader(driver->replica), statistics.term, replica_leader(driver->replica),
        driver->revision, digest, statistics.applied_index, statistics.snapshots_taken,
        statistics.snapshots_restored, statistics.is_disk_low);
}

static void on_closed(void *argument)
{
    struct driver *driver = argument;

    uv_close((uv_handle_t *)&driver->input, NULL);
}

static enum status change(struct driver *driver, const char *order, struct waiting *waiting,
                          uint64_t id, const char *rest)
{
    if (strcmp(order, "add") == 0) {
        return replica_add(driver->replica, id, rest, on_changed, waiting);
    }
    if (strcmp(order, "assign") == 0) {
        return replica_assign(driver->replica, id, (enum replica_role)atoi(rest), on_changed,
                              waiting);
    }
    if (strcmp(order, "remove") == 0) {
        return replica_remove(driver->replica, id, on_changed, waiting);
    }
    ASSERT(strcmp(order, "step-down") == 0);
    return replica_step_down(driver->replica, id, on_changed, waiting);
}

static void order_take(struct driver *driver, const char *line)
{
    char order[32] = "", tag[64] = "", rest[300] = "";
    uint64_t number = 0;
    struct waiting *waiting;
    enum status status;

    (void)sscanf(line, "%31s %63s %" SCNu64 " %299s", order, tag, &number, rest);
    if (strcmp(order, "status") == 0) {
        status_say(driver);
        return;
    }
    if (strcmp(order, "corrupt") == 0) {
        driver->digest.bytes[0] ^= 1;
        say("corrupted");
        return;
    }
    if (strcmp(order, "quit") == 0) {
        replica_close(driver->replica, on_closed, driver);
        return;
    }
    waiting = calloc(1, sizeof *waiting);
    ASSERT(waiting);
    waiting->driver = driver;
    (void)snprintf(waiting->tag, sizeof waiting->tag, "%s", tag);
    if (strcmp(order, "propose") == 0) {
        propose(driver, waiting, (size_t)number);
    } else if (strcmp(order, "read") == 0) {
        status = replica_read(driver->replica, on_read, waiting);
        if (status != STATUS_OK) {
            on_read(waiting, status);
        }
    } else {
        status = change(driver, order, waiting, number, rest);
        if (status != STATUS_OK) {
            on_changed(waiting, status);
        }
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct driver *driver = handle->data;

    (void)suggested;
    *ret_buffer = uv_buf_init(driver->line + driver->line_size,
                              (unsigned)(sizeof driver->line - driver->line_size));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct driver *driver = stream->data;
    char *start = driver->line, *end;

    (void)buffer;
    if (size < 0) {
        _exit(0); /* The test is gone. */
    }
    driver->line_size += (size_t)size;
    while ((end = memchr(start, '\n', driver->line_size - (size_t)(start - driver->line)))) {
        *end = 0;
        order_take(driver, start);
        start = end + 1;
    }
    driver->line_size -= (size_t)(start - driver->line);
    memmove(driver->line, start, driver->line_size);
    ASSERT(driver->line_size < sizeof driver->line);
}

static uint64_t option(int count, char **options, const char *name)
{
    size_t length = strlen(name);

    for (int i = 0; i < count; i++) {
        if (strncmp(options[i], name, length) == 0 && options[i][length] == '=') {
            return strtoull(options[i] + length + 1, NULL, 10);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct driver driver;
    struct credentials credentials;
    struct replica_config config = {0};
    char error[REPLICA_ERROR_SIZE];

    if (argc < 6) {
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    daemon_log_start(LOG_NOTICE);
    ASSERT(uv_loop_init(&driver.loop) == 0);
    driver.name_prefix = "member";
    for (int i = 6; i < argc; i++) {
        if (strncmp(argv[i], "name=", 5) == 0) {
            driver.name_prefix = argv[i] + 5;
        }
    }
    credentials = credentials_load(argv[5]);
    config.loop = &driver.loop;
    config.directory = argv[1];
    config.raft_id = strtoull(argv[2], NULL, 10);
    config.address = argv[3];
    config.listen_address = argv[4];
    config.server_tls = credentials_context(&credentials, TLS_SERVER, REPLICA_ALPN, NULL);
    config.client_tls = credentials_context(&credentials, TLS_CLIENT, REPLICA_ALPN, NULL);
    config.identify = identify;
    config.identify_argument = &driver;
    config.machine = (struct replica_machine){&driver, machine_apply, machine_snapshot,
                                              machine_restore, machine_position};
    config.callbacks = (struct replica_callbacks){on_leadership, on_fatal, &driver};
    config.snapshot_bytes = option(argc - 6, argv + 6, "snapshot_bytes");
    config.trailing_bytes = option(argc - 6, argv + 6, "trailing_bytes");
    config.disk_free_min = option(argc - 6, argv + 6, "disk_free_min");
    config.disk_timeout_ms = (unsigned)option(argc - 6, argv + 6, "disk_timeout_ms");
    driver.is_traced = option(argc - 6, argv + 6, "trace") != 0;
    if (replica_open(&config, &driver.replica, error) != STATUS_OK ||
        (option(argc - 6, argv + 6, "bootstrap") &&
         replica_bootstrap(driver.replica, error) != STATUS_OK) ||
        replica_start(driver.replica, error) != STATUS_OK) {
        say("failed %s", error);
        _exit(1);
    }
    ASSERT(uv_pipe_init(&driver.loop, &driver.input, 0) == 0);
    driver.input.data = &driver;
    ASSERT(uv_pipe_open(&driver.input, STDIN_FILENO) == 0);
    ASSERT(uv_read_start((uv_stream_t *)&driver.input, on_allocate, on_input) == 0);
    say("ready");
    (void)uv_run(&driver.loop, UV_RUN_DEFAULT);
    tls_context_release(config.server_tls);
    tls_context_release(config.client_tls);
    credentials_free(&credentials);
    ASSERT(uv_loop_close(&driver.loop) == 0);
    return 0;
}
