# SPDX-License-Identifier: GPL-2.0
# `make help` lists what can be asked for. The parts describe themselves in
# lib/build.mk, tools/build.mk, selftests/build.mk and those below it, which add to
#   LIBS, TOOLS     what `make lib`, `make tools` build
#   TESTS           test programs for the guests (`make selftests`)
#   UNIT_TESTS      programs that test without a guest (`make unit-tests`)
#   install::       what they install, below $(DESTDIR)$(PREFIX)
# and share the variables and rules below. $(O)/x/y.o is made from x/y.c, and
# $(O)/asan/x/y.o is the same under the address and undefined sanitizers.

.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
# To the kernel's makefiles these would mean something else.
MAKEOVERRIDES := $(filter-out O=% KDIR=%,$(MAKEOVERRIDES))
.SUFFIXES:
.DELETE_ON_ERROR:

O ?= build
V ?= 0
DESTDIR ?=
PREFIX ?= /usr
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/ipcchan

ifeq ($(V),0)
Q := @
quiet = @printf '  %-7s %s\n' '$(1)' '$(2)';
SUBMAKE := --no-print-directory -s
else
Q :=
quiet =
SUBMAKE :=
endif

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR := ar
INSTALL ?= install
PKG_CONFIG ?= pkg-config
CPPFLAGS += -D_GNU_SOURCE -Iuapi -Ilib
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 -Wall -Wextra -Werror
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
DEPS = -MMD -MP -MF $(@:%=%.d)

# Kernel sources for the kselftest headers, unpacked when first asked for.
KSRC = $(eval KSRC := $(shell scripts/kernel source))$(KSRC)
KST = $(KSRC)/tools/testing/selftests
KSTFLAGS = -isystem $(KST) -Wno-unused-parameter

all: lib tools module ## library, tools and the module for KDIR (default)

-include lib/build.mk
-include tools/build.mk
-include tools/examples/build.mk
-include examples/build.mk
-include selftests/build.mk
-include selftests/bars/build.mk
-include selftests/sim/build.mk
-include selftests/fuzz/build.mk
-include selftests/bench/build.mk

lib: $(LIBS) ## library
tools: $(TOOLS) ## tools
selftests: $(TESTS) ## test programs for the guests
unit-tests: $(UNIT_TESTS) ## programs that test without a guest

# The library's own tests once more, with their coverage counted.
COVER_TESTS = $(subst /sim/asan/,/sim/cov/,$(filter $(O)/sim/asan/%,$(UNIT_TESTS)))
cover-tests: $(COVER_TESTS)

print-cover-tests:
	@printf '%s\n' $(COVER_TESTS)

print-unit-tests:
	@printf '%s\n' $(UNIT_TESTS)

print-tests:
	@printf '%s\n' $(TESTS)

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) $(DEPS) -c -o $@ $<

$(O)/asan/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC,$< (asan))$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) $(DEPS) -c -o $@ $<

-include $(wildcard $(O)/lib/*.d $(O)/tools/*.d $(O)/examples/*.d $(O)/selftests/*.d \
	$(O)/lib/*/*.d $(O)/tools/*/*.d $(O)/selftests/*/*.d $(O)/asan/*/*.d $(O)/asan/*/*/*.d)

# The module. The build directory of a kernel holds links to the sources: the
# kernel's own build puts objects next to what it compiles.
KDIR ?= $(or $(realpath /lib/modules/$(shell uname -r)/build), \
	$(realpath /lib/modules/$(shell . scripts/env.sh; release 6.12)/build))
# Not from include/config/kernel.release: Debian's is the same for all flavours.
UTSRELEASE = $(KDIR)/include/generated/utsrelease.h
KREL = $(eval KREL := $(shell cut -d '"' -s -f 2 $(UTSRELEASE) 2>/dev/null))$(KREL)
KOUT ?= $(O)/$(KREL)
KSOURCES := $(wildcard kmod/*.[ch] uapi/linux/*.h) Kbuild
KFLAGS ?=
# Their BTF would need the kernel itself, which headers do not bring along.
NOBTF := CONFIG_DEBUG_INFO_BTF_MODULES=

module: $(if $(strip $(KREL)),$(KOUT)/ipcchan.ko,no-kdir) ## module for the kernel whose build tree is KDIR

no-kdir:
	@echo "No kernel build tree in '$(strip $(KDIR))': run 'make setup', or say KDIR=<build tree>." >&2; exit 1

$(O)/%/ipcchan.ko: $(KSOURCES) $(UTSRELEASE)
	@mkdir -p $(@D)/kmod
	@find $(@D)/kmod -type l -delete
	@ln -sf $(CURDIR)/kmod/*.[ch] $(@D)/kmod/
	@ln -sfn $(CURDIR)/uapi $(@D)/uapi
	@ln -sf $(CURDIR)/Kbuild $(@D)/Kbuild
	$(call quiet,MODULE,$@)$(MAKE) -C $(KDIR) M=$(abspath $(@D)) $(SUBMAKE) $(NOBTF) $(KFLAGS) modules
	@touch $@

MODDIR ?= /lib/modules/$(KREL)/updates

install:: all ## installs below $(DESTDIR)$(PREFIX), the module below $(DESTDIR)/lib/modules
	$(Q)$(INSTALL) -D -m 644 $(KOUT)/ipcchan.ko $(DESTDIR)$(MODDIR)/ipcchan.ko
	$(Q)$(INSTALL) -d $(DESTDIR)$(INCLUDEDIR)/linux
	$(Q)$(INSTALL) -m 644 uapi/linux/*.h $(DESTDIR)$(INCLUDEDIR)/linux/
	$(Q)if [ -z "$(DESTDIR)" ]; then depmod $(KREL); fi

setup: ## installs what building and testing need
	$(Q)scripts/setup

lint: setup ## the module with all warnings, sparse and checkpatch, for four kernels
	$(Q)scripts/check lint

check: ## every test, in guests with three kernels
	$(Q)scripts/check

check-full: ## the same with the large models and long fuzzing: hours
	$(Q)scripts/check --full

demo: ## shows what it does, in a guest if need be
	$(Q)scripts/setup
	$(Q)tools/demo

clean: ## removes what was built
	$(Q)rm -rf $(O)

help: ## this list
	@sed -n 's/^\([a-z-]*\):\{1,2\}.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo '  KDIR=<kernel build tree>  O=<output>  V=1  DESTDIR=  PREFIX=/usr'

.PHONY: all lib tools selftests unit-tests cover-tests print-cover-tests print-unit-tests print-tests module \
	no-kdir install setup lint check check-full demo clean help
