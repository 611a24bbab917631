# Tests on real processes: start, crash, freeze, refuse. They use free ports and folders of their own.
TESTS += %D%/processes.bats
EXTRA_DIST += %D%/processes.bats tests/support/processes.sh

TESTS += %D%/nodeagent.bats
EXTRA_DIST += %D%/nodeagent.bats
