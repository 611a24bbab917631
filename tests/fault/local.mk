# tests/fault: real processes, killed, stopped, cut off.
check_PROGRAMS += tests/support/replica_driver
tests_support_replica_driver_SOURCES = tests/support/replica_driver.c
tests_support_replica_driver_LDADD = tcd/libreplica.a lib/daemon/libdaemon.a $(LINK_NETTEST) $(RAFT_LIBS)

check_LIBRARIES += tests/support/libcluster.a
tests_support_libcluster_a_SOURCES = \
	tests/support/cluster.c tests/support/cluster.h \
	tests/support/proxy.c tests/support/proxy.h
FAULT = tests/fault/test_replica
check_PROGRAMS += $(FAULT)
TESTS += $(FAULT)
tests_fault_test_replica_SOURCES = %D%/test_replica.c
tests_fault_test_replica_LDADD = tests/support/libcluster.a $(LINK_NETTEST)
