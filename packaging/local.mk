# What the service manager of a machine needs.
SYSTEMD_UNITS = packaging/systemd/tcd.service packaging/systemd/nodeagent.service packaging/systemd/tccp-launcher.service
nodist_systemdunit_DATA = $(SYSTEMD_UNITS)
systemdunitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = packaging/systemd/tccp.sysusers.conf
CLEANFILES += $(SYSTEMD_UNITS)
EXTRA_DIST += $(SYSTEMD_UNITS:=.in)

$(SYSTEMD_UNITS): %.service: %.service.in
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|[@]libexecdir[@]|$(libexecdir)|g' $< >$@

dist_man_MANS += docs/man/tcd.8 docs/man/tcd.conf.5
