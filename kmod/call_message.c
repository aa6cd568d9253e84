// SPDX-License-Identifier: GPL-2.0
/*
 * Calls: to wake, to sleep, to claim.
 *
 * Messages wait for them, so each does only what it needs: an argument of today's
 * size is copied as such, and none has a larger frame than its own, for the
 * kernel clears frames.
 */
#include <linux/uaccess.h>

#include "call.h"
#include "claim.h"
#include "file.h"
#include "wait.h"

/* With a constant @size. */
static __always_inline int begin(struct ipcchan_file *f, void *arg, u32 size,
				 const void __user *user, u32 *user_size)
{
	int err;

	if (get_user(*user_size, (const u32 __user *)user))
		return -EFAULT;
	if (likely(*user_size == size))
		err = copy_from_user(arg, user, size) ? -EFAULT : 0;
	else
		err = ipcchan_call_copy_in(arg, size, user, *user_size);
	return err ?: ipcchan_call_check_port(f);
}

int ipcchan_call_kick(struct ipcchan_file *f, void __user *user)
{
	struct ipcchan_kick kick;
	u32 size;
	int err = begin(f, &kick, sizeof(kick), user, &size);

	return err ?: ipcchan_kick(f->port, &kick);
}

/* With what the caller has seen of its receivers. */
static noinline int wait_for_room(struct ipcchan_port *port,
				  struct ipcchan_wait *wait)
{
	u64 progress[IPCCHAN_MAX_SLOTS];

	if (wait->nr_progress != ipcchan_channel_progress(port->chan))
		return -EINVAL;
	if (copy_from_user(progress, u64_to_user_ptr(wait->progress),
			   wait->nr_progress * sizeof(*progress)))
		return -EFAULT;
	return ipcchan_wait(port, wait, progress);
}

int ipcchan_call_wait(struct ipcchan_file *f, void __user *user)
{
	struct ipcchan_wait __user *out = user;
	struct ipcchan_wait wait;
	u32 size;
	int err = begin(f, &wait, sizeof(wait), user, &size);

	if (err)
		return err;
	if (wait.flags & IPCCHAN_WAIT_SEND)
		err = wait_for_room(f->port, &wait);
	else if (wait.nr_progress || wait.progress || wait.await)
		err = -EINVAL;
	else
		err = ipcchan_wait(f->port, &wait, NULL);
	return err ?: put_user(wait.events, &out->events);
}

int ipcchan_call_claim(struct ipcchan_file *f, void __user *user)
{
	struct ipcchan_claim claim;
	u32 size;
	int err = begin(f, &claim, sizeof(claim), user, &size);

	return err ?: ipcchan_claim(f->port, &claim, user);
}
