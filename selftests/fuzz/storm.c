// SPDX-License-Identifier: GPL-2.0
/*
 * The same with a thread that writes all the time: words change between two
 * reads. storm WORDS: so many, in millions; with each policy in turn.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "words.h"

#define SCENE_STEPS	20000u
#define STILL		120u	/* seconds in which a scene must end */

static struct scene scene;
static bool stop;

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *storm(void *arg)
{
	uint64_t state = (uintptr_t)arg | 1;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = next(&state);
		struct choice choice = {
			.where = (uint8_t)r, .which = (uint8_t)(r >> 8),
			.what = (uint8_t)(r >> 16), .value = next(&state),
		};

		words_write(&scene, &choice);
	}
	return NULL;
}

static void act(uint64_t *state)
{
	uint64_t r = next(state);
	unsigned int way = (unsigned int)(r >> 8);

	if (r % 8 < 3)
		scene_send(&scene, way);
	else if (r % 8 < 7)
		scene_receive(&scene, way);
	else
		scene_release(&scene, way);
}

static void run(unsigned int policy, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u | 1;
	pthread_t thread;

	alarm(STILL);
	scene_open(&scene, policy);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	if (pthread_create(&thread, NULL, storm, (void *)(uintptr_t)(seed * 77 + 1)))
		abort();
	for (uint32_t i = 0; i < SCENE_STEPS; i++)
		act(&state);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	scene_settle(&scene);
	scene_close(&scene);
}

int main(int argc, char **argv)
{
	uint64_t words = argc == 2 ? strtoull(argv[1], NULL, 10) * 1000000 : 0;
	uint64_t errors = 0, lost = 0, sent = 0;
	unsigned int scenes = 0;

	if (!words) {
		fprintf(stderr, "usage: storm WORDS (in millions)\n");
		return 2;
	}
	sim_begin(0);
	for (; words_written() < words; scenes++) {
		run(scenes, scenes + 1);
		errors += scene.errors;
		lost += scene.lost;
		sent += scene.sent;
	}
	printf("words: %" PRIu64 ", in %u channels: %" PRIu64 " messages sent, %" PRIu64
	       " lost, the culprit named %" PRIu64 " times\n",
	       words_written(), scenes, sent, lost, errors);
	return errors && sent && lost ? 0 : 1;
}
