/* SPDX-License-Identifier: GPL-2.0 */
/* What tests ask of the machine: sim.h. */
#include "machine.h"

/* With the machine entered; to be given back. NULL: there is none of that name. */
static struct ipcchan_channel *find(const char *name)
{
	struct ipcchan_why why;
	struct ipcchan_channel *chan = ipcchan_names_find(&sim_machine->net, name, &why);

	return IS_ERR(chan) ? NULL : chan;
}

int sim_evict(const char *channel, uint32_t port_id)
{
	struct ipcchan_channel *chan;
	struct ipcchan_why why;
	int rc = -ENOENT;

	sim_enter();
	chan = find(channel);
	if (chan)
		rc = ipcchan_port_evict(chan, port_id, &why);
	ipcchan_channel_put(chan);
	sim_leave();
	return rc;
}

void sim_set_base(const char *channel, uint32_t slot, uint64_t base)
{
	struct ipcchan_channel *chan;

	sim_enter();
	chan = find(channel);
	SIM_ASSERT(chan && slot < chan->geometry.senders);
	chan->senders[slot].next_base = base;
	ipcchan_channel_put(chan);
	sim_leave();
}

int sim_pages(const char *channel, struct sim_pages *pages)
{
	struct ipcchan_channel *chan;
	int rc = -ENOENT;

	sim_enter();
	chan = find(channel);
	if (chan) {
		*pages = (struct sim_pages){
			.geometry = chan->geometry,
			.layout = chan->layout,
			.roster = ipcchan_region_at(chan->roster, 0),
			.receipts = sim_place_receipts(chan, 0),
			.outboxes = sim_place_outbox(chan, 0),
		};
		rc = 0;
	}
	ipcchan_channel_put(chan);
	sim_leave();
	return rc;
}

struct sim_calls sim_calls(void)
{
	struct sim_calls calls;

	sim_enter();
	calls = sim_machine->calls;
	sim_leave();
	return calls;
}

void sim_no_module(bool missing)
{
	sim_enter();
	sim_machine->missing = missing;
	sim_leave();
}

void sim_vanish(unsigned int times)
{
	sim_enter();
	sim_machine->vanish = times;
	sim_leave();
}

void sim_restless(bool restless)
{
	sim_enter();
	sim_machine->restless = restless;
	sim_leave();
}
