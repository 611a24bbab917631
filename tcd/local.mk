# tcd

# Custody of the cluster seed.
noinst_LIBRARIES += tcd/libauthority.a
tcd_libauthority_a_SOURCES = \
	%D%/authority.c %D%/authority.h \
	%D%/seed_store.c %D%/seed_store.h
LINK_AUTHORITY = tcd/libauthority.a lib/tpm/libtpm.a lib/daemon/libdaemon.a $(LINK_PROTOCOL) $(TSS2_LIBS)
include tcd/core/local.mk
