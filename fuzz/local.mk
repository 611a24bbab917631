# A target per parser. With --enable-fuzz (CC=clang) libFuzzer drives them; otherwise they replay fuzz/corpus/NAME.
# To add one: a file fuzz_NAME.c, a corpus, and four lines here.
FUZZ_TARGETS =
check_PROGRAMS += $(FUZZ_TARGETS)
if FUZZ
FUZZ_DRIVER =
FUZZ_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_DRIVER = fuzz/replay.c
FUZZ_LDFLAGS = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif

FUZZ_TARGETS += fuzz/fuzz_frame
fuzz_fuzz_frame_SOURCES = fuzz/fuzz_frame.c $(FUZZ_DRIVER)
fuzz_fuzz_frame_LDADD = lib/net/libnet.a $(LINK_BASE)
fuzz_fuzz_frame_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_qmp
fuzz_fuzz_qmp_SOURCES = fuzz/fuzz_qmp.c $(FUZZ_DRIVER)
fuzz_fuzz_qmp_LDADD = $(LINK_VM)
fuzz_fuzz_qmp_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_text
fuzz_fuzz_text_SOURCES = fuzz/fuzz_text.c $(FUZZ_DRIVER)
fuzz_fuzz_text_LDADD = $(LINK_BASE)
fuzz_fuzz_text_LDFLAGS = $(FUZZ_LDFLAGS)

FUZZ_TARGETS += fuzz/fuzz_protobuf
fuzz_fuzz_protobuf_SOURCES = fuzz/fuzz_protobuf.c $(FUZZ_DRIVER)
fuzz_fuzz_protobuf_LDADD = $(LINK_BASE) $(LINK_PROTO)
fuzz_fuzz_protobuf_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_certificate
fuzz_fuzz_certificate_SOURCES = fuzz/fuzz_certificate.c $(FUZZ_DRIVER)
fuzz_fuzz_certificate_LDADD = $(LINK_CRYPTO)
fuzz_fuzz_certificate_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_public_key
fuzz_fuzz_public_key_SOURCES = fuzz/fuzz_public_key.c $(FUZZ_DRIVER)
fuzz_fuzz_public_key_LDADD = $(LINK_CRYPTO)
fuzz_fuzz_public_key_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_hpke_open
fuzz_fuzz_hpke_open_SOURCES = fuzz/fuzz_hpke_open.c $(FUZZ_DRIVER)
fuzz_fuzz_hpke_open_LDADD = $(LINK_CRYPTO)
fuzz_fuzz_hpke_open_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_key_file
fuzz_fuzz_key_file_SOURCES = fuzz/fuzz_key_file.c $(FUZZ_DRIVER)
fuzz_fuzz_key_file_LDADD = $(LINK_CRYPTO)
fuzz_fuzz_key_file_LDFLAGS = $(FUZZ_LDFLAGS)

FUZZ_TARGETS += fuzz/fuzz_sealed_blob
fuzz_fuzz_sealed_blob_SOURCES = fuzz/fuzz_sealed_blob.c $(FUZZ_DRIVER)
fuzz_fuzz_sealed_blob_LDADD = lib/tpm/libtpm.a $(LINK_BASE) $(TSS2_LIBS)
fuzz_fuzz_sealed_blob_LDFLAGS = $(FUZZ_LDFLAGS)

FUZZ_TARGETS += fuzz/fuzz_seed_file
fuzz_fuzz_seed_file_SOURCES = fuzz/fuzz_seed_file.c $(FUZZ_DRIVER)
fuzz_fuzz_seed_file_LDADD = $(LINK_AUTHORITY)
fuzz_fuzz_seed_file_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_tpm_public
fuzz_fuzz_tpm_public_SOURCES = fuzz/fuzz_tpm_public.c $(FUZZ_DRIVER)
fuzz_fuzz_tpm_public_LDADD = $(LINK_ATTEST)
fuzz_fuzz_tpm_public_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_tpm_attest
fuzz_fuzz_tpm_attest_SOURCES = fuzz/fuzz_tpm_attest.c $(FUZZ_DRIVER)
fuzz_fuzz_tpm_attest_LDADD = $(LINK_ATTEST)
fuzz_fuzz_tpm_attest_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_tpm_signature
fuzz_fuzz_tpm_signature_SOURCES = fuzz/fuzz_tpm_signature.c $(FUZZ_DRIVER)
fuzz_fuzz_tpm_signature_LDADD = $(LINK_ATTEST)
fuzz_fuzz_tpm_signature_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_ek_certificate
fuzz_fuzz_ek_certificate_SOURCES = fuzz/fuzz_ek_certificate.c $(FUZZ_DRIVER)
fuzz_fuzz_ek_certificate_LDADD = $(LINK_ATTEST)
fuzz_fuzz_ek_certificate_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_event_log
fuzz_fuzz_event_log_SOURCES = fuzz/fuzz_event_log.c $(FUZZ_DRIVER)
fuzz_fuzz_event_log_LDADD = $(LINK_ATTEST)
fuzz_fuzz_event_log_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_ima
fuzz_fuzz_ima_SOURCES = fuzz/fuzz_ima.c $(FUZZ_DRIVER)
fuzz_fuzz_ima_LDADD = $(LINK_ATTEST)
fuzz_fuzz_ima_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_bundle
fuzz_fuzz_bundle_SOURCES = fuzz/fuzz_bundle.c $(FUZZ_DRIVER)
fuzz_fuzz_bundle_LDADD = $(LINK_PERIMETER)
fuzz_fuzz_bundle_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_manifest
fuzz_fuzz_manifest_SOURCES = fuzz/fuzz_manifest.c $(FUZZ_DRIVER)
fuzz_fuzz_manifest_LDADD = $(LINK_PERIMETER)
fuzz_fuzz_manifest_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_manifest_text
fuzz_fuzz_manifest_text_SOURCES = fuzz/fuzz_manifest_text.c $(FUZZ_DRIVER)
fuzz_fuzz_manifest_text_LDADD = $(LINK_PERIMETER)
fuzz_fuzz_manifest_text_LDFLAGS = $(FUZZ_LDFLAGS)
FUZZ_TARGETS += fuzz/fuzz_launcher_message
fuzz_fuzz_launcher_message_SOURCES = fuzz/fuzz_launcher_message.c $(FUZZ_DRIVER)
fuzz_fuzz_launcher_message_LDADD = $(LINK_LAUNCHER)
fuzz_fuzz_launcher_message_LDFLAGS = $(FUZZ_LDFLAGS)
