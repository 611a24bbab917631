/*
 * For system tests of `ete endorse`: a member's TPM in software, in two steps.
 *
 *     request ak FILE                                   makes an AK, prints its TPM name
 *     request make FILE MANIFEST MEMBER EPOCH SEED OUT  writes an EndorsementRequest for a seed
 * made of the text SEED, quoted with PCR 0 to 7 as SHA-256 of one byte, the PCR's number
 *
 * MANIFEST is a bundle or a signed manifest. With EPOCH "+1" the quote speaks of another epoch than
 * the request.
 */
#include "lib/attest/evidence_message.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/perimeter/endorsement.h"

#include "tests/support/soft_tpm.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
    (void)fprintf(stderr, "request: %s\n", what);
    exit(1);
}

static struct bytes file_read_all(const char *path)
{
    static uint8_t buffer[SIGNED_DOCUMENT_SIZE_MAX];
    FILE *file = fopen(path, "rb");
    struct bytes bytes;

    if (!file || bytes_copy((struct view){buffer, fread(buffer, 1, sizeof buffer, file)}, &bytes)) {
        die("cannot read a file");
    }
    (void)fclose(file);
    return bytes;
}

static void ak_make(const char *path)
{
    struct soft_key ak = soft_ak_new(SOFT_P256);
    FILE *file = fopen(path, "wb");
    char text[HEX_SIZE(TPM_NAME_SIZE_MAX)];
    struct tpm_public public_area;

    if (!file || !PEM_write_PrivateKey(file, ak.key, NULL, NULL, 0, NULL, NULL) ||
        tpm_public_parse(soft_key_public(&ak), &public_area) != STATUS_OK) {
        die("cannot make an AK");
    }
    (void)fclose(file);
    hex_encode(tpm_name_view(&public_area.name), text);
    (void)printf("%s\n", text);
    soft_key_free(&ak);
}

static struct soft_key ak_load(const char *path)
{
    struct soft_key ak = {.kind = SOFT_P256};
    FILE *file = fopen(path, "rb");

    ak.key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (!ak.key) {
        die("cannot read the AK");
    }
    (void)fclose(file);
    soft_ak_describe(&ak, SOFT_AK_ATTRIBUTES, TPM_ALGORITHM_ECDSA, TPM_ALGORITHM_SHA256);
    return ak;
}

static struct private_key *seed_key(const char *seed, const char *use)
{
    struct digest ikm = sha256_two(view_string(seed), view_string(use));
    struct private_key *key;

    if (private_key_derive_p256(digest_view(&ikm), &key) != STATUS_OK) {
        die("cannot derive a key");
    }
    return key;
}

static void request_make(char **arguments)
{
    struct soft_key ak = ak_load(arguments[0]);
    OWN(bytes) struct bytes signed_bytes = file_read_all(arguments[1]);
    OWN(private_key) struct private_key *tc_sign = seed_key(arguments[4], "sign");
    OWN(private_key) struct private_key *tc_kem = seed_key(arguments[4], "kem");
    OWN(signed_document) Tccp__SignedDocument *document = NULL;
    OWN(manifest) struct manifest *manifest = NULL;
    bool other_epoch = arguments[3][0] == '+';
    struct scope scope = {.epoch = strtoull(arguments[3], NULL, 10)};
    const struct manifest_member *member;
    uint8_t point[P256_POINT_SIZE];
    struct digest values[8], qualifying, pcr_digest;
    struct soft_quote soft_quote;
    struct bytes quote, signature, bytes;
    Tccp__EndorsementRequest message;
    Tccp__Evidence evidence;
    FILE *file;

    if (signed_document_parse(bytes_view(&signed_bytes), &document, NULL) != STATUS_OK ||
        manifest_parse(protobuf_view(document->document), &manifest, NULL) != STATUS_OK ||
        !(member = manifest_member_by_name(manifest, arguments[2]))) {
        die("no such manifest or member");
    }
    scope.perimeter_id = manifest->perimeter_id;
    if (other_epoch) {
        scope.epoch += manifest->epoch;
    }
    private_key_point(tc_kem, point);
    qualifying = endorsement_request_qualifying(&scope, private_key_spki(tc_sign),
                                                VIEW_OF_ARRAY(point), member);
    for (uint8_t pcr = 0; pcr < 8; pcr++) {
        values[pcr] = sha256((struct view){&pcr, 1});
    }
    pcr_digest = sha256(VIEW_OF_ARRAY(values));
    soft_quote = soft_quote_new(digest_view(&qualifying), 0xff, &pcr_digest);
    quote = soft_quote_bytes(&soft_quote);
    signature = soft_sign(&ak, bytes_view(&quote));
    evidence = evidence_view_to_message(&(struct evidence_view){
        .ak_public = soft_key_public(&ak),
        .quote = bytes_view(&quote),
        .signature = bytes_view(&signature),
        .pcr_values = VIEW_OF_ARRAY(values),
    });
    tccp__endorsement_request__init(&message);
    message.format = 1;
    message.perimeter_id = protobuf_data(digest_view(&manifest->perimeter_id));
    message.epoch = other_epoch ? manifest->epoch : scope.epoch;
    message.tc_sign = protobuf_data(private_key_spki(tc_sign));
    message.tc_kem = protobuf_data(VIEW_OF_ARRAY(point));
    message.member = arguments[2];
    message.evidence = &evidence;
    file = fopen(arguments[5], "wb");
    if (!file || protobuf_pack(&message.base, 1 << 20, &bytes) != STATUS_OK ||
        fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file) != 0) {
        die("cannot write the request");
    }
    bytes_free(&bytes);
    bytes_free(&quote);
    bytes_free(&signature);
    soft_key_free(&ak);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "ak") == 0) {
        ak_make(argv[2]);
    } else if (argc == 8 && strcmp(argv[1], "make") == 0) {
        request_make(argv + 2);
    } else {
        die("see the head of this file");
    }
    return 0;
}
