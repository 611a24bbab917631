# nodeagent
# The VM side of a node, without any protocol of the coordinator's: QMP, QEMU, images, migration.
noinst_LIBRARIES += nodeagent/libvm.a
nodeagent_libvm_a_SOURCES = \
	%D%/qmp.c %D%/qmp.h \
	%D%/qmp_json.h \
	%D%/qmp_message.c %D%/qmp_message.h \
	%D%/qmp_value.c %D%/qmp_value.h
LINK_VM = nodeagent/libvm.a $(LINK_BASE) $(JANSSON_LIBS) $(LIBUV_LIBS)
