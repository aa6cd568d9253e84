// SPDX-License-Identifier: GPL-2.0
/*
 * A channel's sizes: defaults, limits, rounding, and that what is allowed
 * works, up to the largest.
 *
 * What breaks these: a limit that is off by one; a layout computed in 32 bits,
 * or in another way by the kernel than by the header.
 */
#include <kselftest_harness.h>

#include "probe.h"
#include "ipcchan.h"

#define KIB	1024ull
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)

FIXTURE(geometry) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	unsigned long long user_bytes, net_bytes, all_bytes;
	struct raw_port ports[IPCCHAN_MAX_SLOTS];
};

FIXTURE_SETUP(geometry)
{
	accounts_read(&self->before);
	self->user_bytes = param_get("max_user_bytes");
	self->net_bytes = param_get("max_net_bytes");
	self->all_bytes = param_get("max_bytes");
	unique_name(self->name, "geometry");
	for (uint32_t i = 0; i < IPCCHAN_MAX_SLOTS; i++)
		self->ports[i].fd = -1;
}

FIXTURE_TEARDOWN(geometry)
{
	for (uint32_t i = 0; i < IPCCHAN_MAX_SLOTS; i++)
		raw_close(&self->ports[i]);
	drop_channel(self->name);
	EXPECT_EQ(0, param_set("max_user_bytes", self->user_bytes));
	EXPECT_EQ(0, param_set("max_net_bytes", self->net_bytes));
	EXPECT_EQ(0, param_set("max_bytes", self->all_bytes));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int create(const char *name, struct ipcchan_geometry geometry)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	args.geometry = geometry;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	err = call_create(fd, &args);
	close(fd);
	return err;
}

static bool same(const struct ipcchan_geometry *a, const struct ipcchan_geometry *b)
{
	return a->depth == b->depth && a->senders == b->senders &&
	       a->receivers == b->receivers && a->holds == b->holds && a->arena == b->arena &&
	       a->max_message == b->max_message;
}

/* What was asked for, and what is in force. */
static void expect(struct __test_metadata *_metadata, const char *name,
		   struct ipcchan_geometry asked, struct ipcchan_geometry given)
{
	struct ipcchan_lookup lookup;
	struct raw_port port;

	ASSERT_EQ(0, create(name, asked)) TH_LOG("%s", why);
	ASSERT_EQ(0, find_channel(name, &lookup));
	EXPECT_TRUE(same(&given, &lookup.geometry)) {
		TH_LOG("depth %u senders %u receivers %u holds %u arena %llu max %llu",
		       lookup.geometry.depth, lookup.geometry.senders,
		       lookup.geometry.receivers, lookup.geometry.holds,
		       lookup.geometry.arena, lookup.geometry.max_message);
	}
	ASSERT_EQ(0, raw_attach(&port, name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(same(&given, &port.attach.geometry));
	EXPECT_EQ(port.layout.receipts_size, port.attach.own_size);
	EXPECT_EQ(port.layout.window_size, port.attach.window_size);
	raw_close(&port);
	ASSERT_EQ(0, drop_channel(name));
}

TEST_F(geometry, defaults)
{
	expect(_metadata, self->name, (struct ipcchan_geometry){ 0 },
	       (struct ipcchan_geometry){ 256, 16, 16, 16, MIB, MIB });
}

TEST_F(geometry, smallest)
{
	struct ipcchan_geometry g = { 1, 1, 1, 1, 64, 1 };

	expect(_metadata, self->name, g, g);
}

TEST_F(geometry, largest)
{
	struct ipcchan_geometry g = { 65536, 64, 64, 1024, GIB, GIB };

	expect(_metadata, self->name, g, g);
}

TEST_F(geometry, rounding)
{
	struct ipcchan_geometry asked = { .depth = 16 };
	struct ipcchan_geometry given = { 16, 16, 16, 16, 8192, 8192 };

	asked.arena = 4097;
	expect(_metadata, self->name, asked, given);
	asked.arena = 8191;
	expect(_metadata, self->name, asked, given);
	asked.max_message = given.max_message = 8192;	/* what it was rounded to counts */
	expect(_metadata, self->name, asked, given);
	asked.max_message = given.max_message = 5001;	/* this is not rounded */
	expect(_metadata, self->name, asked, given);
	asked.arena = 65;			/* less than a page: to 64 bytes */
	given.arena = 128;
	asked.max_message = given.max_message = 128;
	expect(_metadata, self->name, asked, given);
	asked.arena = 4032;
	given.arena = 4032;
	expect(_metadata, self->name, asked, given);
	asked.arena = 4033;
	given.arena = 4096;
	expect(_metadata, self->name, asked, given);
	asked.max_message = given.max_message = 5001;
	asked.arena = GIB - 1;
	given.arena = GIB;
	expect(_metadata, self->name, asked, given);
}

TEST_F(geometry, depths)
{
	for (uint32_t depth = 1; depth <= 65536; depth *= 2) {
		struct ipcchan_geometry g = { depth, 1, 1, 1, 4096, 4096 };

		expect(_metadata, self->name, g, g);
		if (depth <= 2)
			continue;
		g.depth = depth - 1;
		EXPECT_EQ(-EINVAL, create(self->name, g));
		g.depth = depth + 1;
		EXPECT_EQ(-EINVAL, create(self->name, g));
	}
}

/* What each role has to map, and what is charged for it. */
TEST_F(geometry, charges)
{
	struct ipcchan_geometry g = { 1024, 5, 7, 600, 12288, 12288 };
	static const uint32_t roles[] = { 1, 2, 3 };
	struct accounts empty, now;

	ASSERT_EQ(0, create(self->name, g));
	accounts_read(&empty);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		struct raw_port *p = &self->ports[0];
		uint64_t size = 0;

		ASSERT_EQ(0, raw_open(p, self->name, roles[i]));
		if (roles[i] & IPCCHAN_SEND)
			size += 4096 + 131072 + 12288;	/* header, 1024 descriptors, arena */
		if (roles[i] & IPCCHAN_RECEIVE)
			size += 8192;			/* 64 + 5 cursors, 600 holds */
		EXPECT_EQ(size, p->attach.own_size);
		EXPECT_EQ(4096 + 7 * 8192 + 5 * 147456, p->attach.window_size);
		accounts_read(&now);
		EXPECT_EQ(empty.bytes + size, now.bytes);
		EXPECT_EQ(empty.ports + 1, now.ports);
		raw_close(p);
		EXPECT_TRUE(accounts_settle(&empty));
	}
	EXPECT_EQ(self->before.bytes + 4096, empty.bytes);	/* the roster */
}

/* The least there is: a page for each of roster, outbox and receipts. */
TEST_F(geometry, small)
{
	struct ipcchan_geometry g = { 8, 1, 1, 4, 2944, 256 };
	struct raw_port *p = &self->ports[0];

	ASSERT_EQ(0, create(self->name, g));
	ASSERT_EQ(0, raw_open(p, self->name, 3));
	EXPECT_EQ(2 * 4096, p->attach.own_size);
	EXPECT_EQ(3 * 4096, p->attach.window_size);
	EXPECT_EQ(self->before.bytes + 3 * 4096, param_get("bytes"));
	/* header, ring and arena in one page, and the arena's last byte is there */
	raw_arena(p)[2943] = 7;
	EXPECT_EQ(7, raw_peer_arena(p, 0)[2943]);
	EXPECT_EQ(128 + 8 * 128, raw_peer_arena(p, 0) - window_outbox(p, 0));
}

/* Everyone sends one message, everyone takes all. */
TEST_F_TIMEOUT(geometry, full_house, 120)
{
	struct ipcchan_geometry g = { 2, 64, 64, 2, 4096, 4096 };
	uint64_t text, tag;
	struct raw_port late;

	ASSERT_EQ(0, create(self->name, g));
	for (uint32_t i = 0; i < 64; i++) {
		ASSERT_EQ(0, raw_open(&self->ports[i], self->name, 3)) TH_LOG("%u: %s", i, why);
	}
	EXPECT_EQ(-EUSERS, raw_open(&late, self->name, IPCCHAN_SEND));
	EXPECT_EQ(-EUSERS, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	for (uint64_t i = 0; i < 64; i++)
		raw_publish(&self->ports[i], &i, sizeof(i), ~i);
	for (uint32_t i = 0; i < 64; i++) {
		for (uint32_t slot = 0; slot < 64; slot++) {
			ASSERT_EQ(8, raw_take(&self->ports[i], slot, &text, sizeof(text), &tag));
			ASSERT_EQ(self->ports[slot].attach.sender_slot, slot);
			ASSERT_EQ(slot, text);
			ASSERT_EQ(~(uint64_t)slot, tag);
		}
	}
	raw_close(&self->ports[17]);
	EXPECT_EQ(0, raw_open(&self->ports[17], self->name, 3));
	EXPECT_EQ(17, self->ports[17].attach.sender_slot);
	EXPECT_EQ(17, self->ports[17].attach.receiver_slot);
}

/* To itself, by the library; a mark every @step bytes and in the last one. */
static int there_and_back(struct ipcchan_port *port, size_t length, size_t step)
{
	struct ipcchan_message message;
	struct ipcchan_loan loan;
	int err = ipcchan_reserve(port, length, &loan, IPCCHAN_NO_WAIT);

	if (err)
		return err;
	for (size_t i = 0; i < length; i += step)
		((char *)loan.data)[i] = 'a' + i / step % 26;
	if (length)
		((char *)loan.data)[length - 1] = 'Z';
	err = ipcchan_commit(port, &loan);
	if (!err)
		err = ipcchan_receive(port, &message, IPCCHAN_NO_WAIT);
	if (err)
		return err;
	if (message.length != length)
		return -EMSGSIZE;
	for (size_t i = 0; i + 1 < length; i += step)
		if (((const char *)message.data)[i] != (char)('a' + i / step % 26))
			return -EILSEQ;
	if (length && ((const char *)message.data)[length - 1] != 'Z')
		return -EILSEQ;
	return ipcchan_release(port, &message);
}

TEST_F_TIMEOUT(geometry, lengths, 120)
{
	struct ipcchan_geometry g = { .depth = 4, .arena = 64 * KIB };
	struct ipcchan_port *port;
	struct ipcchan_error error;

	ASSERT_EQ(0, create(self->name, g));
	ASSERT_EQ(0, ipcchan_open(&port, self->name, 3, NULL, &error)) TH_LOG("%s", error.text);
	for (size_t length = 0; length <= 130; length++) {
		ASSERT_EQ(0, there_and_back(port, length, 1)) TH_LOG("%zu", length);
	}
	for (size_t length = 4096; length <= 64 * KIB; length += 4096) {
		ASSERT_EQ(0, there_and_back(port, length - 1, 7)) TH_LOG("%zu", length);
		ASSERT_EQ(0, there_and_back(port, length, 7)) TH_LOG("%zu", length);
	}
	EXPECT_EQ(-EMSGSIZE, there_and_back(port, 64 * KIB + 1, 7));
	ipcchan_port_close(port);
}

static unsigned long long available(void)
{
	char text[4096], *line;

	if (read_text("/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "MemAvailable:");
	return line ? strtoull(line + 13, NULL, 10) * KIB : 0;
}

/*
 * Messages of 0 bytes, of the whole arena, and of one byte less: 1 GiB, and
 * 128 MiB where each page takes a sanitizer's time.
 */
TEST_F_TIMEOUT(geometry, largest_arena, 300)
{
	unsigned long long arena = slow_kernel() ? 128 * MIB : GIB;
	struct ipcchan_geometry g = { .depth = 4, .senders = 1, .receivers = 1, .arena = arena };
	struct ipcchan_port *port;
	struct ipcchan_error error;

	TH_LOG("%llu MiB", arena / MIB);
	ASSERT_GT(available(), arena + 64 * MIB) TH_LOG("the guest needs 1.75 GiB of memory");
	ASSERT_EQ(0, param_set("max_user_bytes", 2 * GIB));
	ASSERT_EQ(0, param_set("max_net_bytes", 2 * GIB));
	ASSERT_EQ(0, param_set("max_bytes", 2 * GIB));
	ASSERT_EQ(0, create(self->name, g));
	ASSERT_EQ(0, ipcchan_open(&port, self->name, 3, NULL, &error)) TH_LOG("%s", error.text);
	EXPECT_LT(arena, param_get("bytes"));
	EXPECT_EQ(0, there_and_back(port, 0, 1));
	EXPECT_EQ(0, there_and_back(port, arena - 1, 16 * KIB + 1));
	EXPECT_EQ(0, there_and_back(port, arena, 16 * KIB + 1));
	EXPECT_EQ(0, there_and_back(port, 0, 1));
	EXPECT_EQ(-EMSGSIZE, there_and_back(port, arena + 1, 1));
	ipcchan_port_close(port);
}

TEST_HARNESS_MAIN
