// SPDX-License-Identifier: GPL-2.0
/* Honest peers; see honest.h. */
#include "honest.h"

int honest_open(struct honest *h)
{
	struct ipcchan_options options;
	int rc;

	accounts_read(&h->before);
	unique_name(h->name, "honest");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.depth = HONEST_DEPTH;
	options.arena = HONEST_ARENA;
	options.max_message = HONEST_MOST;
	options.holds = HONEST_HOLDS;
	options.senders = HONEST_SLOTS;
	options.receivers = HONEST_SLOTS;
	rc = ipcchan_open(&h->tx, h->name, IPCCHAN_ROLE_SEND, &options, NULL);
	for (int i = 0; i < 2 && !rc; i++)
		rc = ipcchan_open(&h->rx[i], h->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL);
	return rc;
}

bool honest_close(struct honest *h)
{
	ipcchan_port_close(h->tx);
	ipcchan_port_close(h->rx[0]);
	ipcchan_port_close(h->rx[1]);
	return accounts_settle(&h->before);
}

static bool take_copy(struct ipcchan_port *rx, uint64_t tag, size_t length)
{
	struct ipcchan_message m;
	char copy[HONEST_MOST];

	return ipcchan_recv(rx, copy, sizeof(copy), &m, IPCCHAN_NO_WAIT) == (ssize_t)length &&
	       m.tag == tag && pattern_matches(copy, length, tag);
}

static bool take_in_place(struct ipcchan_port *rx, uint64_t tag, size_t length)
{
	struct ipcchan_message m;

	return !ipcchan_receive(rx, &m, IPCCHAN_NO_WAIT) && m.tag == tag && m.length == length &&
	       pattern_matches(m.data, length, tag) && !ipcchan_release(rx, &m);
}

bool honest_take(struct honest *h, int i, uint64_t tag, size_t length)
{
	return i ? take_copy(h->rx[i], tag, length) : take_in_place(h->rx[i], tag, length);
}

static bool pass_one(struct honest *h)
{
	uint64_t tag = tag_of(1, h->sent++);
	size_t length = pattern_length(tag, HONEST_MOST);

	return !send_pattern(h->tx, tag, length, IPCCHAN_NO_WAIT) &&
	       honest_take(h, 0, tag, length) && honest_take(h, 1, tag, length);
}

uint32_t honest_pass(struct honest *h, uint32_t n)
{
	uint32_t passed = 0;

	while (passed < n && pass_one(h))
		passed++;
	return passed;
}
