# bench

# bench/appraisal INPUTS.tar.gz
check_PROGRAMS += bench/appraisal
bench_appraisal_SOURCES = %D%/appraisal.c
bench_appraisal_LDADD = $(LINK_ATTEST)

# bench/commit: see its head
check_PROGRAMS += bench/commit bench/commit_member
bench_commit_SOURCES = %D%/commit.c %D%/load.c %D%/load.h
bench_commit_LDADD = $(LINK_NETTEST) $(LINK_PROTO)
bench_commit_member_SOURCES = %D%/commit_member.c
bench_commit_member_LDADD = tcd/libreplica.a lib/daemon/libdaemon.a $(LINK_NETTEST) $(LINK_PROTO) $(RAFT_LIBS)
