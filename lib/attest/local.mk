# SANS-IO: no I/O, clock or randomness. tpm_structures, pcr_bank, event_log, ima and pcr_policy are pure besides.
noinst_LIBRARIES += lib/attest/libattest.a
lib_attest_libattest_a_SOURCES = \
	%D%/appraisal.c %D%/appraisal.h \
	%D%/attestation_key.c %D%/attestation_key.h \
	%D%/credential.c %D%/credential.h \
	%D%/ek_certificate.c %D%/ek_certificate.h \
	%D%/ek_template.c \
	%D%/event_log.c %D%/event_log.h \
	%D%/ima.c %D%/ima.h \
	%D%/pcr_bank.c %D%/pcr_bank.h \
	%D%/pcr_policy.c %D%/pcr_policy.h \
	%D%/pcr_policy_message.c %D%/pcr_policy_message.h \
	%D%/quote.c %D%/quote.h \
	%D%/tpm_key.c %D%/tpm_key.h \
	%D%/tpm_structures.c %D%/tpm_structures.h
