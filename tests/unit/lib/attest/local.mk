# tests of lib/attest
UNIT_ATTEST = \
	tests/unit/lib/attest/test_appraisal \
	tests/unit/lib/attest/test_boots \
	tests/unit/lib/attest/test_credential \
	tests/unit/lib/attest/test_ek_certificate \
	tests/unit/lib/attest/test_event_log \
	tests/unit/lib/attest/test_ima \
	tests/unit/lib/attest/test_event_sequence \
	tests/unit/lib/attest/test_ima_policy \
	tests/unit/lib/attest/test_log_appraisal \
	tests/unit/lib/attest/test_hostile_logs \
	tests/unit/lib/attest/test_objections \
	tests/unit/lib/attest/test_reference_list \
	tests/unit/lib/attest/test_reference_set \
	tests/unit/lib/attest/test_secure_boot \
	tests/unit/lib/attest/test_pcr_policy \
	tests/unit/lib/attest/test_quote \
	tests/unit/lib/attest/test_tpm_structures
check_PROGRAMS += $(UNIT_ATTEST)
TESTS += $(UNIT_ATTEST)

tests_unit_lib_attest_test_appraisal_SOURCES = %D%/test_appraisal.c %D%/evidence_files.h
tests_unit_lib_attest_test_appraisal_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_credential_SOURCES = %D%/test_credential.c
tests_unit_lib_attest_test_credential_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_ek_certificate_SOURCES = %D%/test_ek_certificate.c %D%/evidence_files.h
tests_unit_lib_attest_test_ek_certificate_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_event_log_SOURCES = %D%/test_event_log.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_event_log_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_ima_SOURCES = %D%/test_ima.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_ima_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_pcr_policy_SOURCES = %D%/test_pcr_policy.c
tests_unit_lib_attest_test_pcr_policy_LDADD = $(LINK_SOFT_TPM) $(LINK_PROTO)
tests_unit_lib_attest_test_quote_SOURCES = %D%/test_quote.c
tests_unit_lib_attest_test_quote_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_tpm_structures_SOURCES = %D%/test_tpm_structures.c
tests_unit_lib_attest_test_tpm_structures_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_event_sequence_SOURCES = %D%/test_event_sequence.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_event_sequence_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_ima_policy_SOURCES = %D%/test_ima_policy.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_ima_policy_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_log_appraisal_SOURCES = %D%/test_log_appraisal.c %D%/evidence_files.h %D%/learned.h %D%/log_writer.h
tests_unit_lib_attest_test_log_appraisal_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_secure_boot_SOURCES = %D%/test_secure_boot.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_secure_boot_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_boots_SOURCES = %D%/test_boots.c %D%/evidence_files.h %D%/learned.h
tests_unit_lib_attest_test_boots_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_hostile_logs_SOURCES = %D%/test_hostile_logs.c %D%/learned.h %D%/log_pieces.h %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_hostile_logs_LDADD = $(LINK_SOFT_TPM) $(LINK_PROTO)
tests_unit_lib_attest_test_objections_SOURCES = %D%/test_objections.c %D%/learned.h %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_objections_LDADD = $(LINK_SOFT_TPM) $(LINK_PROTO)
tests_unit_lib_attest_test_reference_list_SOURCES = %D%/test_reference_list.c %D%/evidence_files.h %D%/log_writer.h
tests_unit_lib_attest_test_reference_list_LDADD = $(LINK_SOFT_TPM) $(LINK_PROTO)
tests_unit_lib_attest_test_reference_set_SOURCES = %D%/test_reference_set.c %D%/evidence_files.h
tests_unit_lib_attest_test_reference_set_LDADD = $(LINK_SOFT_TPM) $(LINK_PROTO)
