/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * libipcchan: zero-copy message channels.
 *
 * DOC: rules for all calls
 *
 * Calls that can fail return a negative errno; ipcchan_strerror() has a text
 * for each. Where a call takes a struct ipcchan_error, it receives the whole
 * story (the kernel's own words, if it was the kernel that refused).
 *
 * There is no global state. A port is used by one thread at a time, except for
 * one sending and one receiving thread on a port with both roles; different
 * ports are independent. ipcchan_port_peer(), ipcchan_port_fd() and
 * ipcchan_port_get_stats() may be called from any thread.
 *
 * A port belongs to the process that opened it. After fork() the child gets
 * -EBUSY from every call, and ipcchan_port_close() in the child frees only what
 * the child inherited. exec() detaches.
 *
 * A peer can write what it likes into its own pages at any time: what is read
 * from there is checked. Payload read in place (ipcchan_receive) can change
 * under the reader if its sender is hostile; ipcchan_recv() copies first.
 */
#ifndef IPCCHAN_H
#define IPCCHAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IPCCHAN_API __attribute__((visibility("default")))

struct ipcchan_port;

/* Roles (the values of <linux/ipcchan.h>). */
#define IPCCHAN_ROLE_SEND	1u
#define IPCCHAN_ROLE_RECEIVE	2u
/* A right only, for handles: to delete the channel. */
#define IPCCHAN_RIGHT_ADMIN	4u

/* Time-outs are in nanoseconds from now. */
#define IPCCHAN_NO_WAIT		INT64_C(0)
#define IPCCHAN_WAIT_FOREVER_NS	INT64_C(-1)

#define IPCCHAN_SAME		UINT32_MAX	/* uid or gid: the caller's own */

/** struct ipcchan_error - why a call failed, one line, ends with a NUL */
struct ipcchan_error {
	char text[256];
};

/**
 * struct ipcchan_options - for ipcchan_open() and ipcchan_create()
 * @size:	sizeof(struct ipcchan_options)
 * @flags:	IPCCHAN_OPEN_*
 * @depth:	messages in a sender's ring, a power of two
 * @senders:	most senders at a time
 * @receivers:	most receivers at a time
 * @holds:	most messages a receiver holds at a time
 * @arena:	bytes of payload memory of each sender
 * @max_message: bytes of the longest message
 * @mode:	rights: r (4) receives, w (2) sends
 * @uid:	owner, or IPCCHAN_SAME
 * @gid:	group, or IPCCHAN_SAME
 * @owner:	IPCCHAN_OPEN_OWNER: who must own a channel to attach to it
 * @overflow:	created: IPCCHAN_BLOCK or IPCCHAN_DROP_OLDEST
 * @history:	created: so many messages of each sender are kept for who comes late
 * @wake_count:	this receiver: sleep until so many messages wait (of all senders), ...
 * @wake_delay_ns: ... or so long after the first of them; 0: only the count
 * @stall_ns:	created, IPCCHAN_BLOCK: evict a receiver that stands still so long
 *		while a sender waits for it; 0: never
 * @spin_ns:	poll at most so long before sleeping
 * @backlog:	ipcchan_listen(): most connections that wait to be accepted, up to 4096; 128
 *		if 0
 * @max_per_user: ipcchan_listen(): most connections of one user; 0: any number
 * @max_calls:	ipcchan_connect(), ipcchan_listen(): most calls in flight on a port
 * @label:	created: what is in the messages, up to 63 printable characters;
 *		attached: the channel must carry the same. NULL or "": none, any
 * @type:	created: IPCCHAN_TOPIC (0 too), IPCCHAN_QUEUE, IPCCHAN_SERVICE; opened: the channel
 *		must be that (-EPROTOTYPE), 0: any
 * @max_deliveries: created, a queue: what comes back so often is dead; 0: never
 * @lease_ns:	created, a queue: what is claimed for longer is given to another; 0: never
 * @dead_letter: created, a queue: the queue to which what is dead goes; NULL or "": it is
 *		dropped
 *
 * Zeros in the geometry ask for the kernel's defaults. Fill it with
 * ipcchan_options_init(), then change what differs.
 *
 * IPCCHAN_DROP_OLDEST asks for an arena of (2H + 1) messages of max_message, rounded
 * up to 64, H = receivers x holds + history: then a sender never waits.
 */
struct ipcchan_options {
	size_t size;
	uint32_t flags;
	uint32_t depth;
	uint32_t senders;
	uint32_t receivers;
	uint32_t holds;
	uint32_t mode;
	uint64_t arena;
	uint64_t max_message;
	uint32_t uid;
	uint32_t gid;
	uint32_t owner;
	uint32_t overflow;
	uint32_t history;
	uint32_t wake_count;
	uint64_t wake_delay_ns;
	uint64_t stall_ns;
	uint64_t spin_ns;
	const char *label;
	uint32_t type;
	uint32_t max_deliveries;
	uint64_t lease_ns;
	const char *dead_letter;
	uint32_t backlog;
	uint32_t max_per_user;
	uint32_t max_calls;
};

/* Who gets a message. */
#define IPCCHAN_TOPIC		1u	/* every receiver */
#define IPCCHAN_QUEUE		2u	/* one of them, who acknowledges it */
#define IPCCHAN_SERVICE		3u	/* the other end of a connection */

/* What happens when a receiver is slow. */
#define IPCCHAN_BLOCK		0u	/* the sender waits: nothing is lost */
#define IPCCHAN_DROP_OLDEST	1u	/* the receiver loses messages, and is told how many */

#define IPCCHAN_OPEN_CREATE	(1u << 0)	/* create it if it is missing */
#define IPCCHAN_OPEN_PERSISTENT	(1u << 1)	/* created: stays without ports */
#define IPCCHAN_OPEN_OWNER	(1u << 2)	/* attach only to @owner's channel */
#define IPCCHAN_OPEN_TIMESTAMPS	(1u << 3)	/* stamp messages on commit */
#define IPCCHAN_OPEN_NEED_PEER	(1u << 4)	/* send: -EPIPE when the last receiver has left */
#define IPCCHAN_OPEN_SPIN_FIXED	(1u << 5)	/* spin all of spin_ns, learn nothing */
#define IPCCHAN_OPEN_WAIT	(1u << 8)	/* ipcchan_connect(): for what lacks */

/** ipcchan_options_init() - mode 0600, own uid and gid, defaults elsewhere */
IPCCHAN_API void ipcchan_options_init(struct ipcchan_options *options);

/** struct ipcchan_info - what a channel is: ipcchan_lookup(), ipcchan_port_info() */
struct ipcchan_info {
	size_t size;		/* sizeof(struct ipcchan_info), by the caller */
	uint32_t depth;
	uint32_t senders;	/* most */
	uint32_t receivers;	/* most */
	uint32_t holds;
	uint64_t arena;
	uint64_t max_message;
	uint32_t port_id;	/* of this port; 0 from ipcchan_lookup() */
	uint32_t roles;		/* of this port; rights, from ipcchan_lookup() */
	uint32_t mode;		/* 0 from ipcchan_port_info() */
	uint32_t uid;		/* likewise */
	uint32_t gid;		/* likewise */
	uint32_t flags;		/* IPCCHAN_OPEN_PERSISTENT, from ipcchan_lookup() */
	uint32_t overflow;	/* IPCCHAN_BLOCK, IPCCHAN_DROP_OLDEST */
	uint32_t history;
	uint64_t stall_ns;	/* 0 from ipcchan_port_info() */
	char label[64];		/* "" from ipcchan_port_info() */
	uint32_t type;		/* IPCCHAN_TOPIC, _QUEUE, _SERVICE (a connection too) */
	uint32_t max_deliveries; /* 0 from ipcchan_port_info(), as what follows */
	uint64_t lease_ns;
	char dead_letter[64];
};

/* Channels. -ENODEV: the module is not loaded. @error may be NULL. */
IPCCHAN_API int ipcchan_create(const char *name, const struct ipcchan_options *options,
			       struct ipcchan_error *error);
IPCCHAN_API int ipcchan_delete(const char *name, struct ipcchan_error *error);
IPCCHAN_API int ipcchan_lookup(const char *name, struct ipcchan_info *info,
			       struct ipcchan_error *error);

/**
 * ipcchan_open() - attach to a channel by name
 * @port:	out
 * @name:	of the channel
 * @roles:	IPCCHAN_ROLE_SEND, IPCCHAN_ROLE_RECEIVE or both
 * @options:	or NULL for the defaults
 * @error:	or NULL
 *
 * -EPROTOTYPE a service: see ipcchan_listen(), ipcchan_connect(); or another type or label
 */
IPCCHAN_API int ipcchan_open(struct ipcchan_port **port, const char *name, uint32_t roles,
			     const struct ipcchan_options *options,
			     struct ipcchan_error *error);

/*
 * Handles. A handle is a descriptor of a file that refers to one channel and carries
 * rights: IPCCHAN_ROLE_SEND, IPCCHAN_ROLE_RECEIVE, IPCCHAN_RIGHT_ADMIN. Whoever has it,
 * over an AF_UNIX socket or by fork(), may use it, in whatever namespaces, without
 * /dev/ipcchan and without a right to the channel's name. It is closed with close(2),
 * and by exec(). All these calls may be made by any thread.
 *
 * A channel without a name is reached by handles only, and ends with the last of its
 * ports and handles. An ephemeral channel with a name is kept by them too.
 */

/**
 * ipcchan_handle_create() - create a channel without a name
 * @options:	as ipcchan_create(); mode, owner and group do not say who may use it, and
 *		IPCCHAN_OPEN_PERSISTENT is refused
 *
 * Returns a handle with all rights.
 */
IPCCHAN_API int ipcchan_handle_create(const struct ipcchan_options *options,
				      struct ipcchan_error *error);
/**
 * ipcchan_handle_open() - a handle of a channel by its name
 *
 * -EACCES the caller lacks one of @rights himself. Returns the handle.
 */
IPCCHAN_API int ipcchan_handle_open(const char *name, uint32_t rights,
				    struct ipcchan_error *error);
/**
 * ipcchan_handle_narrow() - another handle from one, with some of its rights
 *
 * -EACCES it lacks one of @rights; -EKEYREVOKED; -ESHUTDOWN the channel was deleted.
 * Returns the new one, which lives by itself, but is revoked with @handle.
 */
IPCCHAN_API int ipcchan_handle_narrow(int handle, uint32_t rights,
				      struct ipcchan_error *error);
/**
 * ipcchan_handle_revoke() - end the use of a handle, and of all that came from it
 *
 * Whoever has them: -EKEYREVOKED from now on. Ports they were used for stay attached.
 */
IPCCHAN_API int ipcchan_handle_revoke(int handle, struct ipcchan_error *error);
/** ipcchan_handle_delete() - delete the channel; -EPERM without IPCCHAN_RIGHT_ADMIN */
IPCCHAN_API int ipcchan_handle_delete(int handle, struct ipcchan_error *error);
/** ipcchan_handle_info() - what the channel is, and in roles which rights the handle carries */
IPCCHAN_API int ipcchan_handle_info(int handle, struct ipcchan_info *info,
				    struct ipcchan_error *error);
/**
 * ipcchan_open_handle() - attach to a handle's channel
 *
 * As ipcchan_open(); of @options those about creating are ignored. The port is the
 * caller's own: the handle may be closed, or revoked, afterwards.
 */
IPCCHAN_API int ipcchan_open_handle(struct ipcchan_port **port, int handle, uint32_t roles,
				    const struct ipcchan_options *options,
				    struct ipcchan_error *error);

/** ipcchan_port_close() - detach and free; takes NULL. Published messages stay readable. */
IPCCHAN_API void ipcchan_port_close(struct ipcchan_port *port);

/*
 * Sending. A loan is payload memory being filled in place; several may be out,
 * and are committed in any order (the order of commits is that of messages).
 */
struct ipcchan_loan {
	void *data;		/* NULL for length 0 is possible */
	size_t length;		/* may be lowered before commit */
	uint64_t tag;		/* 0 from reserve; the application's */
	uint16_t priority;	/* likewise */
	uint16_t reserved;	/* 0; so is what follows */
	uint32_t id;		/* the library's */
	const int *files;	/* NULL from reserve; descriptors that go with the message */
	uint32_t nr_files;	/* of them, up to IPCCHAN_FILES_MOST; else 0 */
	uint32_t reserved2;
};

/* Most descriptors on a message. */
#define IPCCHAN_FILES_MOST	16u

/**
 * ipcchan_reserve() - take payload memory
 * @timeout_ns:	how long to wait for room; IPCCHAN_NO_WAIT, IPCCHAN_WAIT_FOREVER_NS
 *
 * -EAGAIN no room now (no wait); -ETIMEDOUT; -EMSGSIZE longer than max-message;
 * -ENOBUFS too many loans out, or the rest of the arena is out on loan; -EINTR;
 * -EPIPE (IPCCHAN_OPEN_NEED_PEER); -EOVERFLOW sequence numbers used up, open again;
 * -ESHUTDOWN evicted or channel deleted; -EBUSY forked child; -EPERM not a sender.
 */
IPCCHAN_API int ipcchan_reserve(struct ipcchan_port *port, size_t length,
				struct ipcchan_loan *loan, int64_t timeout_ns);
/**
 * ipcchan_commit() - publish what was filled
 *
 * -EINVAL the loan is not out, or longer than it was, or a reserved field is not 0: it stays as it
 * was. -ESHUTDOWN evicted or channel deleted; the loan has ended.
 *
 * With @loan->files the kernel takes references of its own on them, in this call: they may be closed
 * after it. What may be sent: Documentation/files.md. -EBADF one is not open; -ELOOP one may
 * not be sent; -ETOOMANYREFS, -EDQUOT, -ENOMEM; -EOPNOTSUPP the module is too old: nothing was
 * published, the loan stays as it was.
 */
IPCCHAN_API int ipcchan_commit(struct ipcchan_port *port, struct ipcchan_loan *loan);
/** ipcchan_commit_batch() - all of @n loans, in this order, or none: as ipcchan_commit() */
IPCCHAN_API int ipcchan_commit_batch(struct ipcchan_port *port, struct ipcchan_loan *loans,
				     size_t n);
IPCCHAN_API void ipcchan_abort(struct ipcchan_port *port, struct ipcchan_loan *loan);
/** ipcchan_send() - reserve, copy, commit */
IPCCHAN_API int ipcchan_send(struct ipcchan_port *port, const void *data, size_t length,
			     int64_t timeout_ns);
/** ipcchan_sendv() - one message from several pieces, which may be empty */
IPCCHAN_API int ipcchan_sendv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			      int64_t timeout_ns);
/**
 * ipcchan_sendv_files() - the same with @nr_fds descriptors, at least one
 *
 * Errors as those of ipcchan_reserve() and ipcchan_commit(); with all but -ESHUTDOWN
 * nothing was sent.
 */
IPCCHAN_API int ipcchan_sendv_files(struct ipcchan_port *port, const struct iovec *pieces,
				    size_t n, const int *fds, uint32_t nr_fds,
				    int64_t timeout_ns);
/**
 * ipcchan_send_batch() - @n messages, one from each of @messages, published together
 *
 * Waits for room for the first only as ipcchan_send() does, then again whenever room
 * lacks, until the time is over. Returns how many were sent; an error only if none was.
 */
IPCCHAN_API ssize_t ipcchan_send_batch(struct ipcchan_port *port, const struct iovec *messages,
				       size_t n, int64_t timeout_ns);

/*
 * Receiving. A held message stays as it is until released, in any order; but if its
 * sender is evicted, or the channel deleted, what is read of it turns into zeros.
 */
struct ipcchan_message {
	const void *data;
	size_t length;
	uint64_t tag;
	uint64_t time_ns;	/* CLOCK_MONOTONIC, 0 if the sender does not stamp */
	uint64_t sequence;
	uint64_t lost;		/* messages of this sender since the last taken from it */
	uint32_t sender;	/* slot: for ipcchan_port_peer() */
	uint16_t priority;
	uint16_t reserved;	/* 0; so is what follows */
	uint32_t id;		/* the library's */
	uint32_t flags;		/* IPCCHAN_MESSAGE_* */
	uint32_t deliveries;	/* on a queue: how often it has been claimed, with this time */
	uint32_t nr_files;	/* that it carries, as its sender says */
	uint64_t reserved3;
};

#define IPCCHAN_MESSAGE_REDELIVERED	(1u << 0)	/* on a queue: others had it before */

/**
 * ipcchan_receive() - take the next message, in place
 *
 * On a queue: claims it; ipcchan_release() acknowledges it, at once.
 *
 * -EAGAIN none now (no wait); -ETIMEDOUT; -EINTR; -EPIPE the last sender has left
 * and all is read (not before there was a first); -ENOBUFS as many held as the
 * channel's geometry allows; -EPROTO a sender's pages make no sense: it is read no
 * more, ipcchan_port_culprit() names it; -ESHUTDOWN; -EBUSY; -EPERM not a receiver.
 */
IPCCHAN_API int ipcchan_receive(struct ipcchan_port *port, struct ipcchan_message *message,
				int64_t timeout_ns);
/**
 * ipcchan_receive_batch() - take up to @n messages, in place
 *
 * Waits as ipcchan_receive() for the first, and takes what is there beyond it. Returns
 * how many were taken; an error only if none was.
 */
IPCCHAN_API ssize_t ipcchan_receive_batch(struct ipcchan_port *port,
					  struct ipcchan_message *messages, size_t n,
					  int64_t timeout_ns);
/**
 * ipcchan_release() - give a held message back; -EINVAL if it is not held
 *
 * On a queue it is acknowledged. -ESTALE: it was not ours any more, its lease was over or
 * its sender evicted; it is released all the same. Of a batch the first such error is told.
 */
IPCCHAN_API int ipcchan_release(struct ipcchan_port *port, struct ipcchan_message *message);
/** ipcchan_release_batch() - all of @n; -EINVAL, and none, if one is not held */
IPCCHAN_API int ipcchan_release_batch(struct ipcchan_port *port,
				      struct ipcchan_message *messages, size_t n);
/**
 * ipcchan_recv() - copy the next message out
 * Takes no hold. Returns the message's length. -EMSGSIZE: it is longer than @size and is kept; it
 * comes again, unless it is dropped; @message->length tells how long. On a queue what is copied
 * is acknowledged (-ESTALE: too late), and what is too long refused: it counts as a delivery. @message may be NULL. @message->data is NULL.
 */
IPCCHAN_API ssize_t ipcchan_recv(struct ipcchan_port *port, void *data, size_t size,
				 struct ipcchan_message *message, int64_t timeout_ns);
/** ipcchan_recvv() - the same into several pieces, filled in turn */
IPCCHAN_API ssize_t ipcchan_recvv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
				  struct ipcchan_message *message, int64_t timeout_ns);
/**
 * ipcchan_message_files() - descriptors, O_CLOEXEC, of a held message's files
 * @fds:	out: the caller's own, to be closed by it
 * @room:	how many fit
 *
 * All or none; each call gives new ones. Returns how many. The receiving thread's.
 *
 * -EINVAL the message is not held; -ENOENT its sender lied, it has none (so always if @message->nr_files
 * is 0), or it was evicted; -ESTALE on a queue: the claim is over, by its lease or with
 * its sender; -EMSGSIZE more than @room; -EMFILE; -ESHUTDOWN; what the security module says.
 */
IPCCHAN_API int ipcchan_message_files(struct ipcchan_port *port,
				      const struct ipcchan_message *message, int *fds,
				      size_t room);
/**
 * ipcchan_recv_files() - ipcchan_recv(), with the message's files
 * @message:	@message->nr_files: how many descriptors there are in @fds; 0 also where
 *		the sender only said so
 *
 * Errors besides those of ipcchan_recv() as ipcchan_message_files(): the message is kept, and
 * comes again (on a queue: it is refused, and counts as a delivery). (Other calls that copy out
 * leave the files where they are; they are gone then.)
 */
IPCCHAN_API ssize_t ipcchan_recv_files(struct ipcchan_port *port, void *data, size_t size,
				       struct ipcchan_message *message, int *fds, size_t room,
				       int64_t timeout_ns);
/**
 * ipcchan_recv_batch() - copy up to @n messages out, the i-th into @buffers[i]
 *
 * @messages[i].length tells how long it was. Waits as ipcchan_recv() for the first; ends
 * before one that is too long for its buffer. Returns how many; an error only if none.
 *
 * On a queue: as ipcchan_recv(), with at most 64 messages, and no buffer beyond the first that is
 * longer than the one before it. What is too long is refused, it alone, and the next is
 * copied in its place; what was not ours any more when it was acknowledged is left out.
 * If nothing is left -EMSGSIZE (@messages[0].length tells how long) or -ESTALE.
 */
IPCCHAN_API ssize_t ipcchan_recv_batch(struct ipcchan_port *port, const struct iovec *buffers,
				       struct ipcchan_message *messages, size_t n,
				       int64_t timeout_ns);

/*
 * Queues. A claimed message is held; sooner or later there is a verdict on it. One that
 * was not acknowledged when its holder closes the port, or dies, goes to another.
 */
#define IPCCHAN_DONE_ACKNOWLEDGE	0u
#define IPCCHAN_DONE_REFUSE		1u	/* to another, or to the same again */
#define IPCCHAN_DONE_DISCARD		2u	/* it makes no sense: dropped, and counted */

/**
 * struct ipcchan_done - a verdict
 * @message:	held; released by ipcchan_claim(), whatever the @result
 * @verdict:	IPCCHAN_DONE_*
 * @result:	out: 0; -ESTALE it was not ours any more, -ENOENT the module knows no such,
 *		-ESHUTDOWN this port has ended: perhaps before the verdict was taken, and
 *		another gets the message
 * @delay_ns:	IPCCHAN_DONE_REFUSE: not to be claimed again before so long; at most a day
 */
struct ipcchan_done {
	struct ipcchan_message *message;
	uint32_t verdict;
	int32_t result;
	uint64_t delay_ns;
};

/**
 * ipcchan_claim() - verdicts on messages, and more messages: one system call
 * @done:	@nr_done of them, taken first; more than 64 take more calls
 * @messages:	room for @n; at most 64 are claimed at a time
 * @timeout_ns:	how long to wait for a first one, if @n is not 0
 *
 * Sleeps, and never polls: the kernel says who gets a message. Returns how many were claimed. After
 * any error but -EINVAL (a message is not held or there twice, or a verdict is none), -EBUSY,
 * -EPERM and -EOPNOTSUPP (not a queue) the messages have been released, and each @result says
 * what came of the verdict: -EAGAIN nothing now, or all vanished (no wait); -ETIMEDOUT; -EINTR;
 * -ENOBUFS as many are held as the geometry allows; -EPIPE the last sender has left, in this
 * port's time, and nothing will come back; -EPROTO a sender's pages make no sense: the message
 * was discarded, ipcchan_port_culprit() names it; -ESHUTDOWN.
 */
IPCCHAN_API ssize_t ipcchan_claim(struct ipcchan_port *port, struct ipcchan_done *done,
				  size_t nr_done, struct ipcchan_message *messages, size_t n,
				  int64_t timeout_ns);
/** ipcchan_refuse() - give a message to another, not before so long; -ESTALE as ipcchan_release() */
IPCCHAN_API int ipcchan_refuse(struct ipcchan_port *port, struct ipcchan_message *message,
			       uint64_t delay_ns);

#define IPCCHAN_ANY_SENDER	UINT32_MAX

/**
 * ipcchan_latest() - the newest message of a sender, in place, without taking it
 * @sender:	its slot; IPCCHAN_ANY_SENDER: of those attached, else of those that left,
 *		the one with the latest time stamp, else the lowest slot
 *
 * For channels with overflow drop-oldest and history: the blackboard, with 1. Never waits. It is
 * held until released, as any message; what ipcchan_receive() gives next is not
 * changed by it. @message->lost is 0.
 *
 * -EAGAIN nothing was sent yet, or it changes too fast; -EOPNOTSUPP overflow block, or no history; else as ipcchan_receive().
 */
IPCCHAN_API int ipcchan_latest(struct ipcchan_port *port, uint32_t sender,
			       struct ipcchan_message *message);

/** ipcchan_port_culprit() - slot of the sender the last -EPROTO was about; UINT32_MAX: none */
IPCCHAN_API uint32_t ipcchan_port_culprit(const struct ipcchan_port *port);

/**
 * ipcchan_port_wait_peers() - wait until @count ports of @role are attached
 * (others than this one); -ETIMEDOUT, -EINTR, -ESHUTDOWN, -EBUSY
 */
IPCCHAN_API int ipcchan_port_wait_peers(struct ipcchan_port *port, uint32_t role,
					uint32_t count, int64_t timeout_ns);
/** ipcchan_port_peers() - how many ports of @role are attached now, without this one */
IPCCHAN_API int ipcchan_port_peers(struct ipcchan_port *port, uint32_t role);

/* What a port may be ready for. */
#define IPCCHAN_READY_RECEIVE	(1u << 0)	/* a message may be received */
#define IPCCHAN_READY_SEND	(1u << 1)	/* room may be reserved after an -EAGAIN */
#define IPCCHAN_READY_HANGUP	(1u << 2)	/* out: the last peer has left */
#define IPCCHAN_READY_ERROR	(1u << 3)	/* out: evicted, channel deleted, or forked */

/**
 * struct ipcchan_ready - one of many ports to wait for
 * @port:	NULL: left out
 * @events:	IPCCHAN_READY_RECEIVE, IPCCHAN_READY_SEND or both
 * @ready:	out
 */
struct ipcchan_ready {
	struct ipcchan_port *port;
	uint32_t events;
	uint32_t ready;
};

/**
 * ipcchan_wait() - spin, then sleep, until one of @n ports is ready
 *
 * In place of the receiving thread of ports asked for IPCCHAN_READY_RECEIVE, and of the sending
 * thread for IPCCHAN_READY_SEND. Returns how many are ready; -ETIMEDOUT (also IPCCHAN_NO_WAIT); -EINTR; -EINVAL
 * events a port has no role for; -ENOMEM more than 64 ports and no memory.
 */
IPCCHAN_API int ipcchan_wait(struct ipcchan_ready *ports, size_t n, int64_t timeout_ns);

/*
 * Services: connections between two ports, private to them, each of which sends and
 * receives. All calls for ports are for these too. A port never receives its own
 * messages; it sends only while the other end is there (-EPIPE); what the other had
 * sent before it left can still be received.
 */
struct ipcchan_listener;

/**
 * ipcchan_listen() - be a server of a service
 * @listener:	out
 * @name:	of the service
 * @options:	or NULL. IPCCHAN_OPEN_CREATE: its geometry is that of each side of each
 *		connection (depth 32, arena 64 KiB, 64 holds unless given), receivers: most
 *		listeners, senders: 0. IPCCHAN_OPEN_TIMESTAMPS, IPCCHAN_OPEN_SPIN_FIXED,
 *		spin_ns, max_calls: of the ports it accepts
 * @error:	or NULL
 *
 * Several processes may listen: they share what waits. backlog and max_per_user are those
 * of the newest. When the last listener has gone what waits is refused, and a service
 * that is not persistent ends; what was accepted stays.
 *
 * -ENOENT, -EACCES no right to receive; -EUSERS as many listen as may; -EPROTOTYPE no
 * service, or another label; -EINVAL; -EDQUOT; -ENOMEM; -EMFILE
 */
IPCCHAN_API int ipcchan_listen(struct ipcchan_listener **listener, const char *name,
			       const struct ipcchan_options *options,
			       struct ipcchan_error *error);
/** ipcchan_listen_handle() - the same by a handle; nothing is created */
IPCCHAN_API int ipcchan_listen_handle(struct ipcchan_listener **listener, int handle,
				      const struct ipcchan_options *options,
				      struct ipcchan_error *error);
/** ipcchan_listener_close() - listen no more; takes NULL. Accepted ports stay. */
IPCCHAN_API void ipcchan_listener_close(struct ipcchan_listener *listener);
/**
 * ipcchan_listener_fd() - for poll(), epoll: POLLIN a connection waits. -EBUSY forked
 *
 * One of several listeners that sleep is told of each connection; it may be gone by
 * the time it is accepted.
 */
IPCCHAN_API int ipcchan_listener_fd(struct ipcchan_listener *listener);

struct ipcchan_peer_info;

/**
 * ipcchan_accept() - take the connection that has waited longest
 * @port:	out
 * @client:	out: who it is, stamped by the kernel when it connected; its size is to be
 *		set. Or NULL
 *
 * Any number of threads may accept at one listener. -EAGAIN none waits (no wait);
 * -ETIMEDOUT; -EINTR; -EMFILE, -ENFILE, -ENOMEM, -EDQUOT: it goes on to wait (or, if
 * memory lacks in this process, is refused); -ESHUTDOWN evicted or service deleted; -EBUSY forked child; -EINVAL
 */
IPCCHAN_API int ipcchan_accept(struct ipcchan_listener *listener, struct ipcchan_port **port,
			       struct ipcchan_peer_info *client, int64_t timeout_ns);

/**
 * ipcchan_connect() - be a client of a service
 * @port:	out
 * @name:	of the service
 * @options:	or NULL. IPCCHAN_OPEN_WAIT: wait for the service, for who listens, for a place
 *		in the backlog; without it these are refused at once. max_calls: most
 *		calls in flight; 64 if 0, never more than holds
 * @timeout_ns:	until it is accepted, all in all
 * @error:	or NULL
 *
 * -ENOENT no such service; -ECONNREFUSED nobody listens, or the listener went before it
 * accepted; -EAGAIN the backlog is full; -EDQUOT as many connections as the listener
 * allows the user, or another limit; -EACCES no right to send; -EPROTOTYPE no service, or
 * another label; -ETIMEDOUT; -EINTR; -ESHUTDOWN deleted meanwhile; -ENOMEM; -EMFILE
 */
IPCCHAN_API int ipcchan_connect(struct ipcchan_port **port, const char *name,
				const struct ipcchan_options *options, int64_t timeout_ns,
				struct ipcchan_error *error);
/** ipcchan_connect_handle() - the same by a handle */
IPCCHAN_API int ipcchan_connect_handle(struct ipcchan_port **port, int handle,
				       const struct ipcchan_options *options, int64_t timeout_ns,
				       struct ipcchan_error *error);

/*
 * Calls: a request, and the reply that belongs to it. Both are messages; what they are is in
 * two bits of their tags, which on connections are not for other use.
 *
 * Either end may make calls, if it was opened for it (max_calls). Who makes calls on a
 * port does so in one thread, which is its sending and its receiving one, and receives there
 * by these calls only: a reply that comes before it is asked for, and a message that is
 * no reply, is kept (held) until then. poll() tells only of what has not come yet: ask
 * with IPCCHAN_NO_WAIT until -EAGAIN before sleeping in it.
 */
#define IPCCHAN_TAG_CALL	(UINT64_C(1) << 63)	/* a request, or the reply to one */
#define IPCCHAN_TAG_REPLY	(UINT64_C(1) << 62)	/* with the former: the reply */

#define IPCCHAN_ANY_CALL	UINT64_C(0)

/**
 * ipcchan_call() - send a request, and wait for its reply
 * @reply:	out: held, to be released
 * @timeout_ns:	for both together
 *
 * If it fails the call has ended: a reply that comes later is dropped. The time-out holds
 * whatever else the other end sends meanwhile.
 *
 * As ipcchan_send() and ipcchan_receive(); -EPIPE the other end has left;
 * -ENOBUFS max_calls are in flight, or there is no hold left for a reply: all are taken
 * by what is kept, which ipcchan_call_receive() and ipcchan_call_finish() give, or by
 * what was not released;
 * -EOPNOTSUPP the port was not opened to make calls
 */
IPCCHAN_API int ipcchan_call(struct ipcchan_port *port, const void *data, size_t length,
			     struct ipcchan_message *reply, int64_t timeout_ns);
/** ipcchan_callv() - the same, the request from several pieces */
IPCCHAN_API int ipcchan_callv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			      struct ipcchan_message *reply, int64_t timeout_ns);
/**
 * ipcchan_call_start() - send a request
 * @call:	out: names it
 * @timeout_ns:	how long to wait for room; meanwhile replies to others are taken
 *
 * As ipcchan_call(), but for what concerns the reply.
 */
IPCCHAN_API int ipcchan_call_start(struct ipcchan_port *port, const void *data, size_t length,
				   uint64_t *call, int64_t timeout_ns);
/** ipcchan_call_startv() - the same from several pieces */
IPCCHAN_API int ipcchan_call_startv(struct ipcchan_port *port, const struct iovec *pieces,
				    size_t n, uint64_t *call, int64_t timeout_ns);
/** ipcchan_call_commit() - the same with a loan that was filled in place; as ipcchan_commit() */
IPCCHAN_API int ipcchan_call_commit(struct ipcchan_port *port, struct ipcchan_loan *loan,
				    uint64_t *call);
/**
 * ipcchan_call_finish() - the reply to a call, or IPCCHAN_ANY_CALL: the first that came
 * @reply:	out: held; its tag is the call
 *
 * If it fails the call is still in flight. -ENOENT there is no such call, or none at all.
 */
IPCCHAN_API int ipcchan_call_finish(struct ipcchan_port *port, uint64_t call,
				    struct ipcchan_message *reply, int64_t timeout_ns);
/** ipcchan_call_cancel() - its reply is not wanted any more; -ENOENT */
IPCCHAN_API int ipcchan_call_cancel(struct ipcchan_port *port, uint64_t call);
/** ipcchan_call_receive() - as ipcchan_receive(), on a port that makes calls: no replies */
IPCCHAN_API int ipcchan_call_receive(struct ipcchan_port *port, struct ipcchan_message *message,
				     int64_t timeout_ns);

/**
 * ipcchan_reply() - answer a request; as ipcchan_send()
 * @request:	as it was received; it may have been released since. Requests may be
 *		answered in any order, or not at all
 *
 * -EINVAL: it is no request
 */
IPCCHAN_API int ipcchan_reply(struct ipcchan_port *port, const struct ipcchan_message *request,
			      const void *data, size_t length, int64_t timeout_ns);
/** ipcchan_replyv() - the same from several pieces */
IPCCHAN_API int ipcchan_replyv(struct ipcchan_port *port, const struct ipcchan_message *request,
			       const struct iovec *pieces, size_t n, int64_t timeout_ns);
/** ipcchan_reply_commit() - the same with a loan that was filled in place; as ipcchan_commit() */
IPCCHAN_API int ipcchan_reply_commit(struct ipcchan_port *port,
				     const struct ipcchan_message *request,
				     struct ipcchan_loan *loan);

/**
 * ipcchan_port_fd() - for poll(), epoll (level or edge): POLLIN a message may be
 * received, POLLOUT room may be reserved after an -EAGAIN, POLLHUP/POLLRDHUP the last
 * peer has left, POLLERR evicted or deleted. Do not close it, read it or map it.
 */
IPCCHAN_API int ipcchan_port_fd(struct ipcchan_port *port);
/**
 * ipcchan_port_arm() - let one signal tell when the port is ready; does not sleep
 * @events:	IPCCHAN_READY_RECEIVE, IPCCHAN_READY_SEND or both
 *
 * For a port whose descriptor has an owner (F_SETOWN), if need be a signal (F_SETSIG), and O_ASYNC.
 * Returns what it is ready for already, IPCCHAN_READY_*: do that first, no signal will come. 0: it is
 * armed, and the first of @events that comes about is told by one signal (POLL_IN, POLL_OUT); for more,
 * arm again. The last peer's leaving (POLL_HUP), eviction and deletion (POLL_ERR) are told armed or
 * not. In place of the threads as ipcchan_wait(); not from a signal handler. Documentation/notify.md
 *
 * -EINVAL events the port has no role for; -EBUSY forked child, or another thread waits for room.
 */
IPCCHAN_API int ipcchan_port_arm(struct ipcchan_port *port, uint32_t events);
IPCCHAN_API int ipcchan_port_info(const struct ipcchan_port *port, struct ipcchan_info *info);

/** struct ipcchan_peer_info - stamped by the kernel, in the asker's namespaces */
struct ipcchan_peer_info {
	size_t size;		/* by the caller */
	uint32_t port_id;
	uint32_t roles;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint32_t reserved;
	uint64_t attached_ns;
};

/** ipcchan_port_peer() - who is behind a slot; @role 0, @slot 0: this port. -ENOENT nobody */
IPCCHAN_API int ipcchan_port_peer(struct ipcchan_port *port, uint32_t role, uint32_t slot,
				  struct ipcchan_peer_info *info);

/* Why a port is gone. */
#define IPCCHAN_GONE_NOT	0	/* it is not */
#define IPCCHAN_GONE_CLOSED	1
#define IPCCHAN_GONE_EVICTED	2	/* by the owner or an administrator */
#define IPCCHAN_GONE_STALLED	3	/* it stood still while a sender waited */
#define IPCCHAN_GONE_DELETED	4	/* with its channel */
#define IPCCHAN_GONE_REFUSED	5	/* a connection that nobody was there to accept */

/** ipcchan_port_gone() - why, after an -ESHUTDOWN: IPCCHAN_GONE_*, or -EBUSY */
IPCCHAN_API int ipcchan_port_gone(struct ipcchan_port *port);

/** struct ipcchan_stats - of this port since it was opened */
struct ipcchan_stats {
	size_t size;		/* by the caller */
	uint64_t sent;
	uint64_t sent_bytes;
	uint64_t received;
	uint64_t received_bytes;
	uint64_t kicks;		/* system calls to wake others */
	uint64_t waits;		/* system calls to sleep or to look */
	uint64_t full;		/* times there was no room */
	uint64_t loans;		/* out now */
	uint64_t holds;		/* held now */
	uint64_t arena_used;	/* bytes taken from the arena now */
	uint64_t lost;		/* messages this receiver did not get */
};

IPCCHAN_API int ipcchan_port_get_stats(const struct ipcchan_port *port, struct ipcchan_stats *stats);

/**
 * ipcchan_port_set_spin() - poll at most so long before sleeping, ns; 0: sleep at once
 *
 * How long a port really spins it learns from how long its peers take, unless it was
 * opened with IPCCHAN_OPEN_SPIN_FIXED. The default is what a sleep costs, or 0 if
 * the process may use one CPU only.
 */
IPCCHAN_API void ipcchan_port_set_spin(struct ipcchan_port *port, uint64_t spin_ns);

/** ipcchan_strerror() - a text for every error of this library; static; takes -errno */
IPCCHAN_API const char *ipcchan_strerror(int error);

/** ipcchan_version() - "major.minor.patch" */
IPCCHAN_API const char *ipcchan_version(void);

#ifdef __cplusplus
}
#endif

#endif /* IPCCHAN_H */
