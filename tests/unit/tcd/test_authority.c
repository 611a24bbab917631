/* Against a real, emulated TPM. */
#include "tcd/authority.h"

#include "lib/crypto/kdf.h"
#include "lib/crypto/sign.h"
#include "lib/protocol/sealing.h"
#include "tcd/seed_store.h"
#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASK = 1 << AUTHORITY_CAP_PCR | 0xff, FILE_SIZE_MAX = 1 << 16 };

static const uint8_t seed_bytes[CLUSTER_SEED_SIZE] = "32 bytes that no other file has.";
static const uint8_t fresh[HPKE_ENTROPY_SIZE] = "entropy of one sealing, not more";

static struct scope scope_of(uint8_t perimeter, uint64_t epoch)
{
    struct scope scope = {.epoch = epoch};

    memset(scope.perimeter_id.bytes, perimeter, SHA256_SIZE);
    return scope;
}

static struct authority *authority_of(uint8_t perimeter, uint64_t epoch)
{
    struct scope scope = scope_of(perimeter, epoch);
    struct authority *authority;

    assert_ok(authority_create(&scope, VIEW_OF_ARRAY(seed_bytes), &authority));
    return authority;
}

struct fixture {
    char folder[SWTPM_PATH_SIZE], store[SWTPM_PATH_SIZE + 8];
    struct swtpm swtpm;
    struct tpm *tpm;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    (void)snprintf(fixture->store, sizeof fixture->store, "%s/store", fixture->folder);
    assert_int_equal(mkdir(fixture->store, 0700), 0);
    swtpm_new(fixture->folder, "member", "p256", &fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    tpm_close(fixture->tpm);
    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

/* The derivation as the header documents it, written a second time: what was derived once must be
 * derived for ever. */
static struct private_key *documented_key(const char *tag, const struct scope *scope)
{
    struct canonical salt_input = canonical_begin("tccp-cluster-seed", scope);
    struct canonical info_input = canonical_begin(tag, scope);
    struct digest salt = canonical_hash(&salt_input);
    struct digest prk = hkdf_extract(digest_view(&salt), VIEW_OF_ARRAY(seed_bytes));
    uint8_t material[32];
    struct private_key *key;
    struct bytes info;

    assert_ok(canonical_take(&info_input, &info));
    hkdf_expand(&prk, bytes_view(&info), material, sizeof material);
    assert_ok(private_key_derive_p256(VIEW_OF_ARRAY(material), &key));
    bytes_free(&info);
    return key;
}

static void keys_are_derived_as_documented(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    const struct scope *scope = authority_scope(authority);
    OWN(private_key) struct private_key *tc_sign = documented_key("tccp-tc-sign", scope);
    OWN(private_key) struct private_key *tc_kem = documented_key("tccp-tc-kem", scope);
    uint8_t point[P256_POINT_SIZE];

    (void)state;
    private_key_point(tc_kem, point);
    assert_ok(authority_require_keys(authority, private_key_spki(tc_sign), VIEW_OF_ARRAY(point)));
}

static void another_seeds_keys_are_not_accepted(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    OWN(authority) struct authority *other_epoch = authority_of(1, 8);
    OWN(authority) struct authority *other_perimeter = authority_of(2, 7);

    (void)state;
    assert_status(authority_require_keys(authority, authority_tc_sign_public(other_epoch),
                                         authority_tc_kem_point(authority)),
                  STATUS_UNTRUSTED);
    assert_status(authority_require_keys(authority, authority_tc_sign_public(authority),
                                         authority_tc_kem_point(other_perimeter)),
                  STATUS_UNTRUSTED);
}

static void only_canonical_inputs_of_its_scope_are_signed(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    const struct {
        const char *tag;
        struct scope scope;
        enum status expected;
    } cases[] = {
        {"tccp-tree-head", scope_of(1, 7), STATUS_OK},
        {"tccp-tree-head", scope_of(1, 6), STATUS_DENIED},
        {"tccp-tree-head", scope_of(2, 7), STATUS_DENIED},
        {"another-purpose", scope_of(1, 7), STATUS_DENIED},
    };
    OWN(bytes) struct bytes none = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct canonical canonical = canonical_begin(cases[i].tag, &cases[i].scope);
        OWN(bytes) struct bytes message = {0};
        OWN(bytes) struct bytes signature = {0};
        OWN(public_key) struct public_key *key = NULL;

        canonical_number(&canonical, 1);
        assert_ok(canonical_take(&canonical, &message));
        assert_status(authority_sign(authority, bytes_view(&message), &signature),
                      cases[i].expected);
        if (cases[i].expected == STATUS_OK) {
            assert_ok(public_key_parse(authority_tc_sign_public(authority), &key));
            assert_ok(signature_check(key, bytes_view(&message), bytes_view(&signature)));
        }
    }
    assert_status(authority_sign(authority, (struct view){0}, &none), STATUS_DENIED);
    /* The start of a certificate. */
    assert_status(authority_sign(authority, view_string("\x30\x82\x01\x00 and so on"), &none),
                  STATUS_DENIED);
}

static void certificates_are_of_its_own_scope(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    OWN(private_key) struct private_key *key = NULL;
    OWN(public_key) struct public_key *tc_sign = NULL;
    OWN(bytes) struct bytes der = {0};
    struct certificate content = {.role = ROLE_NODE,
                                  .scope = scope_of(9, 9),
                                  .subject = "node-1",
                                  .serial = {1},
                                  .serial_size = 1,
                                  .registration_id = 5,
                                  .not_before_s = 1000,
                                  .not_after_s = 2000};
    struct certificate read;
    struct refusal refusal;

    (void)state;
    assert_ok(private_key_generate(KEY_ECDSA_P256, &key));
    memcpy(content.spki, private_key_spki(key).data, private_key_spki(key).size);
    content.spki_size = private_key_spki(key).size;
    assert_ok(authority_issue_certificate(authority, &content, &der));
    assert_ok(public_key_parse(authority_tc_sign_public(authority), &tc_sign));
    assert_ok(certificate_check(bytes_view(&der), tc_sign, authority_scope(authority), 1500, &read,
                                &refusal));
    assert_int_equal(read.registration_id, 5);
}

static void the_seed_opens_only_for_whom_and_where_it_was_sealed(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    OWN(private_key) struct private_key *tk_kem = NULL;
    OWN(private_key) struct private_key *other = NULL;
    OWN(authority) struct authority *joined = NULL;
    OWN(bytes) struct bytes sealed = {0};
    struct view aad = view_string("registration 4");
    struct scope scope = scope_of(1, 7), older = scope_of(1, 6), elsewhere = scope_of(2, 7);
    struct authority *none;
    uint8_t point[P256_POINT_SIZE];

    (void)state;
    assert_ok(private_key_generate(KEY_ECDSA_P256, &tk_kem));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &other));
    private_key_point(tk_kem, point);
    assert_ok(authority_seal_seed_for(authority, VIEW_OF_ARRAY(point), aad, VIEW_OF_ARRAY(fresh),
                                      &sealed));
    assert_status(authority_of_sealed(&scope, other, aad, bytes_view(&sealed), &none),
                  STATUS_UNTRUSTED);
    assert_status(authority_of_sealed(&older, tk_kem, aad, bytes_view(&sealed), &none),
                  STATUS_UNTRUSTED);
    assert_status(authority_of_sealed(&elsewhere, tk_kem, aad, bytes_view(&sealed), &none),
                  STATUS_UNTRUSTED);
    assert_status(authority_of_sealed(&scope, tk_kem, view_string("registration 5"),
                                      bytes_view(&sealed), &none),
                  STATUS_UNTRUSTED);
    assert_ok(authority_of_sealed(&scope, tk_kem, aad, bytes_view(&sealed), &joined));
    assert_ok(authority_require_keys(joined, authority_tc_sign_public(authority),
                                     authority_tc_kem_point(authority)));
}

/* What a ticket's opening reported. */
struct opening {
    unsigned calls;
    enum status status;
    struct secret plaintext;
};

static void opening_take(void *argument, enum status status, struct secret *plaintext)
{
    struct opening *opening = argument;

    opening->calls++;
    opening->status = status;
    if (plaintext) {
        opening->plaintext = TAKE(*plaintext);
    }
}

static void a_ticket_opens_only_with_its_manifest_in_its_perimeter_and_epoch(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    struct digest manifest = sha256(view_string("manifest"));
    struct digest swapped = sha256(view_string("another manifest"));
    struct view ticket = view_string("n_U, K_VM, policy");
    const struct {
        struct scope scope;
        const struct digest *manifest;
        enum status expected;
    } cases[] = {
        {scope_of(1, 7), &manifest, STATUS_OK},
        {scope_of(1, 7), &swapped, STATUS_UNTRUSTED},
        {scope_of(1, 6), &manifest, STATUS_UNTRUSTED},
        {scope_of(2, 7), &manifest, STATUS_UNTRUSTED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(bytes) struct bytes info = {0};
        OWN(bytes) struct bytes sealed = {0};
        struct opening opening = {0};

        assert_ok(sealing_info(SEALING_TICKET, &cases[i].scope, &info));
        assert_ok(hpke_seal(authority_tc_kem_point(authority), bytes_view(&info),
                            digest_view(cases[i].manifest), ticket, fresh, &sealed));
        authority_open_ticket(authority, bytes_view(&sealed), &manifest, opening_take, &opening);
        assert_int_equal(opening.calls, 1);
        assert_status(opening.status, cases[i].expected);
        assert_true((opening.plaintext.size > 0) == (cases[i].expected == STATUS_OK));
        if (opening.plaintext.size > 0) {
            assert_true(view_equal(secret_view(&opening.plaintext), ticket));
        }
        secret_free(&opening.plaintext);
    }
}

/* A text that was sealed as a seed is no ticket, and the other way round. */
static void a_sealed_seed_is_no_ticket(void **state)
{
    OWN(authority) struct authority *authority = authority_of(1, 7);
    struct digest manifest = sha256(view_string("manifest"));
    OWN(bytes) struct bytes sealed = {0};
    struct opening opening = {0};

    (void)state;
    assert_ok(authority_seal_seed_for(authority, authority_tc_kem_point(authority),
                                      digest_view(&manifest), VIEW_OF_ARRAY(fresh), &sealed));
    authority_open_ticket(authority, bytes_view(&sealed), &manifest, opening_take, &opening);
    assert_status(opening.status, STATUS_UNTRUSTED);
}

static void a_stored_seed_survives_a_reboot(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    OWN(authority) struct authority *loaded = NULL;

    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_ok(authority_cap(fixture->tpm));
    tpm_close(fixture->tpm);
    swtpm_reset(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded));
    assert_ok(authority_require_keys(loaded, authority_tc_sign_public(authority),
                                     authority_tc_kem_point(authority)));
}

static void a_stored_seed_does_not_open_after_the_cap_or_other_software(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    struct digest software = sha256(view_string("another kernel"));
    struct authority *loaded;

    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_ok(authority_cap(fixture->tpm));
    assert_status(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded),
                  STATUS_REFUSED);
    tpm_close(fixture->tpm);
    swtpm_reset(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_pcr_extend(fixture->tpm, 4, &software));
    assert_status(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded),
                  STATUS_REFUSED);
}

static void a_stored_seed_is_of_one_perimeter_and_epoch(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    struct scope other_epoch = scope_of(1, 8), other_perimeter = scope_of(2, 7);
    char from[SWTPM_PATH_SIZE + 32], to[SWTPM_PATH_SIZE + 32];
    struct authority *loaded;
    FILE *file;

    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_status(authority_load(&other_epoch, fixture->tpm, fixture->store, &loaded),
                  STATUS_NOT_FOUND);
    assert_status(authority_load(&other_perimeter, fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
    /* The head is looked at first: no TPM is needed to say so. */
    assert_ok(authority_cap(fixture->tpm));
    assert_status(authority_load(&other_perimeter, fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
    tpm_close(fixture->tpm);
    swtpm_reset(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    /* The same under another name, then with another head. */
    (void)snprintf(from, sizeof from, "%s/seed-7.sealed", fixture->store);
    (void)snprintf(to, sizeof to, "%s/seed-8.sealed", fixture->store);
    assert_int_equal(rename(from, to), 0);
    assert_status(authority_load(&other_epoch, fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
    file = fopen(to, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 8 + 4 + SHA256_SIZE + 7, SEEK_SET), 0);
    assert_int_equal(fputc(8, file), 8);
    assert_int_equal(fclose(file), 0);
    assert_status(authority_load(&other_epoch, fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
}

static void a_damaged_file_is_reported(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    char path[SWTPM_PATH_SIZE + 32];
    struct authority *loaded;
    struct stat about;

    (void)snprintf(path, sizeof path, "%s/seed-7.sealed", fixture->store);
    assert_status(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded),
                  STATUS_NOT_FOUND);
    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(truncate(path, about.st_size - 1), 0);
    assert_status(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
    assert_int_equal(truncate(path, 2 * SEED_FILE_SIZE_MAX), 0);
    assert_status(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded),
                  STATUS_MALFORMED);
}

/* RLIMIT_FSIZE stands for a full disk: the write fails in the middle. */
static void a_write_that_fails_leaves_the_old_file(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    OWN(authority) struct authority *loaded = NULL;
    struct rlimit before, tiny;
    enum status status;

    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){100, before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    status = authority_store(authority, fixture->tpm, MASK, fixture->store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_status(status, STATUS_IO);
    assert_ok(authority_load(authority_scope(authority), fixture->tpm, fixture->store, &loaded));
    assert_status(authority_store(authority, fixture->tpm, MASK, "/nonexistent"), STATUS_IO);
}

/* --- no secret on disk --- */

static void scalar_of(const char *tag, const struct scope *scope, uint8_t ret_scalar[32])
{
    OWN(private_key) struct private_key *key = documented_key(tag, scope);
    BIGNUM *number = NULL;

    assert_int_equal(
        EVP_PKEY_get_bn_param(private_key_handle(key), OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
    assert_int_equal(BN_bn2binpad(number, ret_scalar, 32), 32);
    BN_clear_free(number);
}

static void assert_nowhere_in(const char *folder, const uint8_t needle[32])
{
    char path[SWTPM_PATH_SIZE + 300];
    unsigned files = 0;
    DIR *directory = opendir(folder);
    struct dirent *entry;

    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        static uint8_t content[FILE_SIZE_MAX];
        ssize_t size;
        int fd;

        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        size = read(fd, content, sizeof content);
        close(fd);
        assert_true(size > 0 && (size_t)size < sizeof content);
        assert_null(memmem(content, (size_t)size, needle, 32));
        files++;
    }
    closedir(directory);
    assert_true(files > 0);
}

static void neither_seed_nor_key_is_in_any_file(void **state)
{
    struct fixture *fixture = *state;
    OWN(authority) struct authority *authority = authority_of(1, 7);
    uint8_t tc_sign[32], tc_kem[32];

    scalar_of("tccp-tc-sign", authority_scope(authority), tc_sign);
    scalar_of("tccp-tc-kem", authority_scope(authority), tc_kem);
    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_ok(authority_store(authority, fixture->tpm, MASK, fixture->store));
    assert_nowhere_in(fixture->store, seed_bytes);
    assert_nowhere_in(fixture->store, tc_sign);
    assert_nowhere_in(fixture->store, tc_kem);
}

int main(void)
{
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_seeds_keys_are_not_accepted),
        cmocka_unit_test(only_canonical_inputs_of_its_scope_are_signed),
        cmocka_unit_test(the_seed_opens_only_for_whom_and_where_it_was_sealed),
        cmocka_unit_test(a_ticket_opens_only_with_its_manifest_in_its_perimeter_and_epoch),
        cmocka_unit_test(a_sealed_seed_is_no_ticket),
        cmocka_unit_test(keys_are_derived_as_documented),
        cmocka_unit_test(certificates_are_of_its_own_scope),
        WITH_TPM(a_stored_seed_does_not_open_after_the_cap_or_other_software),
        WITH_TPM(a_stored_seed_is_of_one_perimeter_and_epoch),
        WITH_TPM(a_damaged_file_is_reported),
        WITH_TPM(a_write_that_fails_leaves_the_old_file),
        WITH_TPM(neither_seed_nor_key_is_in_any_file),
        WITH_TPM(a_stored_seed_survives_a_reboot),
    };

    return cmocka_run_group_tests_name("tcd/authority", tests, NULL, NULL);
}
