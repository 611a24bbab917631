#include "cli/commands.h"

#include <string.h>

const struct option_spec common_options[] = {
    {"output", 'o', "FORMAT", "table, wide, json, yaml or name"},
    {"addr", 0, "ADDRESS", "a member's address, or unix:/path; may be repeated"},
    {"perimeter", 0, "ID", "the pinned perimeter id"},
    {"identity", 0, "FILE", "the user's private key"},
    {"context", 0, "NAME", "settings from ~/.config/tccp/NAME.conf"},
    {"timeout", 0, "DURATION", "give up after this long (30s)"},
    {"wait", 0, NULL, "until then, wait for a member that can be reached"},
    {"passphrase-file", 0, "FILE", "take a passphrase from the first line of this file"},
    {"yes", 'y', NULL, "do not ask"},
    {"quiet", 'q', NULL, "no messages on standard error but failures"},
    {"verbose", 'v', NULL, "more messages on standard error"},
    {"no-color", 0, NULL, "no colours"},
    {"help", 'h', NULL, "show help"},
    {NULL, 0, NULL, NULL},
};

#define OPTIONS(name) static const struct option_spec name[]
#define OPTIONS_END                                                                                \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }
#define ROOT_OPTION                                                                                \
    {                                                                                              \
        "root", 0, "FILE", "the perimeter's root; default: perimeter.root beside the key"          \
    }
#define KEY_OPTION                                                                                 \
    {                                                                                              \
        "key", 'k', "FILE", "the key that signs"                                                   \
    }
#define NO_PASSPHRASE_OPTION                                                                       \
    {                                                                                              \
        "no-passphrase", 0, NULL, "leave the key unencrypted"                                      \
    }

OPTIONS(ete_init_options) = {
    {"name", 0, "NAME", "the perimeter's name, for people"},
    {"keys", 0, "NUMBER", "how many keys (3)"},
    {"threshold", 0, "NUMBER", "how many of them must sign (a majority)"},
    {"algorithm", 0, "NAME", "p256 or ed25519 (p256)"},
    NO_PASSPHRASE_OPTION,
    OPTIONS_END,
};
OPTIONS(ete_sign_options) = {
    KEY_OPTION,
    ROOT_OPTION,
    {"previous", 0, "FILE", "the manifest in force, for showing what changes"},
    {"with", 0, "FILE", "a reference set that it names, or its text; may be repeated"},
    {"out", 0, "FILE", "where the signed manifest goes (FILE.signed)"},
    OPTIONS_END,
};
OPTIONS(ete_endorse_options) = {
    KEY_OPTION,
    ROOT_OPTION,
    {"manifest", 0, "FILE", "the signed manifest of this epoch"},
    {"validity", 0, "DURATION", "how long the endorsement holds (30d)"},
    {"out", 0, "FILE", "where the endorsement goes (REQUEST.endorsement)"},
    OPTIONS_END,
};
OPTIONS(ete_succeed_options) = {
    KEY_OPTION,
    ROOT_OPTION,
    {"add", 0, "FILE", "a public key that joins; may be repeated"},
    {"remove", 0, "ID", "a key that leaves, by the beginning of its id; may be repeated"},
    {"threshold", 0, "NUMBER", "how many of the new keys must sign"},
    {"out", 0, "FILE", "where the succession goes (succession-N.signed beside the root)"},
    OPTIONS_END,
};
OPTIONS(ete_show_options) = {ROOT_OPTION, OPTIONS_END};
OPTIONS(new_key_options) = {NO_PASSPHRASE_OPTION, OPTIONS_END};
OPTIONS(perimeter_bundle_options) = {
    {"root", 0, "FILE", "the perimeter's root; default: perimeter.root beside the manifest"},
    {"manifest", 0, "FILE", "the signed manifest"},
    {"endorsement", 0, "FILE", "the cluster's endorsement, where there is one already"},
    OPTIONS_END,
};
OPTIONS(perimeter_verify_options) = {
    {"text", 0, NULL, "print the manifest's text"},
    {"allow-expired", 0, NULL, "accept an expired manifest"},
    {"allow-unendorsed", 0, NULL, "accept a bundle without a valid endorsement"},
    OPTIONS_END,
};
OPTIONS(perimeter_show_options) = {
    {"text", 0, NULL, "print the manifest's text"},
    {"out", 0, "FILE", "keep the bundle in a file"},
    {"allow-expired", 0, NULL, "accept an expired manifest"},
    {"allow-unendorsed", 0, NULL, "accept a bundle without a valid endorsement"},
    OPTIONS_END,
};
OPTIONS(perimeter_apply_options) = {
    {"endorsement", 0, "FILE", "a new endorsement"},
    {"succession", 0, "FILE", "a succession of the root; may be repeated, in order"},
    {"with", 0, "FILE", "upload this reference set before; may be repeated"},
    OPTIONS_END,
};
OPTIONS(policy_download_options) = {
    {"out", 0, "FILE", "where the set goes"},
    OPTIONS_END,
};
OPTIONS(policy_learn_options) = {
    {"from", 0, "EVIDENCE",
     "a folder with a good boot's evidence, or a node to ask for it; may be repeated"},
    {"name", 0, "NAME", "the policy's name (learned)"},
    {"firmware", 0, NULL, "allow the TPM's firmware version only"},
    {"out", 0, "FILE", "where the text goes (standard output)"},
    OPTIONS_END,
};
OPTIONS(policy_predict_options) = {
    {"image", 0, "FILE", "the unified kernel image that hosts are going to boot"},
    {"like", 0, "EVIDENCE", "a good boot of such a machine, whatever its kernel; or a node"},
    {"root", 0, "DIR", "allow the files of an unpacked root; may be repeated"},
    {"package", 0, "FILE", "allow the files of a Debian package; may be repeated"},
    {"no-files", 0, NULL, "say nothing of files"},
    {"name", 0, "NAME", "the policy's name (predicted)"},
    {"firmware", 0, NULL, "allow the TPM's firmware version only"},
    {"out", 0, "FILE", "where the text goes (standard output)"},
    OPTIONS_END,
};
OPTIONS(policy_compile_options) = {
    {"out", 0, "FILE", "where the reference set goes (POLICY.set)"},
    OPTIONS_END,
};
#define MANIFEST_TEXT_OPTION                                                                       \
    {                                                                                              \
        "manifest", 0, "FILE", "the manifest's text, which becomes that of the next version"       \
    }
#define DRY_RUN_OPTION                                                                             \
    {                                                                                              \
        "dry-run", 0, NULL, "show what would change, and write nothing"                            \
    }
OPTIONS(policy_stage_options) = {MANIFEST_TEXT_OPTION, DRY_RUN_OPTION, OPTIONS_END};
OPTIONS(policy_enable_options) = {
    MANIFEST_TEXT_OPTION,
    {"others-until", 0, "TIME", "the sets enforced so far hold until then"},
    DRY_RUN_OPTION,
    OPTIONS_END,
};
OPTIONS(policy_try_options) = {
    {"ca", 0, "FILE", "a CA of the TPM's manufacturer, DER; may be repeated"},
    OPTIONS_END,
};
OPTIONS(policy_diff_options) = {
    {"evidence", 0, "DIR", "say whether NEW changes the verdict on this evidence; may be repeated"},
    {"nodes", 0, NULL, "the same of every live node, which is asked for fresh evidence"},
    OPTIONS_END,
};
OPTIONS(bootstrap_options) = {
    {"out", 0, "FILE", "where the request goes (endorsement-request)"},
    {"endorsement", 0, "FILE", "complete the bootstrap with this endorsement"},
    OPTIONS_END,
};
OPTIONS(node_get_options) = {
    {"save-evidence", 0, "DIR", "ask the node for fresh evidence, and keep it in a new folder"},
    OPTIONS_END,
};
OPTIONS(node_revoke_options) = {{"reason", 0, "TEXT", "for the record"}, OPTIONS_END};
OPTIONS(user_new_options) = {
    {"out", 0, "FILE", "where the key goes (~/.config/tccp/NAME.key)"},
    NO_PASSPHRASE_OPTION,
    OPTIONS_END,
};
OPTIONS(user_add_options) = {
    {"role", 0, "ROLE", "customer, operator or auditor"},
    {"public-key", 0, "FILE", "the user's public key, as `user new` wrote it"},
    OPTIONS_END,
};
OPTIONS(image_seal_options) = {
    {"out", 0, "DIR", "the folder to make"},
    {"kernel", 0, "FILE", "boot this kernel, instead of what the disk boots by itself"},
    {"initrd", 0, "FILE", "with this initrd"},
    {"append", 0, "TEXT", "and this command line"},
    {"vcpu", 0, "NUMBER", "virtual processors of the VM"},
    {"memory", 0, "SIZE", "its memory, in whole MiB (512M, 4G)"},
    {"key-file", 0, "FILE", "where the VM's key goes (DIR/vm.key)"},
    OPTIONS_END,
};
OPTIONS(image_verify_options) = {
    {"public-key", 0, "FILE", "of the customer who signed it (the identity's own)"},
    OPTIONS_END,
};
#define KEY_FILE_OPTION                                                                            \
    {                                                                                              \
        "key-file", 0, "FILE", "the VM's key (vm.key beside the image)"                            \
    }
OPTIONS(vm_launch_options) = {
    {"name", 0, "NAME", "the VM's name among the customer's own"},
    {"node", 0, "NODE", "on this node; without it the coordinator picks one"},
    {"policy", 0, "FILE", "the policy, as a file with the words of the options that follow"},
    {"require", 0, "KEY=VALUE,...", "nodes with one of these values only; may be repeated"},
    {"on-lost-lease", 0, "ACTION", "pause or stop, when the node lost its lease (pause)"},
    {"on-quarantine", 0, "ACTION",
     "fence, pause, stop or migrate, when the node is found bad (fence: on-lost-lease, then)"},
    {"after", 0, "DURATION", "so long after it lost it (5m)"},
    {"may-migrate", 0, NULL, "the VM may be moved to another node"},
    {"may-restart", 0, NULL, "it may be started again from its image, after it was lost"},
    {"may-revert", 0, NULL,
     "a migration that got lost may go back to the copy that was left, above a disk that may be "
     "newer"},
    {"needs-host-profile", 0, NULL, "nodes of the hardened host profile only"},
    {"location", 0, "URL", "where the node finds the image's files (file://DIR)"},
    {"validity", 0, "DURATION", "how long the ticket can be used (1d)"},
    {"again", 0, NULL, "ask for the same launch again, as DIR/NAME.launch has it"},
    KEY_FILE_OPTION,
    OPTIONS_END,
};
OPTIONS(node_replace_options) = {
    {"ek", 0, "NAME", "TPM name of the new host's endorsement key"},
    {"manifest", 0, "FILE", "the manifest's text"},
    OPTIONS_END,
};
OPTIONS(vm_proof_options) = {KEY_FILE_OPTION, OPTIONS_END};
OPTIONS(vm_migrate_options) = {
    {"node", 0, "NODE", "to this node; without it the coordinator picks one"},
    OPTIONS_END,
};
OPTIONS(vm_list_options) = {{"all", 'a', NULL, "deleted ones too"}, OPTIONS_END};
OPTIONS(help_options) = {{"man", 0, NULL, "print the man page"}, OPTIONS_END};

const struct command commands[] = {
    {"ete", "init", "DIR", 1, 1, "make a new perimeter: its root and its keys",
     "Writes DIR/perimeter.root and a file for each key (0600, encrypted), with the public half\n"
     "beside it. Each key goes to another person and stays offline.",
     ete_init_options, ete_init},
    {"ete", "new-key", "FILE", 1, 1, "make a key for somebody who joins the ETE",
     "Writes FILE and FILE.pub; `ete succeed --add FILE.pub` brings it in.", new_key_options,
     ete_new_key},
    {"ete", "show", "[DIR]", 0, 1, "show a perimeter's root and the keys in force", NULL,
     ete_show_options, ete_show},
    {"ete", "sign", "MANIFEST", 1, 1, "look at a manifest and sign it with one key",
     "MANIFEST is the text, or the signed file of the key holder before. Shows what changes, "
     "asks,\n"
     "and adds one signature. A key never signs two manifests of one version (KEY.ledger).",
     ete_sign_options, ete_sign},
    {"ete", "endorse", "REQUEST", 1, 1, "appraise a cluster's new seed and endorse it with one key",
     "REQUEST comes from `cluster bootstrap`. The member's quote is appraised under the signed\n"
     "manifest. A key never endorses two seeds for one epoch (KEY.ledger).",
     ete_endorse_options, ete_endorse},
    {"ete", "succeed", "", 0, 0, "replace keys of the ETE, signed by one of those in force",
     "The first key holder says what changes; the others sign the same file. The perimeter's id\n"
     "stays.",
     ete_succeed_options, ete_succeed},
    {"perimeter", "bundle", "FILE", 1, 1, "put root, manifest and endorsement into one file",
     "The file is what members and nodes are given, and what others verify.",
     perimeter_bundle_options, perimeter_bundle},
    {"perimeter", "verify", "FILE", 1, 1, "verify a bundle against the pinned id, offline",
     "Refuses what is older than what was seen before.", perimeter_verify_options,
     perimeter_verify},
    {"perimeter", "diff", "OLD NEW", 2, 2, "show what changes between two manifests",
     "Each is a text, a signed manifest or a bundle. Signatures are not looked at.", NULL,
     perimeter_diff},
    {"perimeter", "show", "[FILE]", 0, 1, "show the perimeter in force, or the one in a bundle",
     "What a member shows is verified against the pinned id like a stranger's file.",
     perimeter_show_options, perimeter_show},
    {"perimeter", "apply", "[MANIFEST]", 0, 1, "bring signed documents into force",
     "A signed manifest, an endorsement, or both; with a succession all that the new keys signed.\n"
     "A manifest takes effect only when the coordinator has all reference sets that it names.",
     perimeter_apply_options, perimeter_apply},
    {"policy", "learn", "", 0, 0, "make a policy of what good boots show",
     "Events and Secure Boot of the first --from, files of all. The quotes and logs are checked.\n"
     "Look at the text before you trust it: it allows whatever ran there.",
     policy_learn_options, policy_learn_run},
    {"policy", "predict", "", 0, 0, "make a policy for an image that was not booted yet",
     "The firmware's events come from --like, those of kernel, command line and initrd from the\n"
     "image, and the files from its initrd, from roots and from packages.",
     policy_predict_options, policy_predict_run},
    {"policy", "compile", "POLICY", 1, 1, "compile a policy's text into a reference set",
     "A manifest names the set by its digest. Says what the policy leaves open.",
     policy_compile_options, policy_compile_run},
    {"policy", "lint", "POLICY", 1, 1, "say what a policy leaves open", NULL, NULL,
     policy_lint_run},
    {"policy", "try", "POLICY EVIDENCE", 2, 2, "appraise kept evidence by a policy, offline",
     "POLICY is a text or a reference set, EVIDENCE a folder. Ends with 0 where it is accepted,\n"
     "with 3 where it is refused, every reason shown, and with 1 where it cannot be read.",
     policy_try_options, policy_try_run},
    {"policy", "diff", "OLD NEW", 2, 2, "show how two policies differ, and for which hosts",
     "Each is a text or a compiled set; texts are compared by their statements, which -v shows. "
     "For\n"
     "each host it says newly-accepted, newly-refused (and why), unchanged, or unknown where its\n"
     "evidence does not show what a policy judges. Ends with 0 whatever the difference.",
     policy_diff_options, policy_diff_run},
    {"policy", "stage", "NAME SET", 2, 2, "name a set in a manifest: appraised, not enforced",
     "SET is a policy's text, a compiled set or its digest. Nodes are appraised by it besides, "
     "and\n"
     "`node get` says what would come of it.",
     policy_stage_options, policy_stage},
    {"policy", "enable", "NAME SET", 2, 2, "name a set in a manifest: hosts may be as it says",
     "Beside the sets that are enforced already: a host has to fit one of them. Nodes are "
     "appraised\n"
     "again at their next renewals.",
     policy_enable_options, policy_enable},
    {"policy", "rollback", "NAME SET", 2, 2, "take a set out of a manifest again", NULL,
     policy_stage_options, policy_rollback},
    {"policy", "upload", "FILE...", 1, ARGUMENT_COUNT_MAX,
     "give the coordinator reference sets that a manifest is to name",
     "Each is a reference set, or a policy's text. Prints their digests. What was interrupted "
     "goes\n"
     "on where it stopped; what is there already is not sent again.",
     NULL, policy_upload},
    {"policy", "list", "", 0, 0, "list the reference sets, and the policies that name them",
     "STATE is complete, uploading, or missing where the manifest names one that is not there.\n"
     "ACCEPTS and REFUSES count the nodes that a staged set would; `node get` says why.",
     NULL, policy_list},
    {"policy", "download", "DIGEST", 1, 1, "get a reference set, to appraise hosts by oneself",
     "What comes is compared with the digest.", policy_download_options, policy_download},
    {"cluster", "bootstrap", "", 0, 0, "start a cluster in its first member",
     "On that member's machine. Without --endorsement the member makes the seed and writes the\n"
     "request for the ETE; with it the cluster starts.",
     bootstrap_options, cluster_bootstrap},
    {"cluster", "status", "", 0, 0, "show how one member sees the cluster", NULL, NULL,
     cluster_status},
    {"cluster", "members", "", 0, 0, "list the members", NULL, NULL, cluster_members},
    {"cluster", "step-down", "", 0, 0, "make the leader hand over the leadership", NULL, NULL,
     cluster_step_down},
    {"node", "list", "", 0, 0, "list the nodes", NULL, NULL, node_list},
    {"node", "get", "NAME", 1, 1, "show one node, or keep what it shows",
     "With --save-evidence for operators and auditors: quote, keys and whole logs, as far as the\n"
     "node's policy needs them, for `policy try` and `policy learn`. A node whose registrations "
     "are\n"
     "refused shows them at its next attempt. Ends with 2 where the node has no connection, with "
     "6\n"
     "where it showed nothing within --timeout.",
     node_get_options, node_get},
    {"node", "explain", "NAME", 1, 1, "why a node is not trusted, and what would make it so",
     "Which file, event or PCR it is about, what was expected and what was seen, by which check,\n"
     "and the line of the policy that would accept it. Ends with 3 where it is not trusted.",
     NULL, node_explain},
    {"node", "cordon", "NAME", 1, 1, "give the node no more VMs", NULL, NULL, node_cordon},
    {"node", "uncordon", "NAME", 1, 1, "give the node VMs again", NULL, NULL, node_uncordon},
    {"node", "revoke", "NAME", 1, 1, "take a node out of the perimeter, now",
     "No key goes to it any more; its VMs are paused, moved or stopped by their policies.",
     node_revoke_options, node_revoke},
    {"node", "replace", "NAME", 1, 1, "write new hardware under an old name into a manifest",
     "Edits the manifest's text in place for the next version: the node's `ek`, and `replaces` "
     "with\n"
     "the one that it had. Nothing is replaced before enough keys have signed that and it is "
     "applied.",
     node_replace_options, node_replace},
    {"user", "new", "NAME", 1, 1, "make a key for a user", NULL, user_new_options, user_new},
    {"user", "enroll", "", 0, 0, "get a certificate for the identity's key",
     "The manifest or an operator must have named the key.", NULL, user_enroll},
    {"user", "add", "NAME", 1, 1, "let a user in", NULL, user_add_options, user_add},
    {"user", "list", "", 0, 0, "list the users", NULL, NULL, user_list},
    {"user", "remove", "NAME", 1, 1, "shut a user out", NULL, NULL, user_remove},
    {"audit", "note", "TEXT", 1, 1, "write a note into the audit log", NULL, NULL, audit_note},
    {"image", "seal", "RAW", 1, 1, "encrypt a raw disk image under a fresh key, and sign it",
     "Writes DIR: the encrypted disk, kernel and initrd, each named by its SHA-256; the manifest,\n"
     "its signature by --identity, and the VM's key. All but the key may be published.",
     image_seal_options, image_seal},
    {"image", "inspect", "DIR", 1, 1, "show what a sealed image's manifest says", NULL, NULL,
     image_inspect},
    {"image", "verify", "DIR", 1, 1, "verify a sealed image's signature and files, offline",
     "Ends with 3 where anything does not hold.", image_verify_options, image_verify},
    {"vm", "launch", "DIR", 1, 1, "launch a VM from a sealed image",
     "Verifies the perimeter against the pinned id, seals the VM's key and policy to its endorsed\n"
     "coordinator, and asks for the launch. With --wait until the VM runs and that was proved;\n"
     "writes DIR/NAME.launch and DIR/NAME.proof.",
     vm_launch_options, vm_launch},
    {"vm", "proof", "get|verify FILE...", 2, ARGUMENT_COUNT_MAX,
     "get the proof of the node where a VM runs, or verify offline",
     "FILE is the NAME.launch or NAME.proof that `vm launch` wrote. `verify` asks nobody, and "
     "ends\n"
     "with 3 where anything does not hold.",
     vm_proof_options, vm_proof},
    {"vm", "list", "", 0, 0, "list the VMs; a customer sees its own", NULL, vm_list_options,
     vm_list},
    {"vm", "get", "NAME|ID", 1, 1, "show one VM", NULL, NULL, vm_get},
    {"vm", "migrate", "NAME|ID", 1, 1, "move a running VM to another node",
     "Its policy must allow it; its owner and operators may ask. With --wait until it runs there;\n"
     "ends with 1 where it was not moved, with 6 where that is not decided within --timeout.",
     vm_migrate_options, vm_migrate},
    {"vm", "stop", "NAME|ID", 1, 1, "stop a VM", NULL, NULL, vm_stop},
    {"vm", "delete", "NAME|ID", 1, 1, "delete a VM that is stopped or lost, for good", NULL, NULL,
     vm_delete},
    {"status", NULL, "", 0, 0, "show everything at a glance", NULL, NULL, status_run},
    {"config", NULL, "", 0, 0, "show the settings in force", NULL, NULL, config_run},
    {"completion", NULL, "SHELL", 1, 1, "print completion for bash, zsh or fish", NULL, NULL,
     completion_run},
    {"help", NULL, "[NOUN [VERB]]", 0, 2, "show help", NULL, help_options, help_run},
    {"version", NULL, "", 0, 0, "show the version of this program", NULL, NULL, version_run},
};
const size_t command_count = sizeof commands / sizeof commands[0];

static const struct option_spec *find_in(const struct option_spec *options, const char *name,
                                         size_t length)
{
    for (; options && options->name; options++) {
        if (strlen(options->name) == length && memcmp(options->name, name, length) == 0) {
            return options;
        }
    }
    return NULL;
}

const struct option_spec *option_find(const struct command *command, const char *name,
                                      size_t length)
{
    const struct option_spec *found = command ? find_in(command->options, name, length) : NULL;

    return found ? found : find_in(common_options, name, length);
}

static const struct option_spec *find_letter_in(const struct option_spec *options, char letter)
{
    for (; options && options->name; options++) {
        if (options->letter == letter) {
            return options;
        }
    }
    return NULL;
}

const struct option_spec *option_find_letter(const struct command *command, char letter)
{
    const struct option_spec *found = command ? find_letter_in(command->options, letter) : NULL;

    return found ? found : find_letter_in(common_options, letter);
}

bool noun_exists(const char *noun)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0) {
            return true;
        }
    }
    return false;
}

const struct command *command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->noun, noun) == 0 &&
            (verb && command->verb ? strcmp(command->verb, verb) == 0 : verb == command->verb)) {
            return command;
        }
    }
    return NULL;
}
