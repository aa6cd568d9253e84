# SPDX-License-Identifier: GPL-2.0
# Examples: a file each, to be copied. They use the library as anybody's program
# would: by its header, and linked to the shared object.
EXAMPLE_NAMES := camera jobs privsep table workers
EXAMPLE_PROGRAMS := $(EXAMPLE_NAMES:%=$(O)/examples/%)

# Beyond our library.
EXAMPLE_LIBS_workers := -lseccomp

$(EXAMPLE_PROGRAMS): $(O)/examples/%: examples/%.c | $(LIBS)
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) -D_GNU_SOURCE -Ilib $(CFLAGS) $(DEPS) $(LDFLAGS) -o $@ $< -L$(O)/lib -lipcchan $(EXAMPLE_LIBS_$*)

examples: $(EXAMPLE_PROGRAMS) ## example programs
selftests: examples

.PHONY: examples
