# tccpctl: one table of commands; what asks a member goes through lib/net.
bin_PROGRAMS += cli/tccpctl
LINK_CLI = cli/libcli.a lib/image/libimage.a lib/predict/libpredict.a lib/policy/libpolicy.a $(LINK_PROTOCOL) $(LINK_NET) $(LINK_DAEMON) $(JANSSON_LIBS) $(SMARTCOLS_LIBS) $(ARCHIVE_LIBS)
noinst_LIBRARIES += cli/libcli.a
cli_libcli_a_SOURCES = \
	%D%/archived_files.c %D%/archived_files.h \
	%D%/cli.h \
	%D%/cluster.c \
	%D%/commands.c %D%/commands.h \
	%D%/completion.c \
	%D%/documents.c %D%/documents.h \
	%D%/ete.c \
	%D%/ete_endorse.c \
	%D%/ete_sign.c \
	%D%/ete_succeed.c \
	%D%/evidence_folder.c %D%/evidence_folder.h \
	%D%/file_measurements.h \
	%D%/file_measurements_initramfs.c \
	%D%/file_measurements_package.c \
	%D%/file_measurements_root.c \
	%D%/files.c %D%/files.h \
	%D%/help.c \
	%D%/identity.c %D%/identity.h \
	%D%/image.c \
	%D%/image_folder.c %D%/image_folder.h \
	%D%/launch_record.c %D%/launch_record.h \
	%D%/ledger.c %D%/ledger.h \
	%D%/node.c %D%/node.h \
	%D%/node_evidence.c %D%/node_evidence.h \
	%D%/node_explain.c \
	%D%/node_replace.c \
	%D%/options.c \
	%D%/output.c %D%/output.h \
	%D%/passphrase.c %D%/passphrase.h \
	%D%/perimeter.c %D%/perimeter.h \
	%D%/perimeter_online.c \
	%D%/policy.c \
	%D%/policy_diff.c \
	%D%/policy_file.c %D%/policy_file.h \
	%D%/policy_learn.c \
	%D%/policy_manifest.c \
	%D%/policy_make.c %D%/policy_make.h \
	%D%/policy_options.c %D%/policy_options.h \
	%D%/policy_predict.c \
	%D%/policy_review.c %D%/policy_review.h \
	%D%/policy_try.c \
	%D%/policy_store.c %D%/policy_store.h \
	%D%/remember.c %D%/remember.h \
	%D%/report.c \
	%D%/session.c %D%/session.h \
	%D%/settings.c %D%/settings.h \
	%D%/signing.c %D%/signing.h \
	%D%/size_text.c %D%/size_text.h \
	%D%/table.c %D%/table.h \
	%D%/user.c \
	%D%/value.c %D%/value.h \
	%D%/vm.c %D%/vm.h \
	%D%/vm_launch.c \
	%D%/vm_migrate.c \
	%D%/vm_proof.c \
	%D%/vm_wait.c
cli_libcli_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS) $(ARCHIVE_CFLAGS)
cli_tccpctl_SOURCES = %D%/main.c
cli_tccpctl_LDADD = $(LINK_CLI)

# The man page is the program's own word.
man1_MANS = cli/tccpctl.1
CLEANFILES += $(man1_MANS)
cli/tccpctl.1: cli/tccpctl$(EXEEXT)
	$(AM_V_GEN)cli/tccpctl$(EXEEXT) help --man >$@.new && mv $@.new $@
