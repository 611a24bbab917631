/* The launcher's own program: its configuration, what it gives up, and signed grants. */
#include "tests/support/node_world.h"
#include "tests/support/perimeter.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UID_FIRST = 712000, EPOCH = 2 };

static const struct digest vm_id = {{0xbb, 2}};

struct fixture {
    uv_loop_t loop;
    struct perimeter_test *perimeter;
    struct node node;
    char program[600], config[80];
};

/* An endorsement that holds today, in a CA certificate. */
static struct bytes ca_make(const struct perimeter_test *perimeter)
{
    uint64_t now = (uint64_t)time(NULL);
    struct view spki = private_key_spki(perimeter->tc_sign);
    struct endorsement endorsement = {
        .perimeter_id = perimeter->root.id,
        .epoch = EPOCH,
        .tc_sign = {.size = spki.size},
        .not_before_s = now - 3600,
        .not_after_s = now + 3600,
    };
    Tccp__PerimeterBundle bundle = TCCP__PERIMETER_BUNDLE__INIT;
    OWN(bytes) struct bytes document = {0};
    OWN(bytes) struct bytes extension = {0};
    struct bytes certificate;

    memcpy(endorsement.tc_sign.spki, spki.data, spki.size);
    private_key_point(perimeter->tc_kem, endorsement.tc_kem);
    assert_ok(endorsement_build(&endorsement, &document));
    bundle.root = protobuf_data(bytes_view(&perimeter->root_bytes));
    bundle.endorsement =
        perimeter_test_signed(perimeter, DOCUMENT_ENDORSEMENT, EPOCH, bytes_view(&document), 3);
    assert_ok(cluster_trust_extension(&bundle, &extension));
    assert_ok(certificate_make_authority(perimeter->tc_sign, bytes_view(&extension), now - 100,
                                         now + 100, &certificate));
    tccp__signed_document__free_unpacked(bundle.endorsement, NULL);
    return certificate;
}

static void config_write(const struct fixture *fixture, const char *more)
{
    char id[PERIMETER_ID_TEXT_SIZE];
    FILE *file = fopen(fixture->config, "w");

    assert_non_null(file);
    perimeter_id_print(&fixture->perimeter->root.id, id);
    (void)fprintf(file,
                  "perimeter = \"%s\"\n"
                  "agent = {\"%s/tests/support/agent_stub\", \"%s\"}\n"
                  "agent-config = \"%s\"\n"
                  "agent-user = \"root\"\n"
                  "vm-uid-first = %d\n"
                  "memory-mib-max = 512\n"
                  "%s\n",
                  id, getenv("TOP_BUILDDIR"), fixture->node.socket_path, fixture->config, UID_FIRST,
                  more);
    (void)fclose(file);
}

static int fixture_open(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->perimeter = perimeter_test_new();
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    (void)snprintf(fixture->program, sizeof fixture->program, "%s/nodeagent/launcher/tccp-launcher",
                   getenv("TOP_BUILDDIR"));
    (void)snprintf(fixture->config, sizeof fixture->config, "/tmp/tccp-launcher-%d.conf", getpid());
    node_listen(&fixture->node, &fixture->loop, UID_FIRST);
    *state = fixture;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *fixture = *state;

    (void)unlink(fixture->config);
    if (fixture->node.launcher) {
        node_close(&fixture->node);
    } else {
        (void)close(fixture->node.listen_fd);
        (void)unlink(fixture->node.socket_path);
    }
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    perimeter_test_free(fixture->perimeter);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    char *const arguments[] = {fixture->program, (char[]){"--config"}, fixture->config, NULL};

    config_write(fixture, "accelerator = \"tcg\"\nlog-level = \"error\"");
    node_start(&fixture->node, arguments);
}

/* Runs the program to its end; its status, and what it said. */
static int run(const struct fixture *fixture, char *ret_output, size_t size)
{
    char command[900];
    size_t used;
    FILE *pipe;

    (void)snprintf(command, sizeof command, "timeout 20 %s --config %s 2>&1", fixture->program,
                   fixture->config);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    used = fread(ret_output, 1, size - 1, pipe);
    ret_output[used] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void a_wrong_configuration_ends_it_with_one_line_that_says_where(void **state)
{
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"vm-uid-first = 0", "vm-uid-first"}, {"accelerator = \"xen\"", "accelerator"},
        {"qemu = \"/tmp/qemu\"", "qemu"},     {"fence-seconds = 0", "fence-seconds"},
        {"unknown-key = 1", "unknown-key"},   {"log-level = \"loud\"", "log-level"},
    };
    struct fixture *fixture = *state;
    char output[2000];

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        config_write(fixture, cases[i].line);
        assert_int_equal(run(fixture, output, sizeof output), 1);
        assert_non_null(strstr(output, cases[i].said));
        assert_non_null(strstr(output, fixture->config));
        assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
    }
    (void)unlink(fixture->config);
    assert_int_equal(run(fixture, output, sizeof output), 1);
}

static bool status_has(pid_t pid, const char *line)
{
    return process_file_has(pid, "status", line);
}

/* CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, SYS_ADMIN, SYS_RESOURCE */
#define KEPT_CAPABILITIES UINT64_C(0x12001fb)

static uint64_t capabilities(pid_t pid, const char *name)
{
    char path[64], line[256];
    unsigned long value = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            assert_int_equal(sscanf(line + strlen(name), ": %lx", &value), 1);
        }
    }
    (void)fclose(file);
    return value;
}

static void the_launcher_gives_up_network_capabilities_and_dangerous_calls(void **state)
{
    struct fixture *fixture = *state;
    char ours[64] = "", theirs[64] = "", agents[64] = "", path[64];
    pid_t stub;

    start(fixture);
    stub = process_child_named(fixture->node.launcher, "agent_stub");
    assert_true(status_has(fixture->node.launcher, "NoNewPrivs:\t1"));
    assert_true(status_has(fixture->node.launcher, "Seccomp:\t2"));
    assert_int_equal(capabilities(fixture->node.launcher, "CapPrm") & ~KEPT_CAPABILITIES, 0);
    assert_int_equal(capabilities(fixture->node.launcher, "CapBnd") & ~KEPT_CAPABILITIES, 0);
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)fixture->node.launcher);
    assert_true(readlink(path, theirs, sizeof theirs - 1) > 0);
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)stub);
    assert_true(readlink(path, agents, sizeof agents - 1) > 0);
    assert_true(readlink("/proc/self/ns/net", ours, sizeof ours - 1) > 0);
    assert_string_not_equal(ours, theirs);
    /* The agent has the network, and no capability. */
    assert_string_equal(ours, agents);
    assert_true(status_has(stub, "NoNewPrivs:\t1"));
}

static enum status grant(struct fixture *fixture, const struct private_key *key,
                         uint64_t generation)
{
    const struct scope scope = {fixture->perimeter->root.id, EPOCH};
    const struct run_grant given = {.vm = vm_id,
                                    .generation = generation,
                                    .registration = NODE_REGISTRATION,
                                    .deadline_ms = 600000,
                                    .action = ON_LOST_LEASE_STOP};
    const struct signer signer = signer_of_key(key);
    struct launcher_request request = {.kind = LAUNCHER_GRANT};
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(run_grant_make(&given, &scope, &signer, &bytes));
    request.payload = bytes_view(&bytes);
    return node_request(&fixture->node, &request, NULL);
}

static void only_a_grant_that_the_endorsed_coordinator_signed_lets_a_vm_run(void **state)
{
    struct fixture *fixture = *state;
    struct perimeter_test *perimeter = fixture->perimeter;
    struct node *node = &fixture->node;
    OWN(bytes) struct bytes ca = ca_make(perimeter);
    OWN(perimeter_test) struct perimeter_test *other = perimeter_test_new();
    OWN(bytes) struct bytes other_ca = ca_make(other);
    struct launcher_request trust = {.kind = LAUNCHER_TRUST, .payload = bytes_view(&other_ca)};
    struct node_vm *vm = calloc(1, sizeof *vm);
    struct launcher_request start_request = {
        .kind = LAUNCHER_START,
        .vm = vm_id,
        .generation = 2,
        .prepare_ms = 60000,
        .shape = {.memory_mib = 64, .vcpus = 1},
    };

    start(fixture);
    assert_ok(node_lease(node, NODE_REGISTRATION));
    assert_ok(node_request(node, &start_request, NULL));
    node_vm_open(vm, node, &vm_id, node->reply_fds, QMP_FRESH);
    assert_refused(grant(fixture, perimeter->tc_sign, 2), node->refusal, REFUSAL_NOT_READY);
    assert_refused(node_request(node, &trust, NULL), node->refusal, REFUSAL_WRONG_PERIMETER);
    trust.payload = bytes_view(&ca);
    assert_ok(node_request(node, &trust, NULL));
    assert_refused(grant(fixture, perimeter->tc_kem, 2), node->refusal, REFUSAL_BAD_SIGNATURE);
    assert_refused(grant(fixture, perimeter->tc_sign, 1), node->refusal, REFUSAL_GENERATION);
    assert_ok(grant(fixture, perimeter->tc_sign, 2));
    assert_ok(node_ask(node, LAUNCHER_LIST, NULL));
    assert_int_equal(node->inventory_count, 1);
    assert_int_equal(node->inventory[0].state, VM_RUNNING);
    assert_ok(node_vm_run(vm, NULL));
    assert_string_equal(node_vm_state(vm), "running");
    node_vm_close(vm);
    free(vm);
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        (void)close(node->inventory_fds[0][i]);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        CASE(a_wrong_configuration_ends_it_with_one_line_that_says_where),
        CASE(the_launcher_gives_up_network_capabilities_and_dangerous_calls),
        CASE(only_a_grant_that_the_endorsed_coordinator_signed_lets_a_vm_run),
    };
#undef CASE

    if (geteuid() != 0) {
        printf("1..0 # SKIP the launcher needs root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
