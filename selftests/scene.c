// SPDX-License-Identifier: GPL-2.0
/* The victim and who wants its pages; see scene.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

/* Something on every page of the victim's. */
static void fill(struct scene *s)
{
	char *arena = raw_arena(&s->victim);

	for (size_t at = 0; at < s->victim.attach.geometry.arena; at++)
		arena[at] = (char)(at * 31 + (at >> 12) + 1);
	raw_cursor(&s->victim, 0)->lost = 0x1234567;
	raw_publish(&s->victim, SCENE_TEXT, sizeof(SCENE_TEXT), 7);
}

int scene_open(struct scene *s)
{
	int err;

	memset(s, 0, sizeof(*s));
	accounts_read(&s->before);
	s->page = sysconf(_SC_PAGESIZE);
	unique_name(s->name, "scene");
	err = small_channel(s->name, 0, 2);
	if (!err)
		err = raw_open(&s->victim, s->name, BOTH);
	if (!err)
		err = raw_open(&s->mine, s->name, BOTH);
	if (err)
		return err;
	fill(s);
	s->bytes = malloc(s->victim.attach.own_size);
	if (!s->bytes)
		return -ENOMEM;
	memcpy(s->bytes, s->victim.own, s->victim.attach.own_size);
	return 0;
}

bool scene_close(struct scene *s)
{
	leave(&s->mine);
	leave(&s->victim);
	free(s->bytes);
	return accounts_settle(&s->before);
}

char *scene_target(const struct scene *s)
{
	return (char *)window_outbox(&s->mine, s->victim.attach.sender_slot);
}

char *scene_message(const struct scene *s)
{
	return scene_target(s) + s->mine.layout.arena;
}

static bool say(const char *what)
{
	fprintf(stderr, "# %s\n", what);
	return false;
}

bool scene_victim_intact(struct scene *s)
{
	if (memcmp(s->victim.own, s->bytes, s->victim.attach.own_size))
		return say("the victim's bytes have changed");
	return true;
}

static bool window_shows_victim(struct scene *s)
{
	const struct ipcchan_layout *l = &s->mine.layout;
	const char *receipts = window_receipts(&s->mine, s->victim.attach.receiver_slot);

	if (memcmp(receipts, s->bytes, l->receipts_size) ||
	    memcmp(scene_target(s), s->bytes + l->receipts_size, l->outbox_size))
		return say("the window does not show the victim's bytes");
	return true;
}

bool scene_intact(struct scene *s)
{
	for (size_t at = 0; at < s->mine.attach.window_size; at += s->page)
		if (touch_write(s->mine.window + at) != SIGSEGV)
			return say("the window can be written");
	return scene_victim_intact(s) && window_shows_victim(s);
}

bool all_zero(const void *at, size_t size)
{
	const char *byte = at;

	for (size_t i = 0; i < size; i++)
		if (byte[i])
			return false;
	return true;
}

int reachable(char *at, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < size; i += page) {
		if (!touch_write(at + i))
			return 2;
		if (!touch_read(at + i))
			return 1;
	}
	return 0;
}
