/*
 * `vm migrate`: asks the coordinator to move a VM (docs/PROTOCOL.md, section 5), and waits for what
 * came of it. The migration has a number, so that an answer about another one is never taken for
 * this one's.
 */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/vm.h"

#include "lib/base/protobuf.h"
#include "lib/net/timer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum outcome { OUTCOME_OPEN, OUTCOME_MOVED, OUTCOME_ABORTED, OUTCOME_OVERTAKEN };

enum { NODE_NAME_SIZE = 256, DETAIL_SIZE = 256 };

struct vm_migrate {
    struct vm_subject subject;
    uint64_t migration;
    enum outcome outcome;
    uint64_t generation;
    char node[NODE_NAME_SIZE]; /* where to; "": the caller may not see it */
    char detail[DETAIL_SIZE];
    uint64_t begun_ms, took_s;
    const Tccp__Done *done; /* of the beginning */
};

/* Until it is decided, and if it was moved, until it runs there. */
static bool is_over(struct vm_migrate *migrate, const Tccp__VmStatus *vm)
{
    if (vm->last_migration < migrate->migration) {
        return false;
    }
    if (vm->last_migration > migrate->migration) {
        migrate->outcome = OUTCOME_OVERTAKEN;
        return true;
    }
    migrate->outcome = vm->last_migration_done ? OUTCOME_MOVED : OUTCOME_ABORTED;
    migrate->generation = vm->generation;
    (void)snprintf(migrate->detail, sizeof migrate->detail, "%s", vm->detail);
    if (*vm->node && migrate->outcome == OUTCOME_MOVED) {
        (void)snprintf(migrate->node, sizeof migrate->node, "%s", vm->node);
    }
    /* The next migration cannot begin before it runs. */
    return migrate->outcome == OUTCOME_ABORTED || vm->migration != 0 ||
           strcmp(vm->state, "running") == 0;
}

static enum exit_code look(void *argument, const Tccp__VmStatus *vm, bool *ret_is_over)
{
    *ret_is_over = is_over(argument, vm);
    return EXIT_DONE;
}

static enum exit_code migrate_show(const struct cli *cli, const struct vm_migrate *migrate)
{
    static const struct column columns[] = {
        {"NAME", "name", false},
        {"VM", "vm", false},
        {"MIGRATION", "migration", false},
        {"OUTCOME", "outcome", false},
        {"GENERATION", "generation", false},
        {"NODE", "node", false},
        {"SECONDS", "seconds", false},
        {"AUDIT LEAF", "audit_leaf", true},
        {"REVISION", "revision", true},
        {NULL, NULL, false},
    };
    OWN(value) struct value *object = value_object();
    bool is_moved = migrate->outcome == OUTCOME_MOVED;

    value_set_string(object, "name", migrate->subject.name);
    value_set_hex(object, "vm", digest_view(&migrate->subject.vm));
    value_set_number(object, "migration", migrate->migration);
    value_set_string(object, "outcome", is_moved ? "moved" : "begun");
    if (is_moved) {
        value_set_number(object, "generation", migrate->generation);
    }
    value_set_string(object, "node", *migrate->node ? migrate->node : NULL);
    if (is_moved) {
        value_set_number(object, "seconds", migrate->took_s);
    }
    value_set_number(object, "audit_leaf", migrate->done->leaf_index);
    value_set_number(object, "revision", migrate->done->revision);
    return output_object(cli, object, columns);
}

static enum exit_code outcome_report(const struct cli *cli, const struct vm_migrate *migrate)
{
    const char *name = migrate->subject.name;
    char hint[REQUEST_NAME_LENGTH_MAX + 160];

    switch (migrate->outcome) {
    case OUTCOME_MOVED:
        return migrate_show(cli, migrate);
    case OUTCOME_ABORTED:
        (void)snprintf(hint, sizeof hint,
                       "it stays on its node, see `tccpctl vm get %s`; ask again, or for another "
                       "node with --node",
                       name);
        return report(cli, EXIT_FAILED, hint, "%s was not moved: migration %" PRIu64 " failed%s%s",
                      name, migrate->migration, *migrate->detail ? ": " : "", migrate->detail);
    case OUTCOME_OPEN:
    case OUTCOME_OVERTAKEN:
        break;
    }
    (void)snprintf(hint, sizeof hint, "see `tccpctl vm get %s`", name);
    return report(cli, EXIT_FAILED, hint,
                  "what became of migration %" PRIu64 " is not known any more: %s has had another",
                  migrate->migration, name);
}

static enum exit_code await(const struct cli *cli, struct session *session,
                            struct vm_migrate *migrate)
{
    char hint[REQUEST_NAME_LENGTH_MAX + 80];
    enum exit_code exit_code;

    (void)snprintf(hint, sizeof hint, "the migration goes on: see `tccpctl vm get %s -o wide`",
                   migrate->subject.name);
    exit_code = vm_wait(cli, session,
                        &(struct vm_wait){
                            .subject = &migrate->subject,
                            .until = "was moved",
                            .hint = hint,
                            .look = look,
                            .argument = migrate,
                        });
    migrate->took_s = (time_boot_ms() - migrate->begun_ms + 500) / 1000;
    return exit_code == EXIT_DONE ? outcome_report(cli, migrate) : exit_code;
}

static enum exit_code begin(const struct cli *cli, struct session *session,
                            struct vm_migrate *migrate, Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmMigrate message = TCCP__VM_MIGRATE__INIT;
    const char *node = option_value(cli, "node");
    enum exit_code exit_code;

    message.node = protobuf_string(node ? node : "");
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE;
    request.vm_migrate = &message;
    migrate->begun_ms = time_boot_ms();
    exit_code = vm_change(cli, session, "migrate the VM", &request, &message.vm, &migrate->subject,
                          ret_response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    migrate->done = (*ret_response)->done;
    migrate->migration = migrate->done->id;
    (void)snprintf(migrate->node, sizeof migrate->node, "%s", migrate->done->name);
    return migrate->migration ? EXIT_DONE
                              : report(cli, EXIT_FAILED, "look at the state before asking again",
                                       "cannot migrate the VM: the coordinator gives the "
                                       "migration no number");
}

enum exit_code vm_migrate(struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    struct vm_migrate migrate = {.outcome = OUTCOME_OPEN};
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = begin(cli, session, &migrate, &response);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (option_is_set(cli, "wait")) {
        return await(cli, session, &migrate);
    }
    note(cli,
         "migration %" PRIu64 " of %s was begun: `tccpctl vm get %s -o wide` shows what "
         "becomes of it",
         migrate.migration, migrate.subject.name, migrate.subject.name);
    return migrate_show(cli, &migrate);
}
