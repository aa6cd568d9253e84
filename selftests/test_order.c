// SPDX-License-Identifier: GPL-2.0
/*
 * Lossless order: every receiver gets every message that was sent since it
 * came, once, in its sender's order, with the sender's bytes; whatever runs
 * full, whoever is slow, comes or goes.
 *
 * What breaks these: a descriptor or a block of the arena given out again before
 * all receivers have passed it (reclaim.c), a receiver that begins at the wrong
 * place (joining, renew_source()), a base that is not beyond old cursors, a
 * wake-up lost (the crew then runs into its time-out).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define SECONDS 120

struct job {
	const char *name;
	uint32_t messages;	/* of each sender */
	uint32_t members;	/* who meet at the gate */
	uint32_t senders;
	uint32_t total;		/* messages a receiver expects, 0: until hang-up */
	size_t most;		/* the longest */
	uint64_t seed;
};

/* Words of the board. */
enum { SESSIONS, BEGUN, COMMITTED, FINISHED, SENT_OF_SESSION };

static void send_one(struct crew *crew, struct ipcchan_port *port, uint64_t tag, size_t most)
{
	int rc = send_pattern(port, tag, pattern_length(tag, most), PATIENCE_NS);

	if (rc)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
}

/* Senders sleep at once or spin, by turns. */
static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND,
					      me % 2 ? 0 : SPIN_DEFAULT);

	crew_gate(crew, job->members);
	for (uint32_t i = 0; i < job->messages; i++) {
		send_one(crew, port, tag_of(me, i), job->most);
		random_pause(&random);
	}
	ipcchan_port_close(port);
}

static void expect_all(struct crew *crew, const struct ledger *ledger, const struct job *job)
{
	for (uint32_t s = 0; s < LEDGER_SENDERS; s++) {
		if (ledger->known[s] && ledger->next[s] != job->messages)
			crew_fail(crew, "sender %u: the end after %u messages", s, ledger->next[s]);
	}
	if (ledger->received != (uint64_t)job->senders * job->messages)
		crew_fail(crew, "%lu messages in all", (unsigned long)ledger->received);
}

/* Messages held, given back in no particular order. */
struct held {
	struct ipcchan_message messages[3];
	int nr;
};

static void give_back(struct crew *crew, struct ipcchan_port *port, struct held *held, int i)
{
	struct ipcchan_message *m = &held->messages[i];

	if (!pattern_matches(m->data, m->length, m->tag))
		crew_fail(crew, "a held message has changed");
	if (ipcchan_release(port, m))
		crew_fail(crew, "cannot release");
	*m = held->messages[--held->nr];
}

/* While it waits it holds nothing: all of the arena might be what it holds. */
static int take_holding(struct crew *crew, struct ipcchan_port *port, struct held *held,
			uint64_t *random)
{
	struct ipcchan_message *m = &held->messages[held->nr];
	int rc = ipcchan_receive(port, m, IPCCHAN_NO_WAIT);

	if (rc == -EAGAIN) {
		while (held->nr)
			give_back(crew, port, held, 0);
		m = &held->messages[0];
		rc = ipcchan_receive(port, m, PATIENCE_NS);
	}
	if (!rc && ++held->nr == 3)
		give_back(crew, port, held, random_next(random) % 3);
	return rc;
}

static void receive_holding(struct crew *crew, struct ipcchan_port *port, struct ledger *ledger,
			    uint64_t *random)
{
	struct held held = { .nr = 0 };
	struct ipcchan_message m;
	int rc;

	for (;;) {
		rc = ipcchan_port_peers(port, IPCCHAN_ROLE_SEND) < 0 ? -ESHUTDOWN : 0;
		if (!rc)
			rc = take_holding(crew, port, &held, random);
		if (rc)
			break;
		m = held.messages[held.nr - 1];
		ledger->received++;
		random_pause(random);
		(void)m;
	}
	if (rc != -EPIPE)
		crew_fail(crew, "receive: %s", ipcchan_strerror(rc));
}
