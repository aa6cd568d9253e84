// SPDX-License-Identifier: GPL-2.0
/* Queues without the library; see queue.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "queue.h"

void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	accounts_read(&b->before);
	unique_name(b->name, "queue");
	b->args = create_args(b->name);
	b->args.type = IPCCHAN_TYPE_QUEUE;
	b->args.geometry = (struct ipcchan_geometry){
		.depth = 16, .senders = 4, .receivers = 4, .holds = 8, .arena = 16384,
	};
}

int bench_open(struct bench *b)
{
	int fd = device_open(), err;

	err = call_create(fd, &b->args);
	close(fd);
	if (!err)
		err = raw_open(&b->tx[0], b->name, IPCCHAN_SEND);
	if (!err)
		err = raw_open(&b->rx[0], b->name, IPCCHAN_RECEIVE);
	return err;
}

bool bench_close(struct bench *b)
{
	drop_channel(b->name);
	for (int i = 0; i < 4; i++) {
		leave(&b->tx[i]);
		leave(&b->rx[i]);
	}
	return accounts_settle(&b->before);
}

void put(struct raw_port *tx, uint64_t tag, uint16_t priority)
{
	raw_desc(tx, tx->next)->priority = priority;
	raw_publish(tx, NULL, 0, tag);
	raw_kick_receivers(tx);
}

int claim_call(const struct raw_port *rx, struct ipcchan_verdict *verdicts, uint32_t nr_verdicts,
	       struct ipcchan_claimed *claims, uint32_t nr_claims, uint64_t deadline_ns)
{
	struct ipcchan_claim args = {
		.size = sizeof(args),
		.deadline_ns = deadline_ns,
		.verdicts = (uintptr_t)verdicts,
		.claims = (uintptr_t)claims,
		.nr_verdicts = nr_verdicts,
		.nr_claims = nr_claims,
	};
	int err = call(rx->fd, IPCCHAN_IOC_CLAIM, &args);

	return err ? err : (int)args.nr_claimed;
}

int claim_one(const struct raw_port *rx, struct ipcchan_claimed *claim)
{
	int n = claim_call(rx, NULL, 0, claim, 1, 0);

	return n < 0 ? n : n == 1 ? 0 : -EPROTO;
}

int judge(const struct raw_port *rx, uint64_t sequence, uint32_t kind, uint64_t delay_ns)
{
	struct ipcchan_verdict v = {
		.sequence = sequence, .kind = kind, .delay_ns = delay_ns,
	};
	int err = claim_call(rx, &v, 1, NULL, 0, 0);

	return err ? err : v.result;
}

uint64_t tag_at(const struct raw_port *rx, const struct ipcchan_claimed *claim)
{
	const struct ipcchan_desc *desc = raw_peer_desc(rx, claim->slot, claim->sequence);

	return ipcchan_load_acquire(&desc->seq) == claim->sequence ? desc->tag : UINT64_MAX;
}

int64_t work(const struct raw_port *rx)
{
	struct ipcchan_claimed claim;
	int err = claim_one(rx, &claim);
	uint64_t tag;

	if (err)
		return err;
	tag = tag_at(rx, &claim);
	err = judge(rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0);
	return err ? err : (int64_t)tag;
}

uint64_t retired(const struct raw_port *tx)
{
	return ipcchan_load_acquire(&raw_sender_slot(tx, tx->attach.sender_slot)->retired);
}

bool is_retired(const struct raw_port *tx, uint64_t sequence)
{
	uint64_t depth = tx->attach.geometry.depth;
	const uint64_t *words = (const uint64_t *)(tx->window + tx->layout.retired);

	words += tx->attach.sender_slot * depth;
	return ipcchan_load_acquire(&words[sequence & (depth - 1)]) == sequence;
}

int wait_room(const struct raw_port *tx, uint64_t count, uint64_t await, uint64_t deadline_ns)
{
	struct ipcchan_wait w = {
		.size = sizeof(w),
		.flags = IPCCHAN_WAIT_SEND,
		.deadline_ns = deadline_ns,
		.receiver_generation = ipcchan_load_acquire(&raw_roster(tx)->receiver_generation),
		.await = await,
		.progress = (uintptr_t)&count,
		.nr_progress = 1,
	};

	return call(tx->fd, IPCCHAN_IOC_WAIT, &w);
}

static void *claim_thread(void *arg)
{
	struct claimer *c = arg;
	int result;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	result = claim_call(c->port, NULL, 0, c->claims, c->most ? c->most : 1,
			    c->deadline_ns ? c->deadline_ns : FOREVER);
	c->result = result;
	__atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

bool claimer_start(struct claimer *c)
{
	c->ended = false;
	c->tid = 0;
	if (pthread_create(&c->thread, NULL, claim_thread, c))
		return false;
	while (!__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE))
		usleep(100);
	return receiver_sleeps(c->port, c->port->attach.receiver_slot) && falls_asleep(c->tid);
}

bool claimer_ends(struct claimer *c)
{
	for (int i = 0; i < 2000; i++) {
		if (__atomic_load_n(&c->ended, __ATOMIC_ACQUIRE)) {
			pthread_join(c->thread, NULL);
			return true;
		}
		usleep(10000);
	}
	return false;
}
