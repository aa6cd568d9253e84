/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what the parts of ipcadm share
 *
 * A command gets the words after its verb and returns an exit code. Whoever
 * finds the fault prints it, prefixed "ipcadm: ".
 */
#ifndef IPCADM_H
#define IPCADM_H

#include <stdbool.h>

#include "../common/complain.h"
#include "../common/streams.h"

#define PROGRAM "ipcadm"

struct options {
	bool json;
};

typedef int command_fn(int argc, char **argv, const struct options *options);

command_fn channel_add, channel_show, channel_del;
command_fn port_show, port_evict;

#endif
