// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer's way to it: an input is a policy and a list of steps, of which most
 * write a word. The same input does the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

#define STEP	12u	/* bytes */
#define STEPS	256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void tell(void)
{
	fprintf(stderr, "words: %" PRIu64 "\n", words_written());
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	sim_begin(0);
	atexit(tell);
	return 0;
}

static void step(struct scene *s, const uint8_t *bytes)
{
	struct choice choice = { .where = bytes[1], .which = bytes[2], .what = bytes[3] };

	memcpy(&choice.value, bytes + 4, 8);
	switch (bytes[0] % 16) {
	case 0:
	case 1: scene_send(s, bytes[1]); break;
	case 2:
	case 3:
	case 4: scene_receive(s, bytes[1]); break;
	case 5: scene_release(s, bytes[1]); break;
	default: words_write(s, &choice);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene s;
	uint32_t steps = 0;

	if (!size)
		return 0;
	scene_open(&s, data[0]);
	for (size_t at = 1; at + STEP <= size && steps < STEPS; at += STEP, steps++)
		step(&s, data + at);
	scene_settle(&s);
	scene_close(&s);
	return 0;
}
