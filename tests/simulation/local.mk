# tests/simulation: 1,000 seeds in `make check`, 400 of them with five members.
# By hand: cluster_3 REPLICAS FIRST LAST [-v]; a seed that fails is appended to tests/simulation/seeds.
SIMULATION_SOURCES = \
	%D%/client.c \
	%D%/coordinator.c \
	%D%/host.c \
	%D%/main.c \
	%D%/network.c \
	%D%/oracle.c \
	%D%/proposals.c \
	%D%/simulate.c \
	%D%/world.h
SIMULATION = tests/simulation/cluster_3 tests/simulation/cluster_5
check_PROGRAMS += $(SIMULATION)
TESTS += $(SIMULATION)
EXTRA_DIST += %D%/seeds

SIMULATION_LDADD = tests/support/libcorefixture.a tcd/libreplica.a $(LINK_CORE) $(RAFT_LIBS) $(LIBUV_LIBS)
tests_simulation_cluster_3_SOURCES = $(SIMULATION_SOURCES)
tests_simulation_cluster_3_CPPFLAGS = $(AM_CPPFLAGS) $(RAFT_CFLAGS) -DCHECK_REPLICAS=3 -DCHECK_FIRST=1 -DCHECK_LAST=600
tests_simulation_cluster_3_LDADD = $(SIMULATION_LDADD)
tests_simulation_cluster_5_SOURCES = $(SIMULATION_SOURCES)
tests_simulation_cluster_5_CPPFLAGS = $(AM_CPPFLAGS) $(RAFT_CFLAGS) -DCHECK_REPLICAS=5 -DCHECK_FIRST=601 -DCHECK_LAST=1000
tests_simulation_cluster_5_LDADD = $(SIMULATION_LDADD)
