// SPDX-License-Identifier: GPL-2.0
/*
 * The calls: a table of argument sizes and functions. Arguments are copied in
 * once, and out once.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "connection.h"
#include "claim.h"
#include "file.h"
#include "ioctl.h"
#include "names.h"
#include "pass.h"
#include "queue.h"
#include "rights.h"
#include "service.h"
#include "wait.h"

union argument {
	struct ipcchan_query query;
	struct ipcchan_create create;
	struct ipcchan_lookup lookup;
	struct ipcchan_delete delete;
	struct ipcchan_attach attach;
	struct ipcchan_kick kick;
	struct ipcchan_wait wait;
	struct ipcchan_peer peer;
	struct ipcchan_handle handle;
	struct ipcchan_revoke revoke;
	struct ipcchan_accept accept;
	struct ipcchan_claim claim;
	struct ipcchan_files_put files_put;
	struct ipcchan_files_take files_take;
	struct ipcchan_files_done files_done;
};

struct call {
	struct file *file;
	struct ipcchan_file *f;
	union argument arg;
	void __user *user;
	u32 user_size;
	struct ipcchan_why why;
};

struct op {
	unsigned int cmd;
	u32 size;		/* today's; also the least so far */
	u32 why;		/* offset of @why, @why_len follows; 0: none */
	bool port;		/* for a port only */
	bool gone;		/* even if that is GONE */
	bool out;		/* gives results back in its argument */
	int (*run)(struct call *call);
};

/* Results go back in the caller's size, of which it knows the meaning. */
static int copy_out(struct call *call, u32 size)
{
	if (copy_to_user(call->user, &call->arg, min(call->user_size, size)))
		return -EFAULT;
	return 0;
}

static int query(struct call *call)
{
	struct ipcchan_query *q = &call->arg.query;

	if (q->flags)
		return -EINVAL;
	q->size = sizeof(*q);
	q->features = IPCCHAN_FEATURE_TOPIC | IPCCHAN_FEATURE_DROP_OLDEST |
		      IPCCHAN_FEATURE_HISTORY | IPCCHAN_FEATURE_STALL |
		      IPCCHAN_FEATURE_LABEL | IPCCHAN_FEATURE_THRESHOLD |
		      IPCCHAN_FEATURE_HANDLE | IPCCHAN_FEATURE_QUEUE |
		      IPCCHAN_FEATURE_SERVICE | IPCCHAN_FEATURE_FILES |
		      IPCCHAN_FEATURE_SIGNAL;
	q->create_flags = IPCCHAN_CREATE_PERSISTENT | IPCCHAN_CREATE_UNNAMED;
	q->attach_flags = IPCCHAN_ATTACH_OWNER | IPCCHAN_ATTACH_WAIT;
	q->wait_flags = IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_SEND |
			IPCCHAN_WAIT_ROSTER | IPCCHAN_WAIT_ARM;
	q->page_size = PAGE_SIZE;
	return 0;
}

/* Which channel, and what may be done with it: by name, or by the handle. */
static int find(struct call *call, const char *name,
		struct ipcchan_access *access)
{
	struct ipcchan_file *f = call->f;
	int err;

	*access = (struct ipcchan_access){ .grant = f->grant };
	if (f->grant) {
		if (name[0])
			return ipcchan_refuse(&call->why, -EINVAL,
					      "a handle has its channel: the name must be empty");
		err = ipcchan_grant_check(f->grant, &call->why);
		if (err)
			return err;
		access->chan = ipcchan_channel_ref(f->grant->chan);
		access->rights = f->grant->rights;
		return 0;
	}
	if (f->made)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a file that was not opened reaches no channel by name");
	access->chan = ipcchan_channel_find(f->in, name, &call->why);
	if (IS_ERR(access->chan))
		return PTR_ERR(access->chan);
	access->rights = ipcchan_rights(access->chan);
	return 0;
}

/*
 * Makes a handle with the fd in @field of the argument, gives the results back,
 * and then lets the process have it.
 */
static int give_handle(struct call *call, const struct ipcchan_access *from,
		       u32 rights, s32 *field, u32 size)
{
	struct ipcchan_making making;
	int err;

	err = ipcchan_file_make(call->f->in, &making);
	if (err)
		return err;
	making.f->grant = ipcchan_grant_new(from, rights, &call->why);
	if (IS_ERR(making.f->grant)) {
		err = PTR_ERR(making.f->grant);
		making.f->grant = NULL;
	} else {
		*field = making.fd;
		err = copy_out(call, size);
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

static int create_unnamed(struct call *call)
{
	struct ipcchan_create *c = &call->arg.create;
	struct ipcchan_access made = {};
	int err;

	made.chan = ipcchan_channel_create(call->f->in, c, &call->why);
	if (IS_ERR(made.chan))
		return PTR_ERR(made.chan);
	err = give_handle(call, &made,
			  IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN,
			  &c->handle, sizeof(*c));
	if (err)
		ipcchan_channel_delete(made.chan);
	ipcchan_channel_put(made.chan);
	return err;
}

static int create(struct call *call)
{
	struct ipcchan_create *c = &call->arg.create;
	struct ipcchan_channel *chan;

	if (call->f->made)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a file that was not opened creates no channels");
	if (c->flags & IPCCHAN_CREATE_UNNAMED)
		return create_unnamed(call);
	chan = ipcchan_channel_create(call->f->in, c, &call->why);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	ipcchan_channel_put(chan);
	return 0;
}

static void describe(struct ipcchan_channel *chan, struct ipcchan_lookup *l)
{
	struct ipcchan_service_state state;

	l->flags = chan->flags;
	l->type = chan->type;
	l->overflow = chan->overflow;
	l->history = chan->history;
	l->stall_ns = chan->stall_ns;
	memcpy(l->label, chan->label, sizeof(l->label));
	l->lease_ns = chan->queue ? chan->queue->lease_ns : 0;
	l->max_deliveries = chan->queue ? chan->queue->max_deliveries : 0;
	memcpy(l->dead_letter, chan->dead_letter, sizeof(l->dead_letter));
	l->geometry = chan->geometry;
	l->mode = chan->mode;
	l->uid = from_kuid_munged(current_user_ns(), chan->uid);
	l->gid = from_kgid_munged(current_user_ns(), chan->gid);
	mutex_lock(&chan->mutex);
	l->senders = chan->nr_senders;
	l->receivers = chan->nr_receivers;
	mutex_unlock(&chan->mutex);
	if (chan->service) {
		ipcchan_service_tell(chan, &state);
		l->senders = state.connections;
	}
}

static int lookup(struct call *call)
{
	struct ipcchan_lookup *l = &call->arg.lookup;
	struct ipcchan_access access;
	int err;

	if (l->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	err = find(call, l->name, &access);
	if (err)
		return err;
	l->rights = access.rights;
	if (l->rights)
		describe(access.chan, l);
	else
		err = ipcchan_refuse(&call->why, -EACCES,
				     "no right to the channel");
	ipcchan_channel_put(access.chan);
	return err;
}

static int delete(struct call *call)
{
	struct ipcchan_delete *d = &call->arg.delete;
	struct ipcchan_access access;
	int err;

	if (d->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (d->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	err = find(call, d->name, &access);
	if (err)
		return err;
	if (access.grant)
		err = ipcchan_grant_delete(access.grant, &call->why);
	else if (access.rights & IPCCHAN_ADMIN)
		ipcchan_channel_delete(access.chan);
	else
		err = ipcchan_refuse(&call->why, -EPERM,
				     "only the owner or CAP_NET_ADMIN deletes a channel");
	ipcchan_channel_put(access.chan);
	return err;
}

static int check_handle(struct call *call)
{
	const struct ipcchan_handle *h = &call->arg.handle;
	u32 all = IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN;

	if (h->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (h->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	if (!h->rights || h->rights & ~all)
		return ipcchan_refuse(&call->why, -EINVAL,
				      "rights are to send, to receive, to administer; at least one");
	return 0;
}

static int check_narrower(struct call *call, const struct ipcchan_access *from)
{
	if (!(call->arg.handle.rights & ~from->rights))
		return 0;
	if (from->grant)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a handle is narrowed, never widened");
	return ipcchan_refuse(&call->why, -EACCES,
			      "a handle carries no right that its maker has not");
}

static int handle(struct call *call)
{
	struct ipcchan_handle *h = &call->arg.handle;
	struct ipcchan_access access;
	int err;

	err = check_handle(call) ?: find(call, h->name, &access);
	if (err)
		return err;
	err = check_narrower(call, &access) ?:
	      give_handle(call, &access, h->rights, &h->fd, sizeof(*h));
	ipcchan_channel_put(access.chan);
	return err;
}

static int revoke(struct call *call)
{
	const struct ipcchan_revoke *r = &call->arg.revoke;

	if (r->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (r->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	if (!call->f->grant)
		return ipcchan_refuse(&call->why, -EINVAL, "the file is no handle");
	ipcchan_grant_revoke(call->f->grant);
	return 0;
}

static struct ipcchan_port *try_to_attach(struct call *call,
					  struct ipcchan_file *f)
{
	const struct ipcchan_attach *args = &call->arg.attach;
	struct ipcchan_access access;
	struct ipcchan_port *port;
	int err = find(call, args->name, &access);

	if (err)
		return ERR_PTR(err);
	port = ipcchan_port_attach(&access, args, f->inode->i_mapping,
				   &call->why);
	ipcchan_channel_put(access.chan);
	return port;
}

/* A port that @f is to become, with the results in the argument. */
static struct ipcchan_port *attach_to(struct call *call, struct ipcchan_file *f)
{
	struct ipcchan_attach *args = &call->arg.attach;
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
static int attach_locked(struct call *call)
{
	struct ipcchan_file *f = call->f;
	struct ipcchan_port *port;

	if (f->port)
		return ipcchan_refuse(&call->why, -EISCONN,
				      "the file is attached already");
	port = attach_to(call, f);
	if (IS_ERR(port))
		return PTR_ERR(port);
	call->arg.attach.fd = -1;
	if (copy_out(call, sizeof(call->arg.attach))) {
		ipcchan_port_free(port);
		return -EFAULT;
	}
	/* pairs with ipcchan_file_port() */
	smp_store_release(&f->port, port);
	return 0;
}

/* The handle stays one; the port is a new file. */
static int attach_handle(struct call *call)
{
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
		call->arg.attach.fd = making.fd;
		err = copy_out(call, sizeof(call->arg.attach));
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

static int attach(struct call *call)
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
static int answer(struct call *call)
{
	struct ipcchan_port *listener = call->f->port, *port;
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
		ipcchan_connection_describe(port, &call->arg.accept);
		call->arg.accept.fd = making.fd;
		err = copy_out(call, sizeof(call->arg.accept));
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

static int accept(struct call *call)
{
	struct ipcchan_accept *a = &call->arg.accept;
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

static int kick(struct call *call)
{
	return ipcchan_kick(call->f->port, &call->arg.kick);
}

static int wait(struct call *call)
{
	struct ipcchan_wait *w = &call->arg.wait;
	struct ipcchan_port *port = call->f->port;
	u64 progress[IPCCHAN_MAX_SLOTS];

	if (w->flags & IPCCHAN_WAIT_SEND) {
		if (w->nr_progress != ipcchan_channel_progress(port->chan))
			return -EINVAL;
		if (copy_from_user(progress, u64_to_user_ptr(w->progress),
				   w->nr_progress * sizeof(*progress)))
			return -EFAULT;
	} else if (w->nr_progress || w->progress || w->await) {
		return -EINVAL;
	}
	return ipcchan_wait(port, w, progress);
}

static int claim(struct call *call)
{
	return ipcchan_claim(call->f->port, &call->arg.claim, call->user);
}

static int peer(struct call *call)
{
	if (call->arg.peer.flags)
		return -EINVAL;
	return ipcchan_port_peer(call->f->port, &call->arg.peer);
}

static int files_put(struct call *call)
{
	return ipcchan_pass_put(call->f->port, &call->arg.files_put, &call->why);
}

/* Descriptors are installed when nothing else can fail any more. */
static int files_take(struct call *call)
{
	struct ipcchan_files_take *t = &call->arg.files_take;
	struct file *files[IPCCHAN_MAX_FILES];
	int err;

	err = ipcchan_pass_find(call->f->port, t, files, &call->why);
	if (err)
		return err;
	err = copy_out(call, sizeof(*t)) ?:
	      ipcchan_pass_install(t, files, &call->why);
	ipcchan_pass_forget(files, t->nr);
	return err;
}

static int files_done(struct call *call)
{
	return ipcchan_pass_done(call->f->port, &call->arg.files_done);
}

#define OP(cmd_, name_, ...) { \
	.cmd = cmd_, .size = sizeof(struct ipcchan_##name_), .run = name_, \
	__VA_ARGS__ }
#define WHY(name_) .why = offsetof(struct ipcchan_##name_, why)

static const struct op ops[] = {
	OP(IPCCHAN_IOC_QUERY, query, .out = true),
	OP(IPCCHAN_IOC_CREATE, create, WHY(create)),
	OP(IPCCHAN_IOC_LOOKUP, lookup, WHY(lookup), .out = true),
	OP(IPCCHAN_IOC_DELETE, delete, WHY(delete)),
	OP(IPCCHAN_IOC_ATTACH, attach, WHY(attach)),
	OP(IPCCHAN_IOC_HANDLE, handle, WHY(handle)),
	OP(IPCCHAN_IOC_REVOKE, revoke, WHY(revoke)),
	OP(IPCCHAN_IOC_ACCEPT, accept, WHY(accept), .port = true),
	OP(IPCCHAN_IOC_KICK, kick, .port = true),
	OP(IPCCHAN_IOC_WAIT, wait, .port = true, .out = true),
	OP(IPCCHAN_IOC_PEER, peer, .port = true, .gone = true, .out = true),
	OP(IPCCHAN_IOC_CLAIM, claim, .port = true),
	OP(IPCCHAN_IOC_FILES_PUT, files_put, WHY(files_put), .port = true),
	OP(IPCCHAN_IOC_FILES_TAKE, files_take, WHY(files_take), .port = true),
	OP(IPCCHAN_IOC_FILES_DONE, files_done, .port = true),
};

static const struct op *find_op(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (ops[i].cmd == cmd)
			return &ops[i];
	return NULL;
}

/* The reason goes where @why and @why_len of the argument say. */
static int copy_why(const struct call *call, u32 offset)
{
	const void *field = (const void *)&call->arg + offset;
	u64 to = *(const u64 *)field;
	u32 room = *(const u32 *)(field + sizeof(u64));
	u32 n;

	if (!call->why.text || !to || !room)
		return 0;
	n = min_t(u32, strlen(call->why.text), room - 1);
	if (copy_to_user(u64_to_user_ptr(to), call->why.text, n) ||
	    put_user('\0', (char __user *)u64_to_user_ptr(to) + n))
		return -EFAULT;
	return 0;
}

static int check_port(const struct call *call, bool gone)
{
	const struct ipcchan_port *port = ipcchan_file_port(call->f);
	int err = port ? ipcchan_port_usable(port) : -ENOTCONN;

	return gone && err == -ESHUTDOWN ? 0 : err;
}

static int run(struct call *call, const struct op *op)
{
	int err;

	if (get_user(call->user_size, (u32 __user *)call->user))
		return -EFAULT;
	if (call->user_size < op->size)
		return -EINVAL;
	if (call->user_size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&call->arg, op->size, call->user,
				    call->user_size);
	if (!err && op->port)
		err = check_port(call, op->gone);
	if (err)
		return err;
	err = op->run(call);
	if (err && op->why && copy_why(call, op->why))
		return -EFAULT;
	if (!err && op->out)
		err = copy_out(call, op->size);
	return err;
}

/* unlocked_ioctl of /dev/ipcchan */
long ipcchan_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct op *op = find_op(cmd);
	struct call call = {
		.file = file,
		.f = file->private_data,
		.user = (void __user *)arg,
	};

	return op ? run(&call, op) : -ENOTTY;
}
