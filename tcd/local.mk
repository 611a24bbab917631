# tcd

# Custody of the cluster seed.
noinst_LIBRARIES += tcd/libauthority.a
tcd_libauthority_a_SOURCES = \
	%D%/authority.c %D%/authority.h \
	%D%/seed_store.c %D%/seed_store.h
LINK_AUTHORITY = tcd/libauthority.a lib/tpm/libtpm.a lib/daemon/libdaemon.a $(LINK_PROTOCOL) $(TSS2_LIBS)
include tcd/core/local.mk
# A member of the coordinator: the pure core is in core/; what is here moves bytes.
noinst_LIBRARIES += tcd/libtcd.a
tcd_libtcd_a_SOURCES = \
	%D%/authorize.c %D%/authorize.h \
	%D%/config.c %D%/config.h \
	%D%/credentials.c %D%/credentials.h \
	%D%/in_force.c %D%/in_force.h \
	%D%/leases.c %D%/leases.h \
	%D%/quoter.c %D%/quoter.h
tcd_libtcd_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS) $(SSL_CFLAGS)

# The replicated log. raft.h is included by replica.c and raft_transport.c only.
noinst_LIBRARIES += tcd/libreplica.a
tcd_libreplica_a_SOURCES = \
	%D%/entry.c %D%/entry.h \
	%D%/raft_transport.c %D%/raft_transport.h \
	%D%/replica.c %D%/replica.h
tcd_libreplica_a_CFLAGS = $(AM_CFLAGS) $(RAFT_CFLAGS) $(LIBUV_CFLAGS)
LINK_REPLICA = tcd/libreplica.a $(LINK_NET) $(RAFT_LIBS) $(LIBUV_LIBS)
