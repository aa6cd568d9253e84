# SPDX-License-Identifier: GPL-2.0
# What scripts/bars runs in a guest. With the static library, as an instruction
# of the dynamic linker's would be counted too.
BARS := $(O)/selftests/bars/bars $(O)/selftests/bars/footprint

$(BARS): CPPFLAGS += -Iselftests/bars
$(O)/selftests/bars/bars: $(O)/selftests/bars/bars.o $(O)/selftests/bars/count.o \
	$(O)/selftests/bars/links.o $(O)/selftests/bars/queues.o $(LIB_A)
$(O)/selftests/bars/footprint: $(O)/selftests/bars/footprint.o $(O)/selftests/bars/count.o \
	$(O)/selftests/bars/memory.o $(LIB_A)
$(BARS):
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^ -lpthread

bars: $(BARS)

.PHONY: bars
