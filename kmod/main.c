// SPDX-License-Identifier: GPL-2.0
/*
 * ipcchan: zero-copy message channels through shared memory.
 *
 * Every shared page has exactly one writer, and the MMU enforces it. Where to
 * begin reading: port.h and channel.h for the objects, member.c for how they
 * come and go, wait.c for sleeping, map.c for what processes see.
 */
#include <linux/module.h>

#include "account.h"
#include "closer.h"
#include "dead.h"
#include "device.h"
#include "names.h"
#include "netlink.h"
#include "stall.h"

static_assert(IS_ENABLED(CONFIG_64BIT), "addresses and sequences are 64 bits");

static int __init ipcchan_init(void)
{
	int err;

	ipcchan_account_init();
	err = ipcchan_closer_start();
	if (err)
		return err;
	err = ipcchan_stall_start();
	if (err)
		goto closer;
	err = ipcchan_dead_start();
	if (err)
		goto stall;
	err = ipcchan_names_init();
	if (err)
		goto dead;
	err = ipcchan_netlink_init();
	if (err)
		goto names;
	err = ipcchan_device_init();
	if (err)
		goto netlink;
	return 0;

netlink:
	ipcchan_netlink_exit();
names:
	ipcchan_names_exit();
dead:
	ipcchan_dead_stop();
stall:
	ipcchan_stall_stop();
closer:
	ipcchan_closer_stop();
	return err;
}

static void __exit ipcchan_exit(void)
{
	ipcchan_device_exit();
	ipcchan_netlink_exit();
	ipcchan_names_exit();
	ipcchan_dead_stop();
	ipcchan_stall_stop();
	ipcchan_closer_stop();
}

module_init(ipcchan_init);
module_exit(ipcchan_exit);

MODULE_DESCRIPTION("Zero-copy message channels");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
