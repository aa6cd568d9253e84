/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: honest peers among hostile ones
 *
 * One channel over the simulated device. An honest sender and an honest receiver
 * use the library; a hostile sender and a hostile receiver are attached too, and
 * what is in their pages is whatever somebody writes there (words.h), at any time.
 *
 * scene_send() and scene_receive() are the honest ones' steps. Both check, and end
 * the program when it is not as it must be: every message of the honest sender
 * arrives once, in order, unchanged (or is counted as lost, where messages may be
 * dropped); what arrives of the hostile one lies in its own pages; nobody but the
 * hostile one is ever named as the culprit.
 */
#ifndef FUZZ_SCENE_H
#define FUZZ_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipcchan.h"
#include "sim.h"

/* Small, so that everything runs out often. */
#define SCENE_DEPTH	8u
#define SCENE_HOLDS	3u
#define SCENE_MOST	256u	/* the longest message */

struct scene {
	char name[64];
	bool drops;
	uint32_t history;
	struct sim_pages pages;
	struct ipcchan_port *tx;
	struct ipcchan_port *rx;
	struct ipcchan_port *bad_tx;
	struct ipcchan_port *bad_rx;
	uint32_t tx_slot;
	uint32_t bad_tx_slot;
	uint32_t bad_rx_slot;
	uint32_t bad_tx_id;
	uint32_t bad_rx_id;
	uint64_t sent;
	uint64_t seen;		/* of those, received or lost */
	uint64_t lost;
	struct ipcchan_message held[SCENE_HOLDS];
	uint64_t errors;	/* the hostile sender was named */
};

/** scene_open() - a new channel; @policy: bit 0 drop-oldest, bits 1 and 2 history */
void scene_open(struct scene *s, unsigned int policy);
void scene_close(struct scene *s);

/** scene_send() - one message, if there is room */
void scene_send(struct scene *s, uint32_t length);
/** scene_receive() - one message if there is one; @way: in place, by copy, the newest, ... */
void scene_receive(struct scene *s, unsigned int way);
/** scene_release() - one of those held, if it is */
void scene_release(struct scene *s, unsigned int which);
/** scene_settle() - the hostile receiver is evicted; then all that was sent arrives */
void scene_settle(struct scene *s);

#endif
