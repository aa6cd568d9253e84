# SPDX-License-Identifier: GPL-2.0
# ipcadm and ipccat. Their objects lie in build/tools/<tool>.o/, since the tools
# themselves take the names of the source folders.

TOOLS += $(O)/tools/ipcadm $(O)/tools/ipccat

TOOLS_COMMON := $(patsubst tools/common/%.c,$(O)/tools/common/%.o,$(wildcard tools/common/*.c))
IPCADM_OBJS := $(patsubst tools/ipcadm/%.c,$(O)/tools/ipcadm.o/%.o,$(wildcard tools/ipcadm/*.c))
IPCCAT_OBJS := $(patsubst tools/ipccat/%.c,$(O)/tools/ipccat.o/%.o,$(wildcard tools/ipccat/*.c))

# Asked of pkg-config when the first of them is built, and only once.
IPCADM_PACKAGES := libnl-genl-3.0 jansson smartcols
IPCADM_CFLAGS = $(eval IPCADM_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(IPCADM_PACKAGES)))$(IPCADM_CFLAGS)
IPCADM_LIBS = $(eval IPCADM_LIBS := $(shell $(PKG_CONFIG) --libs $(IPCADM_PACKAGES)))$(IPCADM_LIBS)

$(IPCADM_OBJS): $(O)/tools/ipcadm.o/%.o: tools/ipcadm/%.c
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(CPPFLAGS) -DIPCCHAN_VERSION='"$(LIB_VERSION)"' $(IPCADM_CFLAGS) $(CFLAGS) $(DEPS) -c -o $@ $<

$(IPCCAT_OBJS): $(O)/tools/ipccat.o/%.o: tools/ipccat/%.c
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) $(DEPS) -c -o $@ $<

$(O)/tools/ipcadm: $(IPCADM_OBJS) $(TOOLS_COMMON)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(IPCADM_LIBS)

$(O)/tools/ipccat: $(IPCCAT_OBJS) $(TOOLS_COMMON) | $(LIBS)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -L$(O)/lib -lipcchan -lpthread

install::
	$(Q)$(INSTALL) -D -m 755 $(O)/tools/ipcadm $(DESTDIR)$(BINDIR)/ipcadm
	$(Q)$(INSTALL) -D -m 755 $(O)/tools/ipccat $(DESTDIR)$(BINDIR)/ipccat
