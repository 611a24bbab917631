# tests/fault: real processes, killed, stopped, cut off.
check_PROGRAMS += tests/support/replica_driver
tests_support_replica_driver_SOURCES = tests/support/replica_driver.c
tests_support_replica_driver_LDADD = tcd/libreplica.a lib/daemon/libdaemon.a $(LINK_NETTEST) $(RAFT_LIBS)
