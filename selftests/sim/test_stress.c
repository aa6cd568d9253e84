/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that send and receive for some seconds, asleep as often as awake:
 * nothing is lost but what is counted, nothing changes that is held. How many
 * seconds each takes is the program's argument.
 */
#include "simtest.h"
#include "stream.h"

#define RECEIVERS	2

static int64_t duration_ns = 1500 * MS;
static struct ipcchan_options options;
static struct stream stream;
static uint64_t spin_ns;

static struct ipcchan_port *open_stream(uint32_t roles)
{
	struct ipcchan_port *port = open_port("stream", roles, &options);

	ipcchan_port_set_spin(port, spin_ns);
	return port;
}

/* What has come and what was lost is what was sent, which the last message says. */
static int receive(void)
{
	struct ipcchan_port *rx = open_stream(RECEIVE);
	struct stream_sum sum;
	int rc = stream_receive(rx, &stream, &sum);

	if (rc)
		fprintf(stderr, "after %lu messages, %lu lost: %s\n", (unsigned long)sum.taken,
			(unsigned long)sum.lost, ipcchan_strerror(rc));
	if (!rc && options.overflow == IPCCHAN_BLOCK && sum.lost)
		rc = -EBADMSG;
	ipcchan_port_close(rx);
	return rc || !sum.taken;
}

static void run(void)
{
	struct ipcchan_port *tx = open_stream(SEND);
	pid_t children[RECEIVERS];
	uint64_t sent;

	for (int i = 0; i < RECEIVERS; i++)
		children[i] = spawn(receive);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, RECEIVERS, FOREVER));
	stream.until_ns = now_ns() + (uint64_t)duration_ns;
	assert_ok(stream_send(tx, &stream, &sent));
	ipcchan_port_close(tx);
	for (int i = 0; i < RECEIVERS; i++)
		assert_ok(reap(children[i]));
	assert_true(sent > 1000);
}

static int prepare(void **state)
{
	ipcchan_options_init(&options);
	options.receivers = RECEIVERS;
	options.holds = 8;
	spin_ns = 0;
	stream = (struct stream){
		.messages = UINT64_MAX,
		.longest = 3000,
		.kept = 6,
		.batch = 5,
	};
	return begin(state);
}

static void short_ring(void **state)
{
	(void)state;
	options.depth = 8;
	run();
}

static void small_arena(void **state)
{
	(void)state;
	options.arena = 64 << 10;
	run();
}

static void spinning(void **state)
{
	(void)state;
	spin_ns = 20000;
	options.depth = 32;
	run();
}

static void copied_out(void **state)
{
	(void)state;
	stream.kept = 0;
	options.depth = 16;
	run();
}

static void kept_for_latecomers(void **state)
{
	(void)state;
	options.history = 5;
	options.depth = 16;
	options.max_message = stream.longest;
	run();
}

static void dropped(void **state)
{
	(void)state;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.max_message = stream.longest;
	options.depth = 16;
	run();
}

static void dropped_and_copied_out(void **state)
{
	(void)state;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.max_message = stream.longest;
	options.depth = 64;
	stream.kept = 0;
	run();
}

#define stress(name)	cmocka_unit_test_setup_teardown(name, prepare, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		stress(short_ring),
		stress(small_arena),
		stress(spinning),
		stress(copied_out),
		stress(kept_for_latecomers),
		stress(dropped),
		stress(dropped_and_copied_out),
	};

	if (argc > 1)
		duration_ns = atol(argv[1]) * 1000 * MS;
	alarm((unsigned int)(7 * duration_ns / (1000 * MS)) + 60);
	return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
