# What the long-running programs share.
noinst_LIBRARIES += lib/daemon/libdaemon.a
lib_daemon_libdaemon_a_SOURCES = \
	%D%/config_file.c %D%/config_file.h \
	%D%/daemon.h %D%/harden.c %D%/log_sink.c %D%/notify.c %D%/signals.c \
	%D%/file.c %D%/file.h \
	%D%/worker.c %D%/worker.h
lib_daemon_libdaemon_a_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS) $(CONFUSE_CFLAGS)
