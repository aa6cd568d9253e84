// SPDX-License-Identifier: GPL-2.0
/*
 * Revoking: the handle and all that came from it, whoever has them and whatever
 * was closed in between; nothing beside it, and no port.
 *
 * What breaks these: a child that is forgotten when its parent is closed; a
 * look at the grant before the mutex is taken, or none in the last step.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "probe.h"

#define ALL	(IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN)
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(revoke) {
	struct accounts before;
	int handle;
};

FIXTURE_SETUP(revoke)
{
	accounts_read(&self->before);
	self->handle = handle_create(4);
	ASSERT_GE(self->handle, 0) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(revoke)
{
	close(self->handle);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int narrow(int handle)
{
	return handle_open(handle, "", BOTH);
}

static bool works(int handle)
{
	struct ipcchan_lookup lookup;
	struct raw_port port;
	int below = narrow(handle);

	if (below < 0 || call_lookup(handle, "", &lookup))
		return false;
	close(below);
	if (raw_open_by(&port, handle, IPCCHAN_SEND))
		return false;
	raw_close(&port);
	return true;
}

/* Every call says the same. */
static bool is_revoked(int handle)
{
	struct ipcchan_lookup lookup;
	struct raw_port port;

	return raw_attach_by(&port, handle, IPCCHAN_SEND) == -EKEYREVOKED &&
	       !strcmp(why, "the handle was revoked") &&
	       call_lookup(handle, "", &lookup) == -EKEYREVOKED &&
	       handle_open(handle, "", IPCCHAN_SEND) == -EKEYREVOKED;
}

TEST_F(revoke, itself)
{
	EXPECT_TRUE(works(self->handle));
	EXPECT_EQ(0, call_revoke(self->handle));
	EXPECT_TRUE(is_revoked(self->handle));
	EXPECT_EQ(-EKEYREVOKED, call_delete(self->handle, ""));
	EXPECT_EQ(0, call_revoke(self->handle));	/* again */
	EXPECT_TRUE(is_revoked(self->handle));
}

TEST_F(revoke, all_below_and_nothing_beside)
{
	int a = narrow(self->handle), b = narrow(self->handle);
	int a1 = narrow(a), a2 = narrow(a), a11 = narrow(a1), b1 = narrow(b);

	EXPECT_EQ(0, call_revoke(a1));
	EXPECT_TRUE(is_revoked(a1) && is_revoked(a11));
	EXPECT_TRUE(works(a) && works(a2) && works(b) && works(b1) && works(self->handle));
	EXPECT_EQ(0, call_revoke(a));
	EXPECT_TRUE(is_revoked(a) && is_revoked(a1) && is_revoked(a2) && is_revoked(a11));
	EXPECT_TRUE(works(b) && works(b1) && works(self->handle));
	EXPECT_EQ(0, call_revoke(self->handle));
	EXPECT_TRUE(is_revoked(b) && is_revoked(b1) && is_revoked(self->handle));
	for (int fd = a; fd <= b1; fd++)
		close(fd);
}

/* What is in between may be gone: who was above is above still. */
TEST_F(revoke, through_handles_that_are_closed)
{
	int a = narrow(self->handle), a1 = narrow(a), a11 = narrow(a1), a111 = narrow(a11);
	int beside = narrow(self->handle), b = narrow(beside);

	close(a11);
	close(a1);
	EXPECT_TRUE(works(a111));
	EXPECT_EQ(0, call_revoke(a));
	EXPECT_TRUE(is_revoked(a111));
	close(a);
	close(beside);
	EXPECT_TRUE(works(b));
	EXPECT_EQ(0, call_revoke(self->handle));
	EXPECT_TRUE(is_revoked(b) && is_revoked(a111));
	close(a111);
	close(b);
}

/* Who made the first is gone; those he made lived on, each by itself. */
TEST_F(revoke, the_first_is_closed)
{
	int a = narrow(self->handle), b = narrow(self->handle), a1 = narrow(a);

	close(self->handle);
	self->handle = a;
	EXPECT_TRUE(works(a) && works(b));
	EXPECT_EQ(0, call_revoke(a));
	EXPECT_TRUE(is_revoked(a1));
	EXPECT_TRUE(works(b));
	close(a1);
	close(b);
}

TEST_F(revoke, handles_by_name_are_beside_each_other)
{
	char name[IPCCHAN_NAME_SIZE];
	int device = device_open(), a, b;

	unique_name(name, "revoke");
	ASSERT_EQ(0, small_channel(name, 0, 2));
	a = handle_open(device, name, BOTH);
	b = handle_open(device, name, BOTH);
	EXPECT_EQ(0, call_revoke(a));
	EXPECT_TRUE(is_revoked(a));
	EXPECT_TRUE(works(b));
	EXPECT_TRUE(channel_exists(name));
	close(a);
	close(b);
	EXPECT_FALSE(channel_exists(name));
	close(device);
}

TEST_F(revoke, ports_stay)
{
	int theirs = narrow(self->handle);
	struct raw_port tx, rx, late;
	char byte;

	ASSERT_EQ(0, raw_open_by(&rx, self->handle, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open_by(&tx, theirs, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_attach_by(&late, theirs, IPCCHAN_SEND));
	EXPECT_EQ(0, call_revoke(theirs));
	EXPECT_TRUE(is_revoked(theirs));
	raw_publish(&tx, "x", 1, 0);
	EXPECT_EQ(1, raw_take(&rx, tx.attach.sender_slot, &byte, 1, NULL));
	EXPECT_EQ(0, call_kick(tx.fd, 1, 0));
	/* attached is attached, mapped or not */
	EXPECT_EQ(0, raw_map(&late));
	raw_publish(&late, "y", 1, 0);
	EXPECT_EQ(1, raw_take(&rx, late.attach.sender_slot, &byte, 1, NULL));
	raw_close(&late);
	raw_close(&tx);
	raw_close(&rx);
	close(theirs);
}

/* Wherever the file is: at another user's, in a socket. */
static int try_as_holder(void *socket)
{
	int handle = recv_file(*(int *)socket);

	return handle < 0 ? handle : is_revoked(handle) ? 0 : 1;
}

TEST_F(revoke, whoever_has_it)
{
	int theirs = narrow(self->handle), ends[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	ASSERT_EQ(0, send_file(ends[0], theirs));
	EXPECT_EQ(0, call_revoke(theirs));
	close(theirs);
	EXPECT_EQ(0, run_as(BOB, try_as_holder, &ends[1])) TH_LOG("%s", why);
	close(ends[0]);
	close(ends[1]);
}

/* A holder may end the use of his own, of which others have copies. */
static int revoke_as_holder(void *handle)
{
	return call_revoke(*(int *)handle);
}

TEST_F(revoke, by_any_holder_but_only_from_there_on)
{
	int theirs = narrow(self->handle);

	EXPECT_EQ(0, run_as(BOB, revoke_as_holder, &theirs));
	EXPECT_TRUE(is_revoked(theirs));
	EXPECT_TRUE(works(self->handle));
	close(theirs);
}

TEST_F(revoke, a_thousand_at_once)
{
	int n = slow_kernel() ? 200 : 500, fds[500], first = narrow(self->handle);

	for (int i = 0; i < n; i++) {
		fds[i] = narrow(i < 10 ? first : fds[i / 2]);
		ASSERT_GE(fds[i], 0) TH_LOG("%d: %s", i, why);
	}
	for (int i = 0; i < n; i += 3)
		close(fds[i]);
	EXPECT_EQ(0, call_revoke(first));
	for (int i = 0; i < n; i++) {
		if (i % 3) {
			EXPECT_TRUE(is_revoked(fds[i]));
			close(fds[i]);
		}
	}
	EXPECT_TRUE(works(self->handle));
	close(first);
}

/*
 * When REVOKE has returned nobody comes in, not even by a call that had begun
 * before: the ports the kernel lists then are all there ever are. Attaching takes
 * its time, as it takes memory for a large arena.
 */
#define THREADS		3
#define PORTS		60

struct crowd {
	int handle;
	pthread_barrier_t start;
	int fds[THREADS][PORTS];
	int made[THREADS];
};

struct one {
	struct crowd *crowd;
	int number;
};

static void *attach_until_refused(void *arg)
{
	const struct one *one = arg;
	struct crowd *c = one->crowd;
	struct ipcchan_attach args;

	pthread_barrier_wait(&c->start);
	for (int i = 0; i < PORTS; i++) {
		args = attach_args("", IPCCHAN_SEND);
		args.why_len = 0;
		if (ioctl(c->handle, IPCCHAN_IOC_ATTACH, &args))
			break;
		c->fds[one->number][c->made[one->number]++] = args.fd;
	}
	return NULL;
}

static int count_ports(int64_t number)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_PORT_GET);
	struct genl_answers answers = { 0 };
	struct genl g;
	int err = genl_open(&g), count;

	if (err)
		return err;
	genl_put_u32(&r, IPCCHAN_A_PORT_CHANNEL_ID, number);
	err = genl_talk(&g, &r, &answers);
	count = err ? err : (int)answers.count;
	genl_free(&answers);
	genl_close(&g);
	return count;
}

static int64_t number_of_nameless(void)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	struct genl_answers answers = { 0 };
	int64_t number = -1;
	struct genl g;

	if (genl_open(&g))
		return -1;
	if (!genl_talk(&g, &r, &answers) && answers.count)
		number = genl_number(genl_attrs(answers.messages[answers.count - 1]),
				     IPCCHAN_A_CHANNEL_ID);
	genl_free(&answers);
	genl_close(&g);
	return number;
}

static int make_wide(void)
{
	struct ipcchan_create args = create_args("");
	int fd = device_open(), err;

	args.flags = IPCCHAN_CREATE_UNNAMED;
	args.geometry.senders = 64;
	args.geometry.arena = 4 << 20;
	err = call_create(fd, &args);
	close(fd);
	return err ? err : args.handle;
}

static void race(struct __test_metadata *_metadata, int handle, int64_t number, int round)
{
	struct crowd c = { .handle = narrow(handle) };
	struct one ones[THREADS];
	pthread_t threads[THREADS];
	int then;

	pthread_barrier_init(&c.start, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		ones[i] = (struct one){ &c, i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, attach_until_refused, &ones[i]));
	}
	pthread_barrier_wait(&c.start);
	usleep(round % 8 * 700);
	EXPECT_EQ(0, call_revoke(c.handle));
	then = count_ports(number);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(then, count_ports(number));
	EXPECT_EQ(then, c.made[0] + c.made[1] + c.made[2]);
	for (int i = 0; i < THREADS; i++)
		for (int j = 0; j < c.made[i]; j++)
			close(c.fds[i][j]);
	close(c.handle);
	pthread_barrier_destroy(&c.start);
}

TEST_F_TIMEOUT(revoke, nobody_comes_in_afterwards, 300)
{
	int rounds = slow_kernel() ? 10 : 40;
	int handle = make_wide();
	int64_t number = number_of_nameless();

	ASSERT_GE(handle, 0) TH_LOG("%s", why);
	ASSERT_GE(number, 0);
	for (int i = 0; i < rounds; i++)
		race(_metadata, handle, number, i);
	close(handle);
}

/* Narrowing, closing and revoking, all at once: nothing is lost or freed twice. */
static void *narrow_and_close(void *arg)
{
	const struct one *one = arg;
	int handle = one->crowd->handle;
	unsigned int seed = one->number;

	pthread_barrier_wait(&one->crowd->start);
	for (int i = 0; i < 300; i++) {
		int a = narrow(handle), b = a < 0 ? -1 : narrow(a), c = b < 0 ? -1 : narrow(b);

		if (rand_r(&seed) & 1)
			call_revoke(b);
		if (rand_r(&seed) & 1) {
			close(a);
			close(c);
			close(b);
		} else {
			close(b);
			close(a);
			close(c);
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(revoke, in_any_order, 300)
{
	struct crowd c = { .handle = narrow(self->handle) };
	struct one ones[THREADS];
	pthread_t threads[THREADS];

	pthread_barrier_init(&c.start, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		ones[i] = (struct one){ &c, i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, narrow_and_close, &ones[i]));
	}
	pthread_barrier_wait(&c.start);
	usleep(30000);
	EXPECT_EQ(0, call_revoke(c.handle));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_TRUE(is_revoked(c.handle));
	EXPECT_TRUE(works(self->handle));
	close(c.handle);
	pthread_barrier_destroy(&c.start);
}

TEST_HARNESS_MAIN
