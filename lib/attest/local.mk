# SANS-IO: no I/O, clock or randomness. tpm_structures, pcr_bank, event_log, ima and pcr_policy are pure besides.
noinst_LIBRARIES += lib/attest/libattest.a
lib_attest_libattest_a_SOURCES = \
	%D%/appraisal.c %D%/appraisal.h \
	%D%/attestation_key.c %D%/attestation_key.h \
	%D%/credential.c %D%/credential.h \
	%D%/digest_set.c %D%/digest_set.h \
	%D%/efi_variable.c %D%/efi_variable.h \
	%D%/ek_certificate.c %D%/ek_certificate.h \
	%D%/ek_template.c \
	%D%/event_log.c %D%/event_log.h \
	%D%/event_sequence.c %D%/event_sequence.h \
	%D%/file_set.c %D%/file_set.h \
	%D%/ima.c %D%/ima.h \
	%D%/ima_policy.c %D%/ima_policy.h \
	%D%/ima_signature.c %D%/ima_signature.h \
	%D%/log_appraisal.c %D%/log_appraisal.h \
	%D%/objections.c %D%/objections.h \
	%D%/pcr_bank.c %D%/pcr_bank.h \
	%D%/pcr_policy.c %D%/pcr_policy.h \
	%D%/pcr_policy_message.c %D%/pcr_policy_message.h \
	%D%/quote.c %D%/quote.h \
	%D%/reference_list.c %D%/reference_list.h \
	%D%/reference_set.c %D%/reference_set.h \
	%D%/secure_boot.c %D%/secure_boot.h \
	%D%/tpm_key.c %D%/tpm_key.h \
	%D%/tpm_structures.c %D%/tpm_structures.h
