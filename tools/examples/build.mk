# SPDX-License-Identifier: GPL-2.0
# Example programs. They use the library as anybody's would: by its header, and
# linked to the shared object.
EXAMPLES := publish subscribe
TOOLS += $(EXAMPLES:%=$(O)/tools/examples/%)

$(EXAMPLES:%=$(O)/tools/examples/%): $(O)/tools/examples/%: $(O)/tools/examples/%.o | $(LIBS)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -L$(O)/lib -lipcchan
