# tests of lib/attest
UNIT_ATTEST = \
	tests/unit/lib/attest/test_appraisal \
	tests/unit/lib/attest/test_credential \
	tests/unit/lib/attest/test_quote \
	tests/unit/lib/attest/test_tpm_structures
check_PROGRAMS += $(UNIT_ATTEST)
TESTS += $(UNIT_ATTEST)

tests_unit_lib_attest_test_appraisal_SOURCES = %D%/test_appraisal.c %D%/evidence_files.h
tests_unit_lib_attest_test_appraisal_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_credential_SOURCES = %D%/test_credential.c
tests_unit_lib_attest_test_credential_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_quote_SOURCES = %D%/test_quote.c
tests_unit_lib_attest_test_quote_LDADD = $(LINK_SOFT_TPM)
tests_unit_lib_attest_test_tpm_structures_SOURCES = %D%/test_tpm_structures.c
tests_unit_lib_attest_test_tpm_structures_LDADD = $(LINK_SOFT_TPM)
