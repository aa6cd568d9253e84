# SPDX-License-Identifier: GPL-2.0
# What the library costs beside its peers (bars.h): `bars` over the simulated
# device, to run as it is; `bars-module` for a guest, or wherever the module is.
BARS := bars crowd ours pair peers raw stat
BARS_OBJS := $(BARS:%=$(O)/selftests/bench/%.o)
LAYOUT_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard selftests/bench/layout*.c))

$(O)/bench/bars: $(BARS_OBJS) $(O)/selftests/bench/device_sim.o $(SIM_A_plain)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(O)/bench/bars-module: $(BARS_OBJS) $(O)/selftests/bench/device_module.o $(LIB_A)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(O)/bench/layout: $(LAYOUT_OBJS)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

bench: $(O)/bench/bars $(O)/bench/bars-module $(O)/bench/layout ## what the library costs beside its peers

.PHONY: bench
