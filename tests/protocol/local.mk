# Both sides of a protocol joined in memory.
PROTOCOL_TESTS = \
	tests/protocol/test_registration
check_PROGRAMS += $(PROTOCOL_TESTS)
TESTS += $(PROTOCOL_TESTS)

tests_protocol_test_registration_SOURCES = %D%/test_registration.c %D%/hosts.c %D%/hosts.h
tests_protocol_test_registration_LDADD = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_PROTOCOL) $(LINK_TEST)
