// SPDX-License-Identifier: GPL-2.0
/* Who is on a port's queue. */
#include <linux/wait.h>

#include "wait.h"

/*
 * ipcchan_sleeps_in_call() - is there somebody asleep in a call of ours, and not
 * woken yet?
 *
 * Who polls, and epoll sets, have functions of their own on the queue.
 */
bool ipcchan_sleeps_in_call(struct ipcchan_port *port)
{
	const struct wait_queue_entry *entry;
	bool found = false;

	spin_lock_irq(&port->wq.lock);
	list_for_each_entry(entry, &port->wq.head, entry)
		found |= entry->func == autoremove_wake_function;
	spin_unlock_irq(&port->wq.lock);
	return found;
}
