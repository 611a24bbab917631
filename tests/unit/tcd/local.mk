# tests of tcd
UNIT_TCD = \
	tests/unit/tcd/test_authority
check_PROGRAMS += $(UNIT_TCD)
TESTS += $(UNIT_TCD)

tests_unit_tcd_test_authority_SOURCES = %D%/test_authority.c
tests_unit_tcd_test_authority_LDADD = $(LINK_AUTHORITY) $(LINK_SWTPM)
