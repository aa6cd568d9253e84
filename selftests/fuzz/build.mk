# SPDX-License-Identifier: GPL-2.0
# Hostile peers over the simulated device: see scene.h. For selftests/fuzz/run.
FUZZERS := $(O)/fuzz/target $(O)/fuzz/storm

$(O)/fuzz/obj/%.o: selftests/fuzz/%.c
	@mkdir -p $(@D)
	$(call quiet,CC,$< (fuzz))$(SIM_CC_fuzz) $(CPPFLAGS) -Iselftests/sim $(CFLAGS) $(SIM_FLAGS_fuzz) \
		$(DEPS) -c -o $@ $<

$(O)/fuzz/target: $(patsubst %,$(O)/fuzz/obj/%.o,target scene words) $(SIM_A_fuzz)
	$(call quiet,LD,$@)$(SIM_CC_fuzz) $(CFLAGS) $(SIM_FLAGS_fuzz) -fsanitize=fuzzer -o $@ $^ -lpthread

$(O)/fuzz/storm: $(patsubst %,$(O)/fuzz/obj/%.o,storm scene words) $(SIM_A_fuzz)
	$(call quiet,LD,$@)$(SIM_CC_fuzz) $(CFLAGS) $(SIM_FLAGS_fuzz) -o $@ $^ -lpthread

fuzzers: $(FUZZERS)
.PHONY: fuzzers

-include $(wildcard $(O)/fuzz/obj/*.d)
