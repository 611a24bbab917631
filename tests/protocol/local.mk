# Both sides of a protocol joined in memory.
PROTOCOL_TESTS = \
	tests/protocol/test_large_evidence \
	tests/protocol/test_launch_flow \
	tests/protocol/test_registration \
	tests/protocol/test_renewal
check_PROGRAMS += $(PROTOCOL_TESTS)
TESTS += $(PROTOCOL_TESTS)

tests_protocol_test_registration_SOURCES = %D%/test_registration.c %D%/run.c %D%/run.h %D%/hosts.c %D%/hosts.h
tests_protocol_test_registration_LDADD = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_PROTOCOL) $(LINK_TEST)
tests_protocol_test_large_evidence_SOURCES = %D%/test_large_evidence.c %D%/run.c %D%/run.h %D%/hosts.c %D%/hosts.h \
	tests/support/ima_log.c tests/support/ima_log.h
tests_protocol_test_large_evidence_LDADD = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_PROTOCOL) $(LINK_TEST)
tests_protocol_test_launch_flow_SOURCES = %D%/test_launch_flow.c
tests_protocol_test_launch_flow_LDADD = $(LINK_PROTOCOL) $(LINK_TEST)
tests_protocol_test_renewal_SOURCES = %D%/test_renewal.c %D%/hosts.c %D%/hosts.h
tests_protocol_test_renewal_LDADD = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_PROTOCOL) $(LINK_TEST)
