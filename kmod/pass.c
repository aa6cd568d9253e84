// SPDX-License-Identifier: GPL-2.0
/* From descriptors to bundles, and from bundles to descriptors. */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bundle.h"
#include "cargo.h"
#include "claim.h"
#include "compat.h"
#include "names.h"
#include "pass.h"

/* Only a port that takes part sends and receives; with the mutex. */
static int check_active(const struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->mutex);
	if (port->state == IPCCHAN_PORT_ACTIVE)
		return 0;
	return port->state == IPCCHAN_PORT_GONE ? -ESHUTDOWN : -EINVAL;
}

static int check_put(const struct ipcchan_port *port,
		     const struct ipcchan_files_put *args,
		     struct ipcchan_why *why)
{
	bool drop = args->flags & IPCCHAN_FILES_DROP;

	if (args->flags & ~IPCCHAN_FILES_DROP)
		return ipcchan_refuse(why, -EINVAL, "unknown flags");
	if (!(port->roles & IPCCHAN_SEND))
		return ipcchan_refuse(why, -EINVAL, "the port does not send");
	if (drop && (args->nr || args->fds))
		return ipcchan_refuse(why, -EINVAL,
				      "what is given up names no files");
	if (!drop && (!args->nr || args->nr > IPCCHAN_MAX_FILES))
		return ipcchan_refuse(why, -EINVAL,
				      "a message carries 1 to 16 files");
	return 0;
}

static int drop(struct ipcchan_port *port, u64 from)
{
	struct ipcchan_channel *chan = port->chan;
	int err;

	mutex_lock(&chan->mutex);
	err = check_active(port);
	if (!err)
		ipcchan_bundle_drop(chan, port->sender_slot, from);
	mutex_unlock(&chan->mutex);
	return err;
}

static int gather_one(struct ipcchan_bundle *bundle, int fd,
		      struct ipcchan_why *why)
{
	struct file *file = fget(fd);

	if (!file)
		return ipcchan_refuse(why, -EBADF,
				      "a descriptor is not that of an open file");
	bundle->files[bundle->nr++] = file;
	bundle->stays &= ipcchan_cargo_stays(file);
	return ipcchan_cargo_check(file, fd, why);
}

static int gather(struct ipcchan_bundle *bundle,
		  const struct ipcchan_files_put *args, struct ipcchan_why *why)
{
	s32 fds[IPCCHAN_MAX_FILES];
	int err = 0;
	u32 i;

	if (copy_from_user(fds, u64_to_user_ptr(args->fds),
			   args->nr * sizeof(*fds)))
		return -EFAULT;
	for (i = 0; i < args->nr && !err; i++)
		err = gather_one(bundle, fds[i], why);
	return err;
}

static int add(struct ipcchan_port *port, struct ipcchan_bundle *bundle,
	       struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err;

	mutex_lock(&chan->mutex);
	err = check_active(port);
	if (!err) {
		/* what has become free meanwhile is not counted */
		ipcchan_bundle_look(chan, port->sender_slot);
		err = ipcchan_charge_files(port->account, &chan->net->usage,
					   bundle->nr, why);
	}
	if (!err) {
		err = ipcchan_bundle_add(port, bundle, why);
		if (err)
			ipcchan_uncharge(port->account, &chan->net->usage,
					 IPCCHAN_FILES, bundle->nr);
	}
	mutex_unlock(&chan->mutex);
	return err;
}

/*
 * ipcchan_pass_put() - take references on files, for a message to come
 *
 * Errors as at struct ipcchan_files_put.
 */
int ipcchan_pass_put(struct ipcchan_port *port,
		     const struct ipcchan_files_put *args,
		     struct ipcchan_why *why)
{
	struct ipcchan_bundle *bundle;
	int err = check_put(port, args, why);

	if (err)
		return err;
	if (args->flags & IPCCHAN_FILES_DROP)
		return drop(port, args->sequence);
	bundle = kzalloc(struct_size(bundle, files, args->nr),
			 GFP_KERNEL_ACCOUNT);
	if (!bundle)
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the files");
	bundle->seq = args->sequence;
	bundle->stays = true;
	bundle->account = ipcchan_account_ref(port->account);
	err = gather(bundle, args, why) ?: add(port, bundle, why);
	if (err) {
		ipcchan_pass_forget(bundle->files, bundle->nr);
		ipcchan_account_put(bundle->account);
		kfree(bundle);
	}
	return err;
}

static int check_take(const struct ipcchan_port *port,
		      const struct ipcchan_files_take *args,
		      struct ipcchan_why *why)
{
	if (args->flags)
		return ipcchan_refuse(why, -EINVAL, "unknown flags");
	if (args->reserved)
		return ipcchan_refuse(why, -EINVAL, "reserved is not zero");
	if (!(port->roles & IPCCHAN_RECEIVE))
		return ipcchan_refuse(why, -EINVAL, "the port does not receive");
	if (args->slot >= port->chan->geometry.senders)
		return ipcchan_refuse(why, -EINVAL,
				      "the channel has no such sender slot");
	return 0;
}

static int find_locked(struct ipcchan_port *port,
		       struct ipcchan_files_take *args, struct file **files,
		       struct ipcchan_why *why)
{
	struct ipcchan_bundle *bundle;
	int err = 0;
	u32 i;

	if (port->chan->queue)
		err = ipcchan_claim_has(port, args->sequence);
	if (err == -ESTALE)
		return ipcchan_refuse(why, err,
				      "the claim on that message is over");
	bundle = err ? NULL :
		 ipcchan_bundle_find(port, args->slot, args->sequence);
	if (!bundle)
		return ipcchan_refuse(why, -ENOENT,
				      "there are no files of that message for this receiver");
	if (bundle->nr > args->nr)
		return ipcchan_refuse(why, -EMSGSIZE,
				      "the message has more files than there is room for");
	for (i = 0; i < bundle->nr; i++)
		files[i] = get_file(bundle->files[i]);
	args->nr = bundle->nr;
	return 0;
}

static int find(struct ipcchan_port *port, struct ipcchan_files_take *args,
		struct file **files, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err;

	spin_lock(&chan->lock);
	err = find_locked(port, args, files, why);
	spin_unlock(&chan->lock);
	return err;
}

/*
 * ipcchan_pass_find() - references on a message's files
 * @files:	out: room for IPCCHAN_MAX_FILES; args->nr of them
 */
int ipcchan_pass_find(struct ipcchan_port *port, struct ipcchan_files_take *args,
		      struct file **files, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err = check_take(port, args, why);

	if (err)
		return err;
	mutex_lock(&chan->mutex);
	err = check_active(port) ?: find(port, args, files, why);
	mutex_unlock(&chan->mutex);
	return err;
}

/* Give the references back. */
void ipcchan_pass_forget(struct file **files, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		fput(files[i]);
}

static void close_all(const s32 *fds, u32 nr)
{
	while (nr--)
		close_fd(fds[nr]);
}

/*
 * ipcchan_pass_install() - descriptors of the caller's for files it was given
 *
 * All or none. -EMFILE, -EFAULT, or what the security module says.
 */
int ipcchan_pass_install(const struct ipcchan_files_take *args,
			 struct file **files, struct ipcchan_why *why)
{
	s32 fds[IPCCHAN_MAX_FILES];
	u32 i;

	for (i = 0; i < args->nr; i++) {
		fds[i] = ipcchan_receive_fd(files[i]);
		if (fds[i] < 0) {
			close_all(fds, i);
			return ipcchan_refuse(why, fds[i],
					      "a file could not be installed, so none is");
		}
	}
	if (copy_to_user(u64_to_user_ptr(args->fds), fds,
			 args->nr * sizeof(*fds))) {
		close_all(fds, args->nr);
		return -EFAULT;
	}
	return 0;
}

/* Errors as at struct ipcchan_files_done. */
int ipcchan_pass_done(struct ipcchan_port *port,
		      const struct ipcchan_files_done *args)
{
	struct ipcchan_channel *chan = port->chan;
	bool mine = port->roles & IPCCHAN_SEND && args->slot == port->sender_slot;
	int err;

	if (args->flags || args->reserved ||
	    args->slot >= chan->geometry.senders ||
	    !(mine || port->roles & IPCCHAN_RECEIVE))
		return -EINVAL;
	mutex_lock(&chan->mutex);
	err = check_active(port);
	if (!err && chan->senders[args->slot].outbox)
		ipcchan_bundle_look(chan, args->slot);
	mutex_unlock(&chan->mutex);
	return err;
}
