/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: /dev/ipcchan
 *
 * A file holds the network namespace it was opened in and, once it has
 * attached, a port. Everything a process has hangs on its files and mappings.
 */
#ifndef IPCCHAN_DEVICE_H
#define IPCCHAN_DEVICE_H

int ipcchan_device_init(void);
void ipcchan_device_exit(void);

#endif
