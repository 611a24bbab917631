#include "cli/identity.h"

#include "cli/files.h"
#include "cli/passphrase.h"
#include "cli/settings.h"

#include "lib/crypto/x509.h"

#include <limits.h>
#include <stdio.h>

/* A bare certificate serves one connection; clocks may differ. */
enum { BARE_VALIDITY_S = 600 };

void identity_free(struct identity *identity)
{
    if (identity->key) {
        private_key_free(identity->key);
    }
    bytes_free(&identity->certificate);
}

static enum exit_code certificate_path(const struct cli *cli, const struct identity *identity,
                                       char ret_path[PATH_MAX])
{
    return snprintf(ret_path, PATH_MAX, "%s.crt", identity->path) < PATH_MAX
               ? EXIT_DONE
               : report_usage(cli, "the path %s is too long", identity->path);
}

enum exit_code identity_load(const struct cli *cli, bool bare, struct identity *ret_identity)
{
    const char *path = setting_identity(cli);
    char certificate[PATH_MAX];
    enum exit_code exit_code;

    if (!path) {
        return report(cli, EXIT_USAGE,
                      "give --identity, set TCCP_IDENTITY, or write it into the context; `tccpctl "
                      "user new` makes one",
                      "no identity is given: the file of your private key");
    }
    (void)snprintf(ret_identity->path, sizeof ret_identity->path, "%s", path);
    exit_code = certificate_path(cli, ret_identity, certificate);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!bare && !file_exists(certificate)) {
        return report(cli, EXIT_DENIED, "run `tccpctl user enroll`",
                      "no certificate was issued for %s yet", path);
    }
    exit_code = key_load(cli, path, &ret_identity->key);
    if (exit_code != EXIT_DONE || !bare) {
        return exit_code == EXIT_DONE
                   ? file_load(cli, certificate, CERTIFICATE_SIZE_MAX, &ret_identity->certificate)
                   : exit_code;
    }
    return certificate_make_bare(ret_identity->key, now_s() - BARE_VALIDITY_S,
                                 now_s() + BARE_VALIDITY_S, &ret_identity->certificate) == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "make a certificate", STATUS_CRYPTO);
}

enum exit_code identity_store_certificate(const struct cli *cli, const struct identity *identity,
                                          struct view certificate)
{
    char path[PATH_MAX];
    enum exit_code exit_code = certificate_path(cli, identity, path);

    return exit_code == EXIT_DONE ? file_store(cli, path, 0644, certificate) : exit_code;
}
