// SPDX-License-Identifier: GPL-2.0
/*
 * Receivers that are woken some time after the first message, what becomes of
 * their timers, and what thresholds are for: few wake-ups.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120
#define DEPTH	256
#define DELAY	(60 * MS)
#define HOUR	(3600 * SECOND)

FIXTURE(delay) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx, tx;
	struct thrift thrift;
	struct sleeper sleeper;
	int set;
};

FIXTURE_VARIANT(delay) {
	bool (*sleep)(struct sleeper *s);
	uint32_t flags;
	uint32_t epoll;
};

FIXTURE_VARIANT_ADD(delay, wait) { .sleep = sleep_in_wait, .flags = IPCCHAN_WAIT_RECEIVE };
FIXTURE_VARIANT_ADD(delay, poll) { .sleep = sleep_in_poll, .flags = POLLIN };
FIXTURE_VARIANT_ADD(delay, level) { .sleep = sleep_in_epoll, .epoll = EPOLLIN };
FIXTURE_VARIANT_ADD(delay, edge) { .sleep = sleep_in_epoll, .epoll = EPOLLIN | EPOLLET };

FIXTURE_SETUP(delay)
{
	memset(&self->rx, 0, sizeof(self->rx));
	memset(&self->thrift, 0, sizeof(self->thrift));
	accounts_read(&self->before);
	unique_name(self->name, "delay");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	self->set = -1;
}

FIXTURE_TEARDOWN(delay)
{
	leave(&self->tx);
	if (self->set >= 0)
		close(self->set);
	leave(&self->rx);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int begin(FIXTURE_DATA(delay) *self, const FIXTURE_VARIANT(delay) *variant, uint32_t count,
		 uint64_t delay_ns)
{
	int err = open_patient(&self->rx, self->name, count, delay_ns);

	if (err)
		return err;
	if (variant->epoll)
		self->set = make_set(&self->rx, variant->epoll);
	self->sleeper = (struct sleeper){
		.port = &self->rx, .flags = variant->flags, .epoll = self->set,
	};
	return 0;
}

static void take_all(struct raw_port *rx)
{
	while (raw_take(rx, 0, NULL, 0, NULL) >= 0)
		;
}

/* Only the time: it is kept, however many come, and nobody is woken before. */
TEST_F_TIMEOUT(delay, from_the_first, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	ASSERT_EQ(0, begin(self, variant, 0, DELAY));
	for (int round = 0; round < 3; round++) {
		unsigned long before;
		uint64_t first;

		ASSERT_TRUE(variant->sleep(s));
		sleep_ms(2 * DELAY / MS);
		before = switches(s);
		first = now_ns();
		for (int i = 0; i < 10; i++)
			publish_thrifty(&self->tx, &self->thrift, 0, 1);
		EXPECT_TRUE(is_asleep(s));
		EXPECT_EQ(before, switches(s));
		EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
		ASSERT_TRUE(wakes(s));
		EXPECT_EQ(0, s->result);
		EXPECT_LE(first + DELAY, s->ended_ns);
		EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
		take_all(&self->rx);
		EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
		ask_set(self->set, 0);
	}
	/* of ten messages the first, and what a poll() left armed */
	TH_LOG("%u kicks", self->thrift.kicks);
	EXPECT_GE(3 * 2, self->thrift.kicks);
}

/* What waits when it goes to sleep has its time from then on. */
TEST_F_TIMEOUT(delay, of_what_waits_already, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	ASSERT_EQ(0, begin(self, variant, 10, DELAY));
	publish_and_kick(&self->tx);
	ASSERT_TRUE(variant->sleep(s));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
}

/* So many, or so long: whatever is first. */
TEST_F_TIMEOUT(delay, or_so_many, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint64_t first;

	ASSERT_EQ(0, begin(self, variant, 5, 20 * SECOND));
	ASSERT_TRUE(variant->sleep(s));
	first = now_ns();
	for (int i = 0; i < 5; i++)
		publish_thrifty(&self->tx, &self->thrift, 0, 1);
	ASSERT_TRUE(wakes(s));
	EXPECT_GT(first + 15 * SECOND, s->ended_ns);
	EXPECT_EQ(2, self->thrift.kicks);
}

/* Another thread takes what the timer was for: the next message begins anew. */
TEST_F_TIMEOUT(delay, taken_meanwhile, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint64_t second;

	ASSERT_EQ(0, begin(self, variant, 0, DELAY));
	ASSERT_TRUE(variant->sleep(s));
	publish_thrifty(&self->tx, &self->thrift, 0, 1);
	take_all(&self->rx);
	sleep_ms(2 * DELAY / MS);
	ASSERT_TRUE(sleeps_again(s));
	second = now_ns();
	publish_thrifty(&self->tx, &self->thrift, 0, 1);
	ASSERT_TRUE(wakes(s));
	EXPECT_LE(second + DELAY, s->ended_ns);
}

/* Senders come and go all the time, and have nothing to say: they do not put it off. */
TEST_F_TIMEOUT(delay, others_come_and_go, LIMIT)
{
	uint64_t delay_ns = slow_kernel() ? 10 * DELAY : 3 * DELAY;
	struct sleeper *s = &self->sleeper;
	struct raw_port other;
	uint64_t first;

	ASSERT_EQ(0, begin(self, variant, 0, delay_ns));
	ASSERT_TRUE(variant->sleep(s));
	first = now_ns();
	publish_thrifty(&self->tx, &self->thrift, 0, 1);
	while (now_ns() < first + 6 * delay_ns) {
		ASSERT_EQ(0, raw_open(&other, self->name, IPCCHAN_SEND));
		raw_close(&other);
		sleep_ms(1);
	}
	ASSERT_TRUE(wakes(s));
	EXPECT_LE(first + delay_ns, s->ended_ns);
	EXPECT_GT(first + 4 * delay_ns, s->ended_ns);
}

/* Breaks it: a timer that outlives its port. */
TEST_F_TIMEOUT(delay, the_port_goes_before, LIMIT)
{
	for (uint32_t i = 0; i < heavy(100, 30); i++) {
		uint64_t delay_ns = i % 3 ? i % 50 * 10000 + 1 : HOUR;

		ASSERT_EQ(0, begin(self, variant, 0, delay_ns));
		publish_and_kick(&self->tx);
		poll_for(&self->rx, POLLIN, 0);
		if (self->set >= 0)
			close(self->set);
		self->set = -1;
		if (i % 10)
			leave(&self->rx);
		else
			EXPECT_EQ(0, evict(self->name, self->rx.attach.port_id));
		leave(&self->rx);
	}
}

static int sleep_for_ever(void *arg)
{
	const struct raw_port *tx = arg;
	struct raw_port rx;

	if (open_patient(&rx, tx->attach.name, 0, HOUR))
		return 1;
	poll_for(&rx, POLLIN, -1);
	return 2;
}

/* Its process dies; the timer with it. */
TEST_F_TIMEOUT(delay, the_process_goes_before, LIMIT)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = child_start(sleep_for_ever, &self->tx);

		ASSERT_TRUE(receiver_sleeps(&self->tx, 0));
		publish_and_kick(&self->tx);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(128 + SIGKILL, child_end(pid, 20000));
	}
}

/* A stream: the receiver is woken for each hundred of messages, and no more often. */
#define MESSAGES	1000
#define HUNDRED		100

FIXTURE(stream) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct crew crew;
};

FIXTURE_SETUP(stream)
{
	struct ipcchan_options options;

	accounts_read(&self->before);
	unique_name(self->name, "stream");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = DEPTH;
	ASSERT_EQ(0, ipcchan_create(self->name, &options, NULL));
	ASSERT_EQ(0, crew_init(&self->crew));
}

FIXTURE_TEARDOWN(stream)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

enum { WAITS, KICKS };

static void body_receive(struct crew *crew, int me, const void *name)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_options options;
	struct ipcchan_port *port;
	int rc;

	ipcchan_options_init(&options);
	options.wake_count = HUNDRED;
	options.spin_ns = 0;
	rc = ipcchan_open(&port, name, IPCCHAN_ROLE_RECEIVE, &options, NULL);
	if (rc)
		crew_fail(crew, "open: %s", ipcchan_strerror(rc));
	crew_gate(crew, 2);
	for (int i = 0; i < MESSAGES; i++) {
		rc = (int)ipcchan_recv(port, NULL, 0, NULL, PATIENCE_NS);
		if (rc)
			crew_fail(crew, "%d: %s", i, ipcchan_strerror(rc));
	}
	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, WAITS, stats.waits);
	crew_gate(crew, 4);
	ipcchan_port_close(port);
}

static void body_send(struct crew *crew, int me, const void *name)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_port *port = crew_open(crew, name, IPCCHAN_ROLE_SEND, SPIN_DEFAULT);

	crew_gate(crew, 2);
	for (int i = 0; i < MESSAGES; i++) {
		ssize_t rc = ipcchan_send(port, NULL, 0, PATIENCE_NS);

		if (rc)
			crew_fail(crew, "%d: %s", i, ipcchan_strerror((int)rc));
		usleep(10);
	}
	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, KICKS, stats.kicks);
	crew_gate(crew, 4);
	ipcchan_port_close(port);
}

/* Breaks it: a threshold that is forgotten by the library, or by the second sleep. */
TEST_F_TIMEOUT(stream, few_wakes, LIMIT)
{
	const char *wrong;

	ASSERT_EQ(0, crew_start(&self->crew, body_receive, self->name));
	ASSERT_EQ(1, crew_start(&self->crew, body_send, self->name));
	wrong = crew_end(&self->crew, LIMIT - 20);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	TH_LOG("%u messages, %lu waits, %lu kicks", MESSAGES,
	       (unsigned long)crew_word(&self->crew, WAITS),
	       (unsigned long)crew_word(&self->crew, KICKS));
	EXPECT_LE(1, crew_word(&self->crew, WAITS));
	EXPECT_GE(MESSAGES / HUNDRED, crew_word(&self->crew, WAITS));
	EXPECT_GE(3 * MESSAGES / HUNDRED, crew_word(&self->crew, KICKS));
}

TEST_HARNESS_MAIN
