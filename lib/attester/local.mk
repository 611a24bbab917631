# The I/O of an attester: nodes and joining members share it.
noinst_LIBRARIES += lib/attester/libattester.a
lib_attester_libattester_a_SOURCES = \
	%D%/evidence_outbox.c %D%/evidence_outbox.h \
	%D%/registrar.c %D%/registrar.h \
	%D%/trusted_key.c %D%/trusted_key.h
lib_attester_libattester_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
