// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, over time: what a window shows when ports come and go, and what
 * is left of a port that was evicted.
 *
 * What breaks these: a window not unmapped when a slot changes hands, or
 * unmapped before the faults under way have been settled (map.c, member.c: the
 * race at the end sees the old owner's bytes under the new one's name); roles
 * not asked in shown(); a file usable by an address space that did not attach it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "scene.h"

#define LIMIT	300
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(mapping_peers) {
	struct scene s;
};

FIXTURE_SETUP(mapping_peers)
{
	ASSERT_EQ(scene_open(&self->s), 0);
}

FIXTURE_TEARDOWN(mapping_peers)
{
	EXPECT_TRUE(scene_close(&self->s));
}

/* A file in another process. */
struct stranger {
	int fd;
	struct ipcchan_attach a;
};

static int use_as_stranger(void *arg)
{
	struct stranger *x = arg;
	struct pollfd p = { .fd = x->fd, .events = POLLIN | POLLOUT };
	struct ipcchan_wait w = { .size = sizeof(w), .flags = IPCCHAN_WAIT_ROSTER };
	struct ipcchan_attach again = attach_args(x->a.name, IPCCHAN_RECEIVE);
	struct ipcchan_peer peer;

	if (mmap(NULL, x->a.own_size, PROT_READ | PROT_WRITE, MAP_SHARED, x->fd,
		 x->a.own_offset) != MAP_FAILED || errno != EBUSY)
		return 1;
	if (mmap(NULL, x->a.window_size, PROT_READ, MAP_SHARED, x->fd,
		 x->a.window_offset) != MAP_FAILED || errno != EBUSY)
		return 2;
	if (call_kick(x->fd, 0, 0) != -EBUSY)
		return 3;
	if (call_peer(x->fd, 0, 0, &peer) != -EBUSY)
		return 4;
	if (call(x->fd, IPCCHAN_IOC_WAIT, &w) != -EBUSY)
		return 5;
	if (call_attach(x->fd, &again) != -EISCONN)
		return 6;
	if (poll(&p, 1, 0) != 1 || p.revents != POLLERR)
		return 7;
	return 0;
}

/* Another program altogether: it gets the file over AF_UNIX. */
static int receive_and_use(void *arg)
{
	struct stranger x = *(struct stranger *)arg;

	x.fd = recv_file(x.fd);
	return x.fd < 0 ? 20 : use_as_stranger(&x);
}

TEST_F_TIMEOUT(mapping_peers, a_file_passed_on_is_of_no_use, LIMIT)
{
	struct scene *s = &self->s;
	struct stranger x = { .a = s->mine.attach };
	int pair[2];
	pid_t pid;

	/* inherited */
	x.fd = s->mine.fd;
	EXPECT_EQ(in_child(use_as_stranger, &x), 0);
	/* passed on */
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	x.fd = pair[1];
	pid = child_start(receive_and_use, &x);
	ASSERT_EQ(send_file(pair[0], s->mine.fd), 0);
	EXPECT_EQ(child_end(pid, 20000), 0);
	/* and with nothing mapped yet */
	leave(&s->mine);
	ASSERT_EQ(raw_attach(&s->mine, s->name, BOTH), 0);
	x.a = s->mine.attach;
	x.fd = s->mine.fd;
	EXPECT_EQ(in_child(use_as_stranger, &x), 0);
	ASSERT_EQ(map_own(&s->mine), 0);
	ASSERT_EQ(map_window(&s->mine), 0);
	EXPECT_TRUE(scene_intact(s));
}

/* What places a window shows depends on the roles; the roster is for all. */
TEST_F_TIMEOUT(mapping_peers, a_sender_sees_no_outbox, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;
	const struct ipcchan_layout *l = &p.layout;

	leave(&s->mine);
	ASSERT_EQ(raw_open(&p, s->name, IPCCHAN_SEND), 0);
	EXPECT_TRUE(all_zero(window_outbox(&p, 0), 2 * l->outbox_size));
	EXPECT_FALSE(all_zero(window_receipts(&p, s->victim.attach.receiver_slot),
			      l->receipts_size));
	EXPECT_EQ(raw_sender_slot(&p, s->victim.attach.sender_slot)->port_id,
		  s->victim.attach.port_id);
	leave(&p);
	ASSERT_EQ(raw_open(&s->mine, s->name, BOTH), 0);
}

TEST_F_TIMEOUT(mapping_peers, a_receiver_sees_no_receipts, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;
	const struct ipcchan_layout *l = &p.layout;

	leave(&s->mine);
	ASSERT_EQ(raw_open(&p, s->name, IPCCHAN_RECEIVE), 0);
	EXPECT_TRUE(all_zero(window_receipts(&p, 0), 2 * l->receipts_size));
	EXPECT_STREQ(raw_peer_arena(&p, s->victim.attach.sender_slot), SCENE_TEXT);
	leave(&p);
	ASSERT_EQ(raw_open(&s->mine, s->name, BOTH), 0);
}

/* Attached and not yet on the roster: it takes no part, and sees nobody. */
TEST_F_TIMEOUT(mapping_peers, a_new_port_sees_only_the_roster, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;

	leave(&s->mine);
	ASSERT_EQ(raw_attach(&p, s->name, BOTH), 0);
	ASSERT_EQ(map_window(&p), 0);
	EXPECT_EQ(raw_sender_slot(&p, s->victim.attach.sender_slot)->port_id,
		  s->victim.attach.port_id);
	EXPECT_TRUE(all_zero(window_receipts(&p, 0),
			     p.attach.window_size - p.layout.window_receipts));
	/* what it looked at is looked at anew once it is there */
	ASSERT_EQ(map_own(&p), 0);
	s->mine = p;
	EXPECT_TRUE(scene_intact(s));
	EXPECT_STREQ(scene_message(s), SCENE_TEXT);
}

/* What a port that is GONE has left: its own pages, for itself. */
static void expect_gone(struct __test_metadata *_metadata, struct scene *s, struct raw_port *p)
{
	struct ipcchan_peer peer;

	EXPECT_TRUE(all_zero(p->window, p->attach.window_size));
	for (size_t at = 0; at < p->attach.window_size; at += s->page)
		EXPECT_EQ(touch_write(p->window + at), SIGSEGV);
	EXPECT_EQ(touch_write(p->own), 0);
	EXPECT_EQ(touch_write(p->own + p->attach.own_size - 1), 0);
	EXPECT_EQ(call_kick(p->fd, 0, 0), -ESHUTDOWN);
	EXPECT_EQ(call_peer(p->fd, IPCCHAN_SEND, 0, &peer), -ESHUTDOWN);
	EXPECT_EQ(call_peer(p->fd, 0, 0, &peer), 0);
	EXPECT_NE(peer.reason, IPCCHAN_REASON_NONE);
	EXPECT_EQ(wait_for(p, IPCCHAN_WAIT_RECEIVE, 0, NULL), -ESHUTDOWN);
	EXPECT_NE(poll_for(p, POLLIN, 0) & POLLERR, 0);
	/* nothing can be mapped anew, writable least of all */
	ASSERT_EQ(munmap(p->window, p->attach.window_size), 0);
	p->window = NULL;
	EXPECT_EQ(map_window(p), -ESHUTDOWN);
	ASSERT_EQ(munmap(p->own, p->attach.own_size), 0);
	p->own = NULL;
	EXPECT_EQ(map_own(p), -ESHUTDOWN);
}

TEST_F_TIMEOUT(mapping_peers, an_evicted_port_keeps_only_its_own_pages, LIMIT)
{
	struct scene *s = &self->s;
	uint32_t slot = s->victim.attach.sender_slot;
	struct raw_port other;

	ASSERT_EQ(evict(s->name, s->victim.attach.port_id), 0);
	/* nobody sees its pages any more, whatever it writes */
	EXPECT_TRUE(all_zero(window_outbox(&s->mine, slot), s->mine.layout.outbox_size));
	EXPECT_TRUE(all_zero(window_receipts(&s->mine, s->victim.attach.receiver_slot),
			     s->mine.layout.receipts_size));
	memset(s->victim.own, 0x66, s->victim.attach.own_size);
	EXPECT_TRUE(all_zero(window_outbox(&s->mine, slot), s->mine.layout.outbox_size));

	/* who comes next in its slot has other pages */
	ASSERT_EQ(raw_open(&other, s->name, BOTH), 0);
	EXPECT_EQ(other.attach.sender_slot, slot);
	EXPECT_TRUE(all_zero(raw_arena(&other), s->page));
	EXPECT_TRUE(all_zero(window_outbox(&s->mine, slot), s->mine.layout.outbox_size));
	strcpy(raw_arena(&other), "another");
	EXPECT_STREQ(raw_peer_arena(&s->mine, slot), "another");
	memset(s->victim.own, 0x67, s->victim.attach.own_size);
	EXPECT_STREQ(raw_arena(&other), "another");
	EXPECT_STREQ(raw_peer_arena(&s->mine, slot), "another");

	expect_gone(_metadata, s, &s->victim);
	leave(&other);
}

/* The window was never looked into: what it shows is decided by the fault, too late. */
TEST_F_TIMEOUT(mapping_peers, an_evicted_port_faults_in_nothing, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;

	leave(&s->mine);
	ASSERT_EQ(raw_attach(&p, s->name, BOTH), 0);
	ASSERT_EQ(map_own(&p), 0);
	ASSERT_EQ(map_window(&p), 0);
	ASSERT_EQ(evict(s->name, p.attach.port_id), 0);
	expect_gone(_metadata, s, &p);
	EXPECT_TRUE(scene_victim_intact(s));
	leave(&p);
}

TEST_F_TIMEOUT(mapping_peers, a_new_port_can_be_evicted_before_it_maps, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;

	leave(&s->mine);
	ASSERT_EQ(raw_attach(&p, s->name, BOTH), 0);
	ASSERT_EQ(evict(s->name, p.attach.port_id), 0);
	EXPECT_EQ(map_own(&p), -ESHUTDOWN);
	EXPECT_EQ(map_window(&p), -ESHUTDOWN);
	leave(&p);
	ASSERT_EQ(raw_open(&s->mine, s->name, BOTH), 0);
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping_peers, deletion_leaves_each_its_own_pages, LIMIT)
{
	struct scene *s = &self->s;

	ASSERT_EQ(drop_channel(s->name), 0);
	EXPECT_TRUE(scene_victim_intact(s));
	expect_gone(_metadata, s, &s->mine);
	EXPECT_TRUE(scene_victim_intact(s));
	expect_gone(_metadata, s, &s->victim);
}

/* So that the victim can leave its slot. */
static void take_all(struct scene *s)
{
	while (raw_take(&s->mine, s->victim.attach.sender_slot, NULL, 0, NULL) >= 0)
		;
}

/* A page of the victim's that is pinned stays readable; the slot's next owner is not behind it. */
TEST_F_TIMEOUT(mapping_peers, a_pinned_page_outlives_its_owner, LIMIT)
{
	struct scene *s = &self->s;
	char text[sizeof(SCENE_TEXT)] = "";
	struct iovec v = { scene_message(s), sizeof(text) };
	struct raw_port other;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &v, 1, 0), (ssize_t)sizeof(text));
	take_all(s);
	leave(&s->victim);
	ASSERT_EQ(raw_open(&other, s->name, IPCCHAN_SEND), 0);
	memset(raw_arena(&other), 0x55, s->page);
	EXPECT_EQ(read(pipes[0], text, sizeof(text)), (ssize_t)sizeof(text));
	EXPECT_STREQ(text, SCENE_TEXT);
	leave(&other);
}

/*
 * The race. Owners of one slot come and go, by leaving and by eviction; each
 * writes its own number all over its pages, and goes on after it was evicted.
 * Who looks must read the number of the port that the roster names before and
 * after the look: not the one before it, and, once the owner says that it has
 * written them all, not nothing.
 *
 * A fault that began under the old owner and ends under the new one leaves a
 * mapping that nothing removes: so the lookers make faults happen (by
 * MADV_DONTNEED) as long as the old owner is there, and stop when it has gone.
 */
#define LOOKERS		2
#define RACE_NS		(slow_kernel() ? 8 * SECOND : 5 * SECOND)

struct race {
	struct scene *s;
	uint32_t slot;
	bool stop;
	int rounds;
	uint32_t numbered;	/* the owner that has written all its pages */
};

struct looker {
	struct race *race;
	pthread_t thread;
	uint64_t random;
	unsigned long looks, wrong;
};

/* At the last word of a page; says whether its owner is there still. */
static bool look(struct looker *l, const struct ipcchan_slot *slot, const uint32_t *word)
{
	uint64_t before = ipcchan_load_acquire(&slot->base), after;
	uint32_t id = ipcchan_load(&slot->port_id);
	bool numbered = ipcchan_load_acquire(&l->race->numbered) == id;
	uint32_t found = ipcchan_load(word);

	ipcchan_barrier();
	after = ipcchan_load_acquire(&slot->base);
	if (ipcchan_load(&slot->port_id) != id || before != after || !id)
		return false;
	l->looks++;
	if (found != id && (found || numbered))
		l->wrong++;
	return numbered;
}

static void *looking_thread(void *arg)
{
	struct looker *l = arg;
	const struct scene *s = l->race->s;
	const struct ipcchan_slot *slot = raw_sender_slot(&s->mine, l->race->slot);
	const char *outbox = window_outbox(&s->mine, l->race->slot);
	const size_t pages = s->mine.layout.outbox_size / s->page;

	while (!__atomic_load_n(&l->race->stop, __ATOMIC_RELAXED)) {
		const char *page = outbox + random_next(&l->random) % pages * s->page;

		if (look(l, slot, (const uint32_t *)(page + s->page) - 1))
			madvise((void *)(uintptr_t)page, s->page, MADV_DONTNEED);
	}
	return NULL;
}

static void number_pages(struct raw_port *p, size_t page)
{
	char *outbox = (char *)raw_outbox(p);

	for (size_t at = page - 4; at < p->layout.outbox_size; at += page)
		ipcchan_store((uint32_t *)(outbox + at), p->attach.port_id);
}

/* An owner comes, and goes; the one before it goes on writing if it was evicted. */
static int change_hands(struct race *r, struct raw_port *before, bool by_eviction)
{
	struct raw_port next;
	int err = raw_attach(&next, r->s->name, IPCCHAN_SEND);

	if (err || next.attach.sender_slot != r->slot)
		return err ? err : -EXDEV;
	err = map_own(&next);
	if (err)
		return err;
	number_pages(&next, r->s->page);
	__atomic_store_n(&r->numbered, next.attach.port_id, __ATOMIC_RELEASE);
	if (before->attach.size)
		number_pages(before, r->s->page);
	usleep(200);
	leave(before);
	if (by_eviction) {
		err = evict(r->s->name, next.attach.port_id);
		number_pages(&next, r->s->page);
		*before = next;
	} else {
		leave(&next);
	}
	return err;
}

/* In another process: it is not to wait for the lookers' mmap_lock. */
static int owners(void *arg)
{
	struct race *r = arg;
	uint64_t end = now_ns() + RACE_NS;
	struct raw_port before = {};
	int err = 0;

	setpriority(PRIO_PROCESS, 0, -20);
	for (; !err && now_ns() < end; r->rounds++)
		err = change_hands(r, &before, r->rounds % 64 == 0);
	leave(&before);
	return err ? 1 : 0;
}

TEST_F_TIMEOUT(mapping_peers, a_window_never_shows_the_owner_before, LIMIT)
{
	struct race *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct looker lookers[LOOKERS] = {};

	*r = (struct race){ .s = &self->s, .slot = self->s.victim.attach.sender_slot };
	take_all(&self->s);
	leave(&self->s.victim);
	for (int i = 0; i < LOOKERS; i++) {
		lookers[i] = (struct looker){ .race = r, .random = i };
		ASSERT_EQ(pthread_create(&lookers[i].thread, NULL, looking_thread, &lookers[i]), 0);
	}
	EXPECT_EQ(in_child(owners, r), 0);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < LOOKERS; i++) {
		pthread_join(lookers[i].thread, NULL);
		EXPECT_GT(lookers[i].looks, 10);
		EXPECT_EQ(lookers[i].wrong, 0);
		TH_LOG("%lu looks, %lu wrong, %d owners", lookers[i].looks, lookers[i].wrong,
		       r->rounds);
	}
	EXPECT_GT(r->rounds, 20);
}

TEST_HARNESS_MAIN
