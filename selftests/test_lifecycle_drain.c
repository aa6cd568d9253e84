// SPDX-License-Identifier: GPL-2.0
/*
 * What a sender that is gone leaves behind: its messages can be read by those
 * who were there, until they have read and given back all, or left; then its slot
 * and its memory are free.
 *
 * What breaks these (member.c, ring.c): a slot emptied at once (messages are
 * lost), or looked at too late or never (memory and slot stay taken), holds not
 * looked at, an evicted sender's pages still shown.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "scene.h"

#define LIMIT	300
#define MESSAGES 3

FIXTURE(drain) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port reader;
	unsigned long long bytes;	/* with the reader alone */
};

FIXTURE_SETUP(drain)
{
	accounts_read(&self->before);
	unique_name(self->name, "drain");
	ASSERT_EQ(small_channel(self->name, 0, 2), 0);
	ASSERT_EQ(raw_open(&self->reader, self->name, IPCCHAN_RECEIVE), 0);
	self->bytes = param_get("bytes");
}

FIXTURE_TEARDOWN(drain)
{
	leave(&self->reader);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Publishes, kicks nobody, and dies. */
static int publish_and_die(void *arg)
{
	const char *name = arg;
	struct raw_port p;

	if (raw_open(&p, name, IPCCHAN_SEND))
		return 1;
	for (uint64_t i = 0; i < MESSAGES; i++)
		raw_publish(&p, "from the dead", 14, i);
	kill(getpid(), SIGKILL);
	return 2;
}

static bool dies(char *name)
{
	return in_child(publish_and_die, name) == 128 + SIGKILL;
}

static uint32_t state_of(const struct raw_port *p, uint32_t slot)
{
	return ipcchan_load_acquire(&raw_sender_slot(p, slot)->state);
}

/* Takes one, holding it or not. */
static bool take(struct raw_port *p, uint32_t slot, uint64_t tag, uint64_t *hold)
{
	uint64_t seq = ipcchan_passed(raw_cursor(p, slot)->passed,
				      raw_sender_slot(p, slot)->base) + 1;
	char text[16];
	uint64_t found;

	if (hold)
		ipcchan_store_release(hold, seq);
	return raw_take(p, slot, text, sizeof(text), &found) == 14 && found == tag &&
	       !strcmp(text, "from the dead");
}

TEST_F_TIMEOUT(drain, messages_outlive_their_sender, LIMIT)
{
	struct raw_port *r = &self->reader;
	uint32_t events;

	ASSERT_TRUE(dies(self->name));
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_DRAINING);
	EXPECT_EQ(poll_for(r, POLLIN, 0) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
	EXPECT_EQ(wait_for(r, IPCCHAN_WAIT_RECEIVE, FOREVER, &events), 0);
	EXPECT_EQ(events, IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_HANGUP);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_DRAINING);
		EXPECT_TRUE(take(r, 0, i, NULL));
	}
	EXPECT_GT(param_get("bytes"), self->bytes);
	/* all is read: this kick gives the slot and the memory back */
	EXPECT_EQ(call_kick(r->fd, 0, 1), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(param_get("bytes"), self->bytes);
	EXPECT_TRUE(all_zero(window_outbox(r, 0), r->layout.outbox_size));
}

TEST_F_TIMEOUT(drain, a_kick_before_the_end_changes_nothing, LIMIT)
{
	struct raw_port *r = &self->reader;

	ASSERT_TRUE(dies(self->name));
	for (uint64_t i = 0; i < MESSAGES; i++) {
		EXPECT_EQ(call_kick(r->fd, 0, 1), 0);
		EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_DRAINING);
		EXPECT_TRUE(take(r, 0, i, NULL));
	}
	EXPECT_EQ(call_kick(r->fd, 0, 1), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_EMPTY);
}

TEST_F_TIMEOUT(drain, a_held_message_keeps_it, LIMIT)
{
	struct raw_port *r = &self->reader;
	const char *text;

	ASSERT_TRUE(dies(self->name));
	text = raw_peer_payload(r, 0, raw_sender_slot(r, 0)->base + 1);
	for (uint64_t i = 0; i < MESSAGES; i++)
		EXPECT_TRUE(take(r, 0, i, i == 1 ? &raw_holds(r)[2] : NULL));
	EXPECT_EQ(call_kick(r->fd, 0, 1), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_DRAINING);
	EXPECT_STREQ(text, "from the dead");
	ipcchan_store_release(&raw_holds(r)[2], 0);
	EXPECT_EQ(call_kick(r->fd, 0, 1), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(*text, 0);
}

TEST_F_TIMEOUT(drain, it_ends_when_the_last_reader_leaves, LIMIT)
{
	struct raw_port second;

	ASSERT_EQ(raw_open(&second, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_TRUE(dies(self->name));
	for (uint64_t i = 0; i < MESSAGES; i++)
		EXPECT_TRUE(take(&self->reader, 0, i, NULL));
	EXPECT_EQ(call_kick(self->reader.fd, 0, 1), 0);
	EXPECT_EQ(state_of(&self->reader, 0), IPCCHAN_SLOT_DRAINING);
	/* it dies without having read a thing */
	leave(&second);
	EXPECT_EQ(state_of(&self->reader, 0), IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(param_get("bytes"), self->bytes);
}

TEST_F_TIMEOUT(drain, nothing_stays_where_nobody_reads, LIMIT)
{
	struct raw_port p, late;

	/* all read before it leaves */
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	raw_publish(&p, "x", 1, 0);
	EXPECT_EQ(raw_take(&self->reader, 0, NULL, 0, NULL), 1);
	leave(&p);
	EXPECT_EQ(state_of(&self->reader, 0), IPCCHAN_SLOT_EMPTY);
	/* the reader has closed this sender: it reads no more */
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	raw_publish(&p, "x", 1, 0);
	ipcchan_store_release(&raw_cursor(&self->reader, 0)->closed, p.base);
	leave(&p);
	EXPECT_EQ(state_of(&self->reader, 0), IPCCHAN_SLOT_EMPTY);
	/* who comes late has no part in it, and does not prolong it */
	ASSERT_TRUE(dies(self->name));
	ASSERT_EQ(raw_open(&late, self->name, IPCCHAN_RECEIVE), 0);
	EXPECT_EQ(poll_for(&late, POLLIN, 0) & POLLIN, 0);
	for (uint64_t i = 0; i < MESSAGES; i++)
		EXPECT_TRUE(take(&self->reader, 0, i, NULL));
	EXPECT_EQ(call_kick(self->reader.fd, 0, 1), 0);
	EXPECT_EQ(state_of(&late, 0), IPCCHAN_SLOT_EMPTY);
	leave(&late);
}

/* A sender that finds all slots draining looks whether they are read by now. */
TEST_F_TIMEOUT(drain, a_sender_that_comes_finds_the_slots_that_are_read, LIMIT)
{
	struct raw_port p;

	ASSERT_TRUE(dies(self->name));
	ASSERT_TRUE(dies(self->name));
	EXPECT_EQ(raw_attach(&p, self->name, IPCCHAN_SEND), -EUSERS);
	for (uint64_t i = 0; i < MESSAGES; i++)
		EXPECT_TRUE(take(&self->reader, 1, i, NULL));
	/* and there was no kick */
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	EXPECT_EQ(p.attach.sender_slot, 1);
	leave(&p);
	EXPECT_EQ(state_of(&self->reader, 0), IPCCHAN_SLOT_DRAINING);
}

TEST_F_TIMEOUT(drain, an_evicted_sender_leaves_nothing, LIMIT)
{
	struct raw_port *r = &self->reader;
	struct raw_port p;

	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	raw_publish(&p, "from the dead", 14, 0);
	ASSERT_EQ(evict(self->name, p.attach.port_id), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_EMPTY);
	EXPECT_TRUE(all_zero(window_outbox(r, 0), r->layout.outbox_size));
	EXPECT_EQ(poll_for(r, POLLIN, 0) & POLLIN, 0);
	leave(&p);
}

/* Somebody holds a message for ever: the administrator can give it up. */
TEST_F_TIMEOUT(drain, a_sender_that_is_gone_can_be_evicted, LIMIT)
{
	struct raw_port *r = &self->reader;
	uint32_t id;

	ASSERT_TRUE(dies(self->name));
	id = raw_sender_slot(r, 0)->port_id;
	EXPECT_TRUE(take(r, 0, 0, &raw_holds(r)[0]));
	EXPECT_EQ(evict(self->name, id), 0);
	EXPECT_EQ(state_of(r, 0), IPCCHAN_SLOT_EMPTY);
	EXPECT_TRUE(all_zero(window_outbox(r, 0), r->layout.outbox_size));
	EXPECT_EQ(poll_for(r, POLLIN, 0) & POLLIN, 0);
	EXPECT_EQ(param_get("bytes"), self->bytes);
	/* once */
	EXPECT_NE(evict(self->name, id), 0);
}

/* By the library: all is received, then the end, and no kick is forgotten. */
TEST_F_TIMEOUT(drain, the_library_reads_to_the_end_and_frees, LIMIT)
{
	struct ipcchan_port *port;
	char text[16];

	leave(&self->reader);
	ASSERT_EQ(small_channel(self->name, 0, 2), 0);
	ASSERT_EQ(ipcchan_open(&port, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL), 0);
	self->bytes = param_get("bytes");
	for (int round = 0; round < 3; round++) {
		ASSERT_TRUE(dies(self->name));
		for (int i = 0; i < MESSAGES; i++)
			EXPECT_EQ(ipcchan_recv(port, text, sizeof(text), NULL, 20ll * SECOND), 14);
		EXPECT_EQ(ipcchan_recv(port, text, sizeof(text), NULL, 20ll * SECOND), -EPIPE);
		EXPECT_EQ(param_get("bytes"), self->bytes);
	}
	ipcchan_port_close(port);
}

/* An ephemeral channel ends with its last port, whatever is unread in it. */
TEST_F_TIMEOUT(drain, unread_messages_keep_no_channel, LIMIT)
{
	ASSERT_TRUE(dies(self->name));
	leave(&self->reader);
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_HARNESS_MAIN
