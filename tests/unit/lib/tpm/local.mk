# tests of lib/tpm, against emulated TPMs
UNIT_TPM = \
	tests/unit/lib/tpm/test_attestation \
	tests/unit/lib/tpm/test_busy_tpm \
	tests/unit/lib/tpm/test_ima_log_file \
	tests/unit/lib/tpm/test_secrets_in_memory \
	tests/unit/lib/tpm/test_tcti \
	tests/unit/lib/tpm/test_tpm
check_PROGRAMS += $(UNIT_TPM)
TESTS += $(UNIT_TPM)

tests_unit_lib_tpm_test_attestation_SOURCES = %D%/test_attestation.c
tests_unit_lib_tpm_test_attestation_LDADD = $(LINK_TPM) $(LINK_SWTPM)
tests_unit_lib_tpm_test_busy_tpm_SOURCES = %D%/test_busy_tpm.c
tests_unit_lib_tpm_test_busy_tpm_LDADD = $(LINK_TPM) $(LINK_SWTPM)
tests_unit_lib_tpm_test_secrets_in_memory_SOURCES = %D%/test_secrets_in_memory.c
tests_unit_lib_tpm_test_secrets_in_memory_LDADD = $(LINK_TPM) $(LINK_SWTPM)
tests_unit_lib_tpm_test_tpm_SOURCES = %D%/test_tpm.c
tests_unit_lib_tpm_test_tpm_LDADD = $(LINK_TPM) $(LINK_SWTPM)
tests_unit_lib_tpm_test_tcti_SOURCES = %D%/test_tcti.c
tests_unit_lib_tpm_test_tcti_LDADD = $(LINK_TPM) $(LINK_SWTPM)
tests_unit_lib_tpm_test_ima_log_file_SOURCES = %D%/test_ima_log_file.c
tests_unit_lib_tpm_test_ima_log_file_LDADD = $(LINK_TPM) $(LINK_SWTPM) tests/support/libsofttpm.a $(LINK_ATTEST)
