# PURE: no I/O, clock or randomness; of OpenSSL only SHA-256.
noinst_LIBRARIES += tcd/core/libcore.a
tcd_core_libcore_a_SOURCES = \
	%D%/audit.c %D%/audit.h \
	%D%/command.c %D%/command.h \
	%D%/command_decode.c \
	%D%/command_encode.c \
	%D%/digest.c %D%/digest.h \
	%D%/documents.c %D%/documents.h \
	%D%/fields.c %D%/fields.h \
	%D%/leases.c \
	%D%/limits.h \
	%D%/manifest.c %D%/manifest.h \
	%D%/members.c %D%/members.h \
	%D%/nodes.c %D%/nodes.h \
	%D%/operations.c %D%/operations.h \
	%D%/pending.c %D%/pending.h \
	%D%/placement.c %D%/placement.h \
	%D%/records.h \
	%D%/records_pack.c %D%/records_pack.h \
	%D%/records_restore.c \
	%D%/references.c %D%/references.h \
	%D%/registry.c %D%/registry.h \
	%D%/responses.c %D%/responses.h \
	%D%/rests.c %D%/rests.h \
	%D%/sessions.c %D%/sessions.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/state.h \
	%D%/users.c %D%/users.h \
	%D%/vms.c %D%/vms.h
