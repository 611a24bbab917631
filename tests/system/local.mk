# Tests on real processes: start, crash, freeze, refuse. They use free ports and folders of their own.
TESTS += %D%/processes.bats
EXTRA_DIST += %D%/processes.bats tests/support/processes.sh

TESTS += %D%/nodeagent.bats
EXTRA_DIST += %D%/nodeagent.bats
# tccpctl without a coordinator.
TESTS += %D%/cli_offline.bats
EXTRA_DIST += %D%/cli_offline.bats
check_PROGRAMS += tests/support/request
tests_support_request_SOURCES = tests/support/request.c
tests_support_request_LDADD = $(LINK_PERIMETERTEST)
