# tests of lib/tpm, against emulated TPMs
UNIT_TPM = \
	tests/unit/lib/tpm/test_tpm
check_PROGRAMS += $(UNIT_TPM)
TESTS += $(UNIT_TPM)

tests_unit_lib_tpm_test_tpm_SOURCES = %D%/test_tpm.c
tests_unit_lib_tpm_test_tpm_LDADD = lib/tpm/libtpm.a $(LINK_BASE) $(TSS2_LIBS) $(LINK_SWTPM)
