// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * camera: frames of 8 MB through three processes, nothing copied on the way.
 *
 *   capture ──raw──► process ──ready──► display
 *
 * The camera cannot wait: its channel drops the oldest frame when process is
 * slow, and process must not wait for the display either. Who loses frames is
 * told how many; what is held in place stays as it is until it is released.
 *
 * usage: camera [FRAMES]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#define FRAME		(8u << 20)
#define PIXELS		(FRAME / sizeof(uint64_t))
#define CAPTURE_US	5000		/* between two frames */
#define DISPLAY_US	20000		/* to show one */

static char raw[64], ready[64];		/* the channels' names */
static uint64_t frames = 100;

static void check(const char *what, int error)
{
	if (error >= 0)
		return;
	fprintf(stderr, "camera: %s: %s\n", what, ipcchan_strerror(error));
	exit(1);
}

/* A sender gets room for 2H + 1 frames, H being what receivers may hold: three. */
static struct ipcchan_port *attach(const char *name, uint32_t role)
{
	struct ipcchan_options options;
	struct ipcchan_port *port;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_TIMESTAMPS;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.depth = 4;
	options.senders = 1;
	options.receivers = 1;
	options.holds = 1;
	options.max_message = FRAME;
	options.label = "frame/1: 8 MB of 64-bit pixels";
	check(name, ipcchan_open(&port, name, role, &options, NULL));
	return port;
}

static void capture(void)
{
	struct ipcchan_port *to = attach(raw, IPCCHAN_ROLE_SEND);
	struct ipcchan_loan loan;

	check(raw, ipcchan_port_wait_peers(to, IPCCHAN_ROLE_RECEIVE, 1, IPCCHAN_WAIT_FOREVER_NS));
	for (uint64_t n = 1; n <= frames; n++) {
		/* a camera's DMA could go here; it never has to wait */
		check(raw, ipcchan_reserve(to, FRAME, &loan, IPCCHAN_NO_WAIT));
		for (size_t i = 0; i < PIXELS; i++)
			((uint64_t *)loan.data)[i] = n;
		loan.tag = n;
		check(raw, ipcchan_commit(to, &loan));
		usleep(CAPTURE_US);
	}
	ipcchan_port_close(to);		/* what was sent can still be read */
	printf("capture: frames=%llu\n", (unsigned long long)frames);
}

/* From where the camera put it to where the display will read it. */
static void process(void)
{
	struct ipcchan_port *to = attach(ready, IPCCHAN_ROLE_SEND);
	struct ipcchan_port *from;
	struct ipcchan_message in;
	uint64_t done = 0, lost = 0;
	struct ipcchan_loan out;
	int error;

	check(ready, ipcchan_port_wait_peers(to, IPCCHAN_ROLE_RECEIVE, 1, IPCCHAN_WAIT_FOREVER_NS));
	from = attach(raw, IPCCHAN_ROLE_RECEIVE);
	while (!(error = ipcchan_receive(from, &in, IPCCHAN_WAIT_FOREVER_NS))) {
		check(ready, ipcchan_reserve(to, FRAME, &out, IPCCHAN_NO_WAIT));
		for (size_t i = 0; i < PIXELS; i++)
			((uint64_t *)out.data)[i] = ~((const uint64_t *)in.data)[i];
		out.tag = in.tag;
		lost += in.lost;
		done++;
		check(raw, ipcchan_release(from, &in));
		check(ready, ipcchan_commit(to, &out));
	}
	if (error != -EPIPE)		/* the camera has left, and all it left is read */
		check(raw, error);
	printf("process: frames=%llu lost=%llu\n", (unsigned long long)done,
	       (unsigned long long)lost);
	ipcchan_port_close(to);
	ipcchan_port_close(from);
}

static void display(void)
{
	struct ipcchan_port *from = attach(ready, IPCCHAN_ROLE_RECEIVE);
	uint64_t shown = 0, lost = 0, torn = 0;
	struct ipcchan_message in;
	int error;

	while (!(error = ipcchan_receive(from, &in, IPCCHAN_WAIT_FOREVER_NS))) {
		usleep(DISPLAY_US);	/* too slow, but what it holds does not change */
		for (size_t i = 0; i < PIXELS; i++)
			torn += ((const uint64_t *)in.data)[i] != ~in.tag;
		lost += in.lost;
		shown++;
		check(ready, ipcchan_release(from, &in));
	}
	if (error != -EPIPE)
		check(ready, error);
	printf("display: frames=%llu lost=%llu torn=%llu\n", (unsigned long long)shown,
	       (unsigned long long)lost, (unsigned long long)torn);
	ipcchan_port_close(from);
}

int main(int argc, char **argv)
{
	void (*const stages[])(void) = { display, process, capture };
	int status, failed = 0;

	if (argc > 1)
		frames = strtoull(argv[1], NULL, 10);
	snprintf(raw, sizeof(raw), "camera.%d/raw", getpid());
	snprintf(ready, sizeof(ready), "camera.%d/ready", getpid());
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			stages[i]();
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed ? 1 : 0;
}
