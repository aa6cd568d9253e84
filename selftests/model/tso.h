/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a machine with store buffers (x86-TSO)
 *
 * Shared words live in memory[]. What a CPU stores waits in its own buffer, in
 * order, and reaches memory at any later time; the CPU itself sees its newest
 * store at once, the others only what has reached memory. So a load may
 * overtake an earlier store, and nothing else is out of order. A full barrier
 * waits for the buffer to be empty.
 *
 * A process of a model is a thread on a CPU of its own, and the kernel's code
 * that it calls runs there too. A model defines CPUS, WORDS and LOCKED (the
 * word of the channel's spinlock) before it includes this. What only the
 * kernel sees, and only under that lock, is a variable and no word.
 *
 * BUFFER is how many stores wait at most; a CPU with a full buffer stands
 * still. More finds nothing that fewer do not, or takes longer to: the bounded
 * set uses 3, some of the full one 5.
 */
#ifndef BUFFER
#define BUFFER 3
#endif

typedef store_buffer {
	byte length;
	byte word[BUFFER];
	byte value[BUFFER]
};

byte memory[WORDS];
store_buffer buffer[CPUS];

/* Scratch, of no meaning between two steps. */
hidden byte address;
hidden byte entry;

inline STORE(cpu, where, what)
{
	d_step {
		buffer[cpu].length < BUFFER ->
		buffer[cpu].word[buffer[cpu].length] = where;
		buffer[cpu].value[buffer[cpu].length] = what;
		buffer[cpu].length++
	}
}

inline LOAD(cpu, where, into)
{
	d_step {
		address = where;
		into = memory[address];
		entry = 0;
		do
		:: entry < buffer[cpu].length ->
			if
			:: buffer[cpu].word[entry] == address ->
				into = buffer[cpu].value[entry]
			:: else
			fi;
			entry++
		:: else -> break
		od
	}
}

#define BARRIER(cpu) (buffer[cpu].length == 0)

/* Taking a spinlock is a locked instruction, giving it back a plain store. */
inline LOCK(cpu)
{
	d_step {
		buffer[cpu].length == 0 && memory[LOCKED] == 0 ->
		memory[LOCKED] = 1
	}
}

#define UNLOCK(cpu) STORE(cpu, LOCKED, 0)

/* One for each CPU; they are the first processes, so their numbers are those. */
active [CPUS] proctype draining()
{
end:	do
	:: d_step {
		buffer[_pid].length > 0 ->
		memory[buffer[_pid].word[0]] = buffer[_pid].value[0];
		buffer[_pid].length--;
		entry = 0;
		do
		:: entry < buffer[_pid].length ->
			buffer[_pid].word[entry] = buffer[_pid].word[entry + 1];
			buffer[_pid].value[entry] = buffer[_pid].value[entry + 1];
			entry++
		:: else -> break
		od;
		buffer[_pid].word[entry] = 0;
		buffer[_pid].value[entry] = 0
	   }
	od
}
