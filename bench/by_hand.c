/*
 * A VM as a competent operator runs it with the same QEMU: no coordinator, no agent, no digest of
 * the image, no grant. The same command line in the same sandbox (liblauncher), the same sealed
 * image below an encrypted overlay, attached in the same way (libvm), TLS-PSK between the QEMUs of
 * a migration with the same parameters, over loopback.
 *
 *     bench/by_hand --folder FOLDER --disk FILE --kernel FILE --initrd FILE --append TEXT --key
 * FILE
 *         [--memory MIB] [--accelerator auto|tcg|kvm] [--uid UID] [--settle MS] [--migrations N]
 *
 * FOLDER is where the overlay is made. Needs root. Prints, all in milliseconds,
 *
 *     launch_ms         from the making of the overlay until the guest's first write has made it
 *                       grow. Kernel and initrd are in memory before: how they reach a sandboxed
 *                       QEMU is the launcher's way, not the operator's.
 *     launch_to_run_ms  the same beginning; until QEMU has answered `cont`
 *
 * and for each of N migrations, --settle ms after the guest was last disturbed, stopping the guest
 * first where the agents do (docs/adr/0037: without KVM),
 *
 *     migration_ms      from the start of the destination's QEMU until it has answered `cont`
 *     downtime_ms       from `stop` being sent to the source until then
 *
 * and then once more, letting QEMU stop the guest when little is left (its default):
 *
 *     migration_live_ms, downtime_live_ms  (from the source's event STOP)
 */
#include "bench/sign_of_life.h"

#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/image/luks_image.h"
#include "lib/protocol/vm_keys.h"
#include "lib/protocol/vm_secret.h"
#include "nodeagent/launcher/accelerator.h"
#include "nodeagent/launcher/guest.h"
#include "nodeagent/vm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define KEY_USER "migration"
#define CREDENTIALS "migration-tls"
#define SOCKET_NAME "migration-socket"
/* As nodeagent/migration.c has it. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:-KX-ALL:+PSK"
#define BANDWIDTH_MAX INT64_C(10000000000)

/* The operator knows, too, that QEMU would look for a prime of its own: ffdhe2048 of RFC 7919. */
static const char group[] = "-----BEGIN DH PARAMETERS-----\n"
                            "MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz\n"
                            "+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a\n"
                            "87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7\n"
                            "YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi\n"
                            "7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD\n"
                            "ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==\n"
                            "-----END DH PARAMETERS-----\n";

enum { PREPARE_MS = 600000, PSK_SIZE = 32, COMMAND_TIMEOUT_MS = 20000, FIRST_UID = 769000 };

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "bench/by_hand: %s: %s\n", what, detail);
    exit(1);
}

static void check(const char *what, enum status status)
{
    if (status != STATUS_OK) {
        die(what, status_text(status));
    }
}

/* One QEMU. */
struct machine {
    struct guest *guest;
    struct vm *vm;
    bool is_ready, is_closed, is_completed, is_done;
    double stopped_ms;
};

struct by_hand {
    const char *folder, *disk, *kernel, *initrd, *append, *key;
    unsigned memory_mib, settle_ms, migrations, uid;
    enum accelerator accelerator;
    uv_loop_t loop;
    uv_timer_t tick;
    int disk_fd, kernel_fd, initrd_fd;
    char overlay[PATH_MAX];
    struct digest vm;
    struct secret image_key, overlay_key;
    struct machine machines[2]; /* the source, and the destination, in turns */
};

/* --- waiting --- */

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Everything that is waited for comes in the end, or the bench does not. */
static void wait_for(struct by_hand *hand, const bool *flag, const char *what)
{
    double begin_ms = bench_now_ms();

    while (!*flag) {
        (void)uv_run(&hand->loop, UV_RUN_ONCE);
        if (bench_now_ms() - begin_ms > SIGN_PATIENCE_S * 1e3) {
            die("never", what);
        }
        for (unsigned i = 0; i < ARRAY_SIZE(hand->machines); i++) {
            if (hand->machines[i].is_closed) {
                guest_read_output(hand->machines[i].guest);
                die("QEMU ended", hand->machines[i].guest->last_line);
            }
        }
    }
}

static void wait_ms(struct by_hand *hand, unsigned time_ms)
{
    double begin_ms = bench_now_ms();

    while (bench_now_ms() - begin_ms < time_ms) {
        (void)uv_run(&hand->loop, UV_RUN_ONCE);
    }
}

/* --- one QEMU --- */

static void on_ready(void *argument)
{
    ((struct machine *)argument)->is_ready = true;
}

static void on_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct machine *machine = argument;
    const char *state = qmp_value_string(data, "status");

    if (strcmp(name, "STOP") == 0 && machine->stopped_ms == 0) {
        machine->stopped_ms = bench_now_ms();
    } else if (strcmp(name, "MIGRATION") == 0 && state) {
        machine->is_completed = strcmp(state, "completed") == 0;
        if (strcmp(state, "failed") == 0) {
            die("migration", "QEMU says that it failed");
        }
    }
}

static void on_closed(void *argument, enum status status)
{
    (void)status;
    ((struct machine *)argument)->is_closed = true;
}

static void on_done(void *argument, enum status status, const char *error)
{
    if (status != STATUS_OK) {
        die("QMP", error);
    }
    ((struct machine *)argument)->is_done = true;
}

static struct vm_keys keys_of(const struct by_hand *hand)
{
    return (struct vm_keys){secret_view(&hand->image_key), secret_view(&hand->overlay_key)};
}

/* With its disk, its CPUs stopped. */
static void machine_start(struct by_hand *hand, unsigned index, bool is_incoming)
{
    static const struct vm_handlers handlers = {on_ready, on_event, on_closed};
    const struct guest_settings settings = {.qemu = "/usr/bin/qemu-system-x86_64",
                                            .accelerator = hand->accelerator,
                                            .fence_ms = 1000,
                                            .uid_first = hand->uid};
    const struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = hand->vm,
        .generation = 1,
        .prepare_ms = PREPARE_MS,
        .shape = {.memory_mib = hand->memory_mib,
                  .vcpus = 1,
                  .is_incoming = is_incoming,
                  .has_kernel = true,
                  .command_line = view_string(hand->append)},
    };
    struct machine *machine = &hand->machines[index];
    struct refusal refusal = {0};
    const struct vm_keys keys = keys_of(hand);
    int overlay_fd;

    *machine = (struct machine){0};
    check("QEMU cannot be started", guest_start(&settings, &request, index, hand->kernel_fd,
                                                hand->initrd_fd, 0, &machine->guest, &refusal));
    check("QEMU's monitor", vm_open(&hand->loop, machine->guest->qmp_fd, QMP_FRESH, &handlers,
                                    machine, &machine->vm));
    machine->guest->qmp_fd = -1;
    wait_for(hand, &machine->is_ready, "QEMU's greeting");
    overlay_fd = open(hand->overlay, O_RDWR | O_CLOEXEC);
    vm_attach_disk(machine->vm, hand->disk_fd, overlay_fd, &keys, on_done, machine);
    (void)close(overlay_fd);
    wait_for(hand, &machine->is_done, "the disk");
}

static void machine_run(struct by_hand *hand, struct machine *machine, bool was_moved)
{
    const struct vm_keys keys = keys_of(hand);

    machine->is_done = false;
    vm_run(machine->vm, was_moved ? &keys : NULL, on_done, machine);
    wait_for(hand, &machine->is_done, "that the guest runs");
}

static void machine_end(struct machine *machine)
{
    if (machine->guest) {
        vm_close(TAKE(machine->vm));
        guest_free(TAKE(machine->guest));
    }
}

/* --- launch --- */

static void launch(struct by_hand *hand)
{
    struct sign_of_life sign = {0};
    struct refusal refusal = {0};
    uint64_t size;
    double begin_ms = bench_now_ms(), run_ms;

    check("the image", luks_image_inspect(hand->disk_fd, &size, &refusal));
    check("the overlay",
          luks_image_create(hand->overlay, size, secret_view(&hand->overlay_key), &refusal));
    (void)sign_of_life_seen(&sign, hand->overlay);
    machine_start(hand, 0, false);
    if (sign_of_life_seen(&sign, hand->overlay)) {
        die("sign of life", "QEMU wrote to the overlay by itself");
    }
    machine_run(hand, &hand->machines[0], false);
    run_ms = bench_now_ms() - begin_ms;
    while (!sign_of_life_seen(&sign, hand->overlay)) {
        (void)uv_run(&hand->loop, UV_RUN_ONCE);
        if (bench_now_ms() - begin_ms > SIGN_PATIENCE_S * 1e3) {
            die("never", "the guest's first write");
        }
    }
    printf("launch_ms: %.1f\nlaunch_to_run_ms: %.1f\n", bench_now_ms() - begin_ms, run_ms);
}

/* --- migration --- */

static void file_write(const struct machine *machine, const char *name, const char *text)
{
    int fd;

    /* What an earlier migration left. */
    (void)unlinkat(machine->guest->secrets_fd, name, 0);
    fd = openat(machine->guest->secrets_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, 0640) != 0) {
        die(name, "cannot be written");
    }
    (void)close(fd);
}

static void key_write(const struct machine *machine, const uint8_t key[PSK_SIZE])
{
    char line[sizeof KEY_USER + 2 + HEX_SIZE(PSK_SIZE)] = KEY_USER ":";
    size_t size = strlen(line);

    hex_encode((struct view){key, PSK_SIZE}, line + size);
    size = strlen(line);
    line[size] = '\n';
    line[size + 1] = '\0';
    file_write(machine, "keys.psk", line);
    file_write(machine, "dh-params.pem", group);
}

static void credentials_remove(struct qmp_script *script)
{
    struct qmp_arguments *arguments = qmp_arguments_new();

    qmp_arguments_string(arguments, "tls-creds", "");
    qmp_script_add_cleanup(script, "migrate-set-parameters", arguments);
    arguments = qmp_arguments_new();
    qmp_arguments_string(arguments, "id", CREDENTIALS);
    qmp_script_add_cleanup(script, "object-del", arguments);
}

static struct qmp_script *script_prepare(bool is_source, int socket_fd)
{
    struct qmp_script *script = qmp_script_new(COMMAND_TIMEOUT_MS);
    struct qmp_arguments *arguments = qmp_arguments_new();

    /* What the migration that brought it here left. */
    credentials_remove(script);
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
    }
    qmp_script_add(script, "migrate-set-parameters", arguments);
    arguments = qmp_arguments_new();
    qmp_arguments_capability(arguments, "capabilities", "events", true);
    qmp_arguments_capability(arguments, "capabilities", "return-path", true);
    qmp_arguments_capability(arguments, "capabilities", "late-block-activate", !is_source);
    qmp_script_add(script, "migrate-set-capabilities", arguments);
    qmp_script_get_fd(script, socket_fd, SOCKET_NAME);
    return script;
}

static void script_add_begin(struct qmp_script *script, const char *command)
{
    struct qmp_arguments *arguments = qmp_arguments_new();

    qmp_arguments_string(arguments, "uri", "fd:" SOCKET_NAME);
    qmp_script_add(script, command, arguments);
}

static void script_run(struct by_hand *hand, struct machine *machine, struct qmp_script *script)
{
    machine->is_done = false;
    qmp_script_run(script, vm_qmp(machine->vm), on_done, machine);
    wait_for(hand, &machine->is_done, "QEMU's answer");
}

/* Loopback, as between two agents on one host. */
static void channel_open(int ends[2])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listening, (struct sockaddr *)&name, size) != 0 || listen(listening, 1) != 0 ||
        getsockname(listening, (struct sockaddr *)&name, &size) != 0 ||
        connect(ends[0], (struct sockaddr *)&name, size) != 0) {
        die("loopback", "no connection");
    }
    ends[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    (void)close(listening);
    for (unsigned i = 0; i < 2; i++) {
        (void)setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

static void migrate(struct by_hand *hand, unsigned from, bool stops_first, const char *suffix)
{
    struct machine *source = &hand->machines[from], *destination = &hand->machines[1 - from];
    struct qmp_script *script;
    uint8_t key[PSK_SIZE];
    double begin_ms = bench_now_ms(), end_ms;
    int ends[2];

    machine_start(hand, 1 - from, true);
    entropy_fill(key, sizeof key);
    key_write(source, key);
    key_write(destination, key);
    channel_open(ends);
    script = script_prepare(false, ends[1]);
    script_add_begin(script, "migrate-incoming");
    script_run(hand, destination, script);
    source->is_completed = destination->is_completed = false;
    source->stopped_ms = 0;
    script = script_prepare(true, ends[0]);
    if (stops_first) {
        qmp_script_add(script, "stop", NULL);
    }
    script_add_begin(script, "migrate");
    script_run(hand, source, script);
    (void)close(ends[0]);
    (void)close(ends[1]);
    wait_for(hand, &source->is_completed, "that the source has sent everything");
    wait_for(hand, &destination->is_completed, "that the destination has everything");
    machine_run(hand, destination, true);
    end_ms = bench_now_ms();
    machine_end(source);
    printf("migration%s_ms: %.1f\ndowntime%s_ms: %.1f\n", suffix, end_ms - begin_ms, suffix,
           end_ms - source->stopped_ms);
}

/* --- the program --- */

static int file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        die("cannot read", path);
    }
    return fd;
}

static int file_in_memory(const char *path)
{
    int source = file_open(path), fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    while (sendfile(fd, source, NULL, 1 << 20) > 0) {
    }
    (void)close(source);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        die("cannot hold in memory", path);
    }
    return fd;
}

static void prepare(struct by_hand *hand)
{
    uint8_t key[VM_KEY_SIZE];
    int fd = file_open(hand->key);

    if (read(fd, key, sizeof key) != sizeof key) {
        die("no key of a VM", hand->key);
    }
    (void)close(fd);
    entropy_fill(hand->vm.bytes, sizeof hand->vm.bytes);
    (void)snprintf(hand->overlay, sizeof hand->overlay, "%s/by-hand.%d", hand->folder,
                   (int)getpid());
    check("keys", vm_image_key(VIEW_OF_ARRAY(key), &hand->image_key));
    check("keys", vm_overlay_key(VIEW_OF_ARRAY(key), &hand->vm, 1, &hand->overlay_key));
    hand->disk_fd = file_open(hand->disk);
    hand->kernel_fd = file_in_memory(hand->kernel);
    hand->initrd_fd = file_in_memory(hand->initrd);
    ASSERT(uv_loop_init(&hand->loop) == 0 && uv_timer_init(&hand->loop, &hand->tick) == 0);
    ASSERT(uv_timer_start(&hand->tick, on_tick, SIGN_POLL_MS, SIGN_POLL_MS) == 0);
}

static enum accelerator accelerator_of(const char *name)
{
    struct accelerator_evidence evidence;
    enum accelerator_choice choice;

    check(name, accelerator_choice_of_name(name, &choice));
    accelerator_look(&evidence);
    return accelerator_decide(choice, &evidence);
}

static unsigned number_of(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*end || end == text || number > INT_MAX) {
        die("no number", text);
    }
    return (unsigned)number;
}

static void options_read(struct by_hand *hand, int argc, char **argv)
{
    static const struct option options[] = {
        {"folder", required_argument, NULL, 'f'},     {"disk", required_argument, NULL, 'd'},
        {"kernel", required_argument, NULL, 'k'},     {"initrd", required_argument, NULL, 'i'},
        {"append", required_argument, NULL, 'a'},     {"key", required_argument, NULL, 'y'},
        {"memory", required_argument, NULL, 'm'},     {"accelerator", required_argument, NULL, 'c'},
        {"uid", required_argument, NULL, 'u'},        {"settle", required_argument, NULL, 's'},
        {"migrations", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    int chosen;

    while ((chosen = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (chosen) {
        case 'f':
            hand->folder = optarg;
            break;
        case 'd':
            hand->disk = optarg;
            break;
        case 'k':
            hand->kernel = optarg;
            break;
        case 'i':
            hand->initrd = optarg;
            break;
        case 'a':
            hand->append = optarg;
            break;
        case 'y':
            hand->key = optarg;
            break;
        case 'm':
            hand->memory_mib = number_of(optarg);
            break;
        case 'c':
            hand->accelerator = accelerator_of(optarg);
            break;
        case 'u':
            hand->uid = number_of(optarg);
            break;
        case 's':
            hand->settle_ms = number_of(optarg);
            break;
        case 'n':
            hand->migrations = number_of(optarg);
            break;
        default:
            exit(64);
        }
    }
    if (!hand->folder || !hand->disk || !hand->kernel || !hand->initrd || !hand->append ||
        !hand->key || optind != argc) {
        (void)fprintf(stderr, "usage: see the head of bench/by_hand.c\n");
        exit(64);
    }
}

int main(int argc, char **argv)
{
    static struct by_hand hand = {
        .memory_mib = 96, .uid = FIRST_UID, .settle_ms = 1000, .migrations = 4};
    unsigned at = 0;
    bool stops_first;

    hand.accelerator = accelerator_of("auto");
    options_read(&hand, argc, argv);
    if (geteuid() != 0) {
        die("root is needed", "QEMU gets a user and namespaces of its own");
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    prepare(&hand);
    launch(&hand);
    stops_first = !vm_tracks_memory(hand.machines[0].vm);
    printf("accelerator: %s\n", hand.accelerator == ACCELERATOR_KVM ? "kvm" : "tcg");
    for (unsigned i = 0; i < hand.migrations; i++, at = 1 - at) {
        wait_ms(&hand, hand.settle_ms);
        migrate(&hand, at, stops_first, "");
    }
    if (hand.migrations > 0) {
        wait_ms(&hand, hand.settle_ms);
        migrate(&hand, at, false, "_live");
        at = 1 - at;
    }
    machine_end(&hand.machines[at]);
    (void)unlink(hand.overlay);
    return 0;
}
