# tests/property

check_PROGRAMS += tests/property/test_core_property
TESTS += tests/property/test_core_property
tests_property_test_core_property_SOURCES = %D%/test_core_property.c %D%/core_model.c %D%/core_model.h
tests_property_test_core_property_LDADD = tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)

check_PROGRAMS += tests/property/test_references_property
TESTS += tests/property/test_references_property
tests_property_test_references_property_SOURCES = %D%/test_references_property.c
tests_property_test_references_property_LDADD = tests/support/libcorefixture.a $(LINK_CORE) $(LINK_TEST)
