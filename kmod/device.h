/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: /dev/ipcchan
 *
 * Everything a process has hangs on its files (file.h) and their mappings.
 */
#ifndef IPCCHAN_DEVICE_H
#define IPCCHAN_DEVICE_H

int ipcchan_device_init(void);
void ipcchan_device_exit(void);

#endif
