# The rules of the architecture, proof that each of them bites, and the tools behind ./check.
RULES_TESTS = %D%/test_rules.sh %D%/test_rules_bite.sh %D%/test_check.sh %D%/test_units.sh
TESTS += $(RULES_TESTS)
EXTRA_DIST += %D%/rules.sh $(RULES_TESTS)
