// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * publish: cuts a file into frames and sends them, each written once, into
 * memory that all receivers read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frames.h"

static const char help[] =
	"usage: publish [OPTIONS] NAME FILE\n"
	"  -n FRAMES  how many; the file is begun anew when it ends (the file once)\n"
	"  -s BYTES   of a frame (614400: 640 x 480 pixels, YUYV)\n"
	"  -r RATE    frames in a second, each with its time (as fast as they are taken)\n"
	"  -p PEERS   receivers to wait for (1)\n"
	"  -w MS      poll so long before sleeping\n";

struct plan {
	const char *name;
	const char *file;
	size_t size;		/* of the file */
	size_t frame;
	uint64_t frames;
	uint64_t rate;
	uint32_t peers;
	uint64_t spin_ns;
};

/* Frame @n lies here, in the file. */
static const char *cut(const struct plan *plan, const char *bytes, uint64_t n, size_t *length)
{
	uint64_t in_file = (plan->size + plan->frame - 1) / plan->frame;
	size_t at = n % in_file * plan->frame;

	*length = plan->size - at < plan->frame ? plan->size - at : plan->frame;
	return bytes + at;
}

static void pace(const struct plan *plan, int64_t begin, uint64_t n)
{
	int64_t due = begin + (int64_t)(n * SECOND_NS / plan->rate);
	struct timespec at = { .tv_sec = due / SECOND_NS, .tv_nsec = due % SECOND_NS };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int send_frame(struct ipcchan_port *port, const char *from, size_t length, uint64_t n)
{
	struct ipcchan_loan loan;
	int error = ipcchan_reserve(port, length, &loan, IPCCHAN_WAIT_FOREVER_NS);

	if (error)
		return error;
	memcpy(loan.data, from, length);	/* a camera would write here itself */
	loan.tag = n;
	return ipcchan_commit(port, &loan);
}

static int send_all(struct ipcchan_port *port, const struct plan *plan, const char *bytes)
{
	uint64_t sum = 0, sent = 0;
	int64_t begin;
	int error = ipcchan_port_wait_peers(port, IPCCHAN_ROLE_RECEIVE, plan->peers,
					    IPCCHAN_WAIT_FOREVER_NS);

	begin = now_ns();
	for (uint64_t n = 0; n < plan->frames && !error; n++) {
		size_t length;
		const char *from = cut(plan, bytes, n, &length);

		if (plan->rate)
			pace(plan, begin, n);
		sum = checksum(sum, from, length);
		sent += length;
		error = send_frame(port, from, length, n);
	}
	if (error)
		return complain(plan->name, ipcchan_strerror(error));
	report("published", port, plan->frames, sent, sum, now_ns() - begin);
	return 0;
}

static int publish(const struct plan *plan, const char *bytes)
{
	struct ipcchan_options options;
	struct ipcchan_error why;
	struct ipcchan_port *port;
	int code;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_NEED_PEER | (plan->rate ? IPCCHAN_OPEN_TIMESTAMPS : 0);
	if (plan->spin_ns) {
		options.flags |= IPCCHAN_OPEN_SPIN_FIXED;
		options.spin_ns = plan->spin_ns;
	}
	if (ipcchan_open(&port, plan->name, IPCCHAN_ROLE_SEND, &options, &why))
		return complain(plan->name, why.text);
	code = send_all(port, plan, bytes);
	ipcchan_port_close(port);
	return code;
}

static int take_options(int argc, char **argv, struct plan *plan)
{
	int option;

	while ((option = getopt(argc, argv, "n:s:r:p:w:")) != -1) {
		uint64_t value = option == '?' ? 0 : strtoull(optarg, NULL, 10);

		if (option == 'n')
			plan->frames = value;
		else if (option == 's')
			plan->frame = value;
		else if (option == 'r')
			plan->rate = value;
		else if (option == 'p')
			plan->peers = (uint32_t)value;
		else if (option == 'w')
			plan->spin_ns = value * 1000000;
		else
			return -1;
	}
	if (argc - optind != 2 || !plan->frame)
		return -1;
	plan->name = argv[optind];
	plan->file = argv[optind + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct plan plan = { .frame = 640 * 480 * 2, .peers = 1 };
	struct stat about;
	char *bytes;
	int fd;

	if (take_options(argc, argv, &plan)) {
		fputs(help, stderr);
		return 1;
	}
	fd = open(plan.file, O_RDONLY);
	if (fd < 0 || fstat(fd, &about) || !about.st_size)
		return complain(plan.file, "cannot read it, or nothing is in it");
	plan.size = about.st_size;
	if (!plan.frames)
		plan.frames = (plan.size + plan.frame - 1) / plan.frame;
	bytes = mmap(NULL, plan.size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (bytes == MAP_FAILED)
		return complain(plan.file, "cannot map it");
	return publish(&plan, bytes);
}
