# SANS-IO: both sides of every protocol, step by step.
noinst_LIBRARIES += lib/protocol/libprotocol.a
lib_protocol_libprotocol_a_SOURCES = \
	%D%/evidence_transfer.c %D%/evidence_transfer.h \
	%D%/inputs.c %D%/inputs.h \
	%D%/node_message.c %D%/node_message.h \
	%D%/registration.h \
	%D%/registration_attester.c \
	%D%/registration_verifier.c \
	%D%/renewal.c %D%/renewal.h \
	%D%/sealing.c %D%/sealing.h \
	%D%/image_manifest.c %D%/image_manifest.h \
	%D%/launch_order.c %D%/launch_order.h \
	%D%/launch_policy.c %D%/launch_policy.h \
	%D%/launch_proof.c %D%/launch_proof.h \
	%D%/launch_request.c %D%/launch_request.h \
	%D%/launched.c %D%/launched.h \
	%D%/message.h \
	%D%/migration_hello.c %D%/migration_hello.h \
	%D%/migration_report.c %D%/migration_report.h \
	%D%/migration_session.c %D%/migration_session.h \
	%D%/migration_ticket.c %D%/migration_ticket.h \
	%D%/run_grant.c %D%/run_grant.h \
	%D%/signed_message.c %D%/signed_message.h \
	%D%/ticket.c %D%/ticket.h \
	%D%/vm_keys.c %D%/vm_keys.h \
	%D%/vm_secret.c %D%/vm_secret.h
