# bench

# bench/appraisal INPUTS.tar.gz
check_PROGRAMS += bench/appraisal
bench_appraisal_SOURCES = %D%/appraisal.c
bench_appraisal_LDADD = $(LINK_ATTEST)
