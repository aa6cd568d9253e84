// SPDX-License-Identifier: GPL-2.0
/*
 * Layouts that programs were built with: every size and every place. A field
 * goes at the end of its struct, or it is another ABI.
 */
#include <linux/build_bug.h>
#include <linux/stddef.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#define SIZE(name, bytes)						\
	static_assert(sizeof(struct ipcchan_##name) == (bytes))
#define AT(name, field, offset)						\
	static_assert(offsetof(struct ipcchan_##name, field) == (offset))

/* Shared pages */

SIZE(desc, 128);
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

SIZE(outbox, 128);
AT(outbox, head, 0);
AT(outbox, sent, 8);
AT(outbox, bytes, 16);
AT(outbox, reserved, 24);

SIZE(cursor, 64);
AT(cursor, passed, 0);
AT(cursor, released, 8);
AT(cursor, closed, 16);
AT(cursor, lost, 24);
AT(cursor, before, 32);
AT(cursor, reserved, 40);

SIZE(receipts, 64);
AT(receipts, received, 0);
AT(receipts, reserved, 8);

SIZE(slot, 64);
AT(slot, state, 0);
AT(slot, port_id, 4);
AT(slot, base, 8);
AT(slot, await, 16);
AT(slot, since_ns, 24);
AT(slot, past, 32);
AT(slot, retired, 40);
AT(slot, reserved, 48);

SIZE(roster, 128);
AT(roster, receiver_generation, 0);
AT(roster, sleeping_receivers, 8);
AT(roster, reserved0, 16);
AT(roster, sender_generation, 64);
AT(roster, sleeping_senders, 72);
AT(roster, reserved1, 80);

/* Arguments of the calls */

SIZE(geometry, 32);
AT(geometry, depth, 0);
AT(geometry, senders, 4);
AT(geometry, receivers, 8);
AT(geometry, holds, 12);
AT(geometry, arena, 16);
AT(geometry, max_message, 24);

SIZE(create, 296);
AT(create, size, 0);
AT(create, flags, 4);
AT(create, type, 8);
AT(create, overflow, 12);
AT(create, geometry, 16);
AT(create, mode, 48);
AT(create, uid, 52);
AT(create, gid, 56);
AT(create, history, 60);
AT(create, stall_ns, 64);
AT(create, why, 72);
AT(create, why_len, 80);
AT(create, handle, 84);
AT(create, name, 88);
AT(create, label, 152);
AT(create, lease_ns, 216);
AT(create, max_deliveries, 224);
AT(create, reserved2, 228);
AT(create, dead_letter, 232);

SIZE(lookup, 304);
AT(lookup, size, 0);
AT(lookup, flags, 4);
AT(lookup, why, 8);
AT(lookup, why_len, 16);
AT(lookup, rights, 20);
AT(lookup, name, 24);
AT(lookup, type, 88);
AT(lookup, overflow, 92);
AT(lookup, geometry, 96);
AT(lookup, mode, 128);
AT(lookup, uid, 132);
AT(lookup, gid, 136);
AT(lookup, senders, 140);
AT(lookup, receivers, 144);
AT(lookup, history, 148);
AT(lookup, stall_ns, 152);
AT(lookup, label, 160);
AT(lookup, lease_ns, 224);
AT(lookup, max_deliveries, 232);
AT(lookup, reserved, 236);
AT(lookup, dead_letter, 240);

SIZE(delete, 88);
AT(delete, size, 0);
AT(delete, flags, 4);
AT(delete, why, 8);
AT(delete, why_len, 16);
AT(delete, reserved, 20);
AT(delete, name, 24);

SIZE(attach, 280);
AT(attach, size, 0);
AT(attach, flags, 4);
AT(attach, role, 8);
AT(attach, owner, 12);
AT(attach, why, 16);
AT(attach, why_len, 24);
AT(attach, wake_count, 28);
AT(attach, wake_delay_ns, 32);
AT(attach, name, 40);
AT(attach, label, 104);
AT(attach, geometry, 168);
AT(attach, type, 200);
AT(attach, overflow, 204);
AT(attach, port_id, 208);
AT(attach, sender_slot, 212);
AT(attach, receiver_slot, 216);
AT(attach, history, 220);
AT(attach, own_offset, 224);
AT(attach, own_size, 232);
AT(attach, window_offset, 240);
AT(attach, window_size, 248);
AT(attach, fd, 256);
AT(attach, reserved, 260);
AT(attach, backlog, 264);
AT(attach, max_per_user, 268);
AT(attach, deadline_ns, 272);

SIZE(accept, 136);
AT(accept, size, 0);
AT(accept, flags, 4);
AT(accept, why, 8);
AT(accept, why_len, 16);
AT(accept, fd, 20);
AT(accept, deadline_ns, 24);
AT(accept, geometry, 32);
AT(accept, type, 64);
AT(accept, port_id, 68);
AT(accept, sender_slot, 72);
AT(accept, receiver_slot, 76);
AT(accept, own_offset, 80);
AT(accept, own_size, 88);
AT(accept, window_offset, 96);
AT(accept, window_size, 104);
AT(accept, pid, 112);
AT(accept, uid, 116);
AT(accept, gid, 120);
AT(accept, reserved, 124);
AT(accept, attached_ns, 128);

SIZE(handle, 96);
AT(handle, size, 0);
AT(handle, flags, 4);
AT(handle, why, 8);
AT(handle, why_len, 16);
AT(handle, rights, 20);
AT(handle, name, 24);
AT(handle, fd, 88);
AT(handle, reserved, 92);

SIZE(revoke, 24);
AT(revoke, size, 0);
AT(revoke, flags, 4);
AT(revoke, why, 8);
AT(revoke, why_len, 16);
AT(revoke, reserved, 20);

SIZE(kick, 24);
AT(kick, size, 0);
AT(kick, flags, 4);
AT(kick, receivers, 8);
AT(kick, senders, 16);

SIZE(wait, 56);
AT(wait, size, 0);
AT(wait, flags, 4);
AT(wait, deadline_ns, 8);
AT(wait, sender_generation, 16);
AT(wait, receiver_generation, 24);
AT(wait, await, 32);
AT(wait, progress, 40);
AT(wait, nr_progress, 48);
AT(wait, events, 52);

SIZE(peer, 48);
AT(peer, size, 0);
AT(peer, flags, 4);
AT(peer, role, 8);
AT(peer, slot, 12);
AT(peer, port_id, 16);
AT(peer, roles, 20);
AT(peer, pid, 24);
AT(peer, uid, 28);
AT(peer, gid, 32);
AT(peer, reason, 36);
AT(peer, attached_ns, 40);

SIZE(verdict, 32);
AT(verdict, sequence, 0);
AT(verdict, delay_ns, 8);
AT(verdict, kind, 16);
AT(verdict, result, 20);
AT(verdict, deliveries, 24);
AT(verdict, reserved, 28);

SIZE(claimed, 24);
AT(claimed, sequence, 0);
AT(claimed, slot, 8);
AT(claimed, deliveries, 12);
AT(claimed, flags, 16);
AT(claimed, reserved, 20);

SIZE(claim, 48);
AT(claim, size, 0);
AT(claim, flags, 4);
AT(claim, deadline_ns, 8);
AT(claim, verdicts, 16);
AT(claim, claims, 24);
AT(claim, nr_verdicts, 32);
AT(claim, nr_claims, 36);
AT(claim, nr_claimed, 40);
AT(claim, nr_failed, 44);

SIZE(query, 32);
AT(query, size, 0);
AT(query, flags, 4);
AT(query, features, 8);
AT(query, create_flags, 16);
AT(query, attach_flags, 20);
AT(query, wait_flags, 24);
AT(query, page_size, 28);

SIZE(files_put, 40);
AT(files_put, size, 0);
AT(files_put, flags, 4);
AT(files_put, why, 8);
AT(files_put, why_len, 16);
AT(files_put, nr, 20);
AT(files_put, sequence, 24);
AT(files_put, fds, 32);

SIZE(files_take, 48);
AT(files_take, size, 0);
AT(files_take, flags, 4);
AT(files_take, why, 8);
AT(files_take, why_len, 16);
AT(files_take, slot, 20);
AT(files_take, sequence, 24);
AT(files_take, fds, 32);
AT(files_take, nr, 40);
AT(files_take, reserved, 44);

SIZE(files_done, 16);
AT(files_done, size, 0);
AT(files_done, flags, 4);
AT(files_done, slot, 8);
AT(files_done, reserved, 12);
