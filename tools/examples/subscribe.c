// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* subscribe: reads frames where their sender has put them, until it leaves. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "frames.h"

static const char help[] =
	"usage: subscribe [OPTIONS] NAME\n"
	"  -d MS  work so long on every frame\n"
	"  -w MS  poll so long before sleeping\n";

#define MOST_AGES 65536

struct plan {
	const char *name;
	uint64_t work_ns;
	uint64_t spin_ns;
};

struct tally {
	uint64_t frames;
	uint64_t bytes;
	uint64_t sum;
	uint64_t gaps;
	int64_t begin;
	int64_t end;
	int64_t ages[MOST_AGES];	/* from published to received */
	size_t nr_ages;
};

static void count(struct tally *tally, const struct ipcchan_message *frame)
{
	if (!tally->frames)
		tally->begin = now_ns();
	if (frame->time_ns && tally->nr_ages < MOST_AGES)
		tally->ages[tally->nr_ages++] = now_ns() - (int64_t)frame->time_ns;
	tally->gaps += frame->tag != tally->frames;
	tally->sum = checksum(tally->sum, frame->data, frame->length);
	tally->bytes += frame->length;
	tally->frames++;
}

static void work(uint64_t ns)
{
	struct timespec time = { .tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS };

	nanosleep(&time, NULL);
}

static int receive_all(struct ipcchan_port *port, const struct plan *plan, struct tally *tally)
{
	struct ipcchan_message frame;
	int error;

	for (;;) {
		error = ipcchan_receive(port, &frame, IPCCHAN_WAIT_FOREVER_NS);
		if (error)
			break;
		count(tally, &frame);
		if (plan->work_ns)
			work(plan->work_ns);
		error = ipcchan_release(port, &frame);
		if (error)
			break;
	}
	tally->end = now_ns();
	return error == -EPIPE ? 0 : error;	/* the last sender has left */
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void tell(const struct ipcchan_port *port, struct tally *t)
{
	report("received", port, t->frames, t->bytes, t->sum, t->end - t->begin);
	printf("gaps=%llu\n", (unsigned long long)t->gaps);
	if (!t->nr_ages)
		return;
	qsort(t->ages, t->nr_ages, sizeof(t->ages[0]), compare);
	printf("age_us median=%lld largest=%lld\n", (long long)t->ages[t->nr_ages / 2] / 1000,
	       (long long)t->ages[t->nr_ages - 1] / 1000);
}

static int subscribe(const struct plan *plan)
{
	static struct tally tally;
	struct ipcchan_options options;
	struct ipcchan_error why;
	struct ipcchan_port *port;
	int error;

	ipcchan_options_init(&options);
	if (plan->spin_ns) {
		options.flags |= IPCCHAN_OPEN_SPIN_FIXED;
		options.spin_ns = plan->spin_ns;
	}
	if (ipcchan_open(&port, plan->name, IPCCHAN_ROLE_RECEIVE, &options, &why))
		return complain(plan->name, why.text);
	error = receive_all(port, plan, &tally);
	if (!error)
		tell(port, &tally);
	ipcchan_port_close(port);
	return error ? complain(plan->name, ipcchan_strerror(error)) : 0;
}

int main(int argc, char **argv)
{
	struct plan plan = { 0 };
	int option;

	while ((option = getopt(argc, argv, "d:w:")) != -1) {
		if (option == 'd')
			plan.work_ns = strtoull(optarg, NULL, 10) * 1000000;
		else if (option == 'w')
			plan.spin_ns = strtoull(optarg, NULL, 10) * 1000000;
		else
			optind = argc;
	}
	if (argc - optind != 1) {
		fputs(help, stderr);
		return 1;
	}
	plan.name = argv[optind];
	return subscribe(&plan);
}
