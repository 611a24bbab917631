# tests of lib/perimeter
UNIT_PERIMETER = \
	tests/unit/lib/perimeter/test_bundle \
	tests/unit/lib/perimeter/test_endorsement \
	tests/unit/lib/perimeter/test_manifest \
	tests/unit/lib/perimeter/test_manifest_diff \
	tests/unit/lib/perimeter/test_manifest_edit \
	tests/unit/lib/perimeter/test_manifest_text \
	tests/unit/lib/perimeter/test_member_chain \
	tests/unit/lib/perimeter/test_memory \
	tests/unit/lib/perimeter/test_root \
	tests/unit/lib/perimeter/test_signed_document
check_PROGRAMS += $(UNIT_PERIMETER)
TESTS += $(UNIT_PERIMETER)

tests_unit_lib_perimeter_test_bundle_SOURCES = %D%/test_bundle.c
tests_unit_lib_perimeter_test_bundle_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_endorsement_SOURCES = %D%/test_endorsement.c
tests_unit_lib_perimeter_test_endorsement_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_manifest_SOURCES = %D%/test_manifest.c
tests_unit_lib_perimeter_test_manifest_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_manifest_diff_SOURCES = %D%/test_manifest_diff.c
tests_unit_lib_perimeter_test_manifest_diff_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_manifest_edit_SOURCES = %D%/test_manifest_edit.c
tests_unit_lib_perimeter_test_manifest_edit_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_manifest_text_SOURCES = %D%/test_manifest_text.c
tests_unit_lib_perimeter_test_manifest_text_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_member_chain_SOURCES = %D%/test_member_chain.c
tests_unit_lib_perimeter_test_member_chain_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_memory_SOURCES = %D%/test_memory.c
tests_unit_lib_perimeter_test_memory_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_root_SOURCES = %D%/test_root.c
tests_unit_lib_perimeter_test_root_LDADD = $(LINK_PERIMETERTEST)
tests_unit_lib_perimeter_test_signed_document_SOURCES = %D%/test_signed_document.c
tests_unit_lib_perimeter_test_signed_document_LDADD = $(LINK_PERIMETERTEST)
