# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The library. LIB_SO is what to link with: it has its soname and the link the
# linker looks for beside it.
LIB_VERSION := 0.1.0
LIB_SONAME := libipcchan.so.0
LIB_SOURCES := abi arena call channel claim device error files handle latest loan many \
	order port publish receive reclaim retire roster send service source spin take wait \
	work
LIB_OBJS := $(LIB_SOURCES:%=$(O)/lib/%.o)
LIB_SO := $(O)/lib/libipcchan.so
LIB_A := $(O)/lib/libipcchan.a
LIB_PC := $(O)/lib/ipcchan.pc
LIBS += $(O)/lib/$(LIB_SONAME) $(LIB_SO) $(LIB_A) $(LIB_PC)

# The tests run over the simulated device, selftests/sim.
LIB_TESTS := arena_test batch_test call_test claim_test doorbell_test drop_test handle_test \
	hostile_test latest_test many_test order_test place_test port_test preempt_test \
	queue_test receive_test roster_test send_test service_test
UNIT_TESTS += $(LIB_TESTS:%=$(O)/sim/asan/lib/tests/%)

$(LIB_OBJS): CFLAGS += -fPIC -fvisibility=hidden
$(LIB_OBJS): CFLAGS += -std=c11
$(LIB_OBJS): CPPFLAGS += -DIPCCHAN_VERSION='"$(LIB_VERSION)"'

$(O)/lib/$(LIB_SONAME): $(LIB_OBJS) lib/libipcchan.map
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(LIB_SONAME) \
		-Wl,--version-script=lib/libipcchan.map -Wl,-z,defs -o $@ $(LIB_OBJS)

$(LIB_SO): $(O)/lib/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $@

$(LIB_A): $(LIB_OBJS)
	$(call quiet,AR,$@)rm -f $@ && $(AR) rcs $@ $(LIB_OBJS)

$(LIB_PC): lib/ipcchan.pc.in lib/build.mk
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(LIB_VERSION)|' $< >$@

# $(1) flavour of the simulated device
define lib_test
$(LIB_TESTS:%=$(O)/sim/$(1)/lib/tests/%.o): CPPFLAGS += -Iselftests/sim
$(LIB_TESTS:%=$(O)/sim/$(1)/lib/tests/%): $(O)/sim/$(1)/lib/tests/%: \
		$(O)/sim/$(1)/lib/tests/%.o $(O)/sim/$(1)/libipcchan-sim.a
	$$(call quiet,LD,$$@)$$(SIM_CC_$(1)) $$(CFLAGS) $$(SIM_FLAGS_$(1)) $$(LDFLAGS) -o $$@ $$^ -lcmocka -lpthread
endef

$(foreach flavour,asan tsan cov,$(eval $(call lib_test,$(flavour))))

install::
	$(Q)$(INSTALL) -D -m 755 $(O)/lib/$(LIB_SONAME) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libipcchan.so
	$(Q)$(INSTALL) -D -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/libipcchan.a
	$(Q)$(INSTALL) -D -m 644 $(LIB_PC) $(DESTDIR)$(LIBDIR)/pkgconfig/ipcchan.pc
	$(Q)$(INSTALL) -D -m 644 lib/ipcchan.h $(DESTDIR)$(INCLUDEDIR)/ipcchan.h
