/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of lib/device.h. */
#include "machine.h"

#include "../../kmod/map.h"
#include "../../kmod/wait.h"
#include "../../lib/device.h"

int ipcchan_device_open(void)
{
	struct sim_file *file;
	int rc;

	sim_enter();
	file = sim_machine->missing ? NULL : sim_file_open();
	rc = file ? file->fd : sim_machine->missing ? -ENODEV : -EMFILE;
	sim_leave();
	return rc;
}

static void vanish(const struct ipcchan_attach *args)
{
	struct ipcchan_why why;
	struct ipcchan_channel *chan;

	if (!sim_machine->vanish)
		return;
	sim_machine->vanish--;
	chan = ipcchan_names_find(&sim_machine->net, args->name, &why);
	if (IS_ERR(chan))
		return;
	ipcchan_channel_delete(chan);
	ipcchan_channel_put(chan);
}

static void count(unsigned long number, const void *request)
{
	const struct ipcchan_wait *wait = request;
	struct sim_calls *calls = &sim_machine->calls;

	calls->kicks += number == IPCCHAN_IOC_KICK;
	calls->waits += number == IPCCHAN_IOC_WAIT;
	if (number == IPCCHAN_IOC_WAIT && wait->flags & IPCCHAN_WAIT_SEND)
		calls->await = wait->await;
}

/* As if the receivers' words changed all the time. */
static bool is_restless(unsigned long number, void *request)
{
	struct ipcchan_wait *wait = request;

	if (!sim_machine->restless || number != IPCCHAN_IOC_WAIT ||
	    !(wait->flags & IPCCHAN_WAIT_SEND))
		return false;
	wait->events = IPCCHAN_WAIT_SEND;
	return true;
}

static int call(struct sim_file *file, unsigned long number, void *request)
{
	long rc;

	if (is_restless(number, request))
		return 0;
	/* where who has died might be counted as living */
	if (number != IPCCHAN_IOC_KICK && number != IPCCHAN_IOC_WAIT)
		sim_bury(true);
	if (number == IPCCHAN_IOC_ATTACH)
		vanish(request);
	/* a kick does not sleep: nobody else is in the kernel meanwhile */
	sim_machine->kicking = number == IPCCHAN_IOC_KICK;
	rc = ipcchan_ioctl(&file->file, (unsigned int)number, (unsigned long)request);
	sim_machine->kicking = false;
	return rc == -ERESTARTSYS ? -EINTR : (int)rc;
}

int ipcchan_device_call(int fd, unsigned long number, void *request)
{
	struct sim_file *file;
	int rc = -EBADF;

	sim_enter();
	count(number, request);
	file = sim_file_find(fd);
	if (file)
		rc = call(file, number, request);
	sim_leave();
	return rc;
}

/* As ipcchan_map(): exactly the own region, or the window. */
static int check_map(const struct sim_file *file, uint64_t offset, size_t size, bool writable)
{
	const struct ipcchan_port *port = file->f.port;

	if (!port)
		return -ENOTCONN;
	if (port->mm != current->mm)
		return -EBUSY;
	if (port->state == IPCCHAN_PORT_GONE)
		return -ESHUTDOWN;
	if (offset == IPCCHAN_OWN_OFFSET && size == ipcchan_map_own_size(port))
		return file->own ? -EBUSY : 0;
	if (offset != IPCCHAN_WINDOW_OFFSET || size != port->chan->layout.window_size)
		return -EINVAL;
	if (writable)
		return -EACCES;
	return file->window ? -EBUSY : 0;
}

static int map(struct sim_file *file, uint64_t offset, uint8_t **at)
{
	int rc;

	if (offset == IPCCHAN_WINDOW_OFFSET) {
		*at = sim_map_window(file);
		return 0;
	}
	sim_map_own(file);
	rc = ipcchan_port_activate(file->f.port);
	if (rc)
		sim_unmap_own(file);
	*at = file->own;
	return rc;
}

int ipcchan_device_map(int fd, uint64_t offset, size_t size, bool writable, uint8_t **at)
{
	struct sim_file *file;
	int rc = -EBADF;

	sim_enter();
	file = sim_file_find(fd);
	if (file)
		rc = check_map(file, offset, size, writable);
	if (!rc)
		rc = map(file, offset, at);
	sim_leave();
	return rc;
}

static void unmap(struct sim_file *file, const uint8_t *at)
{
	if (file->own == at) {
		sim_unmap_own(file);
		ipcchan_port_detach(file->f.port, IPCCHAN_REASON_CLOSED);
	} else {
		sim_unmap_window(file);
	}
	sim_file_put(file);
}

void ipcchan_device_unmap(const uint8_t *at, size_t size)
{
	struct sim_file *file;

	(void)size;
	if (!at)
		return;
	sim_enter();
	sim_machine->calls.unmaps++;
	file = sim_file_mapped(at);
	SIM_ASSERT(file || sim_is_flat());
	if (file)
		unmap(file, at);
	sim_leave();
}

void ipcchan_device_close(int fd)
{
	struct sim_file *file;

	sim_enter();
	file = sim_file_find(fd);
	if (file && file->owner == current->mm) {
		file->closed = true;
		sim_file_put(file);
	}
	sim_leave();
}

static short look_at(struct pollfd *fd, struct poll_table_struct *table)
{
	struct sim_file *file = sim_file_find(fd->fd);
	__poll_t always = EPOLLERR | EPOLLHUP;
	__poll_t wanted = (__poll_t)fd->events | always;
	struct ipcchan_port *port;

	if (fd->fd < 0)
		return 0;
	if (!file)
		return POLLNVAL;
	port = ipcchan_file_port(&file->f);
	if (!port)
		return (short)EPOLLERR;
	table->key = wanted;
	return (short)(ipcchan_poll(port, &file->file, table) & wanted);
}

static int look_at_all(struct pollfd *fds, unsigned int n, struct poll_table_struct *table)
{
	int ready = 0;

	for (unsigned int i = 0; i < n; i++) {
		fds[i].revents = look_at(&fds[i], table);
		ready += !!fds[i].revents;
	}
	table->queued = true;
	return ready;
}

int ipcchan_device_poll(struct pollfd *fds, unsigned int n, uint64_t deadline_ns)
{
	struct poll_table_struct table = { 0 };
	int ready, rc = 0;

	sim_enter();
	sim_machine->calls.polls++;
	sim_sleep_begin();
	for (;;) {
		ready = look_at_all(fds, n, &table);
		if (ready || rc || !deadline_ns)
			break;
		rc = sim_sleep(min(deadline_ns, (u64)KTIME_MAX));
		sim_sleep_begin();
	}
	sim_leave();
	return ready || rc != -EINTR ? ready : rc;
}

uint64_t ipcchan_device_now(void)
{
	return ktime_get_ns();
}
