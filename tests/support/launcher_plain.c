/* The launcher with a verifier for tests: a grant is vm, generation, registration and how long it
 * lasts, and nobody signs it. Everything else is the real thing.
 *
 *     launcher_plain UID-FIRST AGENT AGENT-ARGUMENT */
#include "nodeagent/launcher/launcher.h"

#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status plain_trust(void *context, struct view ca_certificate,
                               struct refusal *ret_refusal)
{
    (void)context;
    (void)ca_certificate;
    (void)ret_refusal;
    return STATUS_OK;
}

static enum status plain_verify(void *context, struct view signed_grant, uint64_t registration,
                                struct run_grant *ret_grant, struct refusal *ret_refusal)
{
    struct reader reader = reader_of(signed_grant);

    (void)context;
    (void)registration;
    reader_copy(&reader, ret_grant->vm.bytes, sizeof ret_grant->vm.bytes);
    ret_grant->generation = reader_u64(&reader);
    ret_grant->registration = reader_u64(&reader);
    ret_grant->deadline_ms = reader_u64(&reader);
    ret_grant->action = reader_u8(&reader) ? ON_LOST_LEASE_STOP : ON_LOST_LEASE_PAUSE;
    return reader_done(&reader) ? STATUS_OK : refuse(ret_refusal, REFUSAL_BAD_SIGNATURE, "test");
}

static void to_stderr(enum log_level level, const char *line)
{
    (void)level;
    (void)fprintf(stderr, "# launcher: %s\n", line);
}

int main(int argc, char **argv)
{
    const struct grant_verifier verifier = {NULL, plain_trust, plain_verify};
    struct launcher_settings settings = {
        .guests = {.qemu = "/usr/bin/qemu-system-x86_64",
                   .accelerator = ACCELERATOR_TCG,
                   .fence_ms = 700},
        .agent = {.network_fd = -1},
        .guest_count_max = 4,
        .memory_mib_max = 1024,
        .prepare_max_ms = 60000,
    };

    if (argc != 4) {
        return 64;
    }
    settings.guests.uid_first = (uid_t)strtoul(argv[1], NULL, 10);
    settings.agent.arguments[0] = argv[2];
    settings.agent.arguments[1] = argv[3];
    log_set_sink(to_stderr, getenv("TCCP_TEST_VERBOSE") ? LOG_DEBUG : LOG_ERROR);
    return launcher_run(&settings, &verifier) == STATUS_OK ? 0 : 1;
}
