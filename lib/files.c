/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Files on messages: Documentation/files.md.
 *
 * They go through the kernel, beside the ring. A message that has any takes the
 * long way everywhere, and is told apart where another would be refused: by its
 * loan, by its descriptor, by its hold. So what has none pays nothing for them.
 *
 * A message with files is always held by a hold word, though a short payload is
 * copied: the kernel keeps its files for that. On a queue it is the claim that counts,
 * and the kernel closes files as it retires messages.
 */
#include <unistd.h>

#include "short.h"
#include "work.h"

_Static_assert(sizeof(int) == sizeof(__s32), "descriptors are handed on as they are");
_Static_assert(IPCCHAN_FILES_MOST == IPCCHAN_MAX_FILES, "how many");

/* Modules that know nothing of files. */
static int result(int rc)
{
	return rc == -ENOTTY ? -EOPNOTSUPP : rc;
}

static void set_files(struct ipcchan_tx *tx, uint64_t seq, uint32_t n)
{
	struct ipcchan_entry *e = &tx->entries[seq & tx->mask];

	tx->nr_files += !!n;
	tx->nr_files -= !!e->files;
	e->files = n;
	ipcchan_store(&tx->ring[seq & tx->mask].files, n);
}

/** ipcchan_files_forget() - the message is retired: its place is for one without */
void ipcchan_files_forget(struct ipcchan_tx *tx, uint64_t seq)
{
	set_files(tx, seq, 0);
}

/**
 * ipcchan_files_put() - give files to the message that will have this sequence
 *
 * There is a place for it in the ring. Errors as ipcchan_commit()'s.
 */
int ipcchan_files_put(struct ipcchan_port *port, uint64_t seq, const int *fds, uint32_t n)
{
	struct ipcchan_files_put put = {
		.size = sizeof(put), .sequence = seq, .fds = (uintptr_t)fds, .nr = n,
	};
	int rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_FILES_PUT, &put);

	if (!rc)
		set_files(port->tx, seq, n);
	return result(rc);
}

/** ipcchan_files_drop() - take them back, from messages up to @to that are not published */
void ipcchan_files_drop(struct ipcchan_port *port, uint64_t to)
{
	struct ipcchan_tx *tx = port->tx;
	struct ipcchan_files_put drop = {
		.size = sizeof(drop), .flags = IPCCHAN_FILES_DROP, .sequence = tx->head + 1,
	};

	for (uint64_t seq = tx->head + 1; seq <= to; seq++)
		set_files(tx, seq, 0);
	ipcchan_device_call(port->fd, IPCCHAN_IOC_FILES_PUT, &drop);
}

/** ipcchan_files_done() - let the kernel see whether files of that sender may be closed */
void ipcchan_files_done(struct ipcchan_port *port, uint32_t slot)
{
	struct ipcchan_files_done done = { .size = sizeof(done), .slot = slot };

	ipcchan_device_call(port->fd, IPCCHAN_IOC_FILES_DONE, &done);
}

/** ipcchan_files_sent() - if nobody was there to get it, its files are not kept */
void ipcchan_files_sent(struct ipcchan_port *port)
{
	if (!port->tx->nr_readers && !port->queue)
		ipcchan_files_done(port, port->tx->slot);
}

/** ipcchan_files_retire() - messages up to @to are being retired, and some have files */
void ipcchan_files_retire(struct ipcchan_port *port, uint64_t to)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t before = tx->nr_files;

	for (uint64_t seq = tx->floor + 1; seq <= to && tx->nr_files; seq++)
		set_files(tx, seq, 0);
	if (tx->nr_files != before)
		ipcchan_files_done(port, tx->slot);
}

/**
 * ipcchan_files_take() - descriptors of our own for a message's files
 *
 * How many, or -errno as ipcchan_message_files().
 */
int ipcchan_files_take(struct ipcchan_port *port, uint32_t slot, uint64_t seq, int *fds,
		       size_t room)
{
	struct ipcchan_files_take take = {
		.size = sizeof(take),
		.slot = slot,
		.sequence = seq,
		.fds = (uintptr_t)fds,
		.nr = room < IPCCHAN_MAX_FILES ? (uint32_t)room : IPCCHAN_MAX_FILES,
	};
	int rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_FILES_TAKE, &take);

	return rc ? result(rc) : (int)take.nr;
}

/** ipcchan_files_close() - they are not wanted after all */
void ipcchan_files_close(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/** ipcchan_files_hold() - ipcchan_hold() of a message with files */
int ipcchan_files_hold(struct ipcchan_port *port, const struct ipcchan_found *f, uint64_t seq,
		       struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = port->rx;
	uint32_t id = rx->free_holds[rx->nr_free_holds - 1];
	struct ipcchan_held *held = &rx->held[id];
	const void *data = f->source->payload + f->offset;

	ipcchan_store(&rx->hold_words[id], seq);		/* before G */
	if (ipcchan_drops(port))
		ipcchan_barrier();				/* P, pairs with O */
	if (f->length <= IPCCHAN_INSIDE) {
		ipcchan_source_copy(rx, f->source, seq, held->inside, f->length);
		data = held->inside;
	}
	if (!ipcchan_source_shows(rx, f->source, seq)) {
		ipcchan_store(&rx->hold_words[id], 0);
		return ipcchan_source_vanished(port, f->source);
	}
	rx->nr_free_holds--;
	held->seq = seq | IPCCHAN_HELD_FILES;
	held->base = f->source->base;
	held->slot = f->source->slot;
	held->pinned = true;
	f->source->held++;
	ipcchan_count(&rx->holds, 1);
	ipcchan_describe(message, f, seq);
	message->data = data;
	message->id = id;
	message->nr_files = f->files;
	return 0;
}

/** ipcchan_files_is_held() - is it held, and has it files? */
bool ipcchan_files_is_held(const struct ipcchan_port *port, const struct ipcchan_message *message)
{
	return message->id < port->geometry.holds &&
	       port->rx->held[message->id].seq == (message->sequence | IPCCHAN_HELD_FILES);
}

int ipcchan_message_files(struct ipcchan_port *port, const struct ipcchan_message *message,
			  int *fds, size_t room)
{
	int rc = port->queue ? ipcchan_check_queue(port) : ipcchan_check(port, IPCCHAN_RECEIVE);
	uint32_t id = message->id;

	if (rc)
		return rc;
	if (ipcchan_files_is_held(port, message) ||
	    (message->nr_files && ipcchan_claim_holds(port, message)))
		return ipcchan_files_take(port, port->rx->held[id].slot, message->sequence, fds,
					  room);
	if (id < port->geometry.holds && message->sequence &&
	    port->rx->held[id].seq == message->sequence)
		return -ENOENT;
	return -EINVAL;
}
