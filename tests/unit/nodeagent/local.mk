# tests of nodeagent
UNIT_VM = \
	tests/unit/nodeagent/test_qmp \
	tests/unit/nodeagent/test_qmp_message
check_PROGRAMS += $(UNIT_VM)
TESTS += $(UNIT_VM)

tests_unit_nodeagent_test_qmp_SOURCES = %D%/test_qmp.c
tests_unit_nodeagent_test_qmp_LDADD = $(LINK_VM) $(LINK_TEST)
tests_unit_nodeagent_test_qmp_message_SOURCES = %D%/test_qmp_message.c
tests_unit_nodeagent_test_qmp_message_LDADD = $(LINK_VM) $(LINK_TEST)
