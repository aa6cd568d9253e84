/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the scene for the tests of invariant 1: a victim and who wants its pages
 *
 * Both are ports of one channel, with both roles. The victim's bytes can be
 * read by all, and written by the victim alone: whatever a test has tried,
 * scene_intact() must be true. Each attempt of a test is followed by it.
 */
#ifndef SELFTESTS_SCENE_H
#define SELFTESTS_SCENE_H

#include "probe.h"

struct scene {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port victim;
	struct raw_port mine;
	char *bytes;		/* what the victim's region held in the beginning */
	size_t page;
};

/* Too long for a descriptor: it lies in the arena. */
#define SCENE_TEXT	"what the victim has to say, at such length that it has to go to the arena " \
			"and not to a descriptor"

/* 0 or -errno. */
int scene_open(struct scene *s);
/* Leaves nothing behind: false if the module's accounts say otherwise. */
bool scene_close(struct scene *s);

/*
 * Are the victim's bytes what they were, in its region and in our window; is no
 * page of our window writable, and none of it lost? Says what is wrong.
 */
bool scene_intact(struct scene *s);
/* The same of the victim alone: for when our window is gone. */
bool scene_victim_intact(struct scene *s);

/* The victim's outbox, and its message in it, in our window. */
char *scene_target(const struct scene *s);
char *scene_message(const struct scene *s);

/* Is all of it zero? */
bool all_zero(const void *at, size_t size);
/* Can any page in it be read, or written, by the caller? 0, 1 read, 2 written. */
int reachable(char *at, size_t size);

#endif
