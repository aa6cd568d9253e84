// SPDX-License-Identifier: GPL-2.0
/* See words.h. */
#include "words.h"

static uint64_t written;

uint64_t words_written(void)
{
	return __atomic_load_n(&written, __ATOMIC_RELAXED);
}

static void store(void *at, uint64_t value, unsigned int bytes)
{
	__atomic_fetch_add(&written, 1, __ATOMIC_RELAXED);
	if (bytes == 8)
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
	else if (bytes == 4)
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
}

/* Of the hostile sender, or of the honest one for a hostile receiver's lies. */
static uint64_t base_of(const struct scene *s, uint32_t slot)
{
	return __atomic_load_n(&sim_sender(&s->pages, slot)->base, __ATOMIC_RELAXED);
}

static uint64_t head_of(const struct scene *s, uint32_t slot)
{
	return __atomic_load_n(&sim_outbox(&s->pages, slot)->head, __ATOMIC_RELAXED);
}

static uint64_t sequence(const struct scene *s, uint32_t slot, const struct choice *c)
{
	uint64_t near = c->value % (4 * SCENE_DEPTH);

	switch (c->what % 10) {
	case 0: return 0;
	case 1: return base_of(s, slot) + near;
	case 2: return head_of(s, slot) + near - SCENE_DEPTH;
	case 3: return (head_of(s, slot) + near - SCENE_DEPTH) | IPCCHAN_SEQ_VOID;
	case 4: return base_of(s, slot) + near * SCENE_DEPTH;
	case 5: return (base_of(s, slot) + near) | IPCCHAN_SEQ_VOID;
	case 6: return ipcchan_seq_limit(slot) - near;
	case 7: return base_of(s, !slot) + near;
	case 8: return base_of(s, slot) + (c->value >> 8);
	default: return c->value;
	}
}

static uint64_t size(const struct scene *s, const struct choice *c)
{
	uint64_t near = c->value % 5;

	switch (c->what % 6) {
	case 0: return near;
	case 1: return IPCCHAN_INSIDE + near - 2;
	case 2: return SCENE_MOST + near - 2;
	case 3: return s->pages.geometry.arena + near - 2;
	case 4: return s->pages.geometry.arena - SCENE_MOST + near - 2;
	default: return c->value;
	}
}

static void write_desc(struct scene *s, const struct choice *c)
{
	struct ipcchan_desc *d = sim_desc(&s->pages, s->bad_tx_slot, c->which);

	switch (c->where % 10) {
	case 0:
	case 1:
	case 2: store(&d->seq, sequence(s, s->bad_tx_slot, c), 8); break;
	case 3: store(&d->offset, size(s, c), 4); break;
	case 4: store(&d->length, size(s, c), 4); break;
	case 5: store(&d->flags, c->what & 1 ? c->value : 0, 2); break;
	case 6: store(&d->files, c->what & 1 ? c->value : 0, 4); break;
	case 7: store(&d->reserved, c->what & 1 ? c->value : 0, 8); break;
	case 8: store(&d->inside[c->what % IPCCHAN_INSIDE_WORDS], c->value, 8); break;
	default: store(&d->tag, c->value, 8);
	}
}

static void write_receipts(struct scene *s, const struct choice *c)
{
	struct ipcchan_cursor *cursor = sim_cursor(&s->pages, s->bad_rx_slot, s->tx_slot);
	uint64_t *holds = sim_holds(&s->pages, s->bad_rx_slot);

	switch (c->where % 6) {
	case 0:
	case 1: store(&cursor->passed, sequence(s, s->tx_slot, c), 8); break;
	case 2: store(&cursor->released, c->value, 8); break;
	case 3: store(&cursor->closed, sequence(s, s->tx_slot, c), 8); break;
	case 4: store(&cursor->lost, c->value, 8); break;
	default: store(&holds[c->which % SCENE_HOLDS], sequence(s, s->tx_slot, c), 8);
	}
}

/* A descriptor that would be sound, so that what follows it is looked at. */
static void write_message(struct scene *s, const struct choice *c)
{
	uint64_t seq = base_of(s, s->bad_tx_slot) + 1 + c->which % (2 * SCENE_DEPTH);
	struct ipcchan_desc *d = sim_desc(&s->pages, s->bad_tx_slot, seq);

	store(&d->offset, 0, 4);
	store(&d->length, c->what % (IPCCHAN_INSIDE + 1), 4);
	store(&d->flags, 0, 2);
	store(&d->files, 0, 4);
	store(&d->reserved, 0, 8);
	store(&d->seq, seq, 8);
	store(&sim_outbox(&s->pages, s->bad_tx_slot)->head, seq, 8);
}

void words_write(struct scene *s, const struct choice *c)
{
	switch (c->where / 10 % 8) {
	case 0:
	case 1:
	case 2: write_desc(s, c); break;
	case 3:
	case 4: write_receipts(s, c); break;
	case 5:
		store(&sim_outbox(&s->pages, s->bad_tx_slot)->head,
		      sequence(s, s->bad_tx_slot, c), 8);
		break;
	case 6: write_message(s, c); break;
	default:
		store(sim_arena(&s->pages, s->bad_tx_slot) +
		      c->value % (s->pages.geometry.arena / 8) * 8, c->value, 8);
	}
}
