// SPDX-License-Identifier: GPL-2.0
/* The rows, the bars, and the table of them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bars.h"

#define WINDOWS	11

enum {
	RAW_TRIP, RAW_TRIP_WALKING, OUR_TRIP, OUR_TRIP_LARGE,
	PIPE_BOTH_32, OUR_BOTH_32, PIPE_BOTH_64, OUR_BOTH_64,
	PIPE_STREAM, OUR_STREAM, RAW_STREAM, OUR_STREAM_BATCHES,
	PUBLISH_1, PUBLISH_64, RECEIVE_1, RECEIVE_64,
	FUTEX_TRIP, OUR_TRIP_SLEEPING, SOCKET_TRIP,
	NR_ROWS,
};

static const struct row rows[NR_ROWS] = {
	[RAW_TRIP] = { .name = "round trip, spinning: raw line, in place", .argument = 256,
		.job = raw_pong, .measure = raw_ping },
	[RAW_TRIP_WALKING] = { .name = "round trip, spinning: raw lines, of a ring", .argument = 1,
		.job = raw_pong, .measure = raw_ping },
	[OUR_TRIP] = { .name = "round trip, spinning: ours, 64 B", .argument = 64,
		.open = ours_open, .job = ours_pong, .measure = ours_ping },
	[OUR_TRIP_LARGE] = { .name = "round trip, spinning: ours, 8 MiB, first line touched",
		.channel = CHANNEL_LARGE,
		.open = ours_open, .job = ours_pong_large, .measure = ours_ping_large },

	[PIPE_BOTH_32] = { .name = "send + receive, one thread: pipe, 32 B",
		.place = ALONE, .argument = 32, .measure = pipe_both },
	[OUR_BOTH_32] = { .name = "send + receive, one thread: ours, 32 B",
		.place = ALONE, .channel = CHANNEL_OWN, .argument = 32,
		.open = ours_open, .measure = ours_both },
	[PIPE_BOTH_64] = { .name = "send + receive, one thread: pipe, 64 B",
		.place = ALONE, .argument = 64, .measure = pipe_both },
	[OUR_BOTH_64] = { .name = "send + receive, one thread: ours, 64 B",
		.place = ALONE, .channel = CHANNEL_OWN, .argument = 64,
		.open = ours_open, .measure = ours_both },

	[PIPE_STREAM] = { .name = "stream, singly: pipe, 64 B", .argument = 64,
		.job = pipe_take, .measure = pipe_give },
	[OUR_STREAM] = { .name = "stream, singly: ours, 64 B", .argument = 64,
		.open = ours_open, .job = ours_take, .measure = ours_give },
	[RAW_STREAM] = { .name = "stream, batches of 16: raw ring, 56 B",
		.job = raw_take, .measure = raw_give },
	[OUR_STREAM_BATCHES] = { .name = "stream, batches of 16: ours, 64 B", .argument = 64,
		.open = ours_open, .job = ours_take_batches, .measure = ours_give_batches },

	[PUBLISH_1] = { .name = "publish, 64 B: 1 receiver", .argument = 1,
		.open = publish_open, .job = publish_job, .measure = publish_measure },
	[PUBLISH_64] = { .name = "publish, 64 B: 64 receivers", .argument = 64,
		.open = publish_open, .job = publish_job, .measure = publish_measure },
	[RECEIVE_1] = { .name = "receive, 64 B: 1 sender", .argument = 1,
		.open = receive_open, .job = receive_job, .measure = receive_measure },
	[RECEIVE_64] = { .name = "receive, 64 B: 64 senders, 1 active", .argument = 64,
		.open = receive_open, .job = receive_job, .measure = receive_measure },

	[FUTEX_TRIP] = { .name = "round trip, sleeping: raw futex",
		.place = TOGETHER, .wants_module = true,
		.job = raw_pong_sleeping, .measure = raw_ping_sleeping },
	[OUR_TRIP_SLEEPING] = { .name = "round trip, sleeping: ours, 64 B",
		.place = TOGETHER, .wants_module = true,
		.channel = CHANNEL_SLEEPING, .argument = 64,
		.open = ours_open, .job = ours_pong, .measure = ours_ping },
	[SOCKET_TRIP] = { .name = "round trip, sleeping: AF_UNIX, 64 B",
		.place = TOGETHER, .wants_module = true, .argument = 64,
		.job = socket_pong, .measure = socket_ping },
};

/* A quotient of two rows, and what it must be: at least, or at most. */
static const struct bar {
	const char *name;
	unsigned int above;
	unsigned int below;
	bool at_least;
	double target;
	double must;
} bars[] = {
	{ "round trip of 64 B / raw line in place", OUR_TRIP, RAW_TRIP, false, 1.15, 1.5 },
	{ "send + receive of 32 B: pipe / ours", PIPE_BOTH_32, OUR_BOTH_32, true, 40, 25 },
	{ "send + receive of 64 B: pipe / ours", PIPE_BOTH_64, OUR_BOTH_64, true, 40, 25 },
	{ "round trip of 8 MiB / of 64 B", OUR_TRIP_LARGE, OUR_TRIP, false, 1.25, 1.5 },
	{ "stream singly: pipe / ours", PIPE_STREAM, OUR_STREAM, true, 10, 5 },
	{ "stream in batches: raw ring / ours", RAW_STREAM, OUR_STREAM_BATCHES, true, 0.4, 0.2 },
	{ "publish to 64 receivers / to 1", PUBLISH_64, PUBLISH_1, false, 1.5, 2 },
	{ "receive from 1 of 64 senders / of 1", RECEIVE_64, RECEIVE_1, false, 2, 4 },
	{ "round trip asleep: ours / raw futex", OUR_TRIP_SLEEPING, FUTEX_TRIP, false, 1.1, 1.3 },
	{ "round trip asleep: AF_UNIX / ours", SOCKET_TRIP, OUR_TRIP_SLEEPING, true, 1.9, 1.4 },
};

#define NR_BARS (sizeof(bars) / sizeof(bars[0]))

static struct figures figures[NR_ROWS];

struct options {
	unsigned int windows;
	uint64_t rows;	/* a bit each */
	bool check;
};

static bool is_measured(const struct bar *bar)
{
	return figures[bar->above].n && figures[bar->below].n;
}

static bool is_met(const struct bar *bar, double quotient, double limit)
{
	return bar->at_least ? quotient >= limit : quotient <= limit;
}

static void take_round(const struct options *options)
{
	for (unsigned int i = 0; i < NR_ROWS; i++) {
		if (options->rows >> i & 1 && pair_can(&rows[i]))
			figures_add(&figures[i], pair_measure(&rows[i]));
	}
}

static void model_name(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(name, size, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(name, size, "%s", colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

static void print_machine(const struct options *options)
{
	struct utsname u;
	char model[128];

	uname(&u);
	model_name(model, sizeof(model));
	printf("# %s: %s, %s, %s %s\n", device_label, model, u.machine, u.sysname, u.release);
	printf("# medians of %u windows of %u ms (least-most); ", options->windows,
	       (unsigned int)(window_ns / 1000000));
	if (processors[1] >= 0)
		printf("processors %d and %d\n", processors[0], processors[1]);
	else
		printf("processor %d alone\n", processors[0]);
}

static void print_rows(void)
{
	for (unsigned int i = 0; i < NR_ROWS; i++) {
		struct summary s;

		if (!figures[i].n)
			continue;
		s = figures_summary(&figures[i]);
		printf("# %-56s %9.1f ns (%.1f-%.1f)\n", rows[i].name, s.median, s.least, s.most);
	}
}

static void print_bars(void)
{
	for (const struct bar *b = bars; b < bars + NR_BARS; b++) {
		struct summary s;

		if (!is_measured(b))
			continue;
		s = quotients_summary(&figures[b->above], &figures[b->below]);
		printf("# %-40s %6.2f (%.2f-%.2f)  target %s %g%s, must %g%s\n", b->name,
		       s.median, s.least, s.most, b->at_least ? ">=" : "<=", b->target,
		       is_met(b, s.median, b->target) ? "" : " missed", b->must,
		       is_met(b, s.median, b->must) ? "" : " MISSED");
	}
}

/* TAP: the "must" of every bar. */
static bool check(void)
{
	bool good = true;

	printf("1..%zu\n", NR_BARS);
	for (size_t i = 0; i < NR_BARS; i++) {
		const struct bar *b = &bars[i];
		bool met = true;
		double q = 0;

		if (is_measured(b)) {
			q = quotients_summary(&figures[b->above], &figures[b->below]).median;
			met = is_met(b, q, b->must);
		}
		good &= met;
		printf("%s %zu - %s: %.2f, must %s %g%s\n", met ? "ok" : "not ok", i + 1, b->name, q,
		       b->at_least ? ">=" : "<=", b->must,
		       is_measured(b) ? "" : " # SKIP not to be measured here");
	}
	return good;
}

static void usage(void)
{
	fprintf(stderr, "usage: bars [--check] [--windows N] [--ms N] [--row NUMBER]...\n");
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "check", no_argument, NULL, 'c' }, { "windows", required_argument, NULL, 'w' },
		{ "ms", required_argument, NULL, 'm' }, { "row", required_argument, NULL, 'r' },
		{ 0 },
	};
	struct options o = { .windows = WINDOWS };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;

		if (c == 'c')
			o.check = true;
		else if (c == 'w' && n && n <= MAX_WINDOWS)
			o.windows = (unsigned int)n;
		else if (c == 'm' && n && n <= 10000)
			window_ns = n * 1000000;
		else if (c == 'r' && n < NR_ROWS)
			o.rows |= 1ull << n;
		else
			usage();
	}
	o.rows = o.rows ? o.rows : ~0ull;
	return o;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);

	pair_start(rows, NR_ROWS);
	print_machine(&options);
	for (unsigned int i = 0; i <= options.windows; i++) {
		take_round(&options);
		if (!i)		/* pages are touched, rates are known */
			memset(figures, 0, sizeof(figures));
	}
	pair_stop();
	print_rows();
	print_bars();
	return options.check && !check();
}
