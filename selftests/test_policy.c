// SPDX-License-Identifier: GPL-2.0
/*
 * Overflow, history and stall as a channel is created with them: what zeros
 * stand for, what must hold between policy and sizes, to the byte, and that what
 * is in force is told.
 *
 * What breaks these: geometry.c, check_stall() in channel.c; a result left out
 * of LOOKUP or ATTACH.
 */
#include <kselftest_harness.h>

#include "peers.h"
#include "probe.h"

#define KIB	1024ull
#define MIB	(KIB * KIB)
#define GIB	(KIB * MIB)
#define PAGE	4096ull

#define BLOCK	IPCCHAN_OVERFLOW_BLOCK
#define DROP	IPCCHAN_OVERFLOW_DROP_OLDEST

#define WORDS_DROP \
	"drop-oldest needs an arena of (2H + 1) x max-message, H = receivers x holds + history"
#define WORDS_HISTORY	"history needs an arena of (2 x history + 1) x max-message"
#define WORDS_DEPTH	"history needs a depth of at least history + 1"
#define WORDS_MOST	"max-message and policy need an arena of more than 1 GiB"

FIXTURE(policy) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fd;
	struct ipcchan_lookup is;
};

FIXTURE_SETUP(policy)
{
	accounts_read(&self->before);
	unique_name(self->name, "policy");
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(policy)
{
	drop_channel(self->name);
	close(self->fd);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Made anew; what it has become is in self->is. */
static int make(FIXTURE_DATA(policy) *self, uint32_t overflow, uint32_t history,
		struct ipcchan_geometry geometry)
{
	struct ipcchan_create args = create_args(self->name);
	int err;

	drop_channel(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.overflow = overflow;
	args.history = history;
	args.geometry = geometry;
	err = call_create(self->fd, &args);
	return err ? err : call_lookup(self->fd, self->name, &self->is);
}

#define MAKE(overflow, history, ...) \
	make(self, overflow, history, (struct ipcchan_geometry){ __VA_ARGS__ })

#define EXPECT_SIZES(depth_, arena_, max_message_) \
	do { \
		EXPECT_EQ(depth_, self->is.geometry.depth); \
		EXPECT_EQ(arena_, self->is.geometry.arena); \
		EXPECT_EQ(max_message_, self->is.geometry.max_message); \
	} while (0)

#define EXPECT_REFUSED(words, does) \
	do { \
		EXPECT_EQ(-EINVAL, does); \
		EXPECT_STREQ(words, why); \
	} while (0)

TEST_F(policy, defaults)
{
	ASSERT_EQ(0, MAKE(BLOCK, 0, 0)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, MIB);
	/* H = 16 x 16: 1 MiB / 513, down to a multiple of 64 */
	ASSERT_EQ(0, MAKE(DROP, 0, 0)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, 1984);
	EXPECT_EQ(DROP, self->is.overflow);
	/* 1 MiB / 9 */
	ASSERT_EQ(0, MAKE(BLOCK, 4, 0)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, 116480);
	EXPECT_EQ(4, self->is.history);
	/* H = 260 */
	ASSERT_EQ(0, MAKE(DROP, 4, 0)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, 1984);
}

TEST_F(policy, default_depth)
{
	static const struct {
		uint32_t history, depth;
	} cases[] = {
		{ 1, 256 }, { 255, 256 }, { 256, 512 }, { 511, 512 }, { 512, 1024 },
		{ 32767, 32768 }, { 32768, 65536 }, { 65535, 65536 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(0, MAKE(BLOCK, cases[i].history, 0)) TH_LOG("%s", why);
		EXPECT_EQ(cases[i].depth, self->is.geometry.depth);
	}
	/* 131071 messages of a granule each: more than the default */
	EXPECT_SIZES(65536, 8 * MIB, 64);
	EXPECT_REFUSED("history is more than 65535", MAKE(BLOCK, 65536, 0));
	EXPECT_REFUSED("history is more than 65535", MAKE(DROP, UINT32_MAX, .depth = 65536));
}

TEST_F(policy, depth_of_history)
{
	for (uint32_t depth = 1; depth <= 65536; depth *= 2) {
		EXPECT_EQ(0, MAKE(BLOCK, depth - 1, .depth = depth)) TH_LOG("%u: %s", depth, why);
		EXPECT_EQ(depth - 1, self->is.history);
		if (depth < 65536) {
			EXPECT_REFUSED(WORDS_DEPTH, MAKE(BLOCK, depth, .depth = depth));
			EXPECT_REFUSED(WORDS_DEPTH, MAKE(DROP, depth, .depth = depth));
		}
	}
}

/* An arena that is not given is made large enough; to the page. */
TEST_F(policy, arena_follows_the_message)
{
	ASSERT_EQ(0, MAKE(BLOCK, 0, .max_message = 3 * MIB + 1)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 3 * MIB + PAGE, 3 * MIB + 1);
	ASSERT_EQ(0, MAKE(DROP, 0, .max_message = 4096)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 513 * 4096, 4096);
	ASSERT_EQ(0, MAKE(DROP, 0, .max_message = 4097)) TH_LOG("%s", why);
	EXPECT_SIZES(256, ipcchan_round_up(513 * 4160, PAGE), 4097);
	ASSERT_EQ(0, MAKE(BLOCK, 7, .max_message = 1 * MIB)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 15 * MIB, 1 * MIB);
	/* what is less than the default gets the default */
	ASSERT_EQ(0, MAKE(DROP, 0, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, 64);
	ASSERT_EQ(0, MAKE(BLOCK, 1, .max_message = 1)) TH_LOG("%s", why);
	EXPECT_SIZES(256, MIB, 1);
}

TEST_F(policy, largest_arena)
{
	ASSERT_EQ(0, MAKE(BLOCK, 0, .max_message = GIB)) TH_LOG("%s", why);
	EXPECT_SIZES(256, GIB, GIB);
	EXPECT_REFUSED(WORDS_MOST, MAKE(BLOCK, 0, .max_message = GIB + 1));
	EXPECT_REFUSED(WORDS_MOST, MAKE(BLOCK, 1, .max_message = GIB / 2));
	EXPECT_REFUSED(WORDS_MOST, MAKE(DROP, 1, .max_message = UINT64_MAX));
	EXPECT_REFUSED(WORDS_MOST, MAKE(DROP, 0, .max_message = 1ull << 63));
	/* 1 GiB / 513, as a multiple of 64 */
	ASSERT_EQ(0, MAKE(DROP, 0, .max_message = 2093056)) TH_LOG("%s", why);
	EXPECT_SIZES(256, ipcchan_round_up(513 * 2093056ull, PAGE), 2093056);
	EXPECT_REFUSED(WORDS_MOST, MAKE(DROP, 0, .max_message = 2093056 + 1));
	/* H = 64 x 1024 + 65535 */
	ASSERT_EQ(0, MAKE(DROP, 65535, .receivers = 64, .holds = 1024)) TH_LOG("%s", why);
	EXPECT_SIZES(65536, ipcchan_round_up(262143 * 64, PAGE), 64);
	ASSERT_EQ(0, MAKE(DROP, 65535, .receivers = 64, .holds = 1024, .max_message = 4096))
		TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_MOST, MAKE(DROP, 65535, .receivers = 64, .holds = 1024,
					.max_message = 4097));
}

/* Less than a page, where the arena is exact to 64 bytes. */
TEST_F(policy, small_boundaries)
{
#define SMALL	.receivers = 1, .holds = 1
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 192, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 192, 64);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 128, .max_message = 64));
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 129, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 192, 64);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 192, .max_message = 65));
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 384, .max_message = 65)) TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 320, .max_message = 65));
	/* history counts as a hold does */
	ASSERT_EQ(0, MAKE(DROP, 2, SMALL, .arena = 448, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 2, SMALL, .arena = 384, .max_message = 64));
	ASSERT_EQ(0, MAKE(BLOCK, 2, SMALL, .arena = 320, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_HISTORY, MAKE(BLOCK, 2, SMALL, .arena = 256, .max_message = 64));
	/* and where nothing is left for a message */
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 192)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 192, 64);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 128));
	EXPECT_REFUSED(WORDS_HISTORY, MAKE(BLOCK, 1, .arena = 128));
	/* block keeps nothing back */
	ASSERT_EQ(0, MAKE(BLOCK, 0, .arena = 64, .max_message = 64)) TH_LOG("%s", why);
	EXPECT_REFUSED("max-message is larger than the arena",
		       MAKE(BLOCK, 0, .arena = 64, .max_message = 65));
	EXPECT_REFUSED("max-message is larger than the arena",
		       MAKE(DROP, 1, .arena = 64, .max_message = UINT64_MAX));
	EXPECT_REFUSED("the arena is not from 64 bytes to 1 GiB", MAKE(DROP, 0, .arena = 63));
}

TEST_F(policy, large_boundaries)
{
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 24576, .max_message = 8192)) TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 24576, .max_message = 8193));
	EXPECT_REFUSED(WORDS_DROP, MAKE(DROP, 0, SMALL, .arena = 20480, .max_message = 8192));
	ASSERT_EQ(0, MAKE(DROP, 0, SMALL, .arena = 20481, .max_message = 8192)) TH_LOG("%s", why);
	EXPECT_SIZES(256, 24576, 8192);
	ASSERT_EQ(0, MAKE(BLOCK, 1, .arena = 24576, .max_message = 8192)) TH_LOG("%s", why);
	EXPECT_REFUSED(WORDS_HISTORY, MAKE(BLOCK, 1, .arena = 24576, .max_message = 8193));
}

/* Whatever is asked for: taken if the rule holds, refused if not. */
TEST_F_TIMEOUT(policy, the_rule, 120)
{
	uint64_t random = random_seed();
	uint32_t taken = 0, refused = 0;

	for (uint32_t i = 0; i < heavy(2000, 200); i++) {
		uint32_t drop = random_next(&random) % 2;
		uint32_t history = random_next(&random) % 9;
		struct ipcchan_geometry g = {
			.depth = 16,
			.receivers = 1 + random_next(&random) % 4,
			.holds = 1 + random_next(&random) % 4,
			.max_message = 1 + random_next(&random) % 1000,
			.arena = 64 + random_next(&random) % 40000,
		};
		uint64_t pins = history + (drop ? g.receivers * g.holds : 0);
		uint64_t arena = ipcchan_round_up(g.arena, g.arena < PAGE ? 64 : PAGE);
		bool fits = (2 * pins + 1) * ((g.max_message + 63) / 64 * 64) <= arena;

		ASSERT_EQ(fits ? 0 : -EINVAL, make(self, drop, history, g)) {
			TH_LOG("drop %u history %u receivers %u holds %u max %llu arena %llu: %s",
			       drop, history, g.receivers, g.holds, g.max_message, g.arena, why);
		}
		*(fits ? &taken : &refused) += 1;
	}
	EXPECT_LT(20, taken);
	EXPECT_LT(20, refused);
}

static int make_stalling(FIXTURE_DATA(policy) *self, uint32_t overflow, uint64_t stall_ns)
{
	struct ipcchan_create args = create_args(self->name);
	int err;

	drop_channel(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.overflow = overflow;
	args.stall_ns = stall_ns;
	err = call_create(self->fd, &args);
	return err ? err : call_lookup(self->fd, self->name, &self->is);
}

TEST_F(policy, stall)
{
	static const char words[] = "stall is not from a millisecond to an hour";

	EXPECT_EQ(0, make_stalling(self, BLOCK, 1 * MS));
	EXPECT_EQ(1 * MS, self->is.stall_ns);
	EXPECT_EQ(0, make_stalling(self, BLOCK, 3600 * SECOND));
	EXPECT_EQ(3600 * SECOND, self->is.stall_ns);
	EXPECT_EQ(0, make_stalling(self, BLOCK, 0));
	EXPECT_EQ(0, self->is.stall_ns);
	EXPECT_REFUSED(words, make_stalling(self, BLOCK, 1 * MS - 1));
	EXPECT_REFUSED(words, make_stalling(self, BLOCK, 3600 * SECOND + 1));
	EXPECT_REFUSED("stall is for overflow block: else no sender waits",
		       make_stalling(self, DROP, 1 * SECOND));
	EXPECT_EQ(0, make_stalling(self, DROP, 0));
}

/* Told to who looks and who attaches. */
TEST_F(policy, told)
{
	struct raw_port port;

	ASSERT_EQ(0, MAKE(DROP, 5, .depth = 8, .receivers = 2, .holds = 2, .arena = 4096));
	EXPECT_EQ(DROP, self->is.overflow);
	EXPECT_EQ(5, self->is.history);
	ASSERT_EQ(0, raw_attach(&port, self->name, IPCCHAN_SEND));
	EXPECT_EQ(DROP, port.attach.overflow);
	EXPECT_EQ(5, port.attach.history);
	EXPECT_EQ(8, port.attach.geometry.depth);
	EXPECT_EQ(self->is.geometry.max_message, port.attach.geometry.max_message);
	raw_close(&port);
}

/* Thresholds are a receiver's. */
TEST_F(policy, thresholds)
{
	static const char words[] = "wake-up thresholds are for receivers";
	struct ipcchan_attach args;
	int fd;

	ASSERT_EQ(0, MAKE(BLOCK, 0, .depth = 8));
	args = attach_args(self->name, IPCCHAN_SEND);
	args.wake_count = 1;
	EXPECT_REFUSED(words, call_attach(self->fd, &args));
	args.wake_count = 0;
	args.wake_delay_ns = 1;
	EXPECT_REFUSED(words, call_attach(self->fd, &args));
	for (uint32_t role = IPCCHAN_RECEIVE; role <= 3; role++) {
		args = attach_args(self->name, role);
		args.wake_count = 9;
		EXPECT_REFUSED("wake-count is more than the depth", call_attach(self->fd, &args));
		args.wake_count = 8;
		args.wake_delay_ns = 3600 * SECOND;
		fd = device_open();
		ASSERT_GE(fd, 0);
		EXPECT_EQ(0, call_attach(fd, &args)) TH_LOG("%s", why);
		close(fd);
	}
}

TEST_HARNESS_MAIN
