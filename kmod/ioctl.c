// SPDX-License-Identifier: GPL-2.0
/*
 * The calls on a file: which it is, and its argument. Those that messages need go
 * straight to where they are done; for all others there is a table of argument
 * sizes and functions.
 */
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "call.h"
#include "file.h"
#include "ioctl.h"

union argument {
	struct ipcchan_query query;
	struct ipcchan_create create;
	struct ipcchan_lookup lookup;
	struct ipcchan_delete delete;
	struct ipcchan_attach attach;
	struct ipcchan_peer peer;
	struct ipcchan_handle handle;
	struct ipcchan_revoke revoke;
	struct ipcchan_accept accept;
	struct ipcchan_files_put files_put;
	struct ipcchan_files_take files_take;
	struct ipcchan_files_done files_done;
};

struct op {
	unsigned int cmd;
	u32 size;		/* today's; also the least so far */
	u32 why;		/* offset of @why, @why_len follows; 0: none */
	bool port;		/* for a port only */
	bool gone;		/* even if that is GONE */
	bool out;		/* gives results back in its argument */
	int (*run)(struct ipcchan_call *call);
};

/*
 * ipcchan_call_copy_in() - an argument, in the caller's size
 *
 * -EFAULT, -EINVAL, -E2BIG.
 */
int ipcchan_call_copy_in(void *arg, u32 size, const void __user *user,
			 u32 user_size)
{
	if (user_size < size)
		return -EINVAL;
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, size, user, user_size);
}

/* Results go back in the caller's size, of which it knows the meaning. */
int ipcchan_call_copy_out(struct ipcchan_call *call)
{
	if (copy_to_user(call->user, call->arg, min(call->user_size, call->size)))
		return -EFAULT;
	return 0;
}

/* May the file be used as a port? */
int ipcchan_call_check_port(const struct ipcchan_file *f)
{
	const struct ipcchan_port *port = ipcchan_file_port(f);

	return port ? ipcchan_port_usable(port) : -ENOTCONN;
}

#define OP(cmd_, name_, ...) { \
	.cmd = cmd_, .size = sizeof(struct ipcchan_##name_), \
	.run = ipcchan_call_##name_, __VA_ARGS__ }
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
	OP(IPCCHAN_IOC_PEER, peer, .port = true, .gone = true, .out = true),
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
static int copy_why(const struct ipcchan_call *call, u32 offset)
{
	const void *field = call->arg + offset;
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

static int check_port(const struct ipcchan_call *call, const struct op *op)
{
	int err = op->port ? ipcchan_call_check_port(call->f) : 0;

	return op->gone && err == -ESHUTDOWN ? 0 : err;
}

static int run(struct ipcchan_call *call, const struct op *op)
{
	int err;

	if (get_user(call->user_size, (u32 __user *)call->user))
		return -EFAULT;
	err = ipcchan_call_copy_in(call->arg, op->size, call->user,
				   call->user_size) ?:
	      check_port(call, op);
	if (err)
		return err;
	err = op->run(call);
	if (err && op->why && copy_why(call, op->why))
		return -EFAULT;
	if (!err && op->out)
		err = ipcchan_call_copy_out(call);
	return err;
}

static noinline long run_op(struct file *file, unsigned int cmd,
			    void __user *user)
{
	const struct op *op = find_op(cmd);
	union argument arg;
	struct ipcchan_call call = {
		.file = file,
		.f = file->private_data,
		.arg = &arg,
		.user = user,
	};

	if (!op)
		return -ENOTTY;
	call.size = op->size;
	return run(&call, op);
}

/* unlocked_ioctl of /dev/ipcchan */
long ipcchan_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case IPCCHAN_IOC_KICK:
		return ipcchan_call_kick(file->private_data, user);
	case IPCCHAN_IOC_WAIT:
		return ipcchan_call_wait(file->private_data, user);
	case IPCCHAN_IOC_CLAIM:
		return ipcchan_call_claim(file->private_data, user);
	default:
		return run_op(file, cmd, user);
	}
}
