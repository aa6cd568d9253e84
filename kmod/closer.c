// SPDX-License-Identifier: GPL-2.0
/* Closing files where nobody waits for it. */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "account.h"
#include "bundle.h"
#include "closer.h"

#define LAG_MOST	16384

static struct workqueue_struct *queue;

/* Many at a time, as each may take as long as it likes. */
int ipcchan_closer_start(void)
{
	queue = alloc_workqueue("ipcchan_closer", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return queue ? 0 : -ENOMEM;
}

void ipcchan_closer_stop(void)
{
	destroy_workqueue(queue);
}

/* The last reference to the closer may be the bundle's. */
static void finish(struct ipcchan_closer *closer, struct ipcchan_bundle *bundle)
{
	u32 i;

	for (i = 0; i < bundle->nr; i++) {
		__fput_sync(bundle->files[i]);
		cond_resched();
	}
	atomic_sub(bundle->nr, &closer->files);
	ipcchan_account_put(bundle->account);
	kfree(bundle);
	/* ipcchan_closer_stop() waits for what is left of this */
	module_put(THIS_MODULE);
}

static void run(struct work_struct *work)
{
	struct ipcchan_closer *closer = container_of(work, struct ipcchan_closer,
						     work);
	struct llist_node *list = llist_del_all(&closer->bundles);
	struct ipcchan_bundle *bundle, *next;

	list = llist_reverse_order(list);
	llist_for_each_entry_safe(bundle, next, list, closing)
		finish(closer, bundle);
}

void ipcchan_closer_init(struct ipcchan_closer *closer)
{
	init_llist_head(&closer->bundles);
	atomic_set(&closer->files, 0);
	INIT_WORK(&closer->work, run);
}

/* Has the user as many files that are to be closed as he may? */
bool ipcchan_closer_lags(const struct ipcchan_closer *closer)
{
	return atomic_read(&closer->files) >= LAG_MOST;
}

/* ipcchan_closer_take() - nobody needs its files any more, and no slot has it */
void ipcchan_closer_take(struct ipcchan_bundle *bundle)
{
	struct ipcchan_closer *closer = ipcchan_account_closer(bundle->account);

	__module_get(THIS_MODULE);
	atomic_add(bundle->nr, &closer->files);
	if (llist_add(&bundle->closing, &closer->bundles))
		queue_work(queue, &closer->work);
}
