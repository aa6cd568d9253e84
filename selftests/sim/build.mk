# SPDX-License-Identifier: GPL-2.0
# The simulated device: sim.h. SIM_A_<flavour> is the library over it, in place
# of lib/device.c, with what programs are compiled and linked by for it:
#   plain	as it ships
#   asan	gcc, address and undefined sanitizers
#   tsan	clang, thread sanitizer
#   cov		gcc, coverage
#   fuzz	clang, libFuzzer's counters, address and undefined sanitizers

SIM_KMOD := call_channel call_message call_port channel claim claimer connection dead geometry \
	grant ioctl items lease look member port queue ring roster service slot stall threshold wait
SIM_SOURCES := device files heap hooks machine module pages process sleep
SIM_LIB := $(filter-out device,$(LIB_SOURCES))

# Of the kernel's headers those that user space has not: empty, kernel.h stands
# for all of them.
SIM_HEADERS := $(addprefix $(O)/sim/include/,asm/barrier.h $(patsubst %,linux/%.h,atomic bitops cred err \
	hashtable hrtimer idr jiffies kref ktime list llist log2 minmax mm moduleparam mutex rbtree rbtree_types \
	sched/mm sched/signal slab spinlock uaccess uidgid user_namespace workqueue))

$(SIM_HEADERS):
	@mkdir -p $(@D)
	@: >$@

SIM_CPPFLAGS := -I$(O)/sim/include -include selftests/sim/kernel.h
SIM_KMODFLAGS := -fno-strict-aliasing -Wno-unused-parameter -Wno-sign-compare

# $(1) flavour, $(2) compiler, $(3) flags
define sim_flavour
SIM_CC_$(1) := $(2)
SIM_FLAGS_$(1) := $(3)
SIM_A_$(1) := $(O)/sim/$(1)/libipcchan-sim.a
SIM_OBJS_$(1) := $(SIM_LIB:%=$(O)/sim/$(1)/lib/%.o) $(SIM_KMOD:%=$(O)/sim/$(1)/kmod/%.o) \
	$(SIM_SOURCES:%=$(O)/sim/$(1)/selftests/sim/%.o)

$(O)/sim/$(1)/lib/%.o: lib/%.c
	@mkdir -p $$(@D)
	$$(call quiet,CC,$$< ($(1)))$(2) $$(CPPFLAGS) -DIPCCHAN_VERSION='"$$(LIB_VERSION)"' \
		$$(CFLAGS) -std=c11 $(3) $$(DEPS) -c -o $$@ $$<

$(O)/sim/$(1)/kmod/%.o: kmod/%.c $(SIM_HEADERS)
	@mkdir -p $$(@D)
	$$(call quiet,CC,$$< ($(1)))$(2) $(SIM_CPPFLAGS) $$(SIM_DEFINE_$$*) $$(CPPFLAGS) \
		$$(CFLAGS) $(SIM_KMODFLAGS) $(3) $$(DEPS) -c -o $$@ $$<

$(O)/sim/$(1)/selftests/sim/%.o: selftests/sim/%.c $(SIM_HEADERS)
	@mkdir -p $$(@D)
	$$(call quiet,CC,$$< ($(1)))$(2) -I$(O)/sim/include $$(CPPFLAGS) -Iselftests/sim \
		$$(CFLAGS) $(3) $$(DEPS) -c -o $$@ $$<

$$(SIM_A_$(1)): $$(SIM_OBJS_$(1))
	$$(call quiet,AR,$$@)rm -f $$@ && $$(AR) qcs $$@ $$(SIM_OBJS_$(1))

-include $$(wildcard $(O)/sim/$(1)/*/*.d $(O)/sim/$(1)/*/*/*.d)
endef

# Ports have copies of the roster: its stores go to all of them.
SIM_DEFINE_roster := -DSIM_ROSTER

$(eval $(call sim_flavour,plain,$$(CC),))
$(eval $(call sim_flavour,asan,$$(CC),$$(SANITIZE)))
$(eval $(call sim_flavour,tsan,clang,-fsanitize=thread))
$(eval $(call sim_flavour,cov,$$(CC),-O0 --coverage))
$(eval $(call sim_flavour,fuzz,clang,-fsanitize=fuzzer-no-link,address,undefined))

# Each test over the flavours it is for.
SIM_TESTS := $(addprefix asan/,test_processes test_mapping test_policies) plain/test_stress \
	tsan/test_threads
SIM_TEST_COMMON := stream
UNIT_TESTS += $(SIM_TESTS:%=$(O)/sim/%)

define sim_test
$(O)/sim/$(1)/%: $(O)/sim/$(1)/selftests/sim/%.o $(SIM_TEST_COMMON:%=$(O)/sim/$(1)/selftests/sim/%.o) $$(SIM_A_$(1))
	$$(call quiet,LD,$$@)$$(SIM_CC_$(1)) $$(CFLAGS) $$(SIM_FLAGS_$(1)) $$(LDFLAGS) -o $$@ $$^ -lcmocka -lpthread
endef

$(foreach flavour,plain asan tsan cov,$(eval $(call sim_test,$(flavour))))
.SECONDARY:
