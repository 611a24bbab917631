# A member of the coordinator. The pure core is in core/; what is here moves bytes.

# Custody of the cluster seed.
noinst_LIBRARIES += tcd/libauthority.a
tcd_libauthority_a_SOURCES = \
	%D%/authority.c %D%/authority.h \
	%D%/seed_store.c %D%/seed_store.h
LINK_AUTHORITY = tcd/libauthority.a lib/tpm/libtpm.a lib/daemon/libdaemon.a $(LINK_PROTOCOL) $(TSS2_LIBS)

include tcd/core/local.mk

# All of tcd but main(), for its tests as well.
noinst_LIBRARIES += tcd/libtcd.a
tcd_libtcd_a_SOURCES = \
	%D%/admin_call.h \
	%D%/admin_changes.c \
	%D%/admin_evidence.c \
	%D%/admin_list.c %D%/admin_list.h \
	%D%/admin_nodes.c \
	%D%/admin_reads.c \
	%D%/admin_references.c \
	%D%/admin_server.c %D%/admin_server.h \
	%D%/admin_vms.c \
	%D%/api_server.c %D%/api_server.h \
	%D%/authorize.c %D%/authorize.h \
	%D%/bootstrap.c %D%/bootstrap.h \
	%D%/chores.c %D%/chores.h \
	%D%/config.c %D%/config.h \
	%D%/credentials.c %D%/credentials.h \
	%D%/boot_record.c %D%/boot_record.h \
	%D%/evidence_tap.c %D%/evidence_tap.h \
	%D%/evidence_budget.c %D%/evidence_budget.h \
	%D%/in_force.c %D%/in_force.h \
	%D%/joining.c %D%/joining.h \
	%D%/leases.c %D%/leases.h \
	%D%/lifecycle.c %D%/lifecycle.h \
	%D%/machine.c %D%/machine.h \
	%D%/member_state.c %D%/member_state.h \
	%D%/membership.c %D%/membership.h \
	%D%/node_tap.c \
	%D%/node_transfer.c \
	%D%/node_registration.c \
	%D%/node_renewal.c \
	%D%/node_server.c %D%/node_server.h %D%/node_session.h \
	%D%/proposals.c %D%/proposals.h \
	%D%/quoter.c %D%/quoter.h \
	%D%/reference_sets.c %D%/reference_sets.h \
	%D%/refusals.c %D%/refusals.h \
	%D%/staged_verdicts.c %D%/staged_verdicts.h \
	%D%/tcd.h \
	%D%/vm_orders.c %D%/vm_orders.h %D%/vm_orders_internal.h \
	%D%/vm_migrations.c \
	%D%/vm_release.c \
	%D%/vm_reports.c
tcd_libtcd_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS) $(SSL_CFLAGS)

# The replicated log. raft.h is included by replica.c and raft_transport.c only.
noinst_LIBRARIES += tcd/libreplica.a
tcd_libreplica_a_SOURCES = \
	%D%/entry.c %D%/entry.h \
	%D%/raft_transport.c %D%/raft_transport.h \
	%D%/replica.c %D%/replica.h %D%/replica_internal.h \
	%D%/replica_disk.c \
	%D%/replica_machine.c \
	%D%/replica_members.c \
	%D%/replica_queue.c %D%/replica_queue.h
tcd_libreplica_a_CFLAGS = $(AM_CFLAGS) $(RAFT_CFLAGS) $(LIBUV_CFLAGS)
LINK_REPLICA = tcd/libreplica.a $(LINK_NET) $(RAFT_LIBS) $(LIBUV_LIBS)
LINK_TCD = tcd/libtcd.a tcd/libreplica.a tcd/core/libcore.a tcd/libauthority.a $(LINK_ATTESTER) $(RAFT_LIBS)

sbin_PROGRAMS += tcd/tcd
tcd_tcd_SOURCES = %D%/main.c
tcd_tcd_CPPFLAGS = $(tcd_libtcd_a_CPPFLAGS)
tcd_tcd_LDADD = $(LINK_TCD)
