# The TPM, behind one header (tpm.h): the only folder that knows tss2.
noinst_LIBRARIES += lib/tpm/libtpm.a
lib_tpm_libtpm_a_SOURCES = \
	%D%/device.c %D%/device.h \
	%D%/host_evidence.c %D%/host_evidence.h \
	%D%/identity.c \
	%D%/ima_log_file.c %D%/ima_log_file.h \
	%D%/quote.c \
	%D%/seal.c \
	%D%/sealed_blob.c %D%/sealed_blob.h \
	%D%/tcti.c %D%/tcti.h \
	%D%/templates.c %D%/templates.h \
	%D%/tpm.h
lib_tpm_libtpm_a_CPPFLAGS = $(AM_CPPFLAGS) $(TSS2_CFLAGS)
