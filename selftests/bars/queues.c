// SPDX-License-Identifier: GPL-2.0
/* Queues, ours and POSIX's: see queues.h. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>

#include <ipcchan.h>

#include "count.h"
#include "queues.h"

#define BYTES		64
#define DEPTH		64
/* A lap of the ring: getting the room back is part of the cost. */
#define MESSAGES	DEPTH
#define MOST		16
#define WINDOWS		201

/* What a receiver has, and says of it. */
struct part {
	struct ipcchan_message messages[MOST];
	struct ipcchan_done done[MOST];
};

static struct {
	struct ipcchan_port *sender;
	struct ipcchan_port *receiver;
	struct iovec payloads[MOST];
	struct part parts[2];
	size_t n;			/* of a batch */
	size_t nr_held;
	struct part *held;
} queue;

static unsigned char to_send[BYTES], received[BYTES];

static void open_queue(size_t n)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.flags |= IPCCHAN_OPEN_CREATE;
	options.type = IPCCHAN_QUEUE;
	options.depth = DEPTH;
	options.max_message = BYTES;
	options.holds = 2 * MOST;
	need(ipcchan_open(&queue.sender, "bars.queue", IPCCHAN_ROLE_SEND, &options, NULL), "open");
	need(ipcchan_open(&queue.receiver, "bars.queue", IPCCHAN_ROLE_RECEIVE, &options, NULL),
	     "open");
	queue.n = n;
	queue.nr_held = 0;
	queue.held = &queue.parts[0];
	for (size_t i = 0; i < MOST; i++) {
		queue.payloads[i] = (struct iovec){ to_send, BYTES };
		for (int p = 0; p < 2; p++)
			queue.parts[p].done[i].message = &queue.parts[p].messages[i];
	}
}

static void close_queue(void)
{
	ipcchan_port_close(queue.sender);
	ipcchan_port_close(queue.receiver);
}

static inline void send_some(void)
{
	if (queue.n == 1)
		need(ipcchan_send(queue.sender, to_send, BYTES, IPCCHAN_NO_WAIT), "send");
	else
		need((int)ipcchan_send_batch(queue.sender, queue.payloads, queue.n,
					     IPCCHAN_NO_WAIT), "send");
}

static inline void claim_some(void)
{
	struct part *part = queue.held == queue.parts ? queue.parts + 1 : queue.parts;
	ssize_t n = ipcchan_claim(queue.receiver, queue.held->done, queue.nr_held,
				  part->messages, queue.n, IPCCHAN_NO_WAIT);

	need((int)n, "claim");
	for (ssize_t i = 0; i < n; i++)
		memcpy(received, part->messages[i].data, BYTES);
	queue.held = part;
	queue.nr_held = (size_t)n;
}

static uint64_t pass(void *what)
{
	uint64_t begin = count_now();

	(void)what;
	for (size_t i = 0; i < MESSAGES; i += queue.n) {
		send_some();
		claim_some();
	}
	return count_since(begin);
}

static void count_queue(const char *name, size_t n)
{
	open_queue(n);
	count_show(name, count_median(pass, NULL, WINDOWS), MESSAGES);
	close_queue();
}

static uint64_t pass_posix(void *what)
{
	mqd_t posix = *(mqd_t *)what;
	uint64_t begin = count_now();

	for (int i = 0; i < MESSAGES; i++) {
		need(mq_send(posix, (char *)to_send, BYTES, 0) ? -errno : 0, "mq_send");
		need(mq_receive(posix, (char *)received, BYTES, NULL) < 0 ? -errno : 0,
		     "mq_receive");
	}
	return count_since(begin);
}

static void count_posix(const char *name)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = BYTES };
	mqd_t posix = mq_open("/bars", O_RDWR | O_CREAT | O_EXCL, 0600, &attr);

	need(posix < 0 ? -errno : 0, "mq_open");
	count_show(name, count_median(pass_posix, &posix, WINDOWS), MESSAGES);
	mq_close(posix);
	mq_unlink("/bars");
}

void run_queues(void)
{
	count_queue("queue_16", 16);
	count_queue("queue_1", 1);
	count_posix("queue_posix");
}
