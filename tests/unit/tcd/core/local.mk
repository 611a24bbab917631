# tests of tcd/core
check_LIBRARIES += tests/support/libcorefixture.a
tests_support_libcorefixture_a_SOURCES = tests/support/core_fixture.c tests/support/core_fixture.h
LINK_CORE_TEST = tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)

UNIT_CORE = \
	tests/unit/tcd/core/test_command \
	tests/unit/tcd/core/test_nodes \
	tests/unit/tcd/core/test_operations \
	tests/unit/tcd/core/test_references \
	tests/unit/tcd/core/test_registry \
	tests/unit/tcd/core/test_responses \
	tests/unit/tcd/core/test_snapshot \
	tests/unit/tcd/core/test_versions \
	tests/unit/tcd/core/test_vms
check_PROGRAMS += $(UNIT_CORE)
TESTS += $(UNIT_CORE)

tests_unit_tcd_core_test_command_SOURCES = %D%/test_command.c
tests_unit_tcd_core_test_command_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_nodes_SOURCES = %D%/test_nodes.c
tests_unit_tcd_core_test_nodes_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_operations_SOURCES = %D%/test_operations.c
tests_unit_tcd_core_test_operations_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_references_SOURCES = %D%/test_references.c
tests_unit_tcd_core_test_references_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_registry_SOURCES = %D%/test_registry.c
tests_unit_tcd_core_test_registry_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_responses_SOURCES = %D%/test_responses.c
tests_unit_tcd_core_test_responses_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_snapshot_SOURCES = %D%/test_snapshot.c
tests_unit_tcd_core_test_snapshot_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_versions_SOURCES = %D%/test_versions.c
tests_unit_tcd_core_test_versions_LDADD = $(LINK_CORE_TEST)
tests_unit_tcd_core_test_vms_SOURCES = %D%/test_vms.c
tests_unit_tcd_core_test_vms_LDADD = $(LINK_CORE_TEST)
