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

# bench/launch: see its head
check_PROGRAMS += bench/by_hand bench/watch
bench_by_hand_SOURCES = %D%/by_hand.c %D%/sign_of_life.c %D%/sign_of_life.h
bench_by_hand_LDADD = $(LINK_VM) $(LINK_PROTOCOL)
bench_watch_SOURCES = %D%/watch.c %D%/sign_of_life.c %D%/sign_of_life.h
EXTRA_DIST += bench/launch

# bench/renewal: see its head
check_PROGRAMS += bench/agents
bench_agents_SOURCES = %D%/agents.c %D%/fleet.c %D%/fleet.h %D%/fleet_host.c %D%/fleet_host.h \
	%D%/soft_node.c %D%/soft_node.h %D%/trickle.c %D%/trickle.h
bench_agents_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
bench_agents_LDADD = tests/support/libsofttpm.a $(LINK_ATTESTER) $(LINK_TEST)
EXTRA_DIST += bench/renewal
