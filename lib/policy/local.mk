# SANS-IO: appraisal policies as people write them.
noinst_LIBRARIES += lib/policy/libpolicy.a
lib_policy_libpolicy_a_SOURCES = \
	%D%/policy.c %D%/policy.h \
	%D%/policy_compile.c \
	%D%/policy_diff.c %D%/policy_diff.h \
	%D%/policy_learn.c \
	%D%/policy_lint.c %D%/policy_lint.h \
	%D%/policy_print.c \
	%D%/policy_remedy.c %D%/policy_remedy.h \
	%D%/policy_text.c
