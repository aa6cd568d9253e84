/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the reason of a refusal
 *
 * Functions that can refuse for more than one reason take a struct ipcchan_why
 * and leave a sentence there. The ioctls copy it to the caller's buffer,
 * netlink sends it as the extended ack. The texts are constants.
 */
#ifndef IPCCHAN_WHY_H
#define IPCCHAN_WHY_H

struct ipcchan_why {
	const char *text;
};

/* Note the reason, and give back the error: return ipcchan_refuse(...). */
static inline int ipcchan_refuse(struct ipcchan_why *why, int error,
				 const char *text)
{
	why->text = text;
	return error;
}

#endif
