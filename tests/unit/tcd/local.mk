# tests of tcd
UNIT_TCD = \
	tests/unit/tcd/test_authority \
	tests/unit/tcd/test_authorize \
	tests/unit/tcd/test_entry \
	tests/unit/tcd/test_evidence_tap \
	tests/unit/tcd/test_evidence_budget \
	tests/unit/tcd/test_leases \
	tests/unit/tcd/test_machine \
	tests/unit/tcd/test_node_transfer \
	tests/unit/tcd/test_quoter \
	tests/unit/tcd/test_reference_sets \
	tests/unit/tcd/test_refusals \
	tests/unit/tcd/test_staged_verdicts \
	tests/unit/tcd/test_replica \
	tests/unit/tcd/test_proposals \
	tests/unit/tcd/test_vm_release \
	tests/unit/tcd/test_vm_reports
check_PROGRAMS += $(UNIT_TCD)
TESTS += $(UNIT_TCD)

tests_unit_tcd_test_authority_SOURCES = %D%/test_authority.c
tests_unit_tcd_test_authority_LDADD = $(LINK_AUTHORITY) $(LINK_SWTPM)
tests_unit_tcd_test_entry_SOURCES = %D%/test_entry.c
tests_unit_tcd_test_entry_LDADD = tcd/libreplica.a $(LINK_BASE) $(LINK_TEST)
tests_unit_tcd_test_evidence_budget_SOURCES = %D%/test_evidence_budget.c
tests_unit_tcd_test_evidence_budget_LDADD = $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_replica_SOURCES = %D%/test_replica.c
tests_unit_tcd_test_replica_LDADD = tcd/libreplica.a $(LINK_NETTEST) $(RAFT_LIBS)
tests_unit_tcd_test_authorize_SOURCES = %D%/test_authorize.c
tests_unit_tcd_test_authorize_LDADD = $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_refusals_SOURCES = %D%/test_refusals.c
tests_unit_tcd_test_refusals_LDADD = $(LINK_TCD) tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
tests_unit_tcd_test_evidence_tap_SOURCES = %D%/test_evidence_tap.c
tests_unit_tcd_test_evidence_tap_LDADD = $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_leases_SOURCES = %D%/test_leases.c
tests_unit_tcd_test_leases_LDADD = $(LINK_TCD) tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
tests_unit_tcd_test_quoter_SOURCES = %D%/test_quoter.c
tests_unit_tcd_test_quoter_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_tcd_test_quoter_LDADD = $(LINK_SWTPM) $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_machine_SOURCES = %D%/test_machine.c
tests_unit_tcd_test_machine_LDADD = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_reference_sets_SOURCES = %D%/test_reference_sets.c
tests_unit_tcd_test_reference_sets_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_tcd_test_reference_sets_LDADD = $(LINK_TCD) tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
tests_unit_tcd_test_staged_verdicts_SOURCES = %D%/test_staged_verdicts.c
tests_unit_tcd_test_staged_verdicts_LDADD = tests/support/libperimetertest.a $(LINK_TCD) $(LINK_TEST)
# These play what their piece of tcd leans on, and take its object alone.
tests_unit_tcd_test_node_transfer_SOURCES = %D%/test_node_transfer.c
tests_unit_tcd_test_node_transfer_LDADD = $(LINK_TCD) $(LINK_TEST)
tests_unit_tcd_test_proposals_SOURCES = %D%/test_proposals.c
tests_unit_tcd_test_proposals_LDADD = $(LINK_TCD) $(LINK_CORE) $(LINK_TEST)
tests_unit_tcd_test_vm_reports_SOURCES = %D%/test_vm_reports.c
tests_unit_tcd_test_vm_reports_LDADD = $(LINK_TCD) tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
tests_unit_tcd_test_vm_release_SOURCES = %D%/test_vm_release.c
tests_unit_tcd_test_vm_release_LDADD = $(LINK_TCD) tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
