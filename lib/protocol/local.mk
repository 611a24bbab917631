# SANS-IO: both sides of every protocol, step by step.
noinst_LIBRARIES += lib/protocol/libprotocol.a
lib_protocol_libprotocol_a_SOURCES = \
	%D%/inputs.c %D%/inputs.h \
	%D%/node_message.c %D%/node_message.h \
	%D%/registration.h \
	%D%/registration_attester.c \
	%D%/registration_verifier.c \
	%D%/renewal.c %D%/renewal.h \
	%D%/sealing.c %D%/sealing.h \
	%D%/image_manifest.h \
	%D%/launch_order.h \
	%D%/launch_policy.h \
	%D%/launch_proof.h \
	%D%/launch_request.h \
	%D%/launched.h \
	%D%/message.h \
	%D%/migration_report.h \
	%D%/migration_session.h \
	%D%/migration_ticket.h \
	%D%/run_grant.h \
	%D%/signed_message.h \
	%D%/ticket.h \
	%D%/vm_secret.h
