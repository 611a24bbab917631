# SANS-IO: both sides of every protocol, step by step.
noinst_LIBRARIES += lib/protocol/libprotocol.a
lib_protocol_libprotocol_a_SOURCES = \
	%D%/inputs.c %D%/inputs.h \
	%D%/node_message.c %D%/node_message.h \
	%D%/registration.h \
	%D%/registration_attester.c \
	%D%/registration_verifier.c \
	%D%/renewal.c %D%/renewal.h \
	%D%/sealing.c %D%/sealing.h
