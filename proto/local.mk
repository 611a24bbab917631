# The schemas; protoc-c makes C from them in the build tree.
PROTO_SCHEMAS = \
	proto/admin.proto \
	proto/command.proto \
	proto/member.proto \
	proto/node.proto \
	proto/perimeter.proto \
	proto/policy.proto \
	proto/vm.proto
EXTRA_DIST += $(PROTO_SCHEMAS)

noinst_LIBRARIES += proto/libproto.a
nodist_proto_libproto_a_SOURCES = $(PROTO_SCHEMAS:.proto=.pb-c.c) $(PROTO_SCHEMAS:.proto=.pb-c.h)
# Generated code is not ours to warn about.
proto_libproto_a_CFLAGS = -std=gnu11 $(TCCP_HARDENING)
BUILT_SOURCES += $(nodist_proto_libproto_a_SOURCES)
CLEANFILES += $(nodist_proto_libproto_a_SOURCES)

# One run makes both files; the header names the rule, the source follows from it.
%.pb-c.h: %.proto
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(PROTOC_C) --proto_path=$(top_srcdir)/proto --c_out=$(@D) $<
%.pb-c.c: %.pb-c.h
	@test -f $@
