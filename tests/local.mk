# Tests mirror the tree; each folder says in its local.mk what it tests.
LINK_TEST = $(CMOCKA_LIBS)

# Emulated TPMs for tests: link it in the place of LINK_TEST.
check_LIBRARIES += tests/support/libswtpm.a
tests_support_libswtpm_a_SOURCES = \
	%D%/support/swtpm.c %D%/support/swtpm.h \
	%D%/support/tpm_relay.c %D%/support/tpm_relay.h
tests_support_libswtpm_a_CPPFLAGS = $(AM_CPPFLAGS) -DSWTPM_SCRIPT='"$(abs_top_srcdir)/tests/support/swtpm.sh"'
LINK_SWTPM = tests/support/libswtpm.a $(LINK_TEST)
EXTRA_DIST += tests/support/swtpm.sh

# Connections in tests: identities and what joins them. Link it before LINK_NET.
check_LIBRARIES += tests/support/libnettest.a
tests_support_libnettest_a_SOURCES = \
	%D%/support/credentials.c %D%/support/credentials.h \
	%D%/support/loop.c %D%/support/loop.h
LINK_NETTEST = tests/support/libnettest.a $(LINK_NET) $(LINK_TEST)

# Vectors, and the private half of a TPM in software: link it before LINK_ATTEST.
check_LIBRARIES += tests/support/libsofttpm.a
tests_support_libsofttpm_a_SOURCES = \
	%D%/support/soft_ca.c %D%/support/soft_ca.h \
	%D%/support/soft_tpm.c %D%/support/soft_tpm.h \
	%D%/support/vectors.c %D%/support/vectors.h
LINK_SOFT_TPM = tests/support/libsofttpm.a $(LINK_ATTEST) $(LINK_TEST)

# A perimeter with its keys and documents. Link it before LINK_PERIMETER.
check_LIBRARIES += tests/support/libperimetertest.a
tests_support_libperimetertest_a_SOURCES = %D%/support/perimeter.c %D%/support/perimeter.h
LINK_PERIMETERTEST = tests/support/libperimetertest.a tests/support/libsofttpm.a $(LINK_PERIMETER) $(LINK_TEST)

# A coordinator to register with, over real TLS and TPMs.
check_LIBRARIES += tests/support/libcoordinator.a
tests_support_libcoordinator_a_SOURCES = %D%/support/coordinator.c %D%/support/coordinator.h
tests_support_libcoordinator_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
LINK_COORDINATOR = tests/support/libcoordinator.a tests/support/libnettest.a tests/support/libperimetertest.a \
	tests/support/libswtpm.a $(LINK_ATTESTER) $(LINK_TEST)

# A member that answers tccpctl as a test wants.
check_LIBRARIES += tests/support/libmembertest.a
tests_support_libmembertest_a_SOURCES = %D%/support/member.c %D%/support/member.h
tests_support_libmembertest_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
LINK_MEMBERTEST = tests/support/libmembertest.a tests/support/libperimetertest.a $(LINK_CLI) $(LINK_TEST) -lpthread

# What takes longest begins first.
include tests/hosts/local.mk
include tests/unit/lib/base/local.mk
include tests/unit/lib/crypto/local.mk
include tests/unit/lib/attest/local.mk
include tests/unit/lib/predict/local.mk
include tests/unit/lib/policy/local.mk
include tests/unit/lib/perimeter/local.mk
include tests/unit/lib/protocol/local.mk
include tests/unit/lib/image/local.mk
include tests/unit/lib/tpm/local.mk
include tests/unit/lib/net/local.mk
include tests/unit/lib/attester/local.mk
include tests/unit/lib/daemon/local.mk
include tests/unit/tcd/core/local.mk
include tests/unit/tcd/local.mk
include tests/unit/nodeagent/local.mk
include tests/unit/cli/local.mk
include tests/property/local.mk
include tests/protocol/local.mk
include tests/simulation/local.mk
include tests/fault/local.mk
include tests/system/local.mk
include tests/rules/local.mk
