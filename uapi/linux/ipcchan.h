/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ipcchan: zero-copy message channels through shared memory.
 *
 * DOC: the ioctl interface of /dev/ipcchan
 *
 * A file opened from /dev/ipcchan belongs to the network namespace of whoever
 * opened it. It can create, look up and delete channels, and it can become,
 * once, a port: an attachment to one channel. A port is used by the address
 * space that attached it and by no other.
 *
 * A handle is a file that refers to one channel and carries a mask of rights.
 * Who has it, by whatever way, may use it, from any namespace and without a
 * /dev: ATTACH, LOOKUP, DELETE and HANDLE on it, with an empty name, are about
 * its channel, and its rights are all that counts. Handles, and ports attached
 * by one, reach no channel by name. Documentation/handles.md tells more.
 *
 * Every argument is a struct that begins with its own size. A shorter struct
 * (of an older program) is filled up with zeros; a longer one (of a newer
 * program) is accepted when what the kernel does not know is zero, else E2BIG.
 * Unknown flags and reserved fields that are not zero get EINVAL.
 * What the interface has room for but the kernel cannot do yet gets EOPNOTSUPP;
 * what it can do is told by IPCCHAN_IOC_QUERY, and is not to be guessed from a
 * version.
 *
 * Every call that can refuse for more than one reason takes a buffer for a
 * text (@why, @why_len): on an error it receives one line, terminated by a NUL
 * and cut to the buffer, that says what was wrong. 0 means none is wanted.
 *
 * All calls: EFAULT for a bad pointer, ENOTTY for an unknown number, EOPNOTSUPP
 * for a 32-bit caller. The errors of one call stand at its struct; the whole
 * table is in Documentation/errors.md.
 */
#ifndef _UAPI_LINUX_IPCCHAN_H
#define _UAPI_LINUX_IPCCHAN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCCHAN_DEVICE		"/dev/ipcchan"

/* Bytes of a name or a label, with the NUL that ends it. */
#define IPCCHAN_NAME_SIZE	64
#define IPCCHAN_LABEL_SIZE	64

/* Limits of a geometry. */
#define IPCCHAN_MAX_DEPTH	65536u
#define IPCCHAN_MAX_SLOTS	64u
#define IPCCHAN_MAX_HOLDS	1024u
#define IPCCHAN_MIN_ARENA	64ull
#define IPCCHAN_MAX_ARENA	(1ull << 30)

/*
 * What a zero in a geometry stands for. max_message then is the arena, or what
 * the policy leaves of it; and an arena that max_message and policy need is
 * made larger than the default.
 */
#define IPCCHAN_DEFAULT_DEPTH	256u
#define IPCCHAN_DEFAULT_ARENA	(1ull << 20)
#define IPCCHAN_DEFAULT_SLOTS	16u
#define IPCCHAN_DEFAULT_HOLDS	16u

enum ipcchan_type {
	IPCCHAN_TYPE_TOPIC	= 1,
	IPCCHAN_TYPE_QUEUE	= 2,
	IPCCHAN_TYPE_SERVICE	= 3,
	IPCCHAN_TYPE_CONNECTION	= 4,	/* made by connecting to a service */
};

/* Connections that wait to be accepted. */
#define IPCCHAN_DEFAULT_BACKLOG	128u
#define IPCCHAN_MAX_BACKLOG	4096u

enum ipcchan_overflow {
	IPCCHAN_OVERFLOW_BLOCK		= 0,	/* the sender waits */
	IPCCHAN_OVERFLOW_DROP_OLDEST	= 1,	/* slow receivers lose messages */
};

/* Roles of a port, and rights of a user. */
#define IPCCHAN_SEND		(1u << 0)
#define IPCCHAN_RECEIVE		(1u << 1)
#define IPCCHAN_ADMIN		(1u << 2)	/* a right only */

/* In place of a slot: the port does not have that role. */
#define IPCCHAN_NO_SLOT		(~0u)

/* In place of a uid or gid: the caller's own. */
#define IPCCHAN_ID_SELF		(~0u)

/**
 * struct ipcchan_geometry - a channel's sizes, fixed when it is created
 * @depth:	descriptors in a sender's ring, a power of two
 * @senders:	most senders at a time, 1 to IPCCHAN_MAX_SLOTS
 * @receivers:	most receivers at a time, 1 to IPCCHAN_MAX_SLOTS
 * @holds:	most messages one receiver holds at a time
 * @arena:	bytes of payload memory of each sender; rounded up to whole
 *		pages, or to 64 bytes if it is less than a page
 * @max_message: bytes of the longest message, at most the arena
 *
 * A zero asks for the default. What is read back is what is in force.
 */
struct ipcchan_geometry {
	__u32	depth;
	__u32	senders;
	__u32	receivers;
	__u32	holds;
	__u64	arena;
	__u64	max_message;
};

/* The channel stays when its last port has detached. */
#define IPCCHAN_CREATE_PERSISTENT	(1u << 0)
/* It has no name, and is reached by handles only. */
#define IPCCHAN_CREATE_UNNAMED		(1u << 1)

/**
 * struct ipcchan_create - IPCCHAN_IOC_CREATE: make a channel
 * @size:	of this struct
 * @flags:	IPCCHAN_CREATE_*
 * @type:	enum ipcchan_type
 * @overflow:	enum ipcchan_overflow
 * @geometry:	sizes, 0 for a default
 * @mode:	rights as of a file: r (4) receives, w (2) sends; 0 to 0666
 * @uid:	owner, in the caller's user namespace, or IPCCHAN_ID_SELF
 * @gid:	group, likewise
 * @history:	messages of each sender kept for who comes late
 * @stall_ns:	overflow block: evict a receiver that stands still so long while
 *		a sender waits for it; 0 never, else 1 ms to an hour
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @handle:	in: 0; out, with IPCCHAN_CREATE_UNNAMED only: a handle with all
 *		rights, O_CLOEXEC
 * @name:	letters, digits and ._:/- ; 1 to 63 bytes and a NUL; empty with
 *		IPCCHAN_CREATE_UNNAMED
 * @label:	type of what is in the messages, for ATTACH to compare: up to 63
 *		printable ASCII characters and a NUL; empty: none
 * @lease_ns:	queue: a message claimed for longer is given to another; and who
 *		keeps one four times as long, when others are done with it, is
 *		evicted while its sender waits for room (IPCCHAN_REASON_STALLED);
 *		0 never, else 1 ms to a day
 * @max_deliveries: queue: a message that comes back so often is dead; 0: never
 * @reserved2:	0
 * @dead_letter: queue: name of a queue to which dead messages go; the caller
 *		must have the right to send to it, and is charged for a sender's
 *		slot there until either of the two goes. Empty: they are dropped
 *
 * A receiver that attaches first gets the last @history messages of each
 * sender. On a persistent channel they outlive their sender, until its slot is
 * needed for another. depth must be at least @history + 1. With overflow
 * drop-oldest the arena must be at least (2H + 1) x max_message, this rounded
 * up to 64 bytes, H = receivers x holds + @history; with block, H = @history.
 *
 * An ephemeral channel goes when its last port has detached and its last handle
 * is closed or revoked, and not before it had a first of either. The rights to an
 * unnamed one are those of its handles; @mode counts for nothing there, and the
 * owner administers it by its number, through netlink. Names beginning with
 * u<uid>/ are for that user to create, names beginning with sys/ for
 * CAP_NET_ADMIN.
 *
 * A queue has overflow block, no history and no stall; a topic no lease, no
 * max_deliveries and no dead_letter.
 *
 * EINVAL a field is wrong; EEXIST the name is taken; EPERM the name, the owner
 * or the group is not the caller's to give; EACCES the file was made by the
 * module; EDQUOT a limit on channels; EMFILE, ENFILE no file for the handle; of
 * the dead_letter: ENOENT, EACCES, EPROTOTYPE it is no queue, EUSERS, EOVERFLOW
 * and EDQUOT as for attach; EOPNOTSUPP; ENOMEM.
 */
struct ipcchan_create {
	__u32	size;
	__u32	flags;
	__u32	type;
	__u32	overflow;
	struct ipcchan_geometry geometry;
	__u32	mode;
	__u32	uid;
	__u32	gid;
	__u32	history;
	__u64	stall_ns;
	__u64	why;
	__u32	why_len;
	__s32	handle;
	char	name[IPCCHAN_NAME_SIZE];
	char	label[IPCCHAN_LABEL_SIZE];
	__u64	lease_ns;
	__u32	max_deliveries;
	__u32	reserved2;
	char	dead_letter[IPCCHAN_NAME_SIZE];
};

/**
 * struct ipcchan_lookup - IPCCHAN_IOC_LOOKUP: what a channel is
 * @size:	of this struct
 * @flags:	in: 0; out: IPCCHAN_CREATE_*
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @rights:	out: what the caller may do, IPCCHAN_SEND | RECEIVE | ADMIN; a
 *		handle's, on a handle
 * @name:	in: which; empty on a handle
 * @type:	out
 * @overflow:	out
 * @geometry:	out
 * @mode:	out
 * @uid:	out, in the caller's user namespace
 * @gid:	out, likewise
 * @senders:	out: how many are attached now
 * @receivers:	out: likewise
 * @history:	out
 * @stall_ns:	out
 * @label:	out
 * @lease_ns:	out
 * @max_deliveries: out
 * @reserved:	out: 0
 * @dead_letter: out: as it was named
 *
 * ENOENT no such channel; EACCES the caller has no right to it, or a file made
 * by the module is given a name; EKEYREVOKED, ESHUTDOWN as for ATTACH; EINVAL.
 */
struct ipcchan_lookup {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	rights;
	char	name[IPCCHAN_NAME_SIZE];
	__u32	type;
	__u32	overflow;
	struct ipcchan_geometry geometry;
	__u32	mode;
	__u32	uid;
	__u32	gid;
	__u32	senders;
	__u32	receivers;
	__u32	history;
	__u64	stall_ns;
	char	label[IPCCHAN_LABEL_SIZE];
	__u64	lease_ns;
	__u32	max_deliveries;
	__u32	reserved;
	char	dead_letter[IPCCHAN_NAME_SIZE];
};

/**
 * struct ipcchan_delete - IPCCHAN_IOC_DELETE: remove a channel
 * @size:	of this struct
 * @flags:	0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @reserved:	0
 * @name:	which; empty on a handle
 *
 * Its ports are told (ESHUTDOWN, EPOLLERR) and keep only their own pages.
 *
 * ENOENT; EPERM neither owner nor CAP_NET_ADMIN, or the handle does not carry
 * IPCCHAN_ADMIN; EACCES, EKEYREVOKED, ESHUTDOWN as for LOOKUP; EINVAL.
 */
struct ipcchan_delete {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	reserved;
	char	name[IPCCHAN_NAME_SIZE];
};

/* Attach only if the channel's owner is @owner. */
#define IPCCHAN_ATTACH_OWNER	(1u << 0)
/* Wait, until @deadline_ns, for the channel, and for who listens at a service. */
#define IPCCHAN_ATTACH_WAIT	(1u << 1)

/**
 * struct ipcchan_attach - IPCCHAN_IOC_ATTACH: make this file a port, or a port of
 * this handle's channel
 * @size:	of this struct
 * @flags:	IPCCHAN_ATTACH_*
 * @role:	IPCCHAN_SEND, IPCCHAN_RECEIVE or both
 * @owner:	uid the channel must belong to (IPCCHAN_ATTACH_OWNER), else 0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @wake_count:	wake this receiver when so many messages wait, of all senders
 *		together; 1: any message; 0: any, or only @wake_delay_ns; at most
 *		the depth
 * @wake_delay_ns: or so long after the first came, up to an hour; 0: never
 * @name:	which channel; empty on a handle
 * @label:	the channel must carry this label; empty: any
 * @geometry:	out
 * @type:	out
 * @overflow:	out
 * @port_id:	out: this port's number in its channel
 * @sender_slot: out, or IPCCHAN_NO_SLOT
 * @receiver_slot: out, or IPCCHAN_NO_SLOT
 * @history:	out
 * @own_offset:	out: offset to give mmap() for the port's own region
 * @own_size:	out: its bytes; it is mapped whole, once
 * @window_offset: out: offset to give mmap() for the window on the others
 * @window_size: out: its bytes; it is mapped whole, once, read-only
 * @fd:		out: on a handle: a new file, O_CLOEXEC, which is the port; the handle
 *		stays as it is. -1: this file has become the port
 * @reserved:	0
 * @backlog:	service, to receive: most connections that wait to be accepted, up to
 *		IPCCHAN_MAX_BACKLOG; 0: IPCCHAN_DEFAULT_BACKLOG
 * @max_per_user: service, to receive: most connections of one user; 0: any number
 * @deadline_ns: IPCCHAN_ATTACH_WAIT: CLOCK_MONOTONIC
 *
 * At a service, to receive is to listen: ACCEPT takes connections; @backlog and
 * @max_per_user hold for the service from when the own region is mapped. To send is
 * to connect: the port is the client's of a new connection (@type
 * IPCCHAN_TYPE_CONNECTION), with both roles. It
 * waits to be accepted from when its own region is mapped, for which mmap() gets
 * ECONNREFUSED if nobody listens any more, EAGAIN if the backlog is full by then. The
 * roster tells when the server has come. Documentation/service.md tells more.
 *
 * The port is the caller's in all respects (identity, memory, limits), also when
 * it has the handle from somebody else.
 *
 * The memory of the port is allocated here and charged to the caller. The port
 * takes part (is on the roster, gets messages) from the moment its own region
 * is mapped, and detaches when that is unmapped, when the address space ends
 * (exit, exec) or when the file is released. Until it takes part its window shows
 * the roster only. A process that ends without having mapped it gives the port
 * up when the next one attaches, if others still hold the file. The layout of both mappings is in
 * <linux/ipcchan_ring.h>.
 *
 * Thresholds (@wake_count, @wake_delay_ns; not on a queue) say when WAIT and poll() find that
 * there is something to receive; messages may be taken before. A sender that
 * waits for room, or the last that leaves, ends the waiting too.
 *
 * The file must be open for reading and writing (EBADF).
 *
 * ENOENT; EACCES no right to a role, or another owner, or a file made by the
 * module is given a name; EPROTOTYPE another label; EINVAL; EKEYREVOKED the
 * handle, or one it came from, was revoked; ESHUTDOWN the handle's channel was
 * deleted; EMFILE, ENFILE no file for a handle's port; EISCONN the
 * file is a port already; EUSERS all slots of the role are taken; EOVERFLOW
 * the free slots have used up their sequence numbers; EDQUOT a limit on ports
 * or bytes, or the listener's on connections; to connect: ECONNREFUSED nobody listens,
 * or the connection was deleted, or its port evicted, before the call was over, EAGAIN
 * the backlog is full; ETIMEDOUT with ATTACH_WAIT; ENOMEM; EINTR killed while
 * memory was taken, or a signal with ATTACH_WAIT; EOPNOTSUPP.
 */
struct ipcchan_attach {
	__u32	size;
	__u32	flags;
	__u32	role;
	__u32	owner;
	__u64	why;
	__u32	why_len;
	__u32	wake_count;
	__u64	wake_delay_ns;
	char	name[IPCCHAN_NAME_SIZE];
	char	label[IPCCHAN_LABEL_SIZE];
	struct ipcchan_geometry geometry;
	__u32	type;
	__u32	overflow;
	__u32	port_id;
	__u32	sender_slot;
	__u32	receiver_slot;
	__u32	history;
	__u64	own_offset;
	__u64	own_size;
	__u64	window_offset;
	__u64	window_size;
	__s32	fd;
	__u32	reserved;
	__u32	backlog;
	__u32	max_per_user;
	__u64	deadline_ns;
};

/**
 * struct ipcchan_accept - IPCCHAN_IOC_ACCEPT: take a connection
 * @size:	of this struct
 * @flags:	0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @fd:		out: a new file, O_CLOEXEC, which is the server's port
 * @deadline_ns: CLOCK_MONOTONIC: how long to wait for one; 0: not
 * @geometry:	out: what follows is as for ATTACH
 * @type:	out: IPCCHAN_TYPE_CONNECTION
 * @port_id:	out
 * @sender_slot: out
 * @receiver_slot: out
 * @own_offset:	out
 * @own_size:	out
 * @window_offset: out
 * @window_size: out
 * @pid:	out: client: as PEER tells of it
 * @uid:	out
 * @gid:	out
 * @reserved:	0
 * @attached_ns: out: when it connected
 *
 * On a listener; of the connections that wait, the one that has waited longest. The
 * port's memory is charged to the caller. The client is told when the own region of it
 * is mapped; if it ends before that, so does the client's port (refused).
 *
 * ETIMEDOUT; EINVAL, and: the file is no listener, or its own region is not mapped yet;
 * ENOTCONN, EBUSY, ESHUTDOWN as for kick; EINTR as for wait; EMFILE, ENFILE, ENOMEM,
 * EDQUOT: the connection goes on to wait.
 */
struct ipcchan_accept {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__s32	fd;
	__u64	deadline_ns;
	struct ipcchan_geometry geometry;
	__u32	type;
	__u32	port_id;
	__u32	sender_slot;
	__u32	receiver_slot;
	__u64	own_offset;
	__u64	own_size;
	__u64	window_offset;
	__u64	window_size;
	__u32	pid;
	__u32	uid;
	__u32	gid;
	__u32	reserved;
	__u64	attached_ns;
};

/**
 * struct ipcchan_handle - IPCCHAN_IOC_HANDLE: make a handle
 * @size:	of this struct
 * @flags:	0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @rights:	what it carries: IPCCHAN_SEND | RECEIVE | ADMIN, at least one, of
 *		those the caller has to the channel now, or the handle carries
 * @name:	of which channel; empty on a handle: of the same, narrower or as
 *		wide, and below it
 * @fd:		out: the handle, O_CLOEXEC
 * @reserved:	0
 *
 * A handle has only calls: to map it, to poll it, and calls for ports get
 * ENOTCONN (EPOLLERR).
 *
 * ENOENT; EACCES a right the caller, or the handle, does not have, or a file made
 * by the module is given a name; EINVAL; EKEYREVOKED, ESHUTDOWN as for ATTACH;
 * EMFILE, ENFILE, ENOMEM.
 */
struct ipcchan_handle {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	rights;
	char	name[IPCCHAN_NAME_SIZE];
	__s32	fd;
	__u32	reserved;
};

/**
 * struct ipcchan_revoke - IPCCHAN_IOC_REVOKE: end the use of a handle
 * @size:	of this struct
 * @flags:	0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @reserved:	0
 *
 * This handle and all that were made from it, and from those, whoever has the
 * files: every call on them but QUERY and REVOKE gets EKEYREVOKED, and they no
 * longer keep the channel. When REVOKE has returned no port is attached and no
 * handle made by them any more, even by a call that had begun before. Ports that
 * were attached stay attached. To revoke again does nothing.
 *
 * EINVAL; also: the file is no handle.
 */
struct ipcchan_revoke {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	reserved;
};

/**
 * struct ipcchan_kick - IPCCHAN_IOC_KICK: wake who sleeps and has something to do
 * @size:	of this struct
 * @flags:	0
 * @receivers:	slots to wake, a bit each, because of what this sender published
 * @senders:	slots to wake, a bit each, because of what this receiver passed
 *		or released, or has read to the end
 *
 * A slot that does not sleep, or for which nothing it awaits has changed, is
 * left alone. Naming a sender that has left makes the kernel look whether its
 * outbox is still needed, which may take a moment.
 *
 * ENOTCONN not a port; EBUSY the port belongs to another address space;
 * ESHUTDOWN it was evicted, or its channel deleted; EINVAL @receivers without
 * the role of a sender, @senders without that of a receiver, or a bit beyond
 * the geometry.
 */
struct ipcchan_kick {
	__u32	size;
	__u32	flags;
	__u64	receivers;
	__u64	senders;
};

/* What to wait for, and what came. */
/* A message, of a queue if the port has a claim left for it; or no sender left. */
#define IPCCHAN_WAIT_RECEIVE	(1u << 0)
#define IPCCHAN_WAIT_SEND	(1u << 1)	/* receipts or receivers changed */
#define IPCCHAN_WAIT_ROSTER	(1u << 2)	/* somebody came or went */
#define IPCCHAN_WAIT_HANGUP	(1u << 3)	/* out: the last peer has left */
#define IPCCHAN_WAIT_ARM	(1u << 4)	/* do not sleep: a signal will tell */

/* In place of a time: without end. */
#define IPCCHAN_WAIT_FOREVER	(~0ull)

/**
 * struct ipcchan_wait - IPCCHAN_IOC_WAIT: sleep until there is something to do
 * @size:	of this struct
 * @flags:	IPCCHAN_WAIT_RECEIVE | _SEND | _ROSTER, at least one; or ARM with
 *		RECEIVE, SEND or both
 * @deadline_ns: CLOCK_MONOTONIC; 0 looks and does not sleep
 * @sender_generation: WAIT_ROSTER: the roster's, as the caller last saw it
 * @receiver_generation: WAIT_ROSTER, WAIT_SEND: likewise
 * @await:	WAIT_SEND: a sequence all receivers must have passed first, or 0
 * @progress:	WAIT_SEND: address of a __u64 for each receiver's slot: the sum
 *		ipcchan_progress() of its receipts for this sender, as read
 *		before the caller looked for room and found none. On a queue one: its
 *		slot's @retired, likewise
 * @nr_progress: WAIT_SEND: how many; the geometry's receivers, or 1 on a queue
 * @events:	out: IPCCHAN_WAIT_* that came
 *
 * IPCCHAN_WAIT_ARM, with @deadline_ns 0: if nothing has come it is no error,
 * @events is 0, and the port stands armed. When something comes it is armed no
 * more, and if O_ASYNC is set on the file, its owner (F_SETOWN) gets one signal
 * (F_SETSIG) with POLL_IN or POLL_OUT. POLL_HUP when the last peer leaves and
 * POLL_ERR when the port is evicted or its channel deleted come armed or not,
 * and alone. O_ASYNC is refused as the other calls on a port are.
 *
 * For many ports at once there is poll().
 *
 * On a queue @await is the sequence of which the place lacks, or 0; and there
 * is something to receive when there is something to claim.
 *
 * What a WAIT_SEND carried is kept: poll() reports EPOLLOUT when receipts or
 * receivers differ from it (and at once where there was none).
 *
 * May be interrupted by a signal; then it is restarted, or EINTR, as for
 * read(). The deadline being absolute, a restart does not lengthen it.
 *
 * Any number of threads may wait on a port, but only one at a time for
 * WAIT_SEND (EBUSY).
 *
 * ETIMEDOUT; ENOTCONN, EBUSY, ESHUTDOWN as for kick; EINVAL a role the port
 * does not have, or the own region is not mapped yet; ARM with ROSTER or with
 * a deadline.
 */
struct ipcchan_wait {
	__u32	size;
	__u32	flags;
	__u64	deadline_ns;
	__u64	sender_generation;
	__u64	receiver_generation;
	__u64	await;
	__u64	progress;
	__u32	nr_progress;
	__u32	events;
};

/* At most so many verdicts, and so many claims, in a call. */
#define IPCCHAN_CLAIM_MOST	64u

enum ipcchan_verdict_kind {
	IPCCHAN_ACKNOWLEDGE	= 0,	/* it is done */
	IPCCHAN_REFUSE		= 1,	/* to another, or to the same again */
	IPCCHAN_DISCARD		= 2,	/* it makes no sense: dropped, and counted */
};

/**
 * struct ipcchan_verdict - what has become of a message that was claimed
 * @sequence:	of the message
 * @delay_ns:	REFUSE: not to be claimed before so long, up to a day
 * @kind:	enum ipcchan_verdict_kind
 * @result:	0; out, if the message is not the caller's (any more): -ESTALE its
 *		lease is over, or its sender was evicted; -ENOENT it never was, or has
 *		been given back
 * @deliveries:	as the claim said: with a lease a port may have the same message
 *		twice, and only one of them is current. 0: whichever it has
 * @reserved:	0
 */
struct ipcchan_verdict {
	__u64	sequence;
	__u64	delay_ns;
	__u32	kind;
	__s32	result;
	__u32	deliveries;
	__u32	reserved;
};

/* It was claimed before. */
#define IPCCHAN_CLAIM_REDELIVERED	(1u << 0)

/**
 * struct ipcchan_claimed - a message that is the caller's until it says more of it
 * @sequence:	which
 * @slot:	of its sender
 * @deliveries:	how often it has been claimed, with this time
 * @flags:	IPCCHAN_CLAIM_REDELIVERED
 * @reserved:	0
 */
struct ipcchan_claimed {
	__u64	sequence;
	__u32	slot;
	__u32	deliveries;
	__u32	flags;
	__u32	reserved;
};

/**
 * struct ipcchan_claim - IPCCHAN_IOC_CLAIM: take messages of a queue, and say what
 * has become of others
 * @size:	of this struct
 * @flags:	0
 * @deadline_ns: CLOCK_MONOTONIC: how long to wait for a first message; 0: not
 * @verdicts:	address of @nr_verdicts struct ipcchan_verdict
 * @claims:	address of room for @nr_claims struct ipcchan_claimed
 * @nr_verdicts: at most IPCCHAN_CLAIM_MOST
 * @nr_claims:	at most so many are claimed; likewise
 * @nr_claimed:	out: how many were
 * @nr_failed:	out: how many verdicts have a @result
 *
 * The verdicts come first. They count whatever becomes of the claims, but if
 * none was looked at: EFAULT from reading them, EINVAL, EBUSY, ENOTCONN,
 * ESHUTDOWN. With EFAULT from writing, what was claimed goes back as it was.
 *
 * One thread at a time (EBUSY). EINVAL a field is wrong, a kind, a delay, a
 * @result that is not 0, the port does not receive, or the own region is not
 * mapped yet; EOPNOTSUPP the channel is no queue; and if messages were asked
 * for and none is there: ENOBUFS the port has as many claims as the geometry
 * has holds; ETIMEDOUT; EPIPE the last sender has left, in this port's time, and
 * nothing is left to claim, now or later; EINTR (without verdicts it is restarted, as read() is).
 */
struct ipcchan_claim {
	__u32	size;
	__u32	flags;
	__u64	deadline_ns;
	__u64	verdicts;
	__u64	claims;
	__u32	nr_verdicts;
	__u32	nr_claims;
	__u32	nr_claimed;
	__u32	nr_failed;
};

/* Why a port is gone. */
enum ipcchan_reason {
	IPCCHAN_REASON_NONE	= 0,	/* it is not */
	IPCCHAN_REASON_CLOSED	= 1,	/* by its own process, or with it */
	IPCCHAN_REASON_EVICTED	= 2,	/* by the owner or CAP_NET_ADMIN */
	IPCCHAN_REASON_STALLED	= 3,	/* it stood still while a sender waited */
	IPCCHAN_REASON_DELETED	= 4,	/* with its channel */
	IPCCHAN_REASON_REFUSED	= 5,	/* a connection that nobody accepted */
};

/**
 * struct ipcchan_peer - IPCCHAN_IOC_PEER: who is behind a slot
 * @size:	of this struct
 * @flags:	0
 * @role:	IPCCHAN_SEND or IPCCHAN_RECEIVE: whose slot; 0: this port itself,
 *		also when it is gone
 * @slot:	which; 0 with @role 0
 * @port_id:	out: number of the port in its channel
 * @roles:	out: IPCCHAN_SEND | IPCCHAN_RECEIVE
 * @pid:	out: process that attached; 0 if the caller cannot see it
 * @uid:	out: its effective user, in the caller's user namespace
 * @gid:	out: its effective group, likewise
 * @reason:	out: @role 0: enum ipcchan_reason
 * @attached_ns: out: when, CLOCK_MONOTONIC
 *
 * Stamped by the kernel at attach, translated for whoever asks; ids with no
 * meaning in the caller's namespace are the overflow ids. A sender that has
 * left with messages still unread can still be asked for.
 *
 * ENOTCONN, EBUSY, ESHUTDOWN as for kick; ENOENT nobody is there; EINVAL.
 */
struct ipcchan_peer {
	__u32	size;
	__u32	flags;
	__u32	role;
	__u32	slot;
	__u32	port_id;
	__u32	roles;
	__u32	pid;
	__u32	uid;
	__u32	gid;
	__u32	reason;
	__u64	attached_ns;
};

/* Most files on one message. */
#define IPCCHAN_MAX_FILES	16u

/* FILES_PUT: give up what was put for @sequence and after, and is not published. */
#define IPCCHAN_FILES_DROP	(1u << 0)

/**
 * struct ipcchan_files_put - IPCCHAN_IOC_FILES_PUT: files for a message to come
 * @size:	of this struct
 * @flags:	IPCCHAN_FILES_*
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @nr:		how many, 1 to IPCCHAN_MAX_FILES; IPCCHAN_FILES_DROP: 0
 * @sequence:	the message's: one of the next depth after the outbox's head, and
 *		not published yet
 * @fds:	address of an __s32 for each; IPCCHAN_FILES_DROP: 0
 *
 * The kernel takes references of its own. The message is published as any, its
 * descriptor's @files being @nr. What may be sent: Documentation/files.md.
 *
 * ENOTCONN, EBUSY, ESHUTDOWN as for kick; EINVAL the port does not send, its own
 * region is not mapped, or the sequence is none of those; EEXIST the message has files;
 * EBADF a descriptor is not open; ELOOP a file that may not be sent; ETOOMANYREFS
 * the user has more in messages than RLIMIT_NOFILE; EDQUOT a limit on files, or too
 * many that were let go are still to be closed; ENOMEM.
 */
struct ipcchan_files_put {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	nr;
	__u64	sequence;
	__u64	fds;
};

/**
 * struct ipcchan_files_take - IPCCHAN_IOC_FILES_TAKE: copies of a message's files
 * @size:	of this struct
 * @flags:	0
 * @why:	buffer for the reason of a refusal
 * @why_len:	its bytes
 * @slot:	its sender's
 * @sequence:	the message's
 * @fds:	address of an __s32 for each: new descriptors, O_CLOEXEC
 * @nr:		in: room there; out: how many there are
 * @reserved:	0
 *
 * All or none. They can be taken again while the message is not retired. On a
 * queue by the receiver that has claimed it, as long as it has.
 *
 * ENOTCONN, EBUSY, ESHUTDOWN as for kick; EINVAL the port does not receive, its own
 * region is not mapped, or there is no such slot; ENOENT no message of that
 * sequence has files for this receiver, or it has not claimed it; ESTALE it had,
 * but the lease is over, or the sender was evicted; EMSGSIZE more than there is room for;
 * EMFILE; what the security module says.
 */
struct ipcchan_files_take {
	__u32	size;
	__u32	flags;
	__u64	why;
	__u32	why_len;
	__u32	slot;
	__u64	sequence;
	__u64	fds;
	__u32	nr;
	__u32	reserved;
};

/**
 * struct ipcchan_files_done - IPCCHAN_IOC_FILES_DONE: some may be needed no more
 * @size:	of this struct
 * @flags:	0
 * @slot:	of a sender
 * @reserved:	0
 *
 * The kernel looks at the messages of that sender that have files: those that
 * are retired, or that all have passed and none holds, lose them. For receivers
 * that have stored their cursor, or given back a hold; and for the sender, of its
 * own slot, that has retired some. On a queue it finds nothing: there the kernel
 * closes files as it retires messages.
 *
 * ENOTCONN, EBUSY, ESHUTDOWN as for kick; EINVAL no such slot, or not the caller's.
 */
struct ipcchan_files_done {
	__u32	size;
	__u32	flags;
	__u32	slot;
	__u32	reserved;
};

/* Bits of struct ipcchan_query's features. */
#define IPCCHAN_FEATURE_TOPIC		(1ull << 0)
#define IPCCHAN_FEATURE_DROP_OLDEST	(1ull << 1)
#define IPCCHAN_FEATURE_HISTORY		(1ull << 2)
#define IPCCHAN_FEATURE_STALL		(1ull << 3)
#define IPCCHAN_FEATURE_LABEL		(1ull << 4)
#define IPCCHAN_FEATURE_THRESHOLD	(1ull << 5)
#define IPCCHAN_FEATURE_HANDLE		(1ull << 6)	/* and unnamed channels */
#define IPCCHAN_FEATURE_QUEUE		(1ull << 7)
#define IPCCHAN_FEATURE_SERVICE		(1ull << 8)
#define IPCCHAN_FEATURE_FILES		(1ull << 9)
#define IPCCHAN_FEATURE_SIGNAL		(1ull << 10)

/**
 * struct ipcchan_query - IPCCHAN_IOC_QUERY: what this module can do
 * @size:	of this struct; out: of the kernel's
 * @flags:	0
 * @features:	out: IPCCHAN_FEATURE_*
 * @create_flags: out: flags CREATE knows
 * @attach_flags: out: flags ATTACH knows
 * @wait_flags:	out: flags WAIT knows
 * @page_size:	out: what regions are rounded up to
 */
struct ipcchan_query {
	__u32	size;
	__u32	flags;
	__u64	features;
	__u32	create_flags;
	__u32	attach_flags;
	__u32	wait_flags;
	__u32	page_size;
};

#define IPCCHAN_IOC_MAGIC	0xBC

#define IPCCHAN_IOC_QUERY	_IO(IPCCHAN_IOC_MAGIC, 0x80)
#define IPCCHAN_IOC_CREATE	_IO(IPCCHAN_IOC_MAGIC, 0x81)
#define IPCCHAN_IOC_LOOKUP	_IO(IPCCHAN_IOC_MAGIC, 0x82)
#define IPCCHAN_IOC_DELETE	_IO(IPCCHAN_IOC_MAGIC, 0x83)
#define IPCCHAN_IOC_ATTACH	_IO(IPCCHAN_IOC_MAGIC, 0x84)
#define IPCCHAN_IOC_KICK	_IO(IPCCHAN_IOC_MAGIC, 0x85)
#define IPCCHAN_IOC_WAIT	_IO(IPCCHAN_IOC_MAGIC, 0x86)
#define IPCCHAN_IOC_PEER	_IO(IPCCHAN_IOC_MAGIC, 0x87)
#define IPCCHAN_IOC_HANDLE	_IO(IPCCHAN_IOC_MAGIC, 0x88)
#define IPCCHAN_IOC_REVOKE	_IO(IPCCHAN_IOC_MAGIC, 0x89)
#define IPCCHAN_IOC_CLAIM	_IO(IPCCHAN_IOC_MAGIC, 0x8a)
#define IPCCHAN_IOC_ACCEPT	_IO(IPCCHAN_IOC_MAGIC, 0x8b)
#define IPCCHAN_IOC_FILES_PUT	_IO(IPCCHAN_IOC_MAGIC, 0x8c)
#define IPCCHAN_IOC_FILES_TAKE	_IO(IPCCHAN_IOC_MAGIC, 0x8d)
#define IPCCHAN_IOC_FILES_DONE	_IO(IPCCHAN_IOC_MAGIC, 0x8e)

#endif /* _UAPI_LINUX_IPCCHAN_H */
