// SPDX-License-Identifier: GPL-2.0
/* The library between two processes, or within one: messages of one sender to one receiver. */
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "bars.h"
#include "ipcchan.h"

#define LONGEST		64u
#define LARGE		(8u << 20)
#define LARGE_ARENA	(4ull * LARGE)
#define FOR_EVER_NS	60000000000ull	/* of spinning */

/* A process's ends of a pair of channels. */
struct ends {
	struct ipcchan_port *tx;
	struct ipcchan_port *rx;
};

static const struct settings {
	const char *name;
	uint64_t arena;		/* 0: the default */
	uint64_t spin_ns;
} settings[NR_CHANNELS] = {
	[CHANNEL_SPINNING] = { "spinning", 0, FOR_EVER_NS },
	[CHANNEL_SLEEPING] = { "sleeping", 0, 0 },
	[CHANNEL_LARGE] = { "large", LARGE_ARENA, FOR_EVER_NS },
	[CHANNEL_OWN] = { "own", 0, 0 },
};

static struct ends ends[NR_CHANNELS];

/** port_open() - slots 1: a channel for one sender and one receiver */
struct ipcchan_port *port_open(const char *name, uint32_t role, uint32_t slots, uint64_t arena,
			       uint64_t spin_ns)
{
	struct ipcchan_options options;
	struct ipcchan_port *port;
	struct ipcchan_error error;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_SPIN_FIXED;
	options.depth = RING;
	options.senders = slots;
	options.receivers = slots;
	options.arena = arena;
	options.spin_ns = spin_ns;
	if (ipcchan_open(&port, name, role, &options, &error))
		die("%s: %s", name, error.text);
	return port;
}

static struct ipcchan_port *open_end(const struct settings *s, const char *way, uint32_t role)
{
	char name[64];

	snprintf(name, sizeof(name), "bars/%s.%s", s->name, way);
	return port_open(name, role, 1, s->arena, s->spin_ns);
}

void ours_open(const struct row *row)
{
	const struct settings *s = &settings[row->channel];
	const char *to = is_peer ? "back" : "there";
	const char *from = is_peer || row->place == ALONE ? "there" : "back";
	struct ends *e = &ends[row->channel];

	if (e->tx)
		return;
	e->tx = open_end(s, to, IPCCHAN_ROLE_SEND);
	e->rx = open_end(s, from, IPCCHAN_ROLE_RECEIVE);
}

void port_send(struct ipcchan_port *port, const uint64_t *message, size_t length)
{
	int rc = ipcchan_send(port, message, length, IPCCHAN_WAIT_FOREVER_NS);

	if (rc)
		die("send: %s", ipcchan_strerror(rc));
}

void port_receive(struct ipcchan_port *port, uint64_t *message, size_t length)
{
	ssize_t rc = ipcchan_recv(port, message, length, NULL, IPCCHAN_WAIT_FOREVER_NS);

	if (rc != (ssize_t)length)
		die("receive: %s", rc < 0 ? ipcchan_strerror((int)rc) : "another length");
}

void ours_pong(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t message[LONGEST / 8];

	do {
		port_receive(e->rx, message, row->argument);
		port_send(e->tx, message, row->argument);
	} while (message[0] != STOP);
}

static inline void ping(struct ends *e, uint64_t *message, uint64_t word, size_t length)
{
	message[0] = word;
	port_send(e->tx, message, length);
	port_receive(e->rx, message, length);
	if (message[0] != word)
		die("an answer to something else");
}

double ours_ping(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;
	double ns;

	window_begin(&w, row->channel == CHANNEL_SLEEPING ? 16 : 256);
	while (window_goes_on(&w))
		ping(e, message, w.n, row->argument);
	ns = window_end(&w);
	ping(e, message, STOP, row->argument);
	return ns;
}

/* Of a large message only the first line is touched. */
static inline void send_large(struct ipcchan_port *port, uint64_t word)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(port, LARGE, &loan, IPCCHAN_WAIT_FOREVER_NS);

	if (rc)
		die("reserve: %s", ipcchan_strerror(rc));
	*(volatile uint64_t *)loan.data = word;
	rc = ipcchan_commit(port, &loan);
	if (rc)
		die("commit: %s", ipcchan_strerror(rc));
}

static inline uint64_t receive_large(struct ipcchan_port *port)
{
	struct ipcchan_message message;
	int rc = ipcchan_receive(port, &message, IPCCHAN_WAIT_FOREVER_NS);
	uint64_t word;

	if (rc)
		die("receive: %s", ipcchan_strerror(rc));
	if (message.length != LARGE)
		die("another length");
	word = *(const volatile uint64_t *)message.data;
	rc = ipcchan_release(port, &message);
	if (rc)
		die("release: %s", ipcchan_strerror(rc));
	return word;
}

void ours_pong_large(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t word;

	do {
		word = receive_large(e->rx);
		send_large(e->tx, word);
	} while (word != STOP);
}

double ours_ping_large(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	struct window w;
	double ns;

	for (window_begin(&w, 256); window_goes_on(&w); ) {
		send_large(e->tx, w.n);
		if (receive_large(e->rx) != w.n)
			die("an answer to something else");
	}
	ns = window_end(&w);
	send_large(e->tx, STOP);
	receive_large(e->rx);
	return ns;
}

void ours_take(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t message[LONGEST / 8];

	do {
		port_receive(e->rx, message, row->argument);
	} while (message[0] != STOP);
	store_release(&board->pong, STOP);
}

/* What is on its way counts, and the time until all of it has come. */
static double await_taken(struct window *w)
{
	double ns;

	while (load_acquire(&board->pong) != STOP)
		relax();
	ns = window_end(w);
	store(&board->pong, 0);
	return ns;
}

double ours_give(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;

	for (window_begin(&w, 256); window_goes_on(&w); ) {
		message[0] = w.n;
		port_send(e->tx, message, row->argument);
	}
	message[0] = STOP;
	port_send(e->tx, message, row->argument);
	w.n++;
	return await_taken(&w);
}

/* Sixteen messages side by side. */
struct batch {
	uint64_t messages[BATCH][LONGEST / 8];
	struct iovec places[BATCH];
};

static void batch_init(struct batch *b, size_t length)
{
	memset(b->messages, 0, sizeof(b->messages));
	for (unsigned int i = 0; i < BATCH; i++)
		b->places[i] = (struct iovec){ b->messages[i], length };
}

void ours_take_batches(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	struct ipcchan_message messages[BATCH];
	struct batch b;
	ssize_t n;

	batch_init(&b, row->argument);
	do {
		n = ipcchan_recv_batch(e->rx, b.places, messages, BATCH,
				       IPCCHAN_WAIT_FOREVER_NS);
		if (n < 1)
			die("receive: %s", ipcchan_strerror((int)n));
	} while (b.messages[n - 1][0] != STOP);
	store_release(&board->pong, STOP);
}

static inline void give_batch(struct ipcchan_port *port, struct batch *b, uint64_t word)
{
	ssize_t n;

	for (unsigned int i = 0; i < BATCH; i++)
		b->messages[i][0] = word;
	n = ipcchan_send_batch(port, b->places, BATCH, IPCCHAN_WAIT_FOREVER_NS);
	if (n != BATCH)
		die("send: %s", n < 0 ? ipcchan_strerror((int)n) : "not all of a batch");
}

double ours_give_batches(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	struct window w;
	struct batch b;

	batch_init(&b, row->argument);
	for (window_begin(&w, 16); window_goes_on(&w); )
		give_batch(e->tx, &b, w.n);
	/* a batch may come in two: only its last message may say so */
	for (unsigned int i = 0; i < BATCH; i++)
		port_send(e->tx, i < BATCH - 1 ? b.messages[i] : (uint64_t [LONGEST / 8]){ STOP },
			  row->argument);
	w.n = (w.n + 1) * BATCH;
	return await_taken(&w);
}

/* Sent and received in one thread. */
double ours_both(const struct row *row)
{
	struct ends *e = &ends[row->channel];
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;

	for (window_begin(&w, 256); window_goes_on(&w); ) {
		port_send(e->tx, message, row->argument);
		port_receive(e->rx, message, row->argument);
	}
	return window_end(&w);
}
