# tests of lib/daemon
UNIT_DAEMON = \
	tests/unit/lib/daemon/test_config_file \
	tests/unit/lib/daemon/test_daemon \
	tests/unit/lib/daemon/test_file \
	tests/unit/lib/daemon/test_worker
check_PROGRAMS += $(UNIT_DAEMON)
TESTS += $(UNIT_DAEMON)

tests_unit_lib_daemon_test_file_SOURCES = %D%/test_file.c
tests_unit_lib_daemon_test_file_LDADD = $(LINK_DAEMON) $(LINK_TEST)
tests_unit_lib_daemon_test_worker_SOURCES = %D%/test_worker.c
tests_unit_lib_daemon_test_worker_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
tests_unit_lib_daemon_test_worker_LDADD = $(LINK_DAEMON) $(LINK_TEST)
tests_unit_lib_daemon_test_config_file_SOURCES = %D%/test_config_file.c
tests_unit_lib_daemon_test_config_file_LDADD = $(LINK_DAEMON) $(LINK_TEST)
tests_unit_lib_daemon_test_daemon_SOURCES = %D%/test_daemon.c
tests_unit_lib_daemon_test_daemon_LDADD = $(LINK_DAEMON) $(LINK_TEST)
