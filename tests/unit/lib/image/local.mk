# tests of lib/image
UNIT_IMAGE = %D%/test_image %D%/test_qcow2
check_PROGRAMS += $(UNIT_IMAGE)
TESTS += $(UNIT_IMAGE)
tests_unit_lib_image_test_image_SOURCES = %D%/test_image.c
tests_unit_lib_image_test_image_LDADD = $(LINK_IMAGE) $(LINK_TEST)
tests_unit_lib_image_test_image_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=write
tests_unit_lib_image_test_qcow2_SOURCES = %D%/test_qcow2.c
tests_unit_lib_image_test_qcow2_LDADD = $(LINK_IMAGE) $(LINK_TEST)
