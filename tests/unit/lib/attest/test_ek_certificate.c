#include "lib/attest/ek_certificate.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_ca.h"

static enum status check(struct view certificate, const struct soft_key *ek, struct view ca,
                         uint64_t now_s, struct refusal *refusal)
{
    struct tpm_public public_area;

    assert_ok(tpm_public_parse(soft_key_public(ek), &public_area));
    return ek_certificate_check(certificate, &public_area, &ca, 1, now_s, refusal);
}

static void certificate_outside_the_profile_is_refused(void **state)
{
    static const struct {
        const char *what;
        struct soft_recipe recipe;
    } wrong[] = {
        {"no extended key usage",
         {NULL, "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", "v", false, NULL}},
        {"platform certificate",
         {"2.23.133.8.2", "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", "v", false,
          NULL}},
        {"a CA",
         {"2.23.133.8.1", "critical,keyEncipherment,keyCertSign", "critical,CA:TRUE", "id:1", "m",
          "v", false, NULL}},
        {"a CA that may not sign",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:TRUE", "id:1", "m", "v", false,
          NULL}},
        {"signs certificates",
         {"2.23.133.8.1", "critical,keyEncipherment,keyCertSign", "critical,CA:FALSE", "id:1", "m",
          "v", false, NULL}},
        {"no key usage",
         {"2.23.133.8.1", NULL, "critical,CA:FALSE", "id:1", "m", "v", false, NULL}},
        {"key usage of an ECC key",
         {"2.23.133.8.1", "critical,keyAgreement", "critical,CA:FALSE", "id:1", "m", "v", false,
          NULL}},
        {"no manufacturer",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", NULL, "m", "v", false,
          NULL}},
        {"no version",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", NULL, false,
          NULL}},
        {"no alternative name",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", NULL, NULL, NULL, false,
          NULL}},
    };
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    struct refusal refusal = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        OWN(bytes) struct bytes der = soft_ca_issue(&wrong[i].recipe, &ek, &ca);

        if (check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal) !=
                STATUS_REFUSED ||
            refusal.code != REFUSAL_EK_CERTIFICATE) {
            fail_msg("%s: %s", wrong[i].what, refusal_name(refusal.code));
        }
    }
}

static void certificate_of_another_ca_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca)
    struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S), same_name = soft_ca_new(EVIDENCE_NOW_S);
    OWN(bytes) struct bytes der = soft_ca_issue(&soft_recipe_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    assert_ok(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal));
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&same_name.der), EVIDENCE_NOW_S, &refusal), refusal,
        REFUSAL_EK_CHAIN);
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&files.cas[0]), EVIDENCE_NOW_S, &refusal), refusal,
        REFUSAL_EK_CHAIN);
}

static void certificate_without_any_ca_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(bytes) struct bytes der = soft_ca_issue(&soft_recipe_rsa, &ek, &ca);
    struct tpm_public public_area;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &public_area));
    assert_refused(
        ek_certificate_check(bytes_view(&der), &public_area, NULL, 0, EVIDENCE_NOW_S, &refusal),
        refusal, REFUSAL_EK_CHAIN);
}

/* Were an EK certificate listed as a CA by mistake, it would not vouch for itself. */
static void certificate_does_not_vouch_for_itself(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    struct soft_recipe self = soft_recipe_rsa;
    OWN(bytes) struct bytes der = {0};
    struct refusal refusal;

    (void)state;
    self.self_signed = true;
    der = soft_ca_issue(&self, &ek, &ca);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void sha1_signature_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    struct soft_recipe weak = soft_recipe_rsa;
    OWN(bytes) struct bytes der = {0};
    struct refusal refusal;

    (void)state;
    weak.hash = EVP_sha1();
    der = soft_ca_issue(&weak, &ek, &ca);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void certificate_outside_its_dates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(bytes) struct bytes der = soft_ca_issue(&soft_recipe_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S + 2 * 86400, &refusal),
        refusal, REFUSAL_CERTIFICATE_EXPIRED);
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S - 2 * 86400, &refusal),
        refusal, REFUSAL_NOT_YET_VALID);
}

static void certificate_for_another_key_is_refused(void **state)
{
    static const enum soft_kind kinds[] = {SOFT_RSA, SOFT_P256, SOFT_P384};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key ek = soft_ek_new(kinds[i]);
        OWN(soft_key) struct soft_key other = soft_ek_new(kinds[i]);
        OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
        struct soft_recipe recipe = soft_recipe_rsa;
        OWN(bytes) struct bytes der = {0};
        struct refusal refusal;

        recipe.key_usage =
            kinds[i] == SOFT_RSA ? "critical,keyEncipherment" : "critical,keyAgreement";
        der = soft_ca_issue(&recipe, &ek, &ca);
        assert_ok(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal));
        assert_refused(
            check(bytes_view(&der), &other, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal), refusal,
            REFUSAL_EK_MISMATCH);
    }
}

static void public_area_outside_the_templates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    struct tpm_public good, changed;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &good));
    assert_ok(ek_template_check(&good, &refusal));
    changed = good;
    changed.attributes ^= TPM_OBJECT_RESTRICTED;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.policy.bytes[0] ^= 1;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.symmetric.key_bits = 256;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.scheme = TPM_ALGORITHM_RSASSA;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.name_algorithm = TPM_ALGORITHM_SHA384;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.rsa.exponent = 3;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.rsa.bits = 3072;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
}

/* A key that may sign, too, could sign what looks like the TPM's word: its certificate does not
 * help. */
static void certified_key_outside_the_templates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(bytes) struct bytes der = soft_ca_issue(&soft_recipe_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    ek.public_area[5] |= TPM_OBJECT_SIGN >> 16;
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_MISMATCH);
}

static void certificate_with_trailing_bytes_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(bytes) struct bytes der = soft_ca_issue(&soft_recipe_rsa, &ek, &ca);
    OWN(bytes) struct bytes longer = {calloc(1, der.size + 1), der.size + 1};
    struct refusal refusal;

    (void)state;
    memcpy(longer.data, der.data, der.size);
    assert_refused(check(bytes_view(&longer), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
    assert_refused(check((struct view){der.data, der.size - 1}, &ek, bytes_view(&ca.der),
                         EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
}

static void captured_certificate_is_accepted_under_its_ca_alone(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct view both[] = {bytes_view(&files.cas[0]), bytes_view(&files.cas[1])};
    struct refusal refusal;
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ek_public), &ek));
    assert_ok(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, both, 2, EVIDENCE_NOW_S,
                                   &refusal));
    /* The issuer alone suffices; the root alone does not, for nobody brings the issuer. */
    assert_ok(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, &both[1], 1,
                                   EVIDENCE_NOW_S, &refusal));
    assert_refused(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, &both[0], 1,
                                        EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void certificate_of_the_other_kind_of_the_same_tpm_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(bytes) struct bytes p256 = vector_load("evidence/good/ek_p256.crt");
    OWN(bytes) struct bytes platform = vector_load("evidence/good/platform.crt");
    struct view both[] = {bytes_view(&files.cas[0]), bytes_view(&files.cas[1])};
    struct refusal refusal;
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ek_public), &ek));
    assert_refused(ek_certificate_check(bytes_view(&p256), &ek, both, 2, EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
    assert_refused(
        ek_certificate_check(bytes_view(&platform), &ek, both, 2, EVIDENCE_NOW_S, &refusal),
        refusal, REFUSAL_EK_CERTIFICATE);
}

static void authorities_taken_apart_once_decide_as_those_that_were_not(void **state)
{
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(soft_ca) struct soft_ca stranger = soft_ca_new(EVIDENCE_NOW_S);
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_P256);
    OWN(bytes) struct bytes good = soft_ca_issue(&soft_recipe_ecc, &ek, &ca);
    OWN(bytes) struct bytes foreign = soft_ca_issue(&soft_recipe_ecc, &ek, &stranger);
    OWN(ek_authorities) struct ek_authorities *authorities = NULL;
    const struct view der = bytes_view(&ca.der);
    struct tpm_public public_area;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &public_area));
    assert_ok(ek_authorities_new(&der, 1, &authorities));
    /* The time is the check's, not the one at which they were taken apart. */
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(ek_certificate_check_by(bytes_view(&good), &public_area, authorities,
                                          EVIDENCE_NOW_S, &refusal));
        assert_refused(ek_certificate_check_by(bytes_view(&good), &public_area, authorities,
                                               EVIDENCE_NOW_S + 2 * 86400, &refusal),
                       refusal, REFUSAL_CERTIFICATE_EXPIRED);
        assert_refused(ek_certificate_check_by(bytes_view(&good), &public_area, authorities,
                                               EVIDENCE_NOW_S - 2 * 86400, &refusal),
                       refusal, REFUSAL_NOT_YET_VALID);
        assert_refused(ek_certificate_check_by(bytes_view(&foreign), &public_area, authorities,
                                               EVIDENCE_NOW_S, &refusal),
                       refusal, REFUSAL_EK_CHAIN);
    }
}

static void authorities_with_one_that_is_no_certificate_accept_nothing(void **state)
{
    OWN(soft_ca) struct soft_ca ca = soft_ca_new(EVIDENCE_NOW_S);
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_P256);
    OWN(bytes) struct bytes good = soft_ca_issue(&soft_recipe_ecc, &ek, &ca);
    OWN(ek_authorities) struct ek_authorities *authorities = NULL;
    const struct view cas[] = {bytes_view(&ca.der), view_string("no certificate")};
    struct tpm_public public_area;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &public_area));
    assert_ok(ek_authorities_new(cas, 2, &authorities));
    assert_refused(ek_certificate_check_by(bytes_view(&good), &public_area, authorities,
                                           EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorities_taken_apart_once_decide_as_those_that_were_not),
        cmocka_unit_test(authorities_with_one_that_is_no_certificate_accept_nothing),
        cmocka_unit_test(certificate_outside_the_profile_is_refused),
        cmocka_unit_test(certificate_of_another_ca_is_refused),
        cmocka_unit_test(certificate_without_any_ca_is_refused),
        cmocka_unit_test(certificate_does_not_vouch_for_itself),
        cmocka_unit_test(sha1_signature_is_refused),
        cmocka_unit_test(certificate_outside_its_dates_is_refused),
        cmocka_unit_test(certificate_for_another_key_is_refused),
        cmocka_unit_test(public_area_outside_the_templates_is_refused),
        cmocka_unit_test(certified_key_outside_the_templates_is_refused),
        cmocka_unit_test(certificate_with_trailing_bytes_is_refused),
        cmocka_unit_test(captured_certificate_is_accepted_under_its_ca_alone),
        cmocka_unit_test(certificate_of_the_other_kind_of_the_same_tpm_is_refused),
    };
    return cmocka_run_group_tests_name("ek_certificate", tests, NULL, NULL);
}
