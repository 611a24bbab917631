# The rules of the architecture, proof that each of them bites, and the tools behind ./check.
TESTS += %D%/test_rules.sh %D%/test_rules_bite.sh %D%/test_check.sh
EXTRA_DIST += %D%/rules.sh %D%/test_rules.sh %D%/test_rules_bite.sh %D%/test_check.sh
