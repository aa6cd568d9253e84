/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: calls in flight on a port
 *
 * A port has a table of them if it was opened to make calls. It belongs to the
 * one thread that then both sends and receives there.
 */
#ifndef IPCCHAN_CALL_H
#define IPCCHAN_CALL_H

#include "internal.h"

struct ipcchan_calls *ipcchan_calls_new(const struct ipcchan_geometry *g, uint32_t max);
void ipcchan_calls_free(struct ipcchan_calls *calls);

#endif /* IPCCHAN_CALL_H */
