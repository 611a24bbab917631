# nodeagent
# The launcher: privileged and small. What it is made of is a library, so that tests run it with a verifier of their own.
noinst_LIBRARIES += nodeagent/launcher/liblauncher.a
nodeagent_launcher_liblauncher_a_SOURCES = \
	%D%/launcher/accelerator.c %D%/launcher/accelerator.h \
	%D%/launcher/agent_config.c %D%/launcher/agent_config.h \
	%D%/launcher/channel.c %D%/launcher/channel.h \
	%D%/launcher/command.c %D%/launcher/command.h \
	%D%/launcher/fence.c %D%/launcher/fence.h \
	%D%/launcher/grants.c %D%/launcher/grants.h \
	%D%/launcher/guest.c %D%/launcher/guest.h \
	%D%/launcher/guest_memory.c %D%/launcher/guest_memory.h \
	%D%/launcher/launcher.c %D%/launcher/launcher.h \
	%D%/launcher/message.c %D%/launcher/message.h \
	%D%/launcher/sandbox.c %D%/launcher/sandbox.h \
	%D%/launcher/settings.c %D%/launcher/settings.h \
	%D%/launcher/supervisor.c %D%/launcher/supervisor.h \
	%D%/launcher/trust.c %D%/launcher/trust.h \
	%D%/launcher/witness.c %D%/launcher/witness.h
# Most of it needs no more than this; the program itself adds what verifies grants and reads its configuration.
LINK_LAUNCHER = nodeagent/launcher/liblauncher.a $(LINK_BASE)
LINK_LAUNCHER_PROGRAM = nodeagent/launcher/liblauncher.a $(LINK_DAEMON) $(LINK_PROTOCOL)

sbin_PROGRAMS += nodeagent/launcher/tccp-launcher
nodeagent_launcher_tccp_launcher_SOURCES = \
	%D%/launcher/confinement.c %D%/launcher/confinement.h \
	%D%/launcher/main.c
nodeagent_launcher_tccp_launcher_LDADD = $(LINK_LAUNCHER_PROGRAM) $(SECCOMP_LIBS)
dist_man_MANS += docs/man/tccp-launcher.8 docs/man/tccp-launcher.conf.5

# The VM side of a node, without any protocol of the coordinator's: QMP, QEMU, images, migration.
noinst_LIBRARIES += nodeagent/libvm.a
nodeagent_libvm_a_SOURCES = \
	%D%/launcher_client.c %D%/launcher_client.h \
	%D%/migration.c %D%/migration.h \
	%D%/migration_steps.c %D%/migration_steps.h \
	%D%/qmp.c %D%/qmp.h \
	%D%/qmp_json.h \
	%D%/qmp_message.c %D%/qmp_message.h \
	%D%/qmp_script.c %D%/qmp_script.h \
	%D%/qmp_value.c %D%/qmp_value.h \
	%D%/vm.c %D%/vm.h
LINK_VM = nodeagent/libvm.a $(LINK_LAUNCHER) $(LINK_IMAGE) $(LINK_NET) $(JANSSON_LIBS) $(LIBUV_LIBS)

# Registration and lease: who this host is, and that the coordinator accepts it.
noinst_LIBRARIES += nodeagent/libregistrant.a
nodeagent_libregistrant_a_SOURCES = \
	%D%/config.c %D%/config.h \
	%D%/host.c %D%/host.h \
	%D%/lease.c %D%/lease.h \
	%D%/registrant.c %D%/registrant.h \
	%D%/registrant_internal.h \
	%D%/registrant_registration.c \
	%D%/registrant_renewal.c
LINK_REGISTRANT = nodeagent/libregistrant.a $(LINK_ATTESTER)

# Between the agents of two nodes, for a migration.
noinst_LIBRARIES += nodeagent/libmigrationlink.a
nodeagent_libmigrationlink_a_SOURCES = \
	%D%/migration_link.c %D%/migration_link.h \
	%D%/migration_port.c %D%/migration_port.h
nodeagent_libmigrationlink_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
LINK_MIGRATION_LINK = nodeagent/libmigrationlink.a lib/net/libnet.a $(LINK_PROTOCOL) $(SSL_LIBS) $(LIBUV_LIBS)

# Launch: the coordinator's orders, carried out.
noinst_LIBRARIES += nodeagent/libvms.a
nodeagent_libvms_a_SOURCES = \
	%D%/image_fetch.c %D%/image_fetch.h \
	%D%/image_overlay.c %D%/image_overlay.h \
	%D%/vm_launch.c \
	%D%/vm_migration.c \
	%D%/vm_pause.c \
	%D%/vm_record.c %D%/vm_record.h \
	%D%/vms.c %D%/vms.h \
	%D%/vms_orders.c \
	%D%/vms_reports.c \
	%D%/vms_internal.h
LINK_VMS = nodeagent/libvms.a nodeagent/libmigrationlink.a nodeagent/libvm.a nodeagent/launcher/liblauncher.a lib/image/libimage.a $(LINK_REGISTRANT) \
	$(JANSSON_LIBS)

sbin_PROGRAMS += nodeagent/nodeagent
nodeagent_nodeagent_SOURCES = %D%/main.c
nodeagent_nodeagent_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
nodeagent_nodeagent_LDADD = $(LINK_VMS)
dist_man_MANS += docs/man/nodeagent.8 docs/man/nodeagent.conf.5
