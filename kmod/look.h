/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what there is to do for a port
 *
 * The predicates by which a port sleeps or is woken: WAIT, poll() and kicks all
 * ask here, so that who is woken finds what he was woken for. With the
 * channel's lock held, on an ACTIVE port.
 */
#ifndef IPCCHAN_LOOK_H
#define IPCCHAN_LOOK_H

#include "port.h"

u32 ipcchan_look(const struct ipcchan_port *port, u32 flags);

bool ipcchan_look_due(const struct ipcchan_port *port);
bool ipcchan_look_no_senders(const struct ipcchan_port *port);
bool ipcchan_look_hung_up(const struct ipcchan_port *port);

#endif
