# SANS-IO: what the external trusted entity signs, and how it is verified. Time is an argument.
noinst_LIBRARIES += lib/perimeter/libperimeter.a
lib_perimeter_libperimeter_a_SOURCES = \
	%D%/bundle.h \
	%D%/endorsement.h \
	%D%/manifest.h \
	%D%/manifest_diff.h \
	%D%/manifest_text.h \
	%D%/memory.c %D%/memory.h \
	%D%/root.h \
	%D%/signed_document.h
