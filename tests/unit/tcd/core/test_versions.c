/*
 * Every command carries the versions that it rests on, and is refused when any of them has moved
 * (docs/PROTOCOL.md, section 5): a test for each version of each kind, and one for each kind that
 * shows that it is accepted when none has. The table in tcd/core/command.h is written down here
 * once more, so that taking a version out of it fails.
 */
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const version_names[] = {
    "manifest",   "succession",        "epoch",        "registration", "renewal", "policy",
    "generation", "peer-registration", "peer-renewal", "peer-policy",
};

static const char *const rests_of[COMMAND_KIND_COUNT] = {
    [COMMAND_PERIMETER_ADOPTED] = "",
    [COMMAND_MANIFEST_APPLIED] = "manifest succession",
    [COMMAND_ENDORSEMENT_APPLIED] = "manifest succession",
    [COMMAND_SUCCESSION_APPLIED] = "manifest succession",
    [COMMAND_MANIFEST_EXPIRED] = "manifest",
    [COMMAND_MEMBER_JOINED] = "manifest epoch policy",
    [COMMAND_MEMBER_REMOVED] = "manifest",
    [COMMAND_SESSION_OPENED] = "",
    [COMMAND_AUDIT_NOTE] = "",
    [COMMAND_USER_ADDED] = "manifest",
    [COMMAND_USER_REMOVED] = "manifest",
    [COMMAND_NODE_CORDONED] = "manifest",
    [COMMAND_NODE_REVOKED] = "manifest",
    [COMMAND_REFERENCE_CHUNK] = "",
    [COMMAND_NODE_REGISTERED] = "manifest epoch policy",
    [COMMAND_RENEWAL_BATCH] = "epoch",
    [COMMAND_LEASE_EXPIRED] = "registration renewal",
    [COMMAND_NODE_QUARANTINED] = "registration",
    [COMMAND_LAUNCH_AUTHORIZED] = "manifest epoch registration renewal policy",
    [COMMAND_RESTART_AUTHORIZED] = "manifest epoch registration renewal policy generation",
    [COMMAND_KEY_REISSUED] = "manifest epoch registration renewal policy generation",
    [COMMAND_LAUNCHED] = "registration generation",
    [COMMAND_VM_STOP_REQUESTED] = "generation",
    [COMMAND_VM_STOPPED] = "registration generation",
    [COMMAND_VM_FENCED] = "registration renewal generation",
    [COMMAND_VM_DELETED] = "generation",
    [COMMAND_VM_READOPTED] = "manifest epoch registration renewal policy generation",
    [COMMAND_GRANT_ISSUED] = "registration renewal generation",
    [COMMAND_GRANT_WITHDRAWN] = "registration generation",
    [COMMAND_COPY_DESTROYED] = "registration generation",
    [COMMAND_TOMBSTONES_PURGED] = "",
    [COMMAND_MIGRATION_AUTHORIZED] = "manifest epoch registration renewal generation "
                                     "peer-registration peer-renewal peer-policy",
    [COMMAND_MIGRATION_REPORTED] = "registration generation",
    [COMMAND_MIGRATION_DONE] = "manifest epoch generation peer-registration peer-renewal "
                               "peer-policy",
    [COMMAND_MIGRATION_ABORTED] = "generation",
    [COMMAND_RESUMED] = "registration generation",
    [COMMAND_OWNERSHIP_REVERTED] = "manifest epoch generation peer-registration peer-renewal "
                                   "peer-policy",
};

/* Two nodes with leases. VM 1 is brought to where the command is legal. */
static struct bytes documents[3];

static void must(struct fixture *fixture, struct command command)
{
    assert_string_equal(refusal_name(fixture_do(fixture, &command)), "none");
}

static void lose_in_resuming(struct fixture *fixture)
{
    struct command stopped;

    fixture_run(fixture, 1, 0);
    fixture_migrate(fixture, 1, 1);
    must(fixture, fixture_migration_command(fixture, COMMAND_MIGRATION_DONE, 1, 0));
    stopped = fixture_vm_command(fixture, COMMAND_VM_STOPPED, 1);
    stopped.vm.cause = STOP_LOST;
    must(fixture, stopped);
}

/* A command that would be accepted. */
static struct command make(struct fixture *fixture, enum command_kind kind)
{
    static uint8_t storage[CORE_KEY_SIZE_MAX];
    struct command command = fixture_command(fixture, kind);
    struct fixture_manifest manifest = fixture->manifest;

    switch (kind) {
    case COMMAND_PERIMETER_ADOPTED:
        registry_free(fixture->registry);
        fixture->registry = registry_new();
        documents[0] = fixture_root(0);
        command.perimeter_adopted.root = bytes_view(&documents[0]);
        break;
    case COMMAND_SUCCESSION_APPLIED:
        documents[1] = fixture_succession_document(1);
        documents[2] = fixture_endorsement_document(1, 1600000000, 1);
        command.manifest_applied.succession_count = 1;
        command.manifest_applied.successions[0] = bytes_view(&documents[1]);
        command.manifest_applied.endorsement = bytes_view(&documents[2]);
        documents[0] = fixture_manifest_document(&manifest);
        command.manifest_applied.manifest = bytes_view(&documents[0]);
        break;
    case COMMAND_MANIFEST_APPLIED:
        manifest.version++;
        documents[0] = fixture_manifest_document(&manifest);
        command.manifest_applied.manifest = bytes_view(&documents[0]);
        break;
    case COMMAND_ENDORSEMENT_APPLIED:
        documents[0] = fixture_endorsement_document(1, 1700000000, 1);
        command.manifest_applied.endorsement = bytes_view(&documents[0]);
        break;
    case COMMAND_MEMBER_JOINED:
    case COMMAND_MEMBER_REMOVED:
        command.kind = COMMAND_MEMBER_JOINED;
        command.rests.policy = registry_perimeter(fixture->registry)->member_policy;
        strcpy(command.member_joined.name.text, "tc-1");
        command.member_joined.ek_name = fixture_tpm_name(101);
        command.member_joined.ak_name = fixture_tpm_name(201);
        for (unsigned i = 0; kind == COMMAND_MEMBER_REMOVED && i < 2; i++) {
            command.member_joined.key = fixture_digest("member", i);
            must(fixture, command);
        }
        command.member_joined.key = fixture_digest("member", 9);
        if (kind == COMMAND_MEMBER_REMOVED) {
            command = fixture_command(fixture, kind);
            command.member_removed.raft_id = 1;
        }
        break;
    case COMMAND_USER_ADDED:
    case COMMAND_USER_REMOVED:
        command.kind = COMMAND_USER_ADDED;
        strcpy(command.user_added.name.text, "alice");
        command.user_added.role = USER_CUSTOMER;
        command.user_added.key = fixture_key(1, storage);
        if (kind == COMMAND_USER_REMOVED) {
            must(fixture, command);
            command = fixture_command(fixture, kind);
            strcpy(command.user_removed.name.text, "alice");
        }
        break;
    case COMMAND_NODE_REGISTERED:
        command = fixture_registration(fixture, 0);
        break;
    case COMMAND_NODE_CORDONED:
    case COMMAND_NODE_REVOKED:
    case COMMAND_NODE_QUARANTINED:
    case COMMAND_LEASE_EXPIRED:
        command = fixture_node_command(fixture, kind, 0);
        break;
    case COMMAND_LAUNCH_AUTHORIZED:
        command = fixture_launch(fixture, 1, 0);
        break;
    case COMMAND_RESTART_AUTHORIZED:
    case COMMAND_VM_DELETED:
        fixture_run(fixture, 1, 0);
        must(fixture, fixture_vm_command(fixture, COMMAND_VM_STOPPED, 1));
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_LAUNCHED:
    case COMMAND_GRANT_ISSUED:
        must(fixture, fixture_launch(fixture, 1, 0));
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_KEY_REISSUED:
    case COMMAND_VM_STOP_REQUESTED:
    case COMMAND_VM_STOPPED:
        fixture_run(fixture, 1, 0);
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_GRANT_WITHDRAWN:
        command = fixture_launch(fixture, 1, 0);
        command.launch_authorized.policy.on_quarantine = QUARANTINE_PAUSE;
        must(fixture, command);
        fixture_grant(fixture, 1);
        must(fixture, fixture_vm_command(fixture, COMMAND_LAUNCHED, 1));
        must(fixture, fixture_node_command(fixture, COMMAND_NODE_QUARANTINED, 0));
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_VM_FENCED:
        fixture_run(fixture, 1, 0);
        fixture_expire(fixture, 0);
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_VM_READOPTED:
        fixture_run(fixture, 1, 0);
        fixture_register(fixture, 0);
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_COPY_DESTROYED:
    case COMMAND_RESUMED:
        fixture_run(fixture, 1, 0);
        fixture_migrate(fixture, 1, 1);
        must(fixture, fixture_migration_command(fixture, COMMAND_MIGRATION_DONE, 1, 0));
        fixture_grant(fixture, 1);
        command = fixture_vm_command(fixture, COMMAND_RESUMED, 1);
        if (kind == COMMAND_COPY_DESTROYED) {
            must(fixture, command);
            command = fixture_vm_command_at(fixture, kind, 1, 0);
        }
        break;
    case COMMAND_MIGRATION_AUTHORIZED:
        fixture_run(fixture, 1, 0);
        command = fixture_migration(fixture, 1, 1);
        break;
    case COMMAND_MIGRATION_REPORTED:
        fixture_run(fixture, 1, 0);
        must(fixture, fixture_migration(fixture, 1, 1));
        command = fixture_migration_command(fixture, kind, 1, MIGRATION_SOURCE);
        break;
    case COMMAND_MIGRATION_DONE:
    case COMMAND_MIGRATION_ABORTED:
        fixture_run(fixture, 1, 0);
        fixture_migrate(fixture, 1, 1);
        command = fixture_migration_command(fixture, kind, 1, MIGRATION_SOURCE);
        break;
    case COMMAND_OWNERSHIP_REVERTED:
        lose_in_resuming(fixture);
        command = fixture_vm_command(fixture, kind, 1);
        break;
    case COMMAND_TOMBSTONES_PURGED:
        command.tombstones_purged.horizon_s = 5;
        break;
    case COMMAND_REFERENCE_CHUNK: {
        static uint8_t set[FIXTURE_SET_SIZE];
        struct digest digest = fixture_set_digest(0);

        command = fixture_chunk(fixture, &digest, FIXTURE_SET_SIZE, 0, fixture_set(0, set));
        break;
    }
    case COMMAND_AUDIT_NOTE:
        strcpy(command.audit_note.text, "note");
        break;
    case COMMAND_RENEWAL_BATCH: {
        static struct renewal renewal;
        const struct node *node = fixture_node(fixture, 0);

        renewal = (struct renewal){.registration = node->registration.id,
                                   .number = 1,
                                   .policy = node->policy,
                                   .boot = node->registration.boot};
        renewal.boot.clock_ms += 100;
        command.renewal_batch.count = 1;
        command.renewal_batch.items = &renewal;
        break;
    }
    case COMMAND_SESSION_OPENED:
    case COMMAND_MANIFEST_EXPIRED:
    case COMMAND_KIND_COUNT:
        break;
    }
    return command;
}

static void move_version(struct rests *rests, const char *version)
{
    if (strcmp(version, "manifest") == 0) {
        rests->manifest_version++;
    } else if (strcmp(version, "succession") == 0) {
        rests->succession++;
    } else if (strcmp(version, "epoch") == 0) {
        rests->epoch++;
    } else if (strcmp(version, "registration") == 0) {
        rests->registration += 100;
    } else if (strcmp(version, "renewal") == 0) {
        rests->renewal++;
    } else if (strcmp(version, "policy") == 0) {
        rests->policy.bytes[0] ^= 1;
    } else if (strcmp(version, "generation") == 0) {
        rests->generation--;
    } else if (strcmp(version, "peer-registration") == 0) {
        rests->peer_registration += 100;
    } else if (strcmp(version, "peer-renewal") == 0) {
        rests->peer_renewal++;
    } else {
        rests->peer_policy.bytes[0] ^= 1;
    }
}

struct claim {
    enum command_kind kind;
    const char *version; /* NULL: none moved */
    char name[128];
};

static void claim_holds(void **state)
{
    const struct claim *claim = *state;
    struct fixture fixture;
    struct command command;
    enum refusal_code verdict;
    const char *expected = refusal_name(REFUSAL_NONE);

    fixture_start(&fixture, 2);
    fixture_register(&fixture, 0);
    fixture_register(&fixture, 1);
    command = make(&fixture, claim->kind);
    if (claim->version) {
        move_version(&command.rests, claim->version);
        expected =
            refusal_name(strstr(claim->version, "registration")      ? REFUSAL_REGISTRATION
                         : strcmp(claim->version, "generation") == 0 ? REFUSAL_GENERATION
                                                                     : REFUSAL_STALE_VERSION);
    }
    verdict = fixture_do(&fixture, &command);
    assert_string_equal(refusal_name(verdict), expected);
    fixture_stop(&fixture);
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        bytes_free(&documents[i]);
    }
}

/* Is the word one of the words? */
static bool names(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += length) {
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

enum { CLAIM_COUNT_MAX = COMMAND_KIND_COUNT * 11 };

int main(void)
{
    static struct claim claims[CLAIM_COUNT_MAX];
    static struct CMUnitTest tests[CLAIM_COUNT_MAX];
    size_t count = 0;

    for (unsigned kind = 0; kind < COMMAND_KIND_COUNT; kind++) {
        claims[count].kind = (enum command_kind)kind;
        (void)snprintf(claims[count].name, sizeof claims[count].name, "%s_is_accepted",
                       command_kind_name((enum command_kind)kind));
        count++;
        for (size_t i = 0; i < ARRAY_SIZE(version_names); i++) {
            if (names(rests_of[kind], version_names[i])) {
                claims[count].kind = (enum command_kind)kind;
                claims[count].version = version_names[i];
                (void)snprintf(claims[count].name, sizeof claims[count].name,
                               "%s_is_refused_when_the_%s_moved",
                               command_kind_name((enum command_kind)kind), version_names[i]);
                count++;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        tests[i] = (struct CMUnitTest){
            .name = claims[i].name, .test_func = claim_holds, .initial_state = &claims[i]};
    }
    return _cmocka_run_group_tests("versions", tests, count, NULL, NULL);
}
