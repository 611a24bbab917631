# tests of lib/image
check_PROGRAMS += tests/unit/lib/image/test_image
TESTS += tests/unit/lib/image/test_image
tests_unit_lib_image_test_image_SOURCES = %D%/test_image.c
tests_unit_lib_image_test_image_LDADD = $(LINK_IMAGE) $(LINK_TEST)
