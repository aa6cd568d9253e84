// SPDX-License-Identifier: GPL-2.0
/* Calls: attaching and accepting, and what a port asks for now and then. */
#include <linux/fs.h>
#include <linux/mutex.h>

#include "call.h"
#include "connection.h"
#include "file.h"
#include "names.h"
#include "pass.h"
#include "service.h"
#include "wait.h"

static struct ipcchan_port *try_to_attach(struct ipcchan_call *call,
					  struct ipcchan_file *f)
{
	const struct ipcchan_attach *args = call->arg;
	struct ipcchan_access access;
	struct ipcchan_port *port;
	int err = ipcchan_call_find(call, args->name, &access);

	if (err)
		return ERR_PTR(err);
	port = ipcchan_port_attach(&access, args, f->inode->i_mapping,
				   &call->why);
	ipcchan_channel_put(access.chan);
	return port;
}

/* A port that @f is to become, with the results in the argument. */
static struct ipcchan_port *attach_to(struct ipcchan_call *call, struct ipcchan_file *f)
{
	struct ipcchan_attach *args = call->arg;
	struct ipcchan_port *port;
	int err = ipcchan_port_check(args, &call->why);

	if (err)
		return ERR_PTR(err);
	for (;;) {
		port = try_to_attach(call, f);
		if (!IS_ERR(port))
			break;
		if (PTR_ERR(port) != -ENOENT || call->f->grant ||
		    !(args->flags & IPCCHAN_ATTACH_WAIT))
			return port;
		err = ipcchan_names_await(call->f->in, args->name,
					  args->deadline_ns);
		if (err)
			return ERR_PTR(err);
	}
	ipcchan_port_describe(port, args);
	return port;
}

/* The file becomes a port when the caller has the results, not before. */
static int attach_locked(struct ipcchan_call *call)
{
	struct ipcchan_attach *args = call->arg;
	struct ipcchan_file *f = call->f;
	struct ipcchan_port *port;

	if (f->port)
		return ipcchan_refuse(&call->why, -EISCONN,
				      "the file is attached already");
	port = attach_to(call, f);
	if (IS_ERR(port))
		return PTR_ERR(port);
	args->fd = -1;
	if (ipcchan_call_copy_out(call)) {
		ipcchan_port_free(port);
		return -EFAULT;
	}
	/* pairs with ipcchan_file_port() */
	smp_store_release(&f->port, port);
	return 0;
}

/* The handle stays one; the port is a new file. */
static int attach_handle(struct ipcchan_call *call)
{
	struct ipcchan_attach *args = call->arg;
	struct ipcchan_making making;
	struct ipcchan_port *port;
	int err;

	err = ipcchan_file_make(call->f->in, &making);
	if (err)
		return err;
	port = attach_to(call, making.f);
	if (IS_ERR(port)) {
		err = PTR_ERR(port);
	} else {
		making.f->port = port;
		args->fd = making.fd;
		err = ipcchan_call_copy_out(call);
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

int ipcchan_call_attach(struct ipcchan_call *call)
{
	fmode_t both = FMODE_READ | FMODE_WRITE;
	int err;

	if ((call->file->f_mode & both) != both)
		return ipcchan_refuse(&call->why, -EBADF,
				      "the file is not open for reading and writing");
	if (call->f->grant)
		return attach_handle(call);
	if (mutex_lock_interruptible(&call->f->attach))
		return -ERESTARTSYS;
	err = attach_locked(call);
	mutex_unlock(&call->f->attach);
	return err;
}

/* The oldest connection that waits, as a new file. -EAGAIN: there is none now. */
static int answer(struct ipcchan_call *call)
{
	struct ipcchan_port *listener = call->f->port, *port;
	struct ipcchan_accept *a = call->arg;
	struct ipcchan_making making;
	int err;

	err = ipcchan_file_make(call->f->in, &making);
	if (err)
		return err;
	port = ipcchan_connection_accept(listener, making.f->inode->i_mapping,
					 &call->why);
	if (IS_ERR(port)) {
		err = PTR_ERR(port);
	} else {
		making.f->port = port;
		ipcchan_connection_describe(port, a);
		a->fd = making.fd;
		err = ipcchan_call_copy_out(call);
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

int ipcchan_call_accept(struct ipcchan_call *call)
{
	struct ipcchan_accept *a = call->arg;
	struct ipcchan_port *port = call->f->port;
	int err;

	if (a->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (a->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	if (!port->chan->service)
		return ipcchan_refuse(&call->why, -EINVAL,
				      "the file is no listener of a service");
	do {
		struct ipcchan_wait wait = {
			.flags = IPCCHAN_WAIT_RECEIVE,
			.deadline_ns = a->deadline_ns,
		};

		err = ipcchan_wait(port, &wait, NULL) ?: answer(call);
	} while (err == -EAGAIN);
	/* what it was woken for is another's to take */
	if (err)
		ipcchan_service_pass(port->chan);
	return err;
}

int ipcchan_call_peer(struct ipcchan_call *call)
{
	struct ipcchan_peer *p = call->arg;

	if (p->flags)
		return -EINVAL;
	return ipcchan_port_peer(call->f->port, p);
}

int ipcchan_call_files_put(struct ipcchan_call *call)
{
	return ipcchan_pass_put(call->f->port, call->arg, &call->why);
}

/* Descriptors are installed when nothing else can fail any more. */
int ipcchan_call_files_take(struct ipcchan_call *call)
{
	struct ipcchan_files_take *t = call->arg;
	struct file *files[IPCCHAN_MAX_FILES];
	int err;

	err = ipcchan_pass_find(call->f->port, t, files, &call->why);
	if (err)
		return err;
	err = ipcchan_call_copy_out(call) ?:
	      ipcchan_pass_install(t, files, &call->why);
	ipcchan_pass_forget(files, t->nr);
	return err;
}

int ipcchan_call_files_done(struct ipcchan_call *call)
{
	return ipcchan_pass_done(call->f->port, call->arg);
}
