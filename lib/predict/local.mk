# SANS-IO: what an image will measure, from its bytes. authenticode and boot verify signatures; the others are pure.
noinst_LIBRARIES += lib/predict/libpredict.a
lib_predict_libpredict_a_SOURCES = \
	%D%/authenticode.c %D%/authenticode.h \
	%D%/boot.c %D%/boot.h \
	%D%/cpio.c %D%/cpio.h \
	%D%/pe_image.c %D%/pe_image.h \
	%D%/prediction.c %D%/prediction.h \
	%D%/stub_archive.c %D%/stub_archive.h \
	%D%/uki.c %D%/uki.h
