/* Every field of every canonical input of registration and renewal is bound: another value, another
 * hash. */
#include "lib/protocol/inputs.h"

#include "tests/support/test.h"

#include <string.h>

static const struct scope scopes[] = {{{{1}}, 1}, {{{2}}, 1}, {{{1}}, 2}};

/* No two of the hashes are equal. */
static void assert_all_differ(const struct digest *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (digest_equal(&hashes[i], &hashes[k])) {
                fail_msg("variants %zu and %zu give the same hash", k, i);
            }
        }
    }
}

static void key_pairs_bind_both_keys(void **state)
{
    struct key_pair_view a = {view_string("sign"), view_string("kem")};
    struct digest hashes[5];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        hashes[i] = key_pair_digest(&scopes[i], a);
    }
    hashes[3] = key_pair_digest(&scopes[0], (struct key_pair_view){view_string("sig"), a.kem});
    /* The same bytes with the border elsewhere. */
    hashes[4] = key_pair_digest(&scopes[0],
                                (struct key_pair_view){view_string("signk"), view_string("em")});
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void a_challenge_binds_nonces_keys_and_connection(void **state)
{
    struct key_pair_view keys = {view_string("sign"), view_string("kem")};
    struct key_pair_view other_keys = {view_string("sign"), view_string("other")};
    struct challenge_nonces nonces = {.host = {1}, .coordinator = {2}};
    struct challenge_nonces swapped = {.host = {2}, .coordinator = {1}};
    struct challenge_nonces host = {.host = {9}, .coordinator = {2}};
    struct challenge_nonces coordinator = {.host = {1}, .coordinator = {9}};
    struct channel channel = {.exporter = {3}, .server_certificate = {{4}}};
    struct channel exporter = {.exporter = {9}, .server_certificate = {{4}}};
    struct channel certificate = {.exporter = {3}, .server_certificate = {{9}}};
    struct digest hashes[] = {
        challenge_leaf(&scopes[0], &nonces, keys, &channel),
        challenge_leaf(&scopes[1], &nonces, keys, &channel),
        challenge_leaf(&scopes[2], &nonces, keys, &channel),
        challenge_leaf(&scopes[0], &swapped, keys, &channel),
        challenge_leaf(&scopes[0], &host, keys, &channel),
        challenge_leaf(&scopes[0], &coordinator, keys, &channel),
        challenge_leaf(&scopes[0], &nonces, other_keys, &channel),
        challenge_leaf(&scopes[0], &nonces, keys, &exporter),
        challenge_leaf(&scopes[0], &nonces, keys, &certificate),
    };

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void a_host_quote_binds_role_names_key_and_connection(void **state)
{
    struct key_pair_view key = {view_string("sign"), view_string("kem")};
    struct key_pair_view other = {view_string("other"), view_string("kem")};
    struct challenge_nonces nonces = {.host = {1}, .coordinator = {2}};
    struct challenge_nonces swapped = {.host = {2}, .coordinator = {1}};
    struct channel channel = {.exporter = {3}, .server_certificate = {{4}}};
    struct channel exporter = {.exporter = {9}, .server_certificate = {{4}}};
    struct channel certificate = {.exporter = {3}, .server_certificate = {{9}}};
    struct view ek = view_string("ek"), ak = view_string("ak");
    struct digest hashes[] = {
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ek, ak, key, &channel),
        host_qualifying(&scopes[1], ATTESTER_NODE, &nonces, ek, ak, key, &channel),
        host_qualifying(&scopes[2], ATTESTER_NODE, &nonces, ek, ak, key, &channel),
        host_qualifying(&scopes[0], ATTESTER_MEMBER, &nonces, ek, ak, key, &channel),
        host_qualifying(&scopes[0], ATTESTER_NODE, &swapped, ek, ak, key, &channel),
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ak, ek, key, &channel),
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ek, ek, key, &channel),
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ek, ak, other, &channel),
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ek, ak, key, &exporter),
        host_qualifying(&scopes[0], ATTESTER_NODE, &nonces, ek, ak, key, &certificate),
    };

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void a_transcript_binds_all_that_was_said(void **state)
{
    struct channel channel = {.exporter = {3}}, other = {.exporter = {9}};
    struct view hello = view_string("hello"), challenge = view_string("challenge");
    struct digest hashes[] = {
        registration_transcript(&scopes[0], hello, challenge, &channel),
        registration_transcript(&scopes[1], hello, challenge, &channel),
        registration_transcript(&scopes[2], hello, challenge, &channel),
        registration_transcript(&scopes[0], view_string("hullo"), challenge, &channel),
        registration_transcript(&scopes[0], hello, view_string("challenged"), &channel),
        registration_transcript(&scopes[0], challenge, hello, &channel),
        registration_transcript(&scopes[0], hello, challenge, &other),
    };

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void evidence_binds_the_quote_and_all_logs(void **state)
{
    struct view text = view_string("x");
    struct evidence_view variants[] = {
        {.quote = {0}},      {.quote = text},   {.signature = text},
        {.event_log = text}, {.ima_log = text}, {.pcr_values = text},
    };
    struct digest hashes[ARRAY_SIZE(variants)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        hashes[i] = evidence_digest(&scopes[0], &variants[i]);
    }
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void an_announcement_binds_secret_transcript_and_size(void **state)
{
    struct digest a = {{1}}, b = {{2}};
    struct digest hashes[] = {
        announcement_mac(&scopes[0], view_string("secret"), &a, 300000),
        announcement_mac(&scopes[1], view_string("secret"), &a, 300000),
        announcement_mac(&scopes[2], view_string("secret"), &a, 300000),
        announcement_mac(&scopes[0], view_string("secrets"), &a, 300000),
        announcement_mac(&scopes[0], view_string("secret"), &b, 300000),
        announcement_mac(&scopes[0], view_string("secret"), &a, 300001),
        /* No other proof under the secret. */
        activation_mac(&scopes[0], view_string("secret"), &a, &b),
    };

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void proofs_bind_secret_transcript_and_evidence(void **state)
{
    struct digest a = {{1}}, b = {{2}};
    struct digest hashes[] = {
        activation_mac(&scopes[0], view_string("secret"), &a, &b),
        activation_mac(&scopes[1], view_string("secret"), &a, &b),
        activation_mac(&scopes[0], view_string("secrets"), &a, &b),
        activation_mac(&scopes[0], view_string("secret"), &b, &b),
        activation_mac(&scopes[0], view_string("secret"), &a, &a),
    };
    OWN(bytes) struct bytes possession = {0};

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
    /* What the TK signs is another input than what the secret MACs. */
    assert_ok(possession_input(&scopes[0], &a, &b, &possession));
    assert_non_null(memmem(possession.data, possession.size, "tccp-node-possession", 20));
}

static void a_renewal_binds_nonce_registration_key_and_connection(void **state)
{
    struct key_pair_view key = {view_string("sign"), view_string("kem")};
    struct key_pair_view other = {view_string("sign"), view_string("other")};
    struct channel channel = {.exporter = {3}}, other_channel = {.exporter = {9}};
    uint8_t nonce[NONCE_SIZE] = {1}, other_nonce[NONCE_SIZE] = {2};
    struct digest hashes[] = {
        renewal_qualifying(&scopes[0], nonce, 1, key, &channel),
        renewal_qualifying(&scopes[1], nonce, 1, key, &channel),
        renewal_qualifying(&scopes[2], nonce, 1, key, &channel),
        renewal_qualifying(&scopes[0], other_nonce, 1, key, &channel),
        renewal_qualifying(&scopes[0], nonce, 2, key, &channel),
        renewal_qualifying(&scopes[0], nonce, 1, other, &channel),
        renewal_qualifying(&scopes[0], nonce, 1, key, &other_channel),
    };

    (void)state;
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

static void a_sealed_seed_is_for_one_member_id_and_key(void **state)
{
    struct key_pair_view key = {view_string("sign"), view_string("kem")};
    struct key_pair_view other = {view_string("other"), view_string("kem")};
    struct bytes aads[5];
    struct digest hashes[5];

    (void)state;
    assert_ok(seed_aad(&scopes[0], "tc1", 1, key, &aads[0]));
    assert_ok(seed_aad(&scopes[1], "tc1", 1, key, &aads[1]));
    assert_ok(seed_aad(&scopes[0], "tc2", 1, key, &aads[2]));
    assert_ok(seed_aad(&scopes[0], "tc1", 2, key, &aads[3]));
    assert_ok(seed_aad(&scopes[0], "tc1", 1, other, &aads[4]));
    for (size_t i = 0; i < ARRAY_SIZE(aads); i++) {
        hashes[i] = sha256(bytes_view(&aads[i]));
        bytes_free(&aads[i]);
    }
    assert_all_differ(hashes, ARRAY_SIZE(hashes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_pairs_bind_both_keys),
        cmocka_unit_test(a_challenge_binds_nonces_keys_and_connection),
        cmocka_unit_test(a_host_quote_binds_role_names_key_and_connection),
        cmocka_unit_test(a_transcript_binds_all_that_was_said),
        cmocka_unit_test(evidence_binds_the_quote_and_all_logs),
        cmocka_unit_test(an_announcement_binds_secret_transcript_and_size),
        cmocka_unit_test(proofs_bind_secret_transcript_and_evidence),
        cmocka_unit_test(a_renewal_binds_nonce_registration_key_and_connection),
        cmocka_unit_test(a_sealed_seed_is_for_one_member_id_and_key),
    };
    return cmocka_run_group_tests_name("inputs", tests, NULL, NULL);
}
