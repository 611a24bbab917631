# tests of cli
UNIT_CLI = \
	tests/unit/cli/test_file_measurements \
	tests/unit/cli/test_node_explain \
	tests/unit/cli/test_session \
	tests/unit/cli/test_size_text \
	tests/unit/cli/test_value \
	tests/unit/cli/test_vm \
	tests/unit/cli/test_vm_migrate
check_PROGRAMS += $(UNIT_CLI)
TESTS += $(UNIT_CLI)

tests_unit_cli_test_session_SOURCES = %D%/test_session.c
tests_unit_cli_test_session_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_cli_test_session_LDADD = $(LINK_MEMBERTEST)
tests_unit_cli_test_vm_migrate_SOURCES = %D%/test_vm_migrate.c
tests_unit_cli_test_vm_migrate_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_cli_test_vm_migrate_LDADD = $(LINK_MEMBERTEST)
tests_unit_cli_test_node_explain_SOURCES = %D%/test_node_explain.c
tests_unit_cli_test_node_explain_LDADD = $(LINK_CLI) $(LINK_TEST)
tests_unit_cli_test_value_SOURCES = %D%/test_value.c
tests_unit_cli_test_value_LDADD = $(LINK_CLI) $(LINK_TEST)
tests_unit_cli_test_size_text_SOURCES = %D%/test_size_text.c
tests_unit_cli_test_size_text_LDADD = $(LINK_CLI) $(LINK_TEST)
tests_unit_cli_test_vm_SOURCES = %D%/test_vm.c
tests_unit_cli_test_vm_LDADD = tests/support/libperimetertest.a $(LINK_CLI) $(LINK_TEST)
tests_unit_cli_test_file_measurements_SOURCES = %D%/test_file_measurements.c
tests_unit_cli_test_file_measurements_LDADD = $(LINK_CLI) $(LINK_TEST)
