# tests of lib/net
UNIT_NET = \
	tests/unit/lib/net/test_address \
	tests/unit/lib/net/test_client \
	tests/unit/lib/net/test_connection \
	tests/unit/lib/net/test_frame \
	tests/unit/lib/net/test_handshakes \
	tests/unit/lib/net/test_tls
check_PROGRAMS += $(UNIT_NET)
TESTS += $(UNIT_NET)

tests_unit_lib_net_test_address_SOURCES = %D%/test_address.c
tests_unit_lib_net_test_address_LDADD = lib/net/libnet.a $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_net_test_frame_SOURCES = %D%/test_frame.c
tests_unit_lib_net_test_frame_LDADD = lib/net/libnet.a $(LINK_BASE) $(LINK_TEST)
tests_unit_lib_net_test_tls_SOURCES = %D%/test_tls.c
tests_unit_lib_net_test_tls_LDADD = $(LINK_NETTEST)
tests_unit_lib_net_test_connection_SOURCES = %D%/test_connection.c
tests_unit_lib_net_test_connection_LDADD = $(LINK_NETTEST)
tests_unit_lib_net_test_client_SOURCES = %D%/test_client.c
tests_unit_lib_net_test_client_LDADD = $(LINK_NETTEST)
tests_unit_lib_net_test_handshakes_SOURCES = %D%/test_handshakes.c
tests_unit_lib_net_test_handshakes_LDADD = $(LINK_NETTEST)
