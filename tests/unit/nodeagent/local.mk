# tests of nodeagent
UNIT_VM = \
	tests/unit/nodeagent/launcher/test_agent_config \
	tests/unit/nodeagent/launcher/test_command \
	tests/unit/nodeagent/launcher/test_fence \
	tests/unit/nodeagent/launcher/test_grants \
	tests/unit/nodeagent/launcher/test_message \
	tests/unit/nodeagent/launcher/test_sandbox \
	tests/unit/nodeagent/launcher/test_trust \
	tests/property/test_fence_property \
	tests/unit/nodeagent/test_migration_steps \
	tests/unit/nodeagent/test_qmp \
	tests/unit/nodeagent/test_qmp_message
check_PROGRAMS += $(UNIT_VM)
TESTS += $(UNIT_VM)

tests_unit_nodeagent_test_qmp_SOURCES = %D%/test_qmp.c
tests_unit_nodeagent_test_qmp_LDADD = $(LINK_VM) $(LINK_TEST)
tests_unit_nodeagent_test_qmp_message_SOURCES = %D%/test_qmp_message.c
tests_unit_nodeagent_test_qmp_message_LDADD = $(LINK_VM) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_agent_config_SOURCES = %D%/launcher/test_agent_config.c
tests_unit_nodeagent_launcher_test_agent_config_LDADD = tests/support/libswtpm.a $(LINK_LAUNCHER) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_command_SOURCES = %D%/launcher/test_command.c
tests_unit_nodeagent_launcher_test_command_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_fence_SOURCES = %D%/launcher/test_fence.c
tests_unit_nodeagent_launcher_test_fence_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_grants_SOURCES = %D%/launcher/test_grants.c
tests_unit_nodeagent_launcher_test_grants_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_message_SOURCES = %D%/launcher/test_message.c
tests_unit_nodeagent_launcher_test_message_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)
tests_unit_nodeagent_launcher_test_sandbox_SOURCES = %D%/launcher/test_sandbox.c
tests_unit_nodeagent_launcher_test_sandbox_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)
tests_property_test_fence_property_SOURCES = tests/property/test_fence_property.c
tests_property_test_fence_property_LDADD = $(LINK_LAUNCHER) $(LINK_TEST)

UNIT_REGISTRANT = \
	tests/unit/nodeagent/test_host \
	tests/unit/nodeagent/test_lease \
	tests/unit/nodeagent/test_registrant
check_PROGRAMS += $(UNIT_REGISTRANT)
TESTS += $(UNIT_REGISTRANT)

tests_unit_nodeagent_test_host_SOURCES = %D%/test_host.c
tests_unit_nodeagent_test_host_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_nodeagent_test_host_LDADD = nodeagent/libregistrant.a $(LINK_COORDINATOR)
tests_unit_nodeagent_test_lease_SOURCES = %D%/test_lease.c
tests_unit_nodeagent_test_lease_LDADD = nodeagent/libregistrant.a $(LINK_TEST)
tests_unit_nodeagent_test_registrant_SOURCES = %D%/test_registrant.c
tests_unit_nodeagent_test_registrant_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_nodeagent_test_registrant_LDADD = nodeagent/libregistrant.a $(LINK_COORDINATOR)
tests_unit_nodeagent_launcher_test_trust_SOURCES = \
	%D%/launcher/test_trust.c
tests_unit_nodeagent_launcher_test_trust_LDADD = tests/support/libperimetertest.a $(LINK_LAUNCHER_PROGRAM) $(LINK_TEST)
tests_unit_nodeagent_test_migration_steps_SOURCES = tests/unit/nodeagent/test_migration_steps.c
tests_unit_nodeagent_test_migration_steps_LDADD = $(LINK_VM) $(LINK_TEST)

UNIT_VMS = \
	tests/unit/nodeagent/test_config \
	tests/unit/nodeagent/test_image_fetch \
	tests/unit/nodeagent/test_image_overlay \
	tests/unit/nodeagent/test_vm_record
check_PROGRAMS += $(UNIT_VMS)
TESTS += $(UNIT_VMS)
tests_unit_nodeagent_test_config_SOURCES = %D%/test_config.c
tests_unit_nodeagent_test_config_LDADD = $(LINK_REGISTRANT) $(LINK_TEST)
tests_unit_nodeagent_test_image_overlay_SOURCES = %D%/test_image_overlay.c
tests_unit_nodeagent_test_image_overlay_LDADD = $(LINK_VMS) $(LINK_TEST)
tests_unit_nodeagent_test_image_fetch_SOURCES = %D%/test_image_fetch.c
tests_unit_nodeagent_test_image_fetch_LDADD = $(LINK_VMS) $(LINK_TEST)
tests_unit_nodeagent_test_vm_record_SOURCES = %D%/test_vm_record.c
tests_unit_nodeagent_test_vm_record_LDADD = $(LINK_VMS) $(LINK_TEST)

UNIT_MIGRATION_LINK = \
	tests/unit/nodeagent/test_migration_link \
	tests/unit/nodeagent/test_migration_port
check_PROGRAMS += $(UNIT_MIGRATION_LINK)
TESTS += $(UNIT_MIGRATION_LINK)
tests_unit_nodeagent_test_migration_link_SOURCES = %D%/test_migration_link.c
tests_unit_nodeagent_test_migration_link_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_nodeagent_test_migration_link_LDADD = tests/support/libnettest.a $(LINK_MIGRATION_LINK) $(LINK_TEST)
tests_unit_nodeagent_test_migration_port_SOURCES = %D%/test_migration_port.c
tests_unit_nodeagent_test_migration_port_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_nodeagent_test_migration_port_LDADD = tests/support/libnettest.a $(LINK_MIGRATION_LINK) $(LINK_TEST)
