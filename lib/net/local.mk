# TLS, frames, connections. address and frame are PURE, tls is without sockets; the rest runs on a libuv loop.
noinst_LIBRARIES += lib/net/libnet.a
lib_net_libnet_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/client.c %D%/client.h \
	%D%/connection.c %D%/connection.h %D%/connection_end.c %D%/connection_internal.h \
	%D%/dial.c \
	%D%/frame.c %D%/frame.h \
	%D%/listener.c \
	%D%/timer.c %D%/timer.h \
	%D%/tls.c %D%/tls.h %D%/tls_context.c %D%/tls_internal.h
