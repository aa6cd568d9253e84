# SPDX-License-Identifier: GPL-2.0
# Test programs for the guests: each test_*.c is one, and brings its objects of
# the same folder by what its name is added to below.
TEST_NAMES := $(patsubst selftests/%.c,%,$(wildcard selftests/test_*.c))
TESTS += $(TEST_NAMES:%=$(O)/selftests/%)

# Whatever is in the folder and is no test is shared by all tests.
TEST_COMMON := $(filter-out test_%,$(patsubst selftests/%.c,%,$(wildcard selftests/*.c)))
TEST_COMMON_OBJS := $(TEST_COMMON:%=$(O)/selftests/obj/%.o)

# Beyond our library and threads.
TEST_LIBS_test_stream := -lseccomp
TEST_LIBS_test_ipcadm_show := -ljansson
TEST_LIBS_test_uring := -luring

.SECONDARY: $(TEST_NAMES:%=$(O)/selftests/obj/%.o)

$(O)/selftests/obj/%.o: selftests/%.c
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(CPPFLAGS) -Iselftests/include -Iselftests $(KSTFLAGS) $(CFLAGS) $(DEPS) -c -o $@ $<

# By the static library, so that a test runs wherever it is copied.
$(TEST_NAMES:%=$(O)/selftests/%): $(O)/selftests/%: $(O)/selftests/obj/%.o $(TEST_COMMON_OBJS) $(LIB_A)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS_$*) -lpthread
