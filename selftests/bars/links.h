/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ways for two processes to pass a message, for a round trip that sleeps
 *
 * Each side, 0 and 1, calls join() for itself after the fork; then put() passes
 * a message of LINK_BYTES to the other side, get() sleeps until one is there
 * and copies it out. None of them returns when something is wrong.
 */
#ifndef BARS_LINKS_H
#define BARS_LINKS_H

#define LINK_BYTES	64

struct link {
	const char *name;
	void (*make)(void);		/* once, before the fork */
	void (*join)(int side);
	void (*put)(int side, const void *message);
	void (*get)(int side, void *message);
};

extern const struct link links[];
extern const unsigned int nr_links;

#endif
