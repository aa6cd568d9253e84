// SPDX-License-Identifier: GPL-2.0
/*
 * ipcchan: zero-copy message channels through shared memory.
 *
 * Every shared page has exactly one writer, and the MMU enforces it. Where to
 * begin reading: port.h and channel.h for the objects, member.c for how they
 * come and go, wait.c for sleeping, map.c for what processes see.
 */
#include <linux/module.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#include "account.h"
#include "device.h"
#include "names.h"
#include "netlink.h"

static_assert(IS_ENABLED(CONFIG_64BIT), "addresses and sequences are 64 bits");

/* The layout is an ABI: pinned here and in the library. */
static_assert(sizeof(struct ipcchan_desc) == 64);
static_assert(offsetof(struct ipcchan_desc, offset) == 8);
static_assert(offsetof(struct ipcchan_desc, tag) == 16);
static_assert(offsetof(struct ipcchan_desc, time_ns) == 24);
static_assert(offsetof(struct ipcchan_desc, flags) == 32);
static_assert(offsetof(struct ipcchan_desc, files) == 36);
static_assert(offsetof(struct ipcchan_desc, reserved) == 40);
static_assert(sizeof(struct ipcchan_outbox) == 64);
static_assert(sizeof(struct ipcchan_cursor) == 64);
static_assert(offsetof(struct ipcchan_cursor, closed) == 16);
static_assert(sizeof(struct ipcchan_receipts) == 64);
static_assert(sizeof(struct ipcchan_slot) == 32);
static_assert(offsetof(struct ipcchan_slot, await) == 16);
static_assert(sizeof(struct ipcchan_roster) == 192);
static_assert(offsetof(struct ipcchan_roster, sleeping_receivers) == 64);
static_assert(offsetof(struct ipcchan_roster, sleeping_senders) == 128);
static_assert(sizeof(struct ipcchan_geometry) == 32);
static_assert(sizeof(struct ipcchan_query) == 32);
static_assert(sizeof(struct ipcchan_create) == 216);
static_assert(sizeof(struct ipcchan_lookup) == 152);
static_assert(sizeof(struct ipcchan_delete) == 88);
static_assert(sizeof(struct ipcchan_attach) == 256);
static_assert(offsetof(struct ipcchan_create, geometry) == 16);
static_assert(offsetof(struct ipcchan_create, name) == 88);
static_assert(offsetof(struct ipcchan_lookup, geometry) == 96);
static_assert(offsetof(struct ipcchan_attach, geometry) == 168);
static_assert(offsetof(struct ipcchan_attach, own_offset) == 224);
static_assert(offsetof(struct ipcchan_wait, progress) == 40);
static_assert(sizeof(struct ipcchan_kick) == 24);
static_assert(sizeof(struct ipcchan_wait) == 72);
static_assert(sizeof(struct ipcchan_peer) == 48);

static int __init ipcchan_init(void)
{
	int err;

	ipcchan_account_init();
	err = ipcchan_names_init();
	if (err)
		return err;
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
	return err;
}

static void __exit ipcchan_exit(void)
{
	ipcchan_device_exit();
	ipcchan_netlink_exit();
	ipcchan_names_exit();
}

module_init(ipcchan_init);
module_exit(ipcchan_exit);

MODULE_DESCRIPTION("Zero-copy message channels");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
