# Whole hosts booted in QEMU: firmware, Secure Boot, a signed unified kernel image, IMA, a TPM, and the agent.
check_PROGRAMS += tests/hosts/collect_evidence
tests_hosts_collect_evidence_SOURCES = %D%/collect_evidence.c
tests_hosts_collect_evidence_LDADD = $(LINK_TPM)
TESTS += %D%/whole_boot.bats
EXTRA_DIST += %D%/whole_boot.bats %D%/image.sh %D%/boot.sh %D%/make_boots.sh %D%/init guest/fetch-kernel
# With --all it boots nine machines, and others may want the processor.
tests/hosts/whole_boot.log: TEST_LIMIT_S = 1200
