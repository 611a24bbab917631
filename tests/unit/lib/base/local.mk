# tests of lib/base
UNIT_BASE = \
	tests/unit/lib/base/test_bytes \
	tests/unit/lib/base/test_merkle \
	tests/unit/lib/base/test_table \
	tests/unit/lib/base/test_text \
	tests/unit/lib/base/test_time_text
check_PROGRAMS += $(UNIT_BASE)
TESTS += $(UNIT_BASE)

tests_unit_lib_base_test_merkle_SOURCES = %D%/test_merkle.c
tests_unit_lib_base_test_merkle_LDADD = $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_base_test_text_SOURCES = %D%/test_text.c
tests_unit_lib_base_test_text_LDADD = $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_base_test_bytes_SOURCES = %D%/test_bytes.c
tests_unit_lib_base_test_bytes_LDADD = $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_base_test_time_text_SOURCES = %D%/test_time_text.c
tests_unit_lib_base_test_time_text_LDADD = $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_base_test_table_SOURCES = %D%/test_table.c
tests_unit_lib_base_test_table_LDADD = $(LINK_BASE) $(LINK_TEST)
