/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What lies in shared pages, and what programs were compiled with: every size
 * and place. The module pins the same on its side. A field goes at the end of a
 * struct of the library's own; the layout of topics is frozen.
 */
#include "internal.h"

#define SIZE(name, bytes) \
	_Static_assert(sizeof(struct ipcchan_##name) == (bytes), #name)
#define AT(name, field, offset) \
	_Static_assert(offsetof(struct ipcchan_##name, field) == (offset), #name "." #field)

/* Shared pages. */
SIZE(desc, 2 * IPCCHAN_CACHE_LINE);
AT(desc, seq, 80);
AT(desc, offset, 88);
AT(desc, length, 92);
AT(desc, tag, 96);
AT(desc, time_ns, 104);
AT(desc, flags, 112);
AT(desc, priority, 114);
AT(desc, files, 116);
AT(desc, reserved, 120);
AT(desc, inside, 0);
_Static_assert(IPCCHAN_INSIDE == 80, "the longest short payload");

SIZE(outbox, 2 * IPCCHAN_CACHE_LINE);
AT(outbox, head, 0);
AT(outbox, sent, 8);
AT(outbox, bytes, 16);

SIZE(cursor, IPCCHAN_CACHE_LINE);
AT(cursor, passed, 0);
AT(cursor, released, 8);
AT(cursor, closed, 16);
AT(cursor, lost, 24);
AT(cursor, before, 32);

SIZE(receipts, IPCCHAN_CACHE_LINE);
AT(receipts, received, 0);

SIZE(slot, IPCCHAN_CACHE_LINE);
AT(slot, state, 0);
AT(slot, port_id, 4);
AT(slot, base, 8);
AT(slot, await, 16);
AT(slot, since_ns, 24);
AT(slot, past, 32);
AT(slot, retired, 40);

SIZE(roster, 2 * IPCCHAN_CACHE_LINE);
AT(roster, receiver_generation, 0);
AT(roster, sleeping_receivers, 8);
AT(roster, sender_generation, IPCCHAN_CACHE_LINE);
AT(roster, sleeping_senders, IPCCHAN_CACHE_LINE + 8);

_Static_assert(IPCCHAN_GRANULE == IPCCHAN_ARENA_GRANULE, "what the policy's sum counts in");

/* The library's own. */
SIZE(options, 144);
AT(options, size, 0);
AT(options, overflow, 60);
AT(options, label, 96);
AT(options, dead_letter, 120);
AT(options, max_calls, 136);
SIZE(info, 224);
AT(message, flags, 60);
AT(message, deliveries, 64);
SIZE(done, 24);
SIZE(loan, 48);
SIZE(message, 80);
SIZE(ready, 16);
SIZE(peer_info, 40);
SIZE(stats, 96);

/* Where the kernel's numbers are handed on. */
_Static_assert(IPCCHAN_ROLE_SEND == IPCCHAN_SEND, "roles");
_Static_assert(IPCCHAN_ROLE_RECEIVE == IPCCHAN_RECEIVE, "roles");
_Static_assert(IPCCHAN_RIGHT_ADMIN == IPCCHAN_ADMIN, "rights");
_Static_assert(IPCCHAN_SAME == IPCCHAN_ID_SELF, "ids");
_Static_assert(IPCCHAN_BLOCK == IPCCHAN_OVERFLOW_BLOCK, "policies");
_Static_assert(IPCCHAN_DROP_OLDEST == IPCCHAN_OVERFLOW_DROP_OLDEST, "policies");
_Static_assert(IPCCHAN_TOPIC == IPCCHAN_TYPE_TOPIC, "types");
_Static_assert(IPCCHAN_QUEUE == IPCCHAN_TYPE_QUEUE, "types");
_Static_assert(IPCCHAN_DONE_ACKNOWLEDGE == IPCCHAN_ACKNOWLEDGE, "verdicts");
_Static_assert(IPCCHAN_DONE_REFUSE == IPCCHAN_REFUSE, "verdicts");
_Static_assert(IPCCHAN_DONE_DISCARD == IPCCHAN_DISCARD, "verdicts");
_Static_assert(IPCCHAN_GONE_NOT == IPCCHAN_REASON_NONE, "reasons");
_Static_assert(IPCCHAN_GONE_CLOSED == IPCCHAN_REASON_CLOSED, "reasons");
_Static_assert(IPCCHAN_GONE_EVICTED == IPCCHAN_REASON_EVICTED, "reasons");
_Static_assert(IPCCHAN_GONE_STALLED == IPCCHAN_REASON_STALLED, "reasons");
_Static_assert(IPCCHAN_GONE_DELETED == IPCCHAN_REASON_DELETED, "reasons");
_Static_assert(IPCCHAN_GONE_REFUSED == IPCCHAN_REASON_REFUSED, "reasons");
_Static_assert(IPCCHAN_TOPIC == IPCCHAN_TYPE_TOPIC, "types");
_Static_assert(IPCCHAN_SERVICE == IPCCHAN_TYPE_SERVICE, "types");
