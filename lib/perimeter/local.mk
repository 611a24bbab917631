# SANS-IO: what the external trusted entity signs, and how it is verified. Time is an argument.
noinst_LIBRARIES += lib/perimeter/libperimeter.a
lib_perimeter_libperimeter_a_SOURCES = \
	%D%/bundle.c %D%/bundle.h \
	%D%/endorsement.c %D%/endorsement.h \
	%D%/manifest.c %D%/manifest.h \
	%D%/manifest_build.c \
	%D%/manifest_check.c \
	%D%/manifest_diff.c %D%/manifest_diff.h \
	%D%/manifest_edit.c %D%/manifest_edit.h \
	%D%/manifest_keys.c \
	%D%/manifest_parse.c \
	%D%/manifest_print.c \
	%D%/manifest_private.h \
	%D%/member_chain.c %D%/member_chain.h \
	%D%/manifest_text.c %D%/manifest_text.h \
	%D%/manifest_text_private.h \
	%D%/manifest_values.c \
	%D%/memory.c %D%/memory.h \
	%D%/root.c %D%/root.h \
	%D%/signed_document.c %D%/signed_document.h
