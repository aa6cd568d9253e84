// SPDX-License-Identifier: GPL-2.0
/* Signals. */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "sigio.h"
#include "wait.h"

/* Beside IPCCHAN_WAIT_*: the port was taken away. */
#define TAKEN	BIT(31)

struct ipcchan_sigio {
	/* constant */
	struct ipcchan_port *port;

	/* the VFS's */
	struct fasync_struct *listeners;

	/* protected by the channel's lock */
	u32 events;		/* to be told */

	struct work_struct work;
};

static u32 take_events(struct ipcchan_sigio *sigio)
{
	struct ipcchan_port *port = sigio->port;
	u32 events;

	spin_lock(&port->chan->lock);
	/* perhaps it was a threshold's timer that called */
	if (port->threshold)
		ipcchan_wake_due(port);
	events = sigio->events;
	sigio->events = 0;
	spin_unlock(&port->chan->lock);
	return events;
}

/* The worst alone; it says that all is to be looked at. */
static void tell(struct work_struct *work)
{
	struct ipcchan_sigio *sigio = container_of(work, struct ipcchan_sigio,
						   work);
	u32 events = take_events(sigio);

	if (events & TAKEN) {
		kill_fasync(&sigio->listeners, SIGIO, POLL_ERR);
	} else if (events & IPCCHAN_WAIT_HANGUP) {
		kill_fasync(&sigio->listeners, SIGIO, POLL_HUP);
	} else {
		if (events & IPCCHAN_WAIT_RECEIVE)
			kill_fasync(&sigio->listeners, SIGIO, POLL_IN);
		if (events & IPCCHAN_WAIT_SEND)
			kill_fasync(&sigio->listeners, SIGIO, POLL_OUT);
	}
}

/* The port has one from here on: 0 or -ENOMEM. */
static int make(struct ipcchan_port *port)
{
	struct ipcchan_sigio *sigio;

	if (smp_load_acquire(&port->sigio))	/* pairs with the release below */
		return 0;
	sigio = kzalloc(sizeof(*sigio), GFP_KERNEL_ACCOUNT);
	if (!sigio)
		return -ENOMEM;
	sigio->port = port;
	INIT_WORK(&sigio->work, tell);
	spin_lock(&port->chan->lock);
	if (!port->sigio) {
		/* pairs with the acquires: it is complete */
		smp_store_release(&port->sigio, sigio);
		sigio = NULL;
	}
	spin_unlock(&port->chan->lock);
	kfree(sigio);
	return 0;
}

/*
 * ipcchan_sigio_listen() - ->fasync: O_ASYNC is set, or cleared, also by the VFS
 * when the file is released
 *
 * -EBUSY, -ESHUTDOWN as for calls on the port; -ENOMEM. Clearing it may anybody.
 */
int ipcchan_sigio_listen(struct ipcchan_port *port, int fd, struct file *file,
			 int on)
{
	struct ipcchan_sigio *sigio;
	int err = on ? ipcchan_port_usable(port) ?: make(port) : 0;

	if (err)
		return err;
	sigio = smp_load_acquire(&port->sigio);		/* pairs with make() */
	return sigio ? fasync_helper(fd, file, on, &sigio->listeners) : 0;
}

/*
 * ipcchan_sigio_send() - IPCCHAN_WAIT_* have come about, and are to be told
 */
void ipcchan_sigio_send(struct ipcchan_port *port, u32 events)
{
	struct ipcchan_sigio *sigio = port->sigio;

	lockdep_assert_held(&port->chan->lock);
	if (!sigio || !READ_ONCE(sigio->listeners))
		return;
	sigio->events |= events;
	queue_work(system_unbound_wq, &sigio->work);
}

/*
 * ipcchan_sigio_look() - a time the port waits for may have come
 *
 * From a timer, with no lock.
 */
void ipcchan_sigio_look(struct ipcchan_port *port)
{
	struct ipcchan_sigio *sigio;

	sigio = smp_load_acquire(&port->sigio);		/* pairs with make() */
	if (sigio)
		queue_work(system_unbound_wq, &sigio->work);
}

/*
 * ipcchan_sigio_leaving() - the port is about to be GONE
 *
 * Who leaves by himself is told no more: by exec() it may be that another
 * program would get the signal, and die of it.
 */
void ipcchan_sigio_leaving(struct ipcchan_port *port, enum ipcchan_reason reason)
{
	lockdep_assert_held(&port->chan->lock);
	if (!port->sigio)
		return;
	if (reason == IPCCHAN_REASON_CLOSED)
		port->sigio->events = 0;
	else
		ipcchan_sigio_send(port, TAKEN);
}

/*
 * ipcchan_sigio_left() - the port is GONE, by its own process's doing
 *
 * Nothing is sent from here on, not even what was about to be: by exec() the
 * program may soon be another. May sleep.
 */
void ipcchan_sigio_left(struct ipcchan_port *port)
{
	struct ipcchan_sigio *sigio;

	sigio = smp_load_acquire(&port->sigio);		/* pairs with make() */
	if (sigio)
		cancel_work_sync(&sigio->work);
}

/* The port is GONE, its timers are stopped, its file has no listeners. */
void ipcchan_sigio_free(struct ipcchan_port *port)
{
	if (!port->sigio)
		return;
	cancel_work_sync(&port->sigio->work);
	kfree(port->sigio);
}
