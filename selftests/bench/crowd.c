// SPDX-License-Identifier: GPL-2.0
/*
 * The library with many ports on one channel: a sender with many receivers, a
 * receiver with many senders of which one talks.
 *
 * A ring's worth of messages at a time: published, then taken, in turn. Only the
 * parent's part is timed; the lines it touches were last in the peer's cache.
 */
#include <stdio.h>

#include "bars.h"
#include "ipcchan.h"

#define MOST	64u
#define LENGTH	64u
#define ARENA	4096u
#define SPIN_NS	1000000000u

/* For each number of ports: 1, MOST. */
struct crowd {
	struct ipcchan_port *port;		/* the parent's */
	struct ipcchan_port *many[MOST];	/* its peer's */
};

static struct crowd publish[2];
static struct crowd receive[2];

static void open_crowd(struct crowd *c, const char *what, size_t n, uint32_t role)
{
	uint32_t other = IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE;
	char name[64];

	snprintf(name, sizeof(name), "bars/%s.%zu", what, n);
	if (!is_peer)
		c->port = port_open(name, role, MOST, ARENA, SPIN_NS);
	for (size_t i = 0; is_peer && i < n; i++)
		c->many[i] = port_open(name, role ^ other, MOST, ARENA, SPIN_NS);
}

void publish_open(const struct row *row)
{
	open_crowd(&publish[row->argument > 1], "publish", row->argument, IPCCHAN_ROLE_SEND);
}

void receive_open(const struct row *row)
{
	open_crowd(&receive[row->argument > 1], "receive", row->argument, IPCCHAN_ROLE_RECEIVE);
}

static void send_lap(struct ipcchan_port *port)
{
	uint64_t message[LENGTH / 8] = { 0 };

	for (unsigned int i = 0; i < RING; i++)
		port_send(port, message, LENGTH);
}

static void receive_lap(struct ipcchan_port *port)
{
	uint64_t message[LENGTH / 8];

	for (unsigned int i = 0; i < RING; i++)
		port_receive(port, message, LENGTH);
}

static void receive_laps(struct crowd *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		receive_lap(c->many[i]);
}

/* The peer does its part whenever it is asked. */
static uint64_t await_ask(uint64_t last)
{
	uint64_t n;

	while ((n = load_acquire(&board->ping)) == last)
		relax();
	return n;
}

void publish_job(const struct row *row)
{
	uint64_t n = 0;

	while ((n = await_ask(n)) != STOP) {
		receive_laps(&publish[row->argument > 1], row->argument);
		store_release(&board->pong, n);
	}
	store_release(&board->pong, n);
}

void receive_job(const struct row *row)
{
	uint64_t n = 0;

	while ((n = await_ask(n)) != STOP) {
		send_lap(receive[row->argument > 1].many[row->argument / 2]);
		store_release(&board->pong, n);
	}
	store_release(&board->pong, n);
}

static void ask(uint64_t n)
{
	store_release(&board->ping, n);
	while (load_acquire(&board->pong) != n)
		relax();
}

static void end_laps(void)
{
	ask(STOP);
	store(&board->ping, 0);
}

static double per_message(uint64_t spent, uint64_t laps)
{
	return (double)spent / (double)(laps * RING);
}

double publish_measure(const struct row *row)
{
	uint64_t spent = 0;
	struct window w;

	for (window_begin(&w, 1); window_goes_on(&w); ) {
		uint64_t begin = now_ns();

		send_lap(publish[row->argument > 1].port);
		spent += now_ns() - begin;
		ask(w.n);
	}
	end_laps();
	return per_message(spent, w.n);
}

double receive_measure(const struct row *row)
{
	uint64_t spent = 0;
	struct window w;

	for (window_begin(&w, 1); window_goes_on(&w); ) {
		uint64_t begin;

		ask(w.n);
		begin = now_ns();
		receive_lap(receive[row->argument > 1].port);
		spent += now_ns() - begin;
	}
	end_laps();
	return per_message(spent, w.n);
}
