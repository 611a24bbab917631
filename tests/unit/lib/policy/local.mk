# tests of lib/policy
UNIT_POLICY = \
	tests/unit/lib/policy/test_policy_compile \
	tests/unit/lib/policy/test_policy_diff \
	tests/unit/lib/policy/test_policy_learn \
	tests/unit/lib/policy/test_policy_lint \
	tests/unit/lib/policy/test_policy_remedy \
	tests/unit/lib/policy/test_policy_text
check_PROGRAMS += $(UNIT_POLICY)
TESTS += $(UNIT_POLICY)

LINK_POLICYTEST = tests/support/libsofttpm.a $(LINK_POLICY) $(LINK_TEST)
tests_unit_lib_policy_test_policy_compile_SOURCES = %D%/test_policy_compile.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_compile_LDADD = $(LINK_POLICYTEST)
tests_unit_lib_policy_test_policy_diff_SOURCES = %D%/test_policy_diff.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_diff_LDADD = $(LINK_POLICYTEST)
tests_unit_lib_policy_test_policy_learn_SOURCES = %D%/test_policy_learn.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_learn_LDADD = $(LINK_POLICYTEST)
tests_unit_lib_policy_test_policy_lint_SOURCES = %D%/test_policy_lint.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_lint_LDADD = $(LINK_POLICYTEST)
tests_unit_lib_policy_test_policy_remedy_SOURCES = %D%/test_policy_remedy.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_remedy_LDADD = $(LINK_POLICYTEST)
tests_unit_lib_policy_test_policy_text_SOURCES = %D%/test_policy_text.c %D%/policy_helper.h
tests_unit_lib_policy_test_policy_text_LDADD = $(LINK_POLICYTEST)
