# Tests on real processes: start, crash, freeze, refuse. They use free ports and folders of their own.
TESTS += %D%/processes.bats %D%/startup.bats %D%/cluster.bats %D%/quickstart.bats
EXTRA_DIST += %D%/processes.bats %D%/startup.bats %D%/cluster.bats %D%/quickstart.bats %D%/support.bash
EXTRA_DIST += tests/support/perimeter.sh tests/support/processes.sh tests/support/swtpm.sh

# VMs of nodes that are found bad.
TESTS += %D%/quarantine.bats %D%/node_verdicts.bats
EXTRA_DIST += %D%/quarantine.bats %D%/node_verdicts.bats
TESTS += %D%/nodeagent.bats %D%/resilience.bats
EXTRA_DIST += %D%/nodeagent.bats %D%/resilience.bats
TESTS += %D%/nodeagent.bats %D%/resilience.bats %D%/tpm.bats
EXTRA_DIST += %D%/nodeagent.bats %D%/resilience.bats %D%/tpm.bats
# tccpctl without a coordinator.
TESTS += %D%/cli_offline.bats %D%/cli_policy.bats
EXTRA_DIST += %D%/cli_offline.bats %D%/cli_policy.bats
check_PROGRAMS += tests/support/request
tests_support_request_SOURCES = tests/support/request.c
tests_support_request_LDADD = $(LINK_PERIMETERTEST)
# A real launcher and real QEMU; the test plays agent and coordinator.
check_LIBRARIES += tests/support/libnodeworld.a
tests_support_libnodeworld_a_SOURCES = \
	tests/support/guest_files.c tests/support/guest_files.h \
	tests/support/node_pair.c tests/support/node_pair.h \
	tests/support/node_world.c tests/support/node_world.h \
	tests/support/processes.c tests/support/processes.h
check_PROGRAMS += tests/support/agent_stub tests/support/launcher_plain
tests_support_agent_stub_SOURCES = tests/support/agent_stub.c
tests_support_agent_stub_LDADD = $(LINK_VM)
tests_support_launcher_plain_SOURCES = tests/support/launcher_plain.c
tests_support_launcher_plain_LDADD = $(LINK_LAUNCHER)
SYSTEM_VM = tests/system/test_launcher tests/system/test_vm_fence tests/system/test_vm_launch \
	tests/system/test_vm_migration tests/system/test_vm_migration_faults
check_PROGRAMS += $(SYSTEM_VM)
TESTS += $(SYSTEM_VM)
tests_system_test_vm_fence_SOURCES = tests/system/test_vm_fence.c
tests_system_test_vm_fence_LDADD = tests/support/libnodeworld.a $(LINK_VM) $(LINK_TEST)
tests_system_test_vm_launch_SOURCES = tests/system/test_vm_launch.c
tests_system_test_vm_launch_LDADD = tests/support/libnodeworld.a $(LINK_VM) $(LINK_TEST)

# tccpctl with a member.
TESTS += %D%/cli_online.bats
EXTRA_DIST += %D%/cli_online.bats
tests_system_test_launcher_SOURCES = tests/system/test_launcher.c
tests_system_test_launcher_LDADD = tests/support/libperimetertest.a tests/support/libnodeworld.a $(LINK_VM) $(LINK_PROTOCOL) $(LINK_TEST)
# A customer's images and VMs.
TESTS += %D%/cli_image.bats %D%/cli_vm.bats
EXTRA_DIST += %D%/cli_image.bats %D%/cli_vm.bats
tests_system_test_vm_migration_SOURCES = tests/system/test_vm_migration.c
tests_system_test_vm_migration_LDADD = tests/support/libnodeworld.a $(LINK_VM) $(LINK_TEST)

# Launch through all of it: tcd, launcher, agent, QEMU; and the customer who asks.
check_PROGRAMS += tests/support/vm_customer
tests_support_vm_customer_SOURCES = tests/support/vm_customer.c
tests_support_vm_customer_LDADD = $(LINK_CLI)
TESTS += %D%/launch.bats %D%/migration.bats %D%/migration_faults.bats
EXTRA_DIST += %D%/launch.bats %D%/migration.bats %D%/migration_faults.bats
tests_system_test_vm_migration_faults_SOURCES = tests/system/test_vm_migration_faults.c
tests_system_test_vm_migration_faults_LDADD = tests/support/libnodeworld.a $(LINK_VM) $(LINK_TEST)
# Processes that die, freeze and wake up at the worst moment.
TESTS += %D%/faults.bats
EXTRA_DIST += %D%/faults.bats
check_PROGRAMS += tests/support/slow_folder
tests_support_slow_folder_SOURCES = tests/support/slow_folder.c
TESTS += %D%/vm_faults.bats
EXTRA_DIST += %D%/vm_faults.bats
check_PROGRAMS += tests/support/secret_scan
tests_support_secret_scan_SOURCES = tests/support/secret_scan.c
tests_support_secret_scan_LDADD = $(LINK_PROTOCOL)
# Wall clocks that jump.
TESTS += %D%/clock.bats
EXTRA_DIST += %D%/clock.bats tests/support/wall_clock.c
check_DATA += tests/support/wall_clock.so
CLEANFILES += tests/support/wall_clock.so
tests/support/wall_clock.so: tests/support/wall_clock.c
	$(AM_V_CC)$(MKDIR_P) tests/support && $(CC) -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -shared -fPIC -o $@ $<
check_PROGRAMS += tests/support/boot_log
tests_support_boot_log_SOURCES = tests/support/boot_log.c tests/support/ima_log.c tests/support/ima_log.h
tests_support_boot_log_LDADD = $(LINK_DAEMON) $(LINK_ATTEST)
# Appraisal by reference sets.
TESTS += %D%/policy.bats %D%/policy_evidence.bats
EXTRA_DIST += %D%/policy.bats %D%/policy_evidence.bats tests/support/boots.sh
TESTS += %D%/policy.bats
EXTRA_DIST += %D%/policy.bats
# Logs larger than a message.
TESTS += %D%/large_evidence.bats
EXTRA_DIST += %D%/large_evidence.bats
