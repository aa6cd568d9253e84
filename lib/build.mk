# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The library. LIB_SO is what to link with: it has its soname and the link the
# linker looks for beside it.
LIB_VERSION := 0.1.0
LIB_SONAME := libipcchan.so.0
LIB_SOURCES := arena channel device error port receive reclaim roster send wait
LIB_OBJS := $(LIB_SOURCES:%=$(O)/lib/%.o)
LIB_SO := $(O)/lib/libipcchan.so
LIB_A := $(O)/lib/libipcchan.a
LIB_PC := $(O)/lib/ipcchan.pc
LIBS += $(O)/lib/$(LIB_SONAME) $(LIB_SO) $(LIB_A) $(LIB_PC)

# The tests bring a device of their own.
LIB_TESTS := arena_test hostile_test port_test receive_test send_test
LIB_TEST_OBJS := $(patsubst %,$(O)/asan/lib/%.o,$(filter-out device,$(LIB_SOURCES)) tests/memory)
UNIT_TESTS += $(LIB_TESTS:%=$(O)/lib/tests/%)

$(LIB_OBJS): CFLAGS += -fPIC -fvisibility=hidden
$(LIB_OBJS) $(LIB_TEST_OBJS): CFLAGS += -std=c11
$(LIB_OBJS) $(LIB_TEST_OBJS): CPPFLAGS += -DIPCCHAN_VERSION='"$(LIB_VERSION)"'

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

$(LIB_TESTS:%=$(O)/lib/tests/%): $(O)/lib/tests/%: $(O)/asan/lib/tests/%.o $(LIB_TEST_OBJS)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lcmocka -lpthread

install::
	$(Q)$(INSTALL) -D -m 755 $(O)/lib/$(LIB_SONAME) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libipcchan.so
	$(Q)$(INSTALL) -D -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/libipcchan.a
	$(Q)$(INSTALL) -D -m 644 $(LIB_PC) $(DESTDIR)$(LIBDIR)/pkgconfig/ipcchan.pc
	$(Q)$(INSTALL) -D -m 644 lib/ipcchan.h $(DESTDIR)$(INCLUDEDIR)/ipcchan.h
