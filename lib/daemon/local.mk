# What the long-running programs share.
noinst_LIBRARIES += lib/daemon/libdaemon.a
lib_daemon_libdaemon_a_SOURCES = \
	%D%/worker.c %D%/worker.h
lib_daemon_libdaemon_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
