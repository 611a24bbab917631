# Tests mirror the tree; each folder says in its local.mk what it tests.
LINK_TEST = $(CMOCKA_LIBS)

include tests/unit/lib/base/local.mk
include tests/unit/lib/crypto/local.mk
include tests/unit/lib/attest/local.mk
include tests/unit/lib/perimeter/local.mk
include tests/unit/lib/protocol/local.mk
include tests/unit/lib/tpm/local.mk
include tests/unit/lib/net/local.mk
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
