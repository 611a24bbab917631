# tests of lib/protocol

UNIT_PROTOCOL_VM = \
	%D%/test_evidence_transfer \
	%D%/test_image_manifest \
	%D%/test_inputs \
	%D%/test_launch_order \
	%D%/test_launch_proof \
	%D%/test_launch_request \
	%D%/test_migration \
	%D%/test_migration_hello \
	%D%/test_run_grant \
	%D%/test_vm_keys
check_PROGRAMS += $(UNIT_PROTOCOL_VM)
TESTS += $(UNIT_PROTOCOL_VM)
EXTRA_DIST += tests/support/vm.h

tests_unit_lib_protocol_test_image_manifest_SOURCES = %D%/test_image_manifest.c
tests_unit_lib_protocol_test_image_manifest_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_evidence_transfer_SOURCES = %D%/test_evidence_transfer.c
tests_unit_lib_protocol_test_evidence_transfer_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_inputs_SOURCES = %D%/test_inputs.c
tests_unit_lib_protocol_test_inputs_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_launch_order_SOURCES = %D%/test_launch_order.c
tests_unit_lib_protocol_test_launch_order_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_launch_proof_SOURCES = %D%/test_launch_proof.c
tests_unit_lib_protocol_test_launch_proof_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_launch_request_SOURCES = %D%/test_launch_request.c
tests_unit_lib_protocol_test_launch_request_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_migration_SOURCES = %D%/test_migration.c
tests_unit_lib_protocol_test_migration_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_migration_hello_SOURCES = %D%/test_migration_hello.c
tests_unit_lib_protocol_test_migration_hello_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_run_grant_SOURCES = %D%/test_run_grant.c
tests_unit_lib_protocol_test_run_grant_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_unit_lib_protocol_test_vm_keys_SOURCES = %D%/test_vm_keys.c
tests_unit_lib_protocol_test_vm_keys_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
