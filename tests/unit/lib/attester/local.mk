# tests of lib/attester
UNIT_ATTESTER = \
	tests/unit/lib/attester/test_evidence_outbox \
	tests/unit/lib/attester/test_registrar
check_PROGRAMS += $(UNIT_ATTESTER)
TESTS += $(UNIT_ATTESTER)

tests_unit_lib_attester_test_evidence_outbox_SOURCES = %D%/test_evidence_outbox.c
tests_unit_lib_attester_test_evidence_outbox_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_lib_attester_test_evidence_outbox_LDADD = $(LINK_COORDINATOR)
tests_unit_lib_attester_test_registrar_SOURCES = %D%/test_registrar.c
tests_unit_lib_attester_test_registrar_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_lib_attester_test_registrar_LDADD = $(LINK_COORDINATOR)
