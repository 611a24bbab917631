# PURE: no I/O, clock or randomness; of OpenSSL only SHA-256 and the secure heap.
noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	%D%/bytes.c %D%/bytes.h \
	%D%/canonical.c %D%/canonical.h \
	%D%/log.c %D%/log.h \
	%D%/merkle.c %D%/merkle.h \
	%D%/protobuf.c %D%/protobuf.h \
	%D%/refusal.c %D%/refusal.h \
	%D%/secret.c %D%/secret.h \
	%D%/sha256.c %D%/sha256.h \
	%D%/statement.c %D%/statement.h \
	%D%/status.c %D%/status.h \
	%D%/table.c %D%/table.h \
	%D%/text.c %D%/text.h \
	%D%/time_text.c %D%/time_text.h
