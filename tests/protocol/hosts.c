#include "tests/protocol/hosts.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE_MAX = 1 << 20 };

static void host_make(struct test_host *host, const struct soft_ca *ca)
{
    host->ek = soft_ek_new(SOFT_P256);
    host->ak = soft_ak_new(SOFT_P256);
    host->ek_certificate = soft_ca_issue(&soft_recipe_ecc, &host->ek, ca);
    assert_ok(tpm_public_parse(soft_key_public(&host->ek), &host->ek_public));
    assert_ok(tpm_public_parse(soft_key_public(&host->ak), &host->ak_public));
    for (unsigned pcr = 0; pcr < ARRAY_SIZE(host->pcrs); pcr++) {
        host->pcrs[pcr] = perimeter_test_pcr(pcr);
    }
    host->reset_count = 1;
    host->clock_ms = 1000;
}

static void host_free(struct test_host *host)
{
    soft_key_free(&host->ek);
    soft_key_free(&host->ak);
    bytes_free(&host->ek_certificate);
}

static void name_write(struct writer *writer, const char *key, const struct tpm_name *name)
{
    char text[HEX_SIZE(TPM_NAME_SIZE_MAX)];

    hex_encode(tpm_name_view(name), text);
    writer_format(writer, "    %s = %s\n", key, text);
}

static void policy_write(struct writer *writer, const char *name, const char *more)
{
    writer_format(writer, "policy %s {\n", name);
    for (unsigned pcr = 0; pcr < 8; pcr++) {
        struct digest value = perimeter_test_pcr(pcr);
        char text[HEX_SIZE(SHA256_SIZE)];

        hex_encode(digest_view(&value), text);
        writer_format(writer, "    pcr %u = %s\n", pcr, text);
    }
    writer_format(writer, "%s}\n", more);
}

static struct bytes manifest_make(const struct test_perimeter *perimeter)
{
    OWN(writer) struct writer writer = writer_new(TEXT_SIZE_MAX);
    OWN(bytes) struct bytes text = {0};
    char id[PERIMETER_ID_TEXT_SIZE];
    char *ca = malloc(BASE64_SIZE(perimeter->ca.der.size));
    struct text_error error;
    struct bytes bytes;

    assert_non_null(ca);
    base64_encode(bytes_view(&perimeter->ca.der), ca);
    perimeter_id_print(&perimeter->keys->root.id, id);
    writer_format(&writer,
                  "manifest {\n    perimeter = %s\n    version = 1\n    epoch = 1\n"
                  "    not_before = 2026-01-01\n    not_after = 2027-01-01\n"
                  "    member_policy = members\n    manufacturer_ca = ",
                  id);
    writer_view(&writer, view_string(ca));
    writer_format(&writer, "\n}\n");
    free(ca);
    writer_format(&writer, "member tc1 {\n");
    name_write(&writer, "ek", &perimeter->member.ek_public.name);
    name_write(&writer, "ak", &perimeter->member.ak_public.name);
    writer_format(&writer, "    address = 127.0.0.1:7011\n    raft_address = 127.0.0.1:7012\n}\n");
    writer_format(&writer, "node n1 {\n    policy = compute\n");
    name_write(&writer, "ek", &perimeter->node.ek_public.name);
    writer_format(&writer, "}\nnode n2 {\n    policy = compute\n");
    name_write(&writer, "ek", &perimeter->other_node.ek_public.name);
    writer_format(&writer, "}\nnode n3 {\n    policy = logging\n");
    name_write(&writer, "ek", &perimeter->logging_node.ek_public.name);
    writer_format(&writer, "}\n");
    policy_write(&writer, "members", "");
    policy_write(&writer, "compute", "");
    policy_write(&writer, "logging", "    needs_event_log = no\n    needs_ima_log = yes\n");
    assert_ok(writer_take(&writer, &text));
    if (manifest_text_compile(bytes_view(&text), &bytes, &error) != STATUS_OK) {
        fail_msg("line %u, column %u: %s", error.line, error.column, error.message);
    }
    return bytes;
}

static void bundle_make(struct test_perimeter *perimeter)
{
    OWN(bytes) struct bytes manifest = manifest_make(perimeter);
    OWN(bytes) struct bytes endorsement = perimeter_test_endorsement(perimeter->keys, 1);
    Tccp__PerimeterBundle message = TCCP__PERIMETER_BUNDLE__INIT;
    struct bundle_expectation expectation = {.perimeter_id = perimeter->keys->root.id,
                                             .now_s = PERIMETER_TEST_NOW_S};
    struct refusal refusal = {0};

    message.root = protobuf_data(bytes_view(&perimeter->keys->root_bytes));
    message.manifest =
        perimeter_test_signed(perimeter->keys, DOCUMENT_MANIFEST, 1, bytes_view(&manifest), 3);
    message.endorsement = perimeter_test_signed(perimeter->keys, DOCUMENT_ENDORSEMENT, 1,
                                                bytes_view(&endorsement), 3);
    assert_ok(protobuf_pack(&message.base, BUNDLE_SIZE_MAX, &perimeter->bundle_bytes));
    tccp__signed_document__free_unpacked(message.manifest, NULL);
    tccp__signed_document__free_unpacked(message.endorsement, NULL);
    if (bundle_check(bytes_view(&perimeter->bundle_bytes), &expectation, &perimeter->bundle,
                     &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
}

struct test_perimeter *test_perimeter_new(void)
{
    struct test_perimeter *perimeter = calloc(1, sizeof *perimeter);

    assert_non_null(perimeter);
    perimeter->keys = perimeter_test_new();
    perimeter->ca = soft_ca_new(PERIMETER_TEST_NOW_S);
    host_make(&perimeter->member, &perimeter->ca);
    host_make(&perimeter->node, &perimeter->ca);
    host_make(&perimeter->other_node, &perimeter->ca);
    host_make(&perimeter->logging_node, &perimeter->ca);
    host_make(&perimeter->stranger, &perimeter->ca);
    bundle_make(perimeter);
    return perimeter;
}

void test_perimeter_free(struct test_perimeter *perimeter)
{
    bundle_free(perimeter->bundle);
    bytes_free(&perimeter->bundle_bytes);
    host_free(&perimeter->member);
    host_free(&perimeter->node);
    host_free(&perimeter->other_node);
    host_free(&perimeter->logging_node);
    host_free(&perimeter->stranger);
    soft_ca_free(&perimeter->ca);
    perimeter_test_free(perimeter->keys);
    free(perimeter);
}

struct test_evidence test_host_quote(struct test_host *host, struct view qualifying, uint32_t mask)
{
    OWN(writer) struct writer values = writer_new(ARRAY_SIZE(host->pcrs) * SHA256_SIZE);
    struct test_evidence evidence = {0};
    struct soft_quote quote;
    struct digest digest;

    for (unsigned pcr = 0; pcr < ARRAY_SIZE(host->pcrs); pcr++) {
        if (mask & 1u << pcr) {
            writer_view(&values, digest_view(&host->pcrs[pcr]));
        }
    }
    assert_ok(writer_take(&values, &evidence.pcr_values));
    digest = sha256(bytes_view(&evidence.pcr_values));
    quote = soft_quote_new(qualifying, mask, &digest);
    quote.reset_count = host->reset_count;
    quote.clock_ms = host->clock_ms++;
    evidence.quote = soft_quote_bytes(&quote);
    evidence.signature = soft_sign(&host->ak, bytes_view(&evidence.quote));
    evidence.view = (struct evidence_view){
        .ak_public = soft_key_public(&host->ak),
        .quote = bytes_view(&evidence.quote),
        .signature = bytes_view(&evidence.signature),
        .pcr_values = bytes_view(&evidence.pcr_values),
    };
    return evidence;
}

void test_evidence_free(struct test_evidence *evidence)
{
    bytes_free(&evidence->quote);
    bytes_free(&evidence->signature);
    bytes_free(&evidence->pcr_values);
}
