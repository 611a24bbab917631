# tests of lib/predict
# For boot tests.
check_PROGRAMS += tests/support/predict_dump
tests_support_predict_dump_SOURCES = tests/support/predict_dump.c
tests_support_predict_dump_LDADD = $(LINK_PREDICT) $(LINK_DAEMON)

UNIT_PREDICT = \
	%D%/test_boot \
	%D%/test_cpio \
	%D%/test_pe_image \
	%D%/test_uki
check_PROGRAMS += $(UNIT_PREDICT)
TESTS += $(UNIT_PREDICT)

tests_unit_lib_predict_test_pe_image_SOURCES = %D%/test_pe_image.c %D%/pe_maker.h
tests_unit_lib_predict_test_pe_image_LDADD = $(LINK_PREDICT) $(LINK_TEST)
tests_unit_lib_predict_test_uki_SOURCES = %D%/test_uki.c tests/support/uki_maker.c tests/support/uki_maker.h
tests_unit_lib_predict_test_uki_LDADD = $(LINK_PREDICT) $(LINK_SOFT_TPM)
tests_unit_lib_predict_test_boot_SOURCES = %D%/test_boot.c tests/support/uki_maker.c tests/support/uki_maker.h
tests_unit_lib_predict_test_boot_LDADD = $(LINK_PREDICT) $(LINK_SOFT_TPM)
tests_unit_lib_predict_test_cpio_SOURCES = %D%/test_cpio.c
tests_unit_lib_predict_test_cpio_LDADD = $(LINK_PREDICT) $(LINK_TEST)
