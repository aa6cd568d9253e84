// SPDX-License-Identifier: GPL-2.0
/*
 * Sequence numbers over the life of a slot: no number is used twice while anyone
 * might remember it, and the end of the numbers is an error, not an accident.
 *
 * What breaks these (ring.c: ipcchan_ring_next_base(); the library's limit): a
 * base too near to what receivers may still store (a late store frees messages
 * nobody has read), no end (a sequence runs into the slot's bits).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "probe.h"

#define LIMIT	300
#define DEPTH	16u
#define SOON_NS	((int64_t)(20 * SECOND))

FIXTURE(sequences) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	unsigned long long first;
};

FIXTURE_SETUP(sequences)
{
	accounts_read(&self->before);
	unique_name(self->name, "sequences");
	self->first = param_get("first_sequence");
}

FIXTURE_TEARDOWN(sequences)
{
	EXPECT_EQ(param_set("first_sequence", self->first), 0);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* The channel's sequences have so many left, of each slot. */
static int channel_with(const char *name, uint64_t left, uint32_t slots)
{
	int err = param_set("first_sequence", IPCCHAN_SEQ_COUNT - left);

	return err ? err : small_channel(name, IPCCHAN_CREATE_PERSISTENT, slots);
}

TEST_F_TIMEOUT(sequences, the_first_message_follows_the_base, LIMIT)
{
	struct raw_port r;

	ASSERT_EQ(channel_with(self->name, 1000, 2), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	for (uint32_t slot = 0; slot < 2; slot++) {
		struct raw_port *p = &(struct raw_port){}, other = {};

		if (slot)
			ASSERT_EQ(raw_open(&other, self->name, IPCCHAN_SEND), 0);
		ASSERT_EQ(raw_open(p, self->name, IPCCHAN_SEND), 0);
		EXPECT_EQ(p->attach.sender_slot, slot);
		EXPECT_EQ(p->base >> IPCCHAN_SEQ_SLOT_SHIFT, slot);
		EXPECT_EQ(p->next, p->base + 1);
		raw_publish(p, "x", 1, 5);
		EXPECT_EQ(raw_peer_desc(&r, slot, p->base + 1)->seq, p->base + 1);
		EXPECT_EQ(raw_take(&r, slot, NULL, 0, NULL), 1);
		leave(p);
		leave(&other);
	}
	leave(&r);
}

/* Sends until the numbers end; all that was sent arrives. */
static int send_to_the_end(struct ipcchan_port *tx, struct ipcchan_port *rx, int *sent)
{
	char text[8];
	int rc;

	for (*sent = 0;; ++*sent) {
		rc = ipcchan_send(tx, "message", 8, SOON_NS);
		if (rc)
			return rc;
		if (ipcchan_recv(rx, text, sizeof(text), NULL, SOON_NS) != 8)
			return -EIO;
	}
}

TEST_F_TIMEOUT(sequences, the_end_of_the_numbers_is_said, LIMIT)
{
	struct ipcchan_port *rx, *tx;
	int sent;

	ASSERT_EQ(channel_with(self->name, 100, 2), 0);
	ASSERT_EQ(ipcchan_open(&rx, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL), 0);
	/* one slot's, then the other's */
	for (int slot = 0; slot < 2; slot++) {
		ASSERT_EQ(ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), 0);
		EXPECT_EQ(send_to_the_end(tx, rx, &sent), -EOVERFLOW);
		EXPECT_GT(sent, 50);
		EXPECT_LE(sent, 100);
		EXPECT_EQ(ipcchan_send(tx, "message", 8, IPCCHAN_NO_WAIT), -EOVERFLOW);
		ipcchan_port_close(tx);
	}
	/* both are used up, while somebody remembers */
	EXPECT_EQ(ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), -EOVERFLOW);
	ipcchan_port_close(rx);
	/* nobody does: they begin anew */
	ASSERT_EQ(ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), 0);
	ASSERT_EQ(ipcchan_open(&rx, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL), 0);
	for (int i = 0; i < 200; i++) {
		char text[8];

		ASSERT_EQ(ipcchan_send(tx, "message", 8, SOON_NS), 0);
		ASSERT_EQ(ipcchan_recv(rx, text, sizeof(text), NULL, SOON_NS), 8);
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

TEST_F_TIMEOUT(sequences, used_up_and_taken_slots_are_told_apart, LIMIT)
{
	struct raw_port r, p, q;

	/* fewer than anybody could use */
	ASSERT_EQ(channel_with(self->name, 2 * DEPTH, 1), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	EXPECT_EQ(raw_attach(&p, self->name, IPCCHAN_SEND), -EOVERFLOW);
	leave(&r);
	drop_channel(self->name);
	ASSERT_EQ(channel_with(self->name, 2 * DEPTH + 1, 1), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	EXPECT_EQ(raw_attach(&q, self->name, IPCCHAN_SEND), -EUSERS);
	leave(&p);
	EXPECT_EQ(raw_attach(&p, self->name, IPCCHAN_SEND), -EOVERFLOW);
	leave(&r);
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	leave(&p);
}

/* Fills the ring: how many went in before there was no room. */
static int fill(struct ipcchan_port *tx)
{
	int sent = 0;

	while (sent < 1000 && !ipcchan_send(tx, "message", 8, IPCCHAN_NO_WAIT))
		sent++;
	return sent;
}

/*
 * A receiver was interrupted before it stored a cursor for the slot's previous
 * owner; it stores it now. The new owner must not take that for its own: none of
 * its messages has been read.
 */
TEST_F_TIMEOUT(sequences, a_late_store_frees_nothing_of_the_next_owner, LIMIT)
{
	struct ipcchan_port *tx;
	struct raw_port r, p;
	uint64_t old, base;

	ASSERT_EQ(channel_with(self->name, 1ull << 40, 1), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	for (int i = 0; i < 5; i++) {
		raw_publish(&p, "x", 1, i);
		EXPECT_EQ(raw_take(&r, 0, NULL, 0, NULL), 1);
	}
	old = raw_cursor(&r, 0)->passed;
	EXPECT_EQ(old, p.base + 5);
	leave(&p);

	ASSERT_EQ(ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), 0);
	base = raw_sender_slot(&r, 0)->base;
	EXPECT_GT(base, old + 2 * DEPTH);
	EXPECT_EQ(fill(tx), DEPTH);
	for (uint64_t late = old; late <= old + DEPTH; late++) {
		ipcchan_store_release(&raw_cursor(&r, 0)->passed, late);
		EXPECT_EQ(call_kick(r.fd, 0, 1), 0);
		EXPECT_EQ(fill(tx), 0);
	}
	/* what it was really sent is all there; and passing it frees it */
	ipcchan_store_release(&raw_cursor(&r, 0)->passed, base);
	for (uint32_t i = 0; i < DEPTH; i++)
		EXPECT_EQ(raw_take(&r, 0, NULL, 0, NULL), 8);
	EXPECT_EQ(fill(tx), DEPTH);
	ipcchan_port_close(tx);
	leave(&r);
}

/* The old owner's base in "closed", the old owner's messages in holds. */
TEST_F_TIMEOUT(sequences, what_was_said_to_the_owner_before_does_not_count, LIMIT)
{
	struct ipcchan_port *tx;
	struct raw_port r, p;
	uint64_t old;

	ASSERT_EQ(channel_with(self->name, 1ull << 40, 1), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	old = p.base;
	raw_publish(&p, "x", 1, 0);
	EXPECT_EQ(raw_take(&r, 0, NULL, 0, NULL), 1);
	leave(&p);
	ASSERT_EQ(ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), 0);
	ipcchan_store_release(&raw_cursor(&r, 0)->closed, old);
	for (uint32_t i = 0; i < 4; i++)
		ipcchan_store_release(&raw_holds(&r)[i], old + 1 + i);
	EXPECT_EQ(fill(tx), DEPTH);
	EXPECT_EQ(fill(tx), 0);
	for (uint32_t i = 0; i < DEPTH; i++)
		EXPECT_EQ(raw_take(&r, 0, NULL, 0, NULL), 8);
	/* those holds pin nothing of the new owner's */
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(fill(tx), DEPTH);
		for (uint32_t j = 0; j < DEPTH; j++)
			EXPECT_EQ(raw_take(&r, 0, NULL, 0, NULL), 8);
	}
	ipcchan_port_close(tx);
	leave(&r);
}

/* What is allowed for clocks that stand still for a while. */
#define SLACK_COUNT	(IPCCHAN_SEQ_SLACK_NS / 2)

/* Somebody who lies about how far he is does not use the numbers up. */
TEST_F_TIMEOUT(sequences, a_liar_does_not_use_them_up, LIMIT)
{
	uint64_t begin = now_ns(), first, last;
	struct raw_port r, p;

	ASSERT_EQ(channel_with(self->name, 1ull << 55, 1), 0);
	ASSERT_EQ(raw_open(&r, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	first = p.base;
	for (int i = 0; i < 50; i++) {
		ipcchan_store_release(&raw_cursor(&r, 0)->passed, ipcchan_seq_limit(0));
		leave(&p);
		ASSERT_EQ(raw_open(&p, self->name, IPCCHAN_SEND), 0);
	}
	last = p.base;
	EXPECT_LE(last - first, (now_ns() - begin) / 2 + 50 * (2 * DEPTH + 2 + SLACK_COUNT));
	leave(&p);
	leave(&r);
}

TEST_HARNESS_MAIN
