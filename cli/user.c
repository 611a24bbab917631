/* `user`: keys of people, and who they are to the coordinator. `audit note`. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "cli/perimeter.h"
#include "cli/session.h"
#include "cli/settings.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/crypto/x509.h"

#include <limits.h>
#include <stdio.h>

enum exit_code user_new(struct cli *cli)
{
    static const struct column columns[] = {{"FILE", "file", false},
                                            {"KEY ID", "key_id", false},
                                            {"PUBLIC KEY", "public_key", false},
                                            {NULL, NULL, false}};
    OWN(private_key) struct private_key *key = NULL;
    OWN(value) struct value *object = value_object();
    const char *name = argument_at(cli, 0), *out = option_value(cli, "out");
    char path[PATH_MAX], file_name[NAME_MAX], text[BASE64_SIZE(SPKI_SIZE_MAX)];
    struct digest key_id;
    enum exit_code exit_code;

    if (!manifest_name_is_valid(name)) {
        return report_usage(cli, "%s is no name: 1 to %d letters, digits, '-', '_', '.'", name,
                            MANIFEST_NAME_LENGTH_MAX);
    }
    (void)snprintf(file_name, sizeof file_name, "%s.key", name);
    if (out) {
        (void)snprintf(path, sizeof path, "%s", out);
    } else if (path_of_config(file_name, sizeof path, path)) {
        folders_make(path);
    } else {
        return report_usage(cli, "there is no home folder: give --out");
    }
    if (private_key_generate(KEY_ECDSA_P256, &key) != STATUS_OK) {
        return report_status(cli, "make a key", STATUS_CRYPTO);
    }
    exit_code = key_store(cli, path, key);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    key_id = sha256(private_key_spki(key));
    base64_encode(private_key_spki(key), text);
    value_set_string(object, "file", path);
    value_set_hex(object, "key_id", digest_view(&key_id));
    value_set_string(object, "public_key", text);
    note(cli,
         "The public key goes into the manifest, or to an operator: `tccpctl user add %s "
         "--role ROLE --public-key FILE.pub`.",
         name);
    return output_object(cli, object, columns);
}

/* --- user enroll --- */

/* A certificate is kept only when it is ours: for our key, under the authority that was verified.
 */
static enum exit_code certificate_verify(const struct cli *cli, const struct session *session,
                                         struct view der, struct certificate *ret_certificate)
{
    const struct cluster_trust *trust = session_trust(session);
    const struct identity *identity = session_identity(session);
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct scope scope;
    enum status status;

    if (!trust ||
        public_key_parse(perimeter_key_view(&trust->endorsement.tc_sign), &tc_sign) != STATUS_OK) {
        return report(cli, EXIT_UNTRUSTED, "", "the coordinator was not verified");
    }
    scope = (struct scope){trust->root.id, trust->endorsement.epoch};
    status = certificate_check(der, tc_sign, &scope, now_s(), ret_certificate, &refusal);
    if (status == STATUS_OK &&
        !view_equal(certificate_spki(ret_certificate), private_key_spki(identity->key))) {
        status = refuse(&refusal, REFUSAL_KEY_POSSESSION, "the certificate is for another key");
    }
    return status == STATUS_OK
               ? EXIT_DONE
               : report_either(cli, "keep the certificate that was issued", status, &refusal);
}

enum exit_code user_enroll(struct cli *cli)
{
    static const struct column columns[] = {{"NAME", "name", false},
                                            {"ROLE", "role", false},
                                            {"VALID UNTIL", "not_after", false},
                                            {NULL, NULL, false}};
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__Enroll enroll = TCCP__ENROLL__INIT;
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = value_object();
    struct certificate certificate;
    enum exit_code exit_code = session_open(cli, true, &session);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_ENROLL;
    request.enroll = &enroll;
    exit_code = session_ask(session, SESSION_READ, "enroll", &request, &response);
    if (exit_code == EXIT_DONE && response->kind_case != TCCP__ADMIN_RESPONSE__KIND_ENROLLED) {
        exit_code = report(cli, EXIT_FAILED, "", "cannot enroll: the answer is of another kind");
    }
    if (exit_code == EXIT_DONE) {
        exit_code = certificate_verify(cli, session, protobuf_view(response->enrolled->certificate),
                                       &certificate);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = identity_store_certificate(cli, session_identity(session),
                                               protobuf_view(response->enrolled->certificate));
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    value_set_string(object, "name", certificate.subject);
    value_set_string(object, "role", certificate_role_name(certificate.role));
    value_set_time(object, "not_after", certificate.not_after_s);
    return output_object(cli, object, columns);
}

/* --- user add, list, remove --- */

enum exit_code user_add(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__UserAdd add;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(public_key) struct public_key *key = NULL;
    const char *role = option_value(cli, "role"), *path = option_value(cli, "public-key");
    enum exit_code exit_code;

    if (!role || !path) {
        return report_usage(cli, "--role and --public-key are needed");
    }
    exit_code = public_key_load(cli, path, &key);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    tccp__user_add__init(&add);
    add.name = protobuf_string(argument_at(cli, 0));
    add.role = protobuf_string(role);
    add.key = protobuf_data(public_key_spki(key));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_USER_ADD;
    request.user_add = &add;
    exit_code = ask_once(cli, SESSION_CHANGE, "add the user", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}

enum exit_code user_list(struct cli *cli)
{
    static const struct column columns[] = {{"NAME", "name", false},
                                            {"ROLE", "role", false},
                                            {"FROM MANIFEST", "from_manifest", false},
                                            {"KEY ID", "key_id", true},
                                            {NULL, NULL, false}};
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__UsersList users = TCCP__USERS_LIST__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_USERS_LIST;
    request.users_list = &users;
    exit_code = ask_once(cli, SESSION_READ, "list the users", &request,
                         TCCP__ADMIN_RESPONSE__KIND_USERS, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->users->n_users; i++) {
        const Tccp__UserStatus *user = response->users->users[i];
        struct value *object = value_object();

        value_set_string(object, "name", user->name);
        value_set_string(object, "role", user->role);
        value_set_bool(object, "from_manifest", user->from_manifest);
        value_set_hex(object, "key_id", protobuf_view(user->key_id));
        value_add(list, object);
    }
    return output_list(cli, list, columns);
}

enum exit_code user_remove(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__UserRemove remove_request;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    tccp__user_remove__init(&remove_request);
    remove_request.name = protobuf_string(argument_at(cli, 0));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_USER_REMOVE;
    request.user_remove = &remove_request;
    exit_code = ask_once(cli, SESSION_CHANGE, "remove the user", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}

enum exit_code audit_note(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__AuditNote message;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    tccp__audit_note__init(&message);
    message.text = protobuf_string(argument_at(cli, 0));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE;
    request.audit_note = &message;
    exit_code = ask_once(cli, SESSION_CHANGE, "write the note", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}
