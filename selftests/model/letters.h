/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a switch for each letter of Documentation/protocol.md
 *
 * -DNO_X leaves out what the letter X stands for. A full barrier is then
 * nothing. A release or an acquire costs nothing on x86: the machine keeps that
 * order by itself. There, the switch gives the order which another machine or
 * the compiler may make of it once nobody forbids it: the two things that the
 * letter keeps apart change places. J, T, and O where it stands for the order
 * of two stores, have their switches where they are used.
 */

/* C, pairs with D and K; the descriptors, then who sleeps and who is there */
#ifdef NO_C
#define BARRIER_C(cpu) skip
#else
#define BARRIER_C(cpu) BARRIER(cpu)
#endif

/* D, pairs with C; a receiver is armed, then the kernel looks */
#ifdef NO_D
#define BARRIER_D(cpu) skip
#else
#define BARRIER_D(cpu) BARRIER(cpu)
#endif

/* E, pairs with F and N; the receipts, then who sleeps and who leaves */
#ifdef NO_E
#define BARRIER_E(cpu) skip
#else
#define BARRIER_E(cpu) BARRIER(cpu)
#endif

/* F, pairs with E; a sender is armed, then the kernel looks */
#ifdef NO_F
#define BARRIER_F(cpu) skip
#else
#define BARRIER_F(cpu) BARRIER(cpu)
#endif

/* K, pairs with C; a newcomer is on the roster, then the heads are read */
#ifdef NO_K
#define BARRIER_K(cpu) skip
#else
#define BARRIER_K(cpu) BARRIER(cpu)
#endif

/* N, pairs with E; the roster says who leaves, then the kernel looks */
#ifdef NO_N
#define BARRIER_N(cpu) skip
#else
#define BARRIER_N(cpu) BARRIER(cpu)
#endif

/* O, pairs with P and R; messages are void, then the holds are read, the places written */
#ifdef NO_O
#define BARRIER_O(cpu) skip
#else
#define BARRIER_O(cpu) BARRIER(cpu)
#endif

/* P, pairs with O; a hold is set, then the sequence is read again */
#ifdef NO_P
#define BARRIER_P(cpu) skip
#else
#define BARRIER_P(cpu) BARRIER(cpu)
#endif

/* A, pairs with B; the message, then its sequence */
#ifdef NO_A
#define ORDER_A(message, sequence) sequence; message
#else
#define ORDER_A(message, sequence) message; sequence
#endif

/* B, pairs with A; the sequence is read, then the message */
#ifdef NO_B
#define ORDER_B(sequence, message) message; sequence
#else
#define ORDER_B(sequence, message) sequence; message
#endif

/* G, pairs with H; the hold, or the reading of what is not held, then the cursor */
#ifdef NO_G
#define ORDER_G(hold, cursor) cursor; hold
#else
#define ORDER_G(hold, cursor) hold; cursor
#endif

/* H, pairs with G; the cursors are read, then the holds */
#ifdef NO_H
#define ORDER_H(cursors, holds) holds; cursors
#else
#define ORDER_H(cursors, holds) cursors; holds
#endif

/* I, pairs with J; the last reading in place, then the hold is given back */
#ifdef NO_I
#define ORDER_I(reading, release) release; reading
#else
#define ORDER_I(reading, release) reading; release
#endif

/* L, pairs with L; the sequence, then the head that tells of it */
#ifdef NO_L
#define ORDER_L(sequence, head) head; sequence
#else
#define ORDER_L(sequence, head) sequence; head
#endif

/* M, pairs with M; the newcomer's slot, then the generation that tells of it */
#ifdef NO_M
#define ORDER_M(slot, generation) generation; slot
#else
#define ORDER_M(slot, generation) slot; generation
#endif

/* R, pairs with O; the words are copied, then the sequence is read again */
#ifdef NO_R
#define ORDER_R(copying, checking) checking; copying
#else
#define ORDER_R(copying, checking) copying; checking
#endif

/* S, pairs with T; the last reading in place, then the message is retired */
#ifdef NO_S
#define ORDER_S(reading, retired) retired; reading
#else
#define ORDER_S(reading, retired) reading; retired
#endif

/* U, pairs with V; what is retired, then the counter that tells of it */
#ifdef NO_U
#define ORDER_U(retired, counter) counter; retired
#else
#define ORDER_U(retired, counter) retired; counter
#endif

/* V, pairs with U; the counter is read, then what is retired */
#ifdef NO_V
#define ORDER_V(counter, retired) retired; counter
#else
#define ORDER_V(counter, retired) counter; retired
#endif
