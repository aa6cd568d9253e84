// SPDX-License-Identifier: GPL-2.0
/* The fields of channels and ports, in the order in which they are shown. */
#include <linux/ipcchan.h>
#include <linux/ipcchan_netlink.h>

#include "field.h"

#define WORDS(list) .words = list, .nr_words = sizeof(list) / sizeof(list[0])
#define TABLE(fields_, plural_, max_) {				\
	.plural = plural_, .fields = fields_,			\
	.count = sizeof(fields_) / sizeof(fields_[0]), .max_attr = max_ }

static const char *const types[] = {
	[IPCCHAN_TYPE_TOPIC] = "topic",
	[IPCCHAN_TYPE_QUEUE] = "queue",
	[IPCCHAN_TYPE_SERVICE] = "service",
	[IPCCHAN_TYPE_CONNECTION] = "connection",
};

static const char *const overflows[] = {
	[IPCCHAN_OVERFLOW_BLOCK] = "block",
	[IPCCHAN_OVERFLOW_DROP_OLDEST] = "drop-oldest",
};

static const char *const statuses[] = {
	[IPCCHAN_PORT_STATUS_NEW] = "new",
	[IPCCHAN_PORT_STATUS_ACTIVE] = "active",
	[IPCCHAN_PORT_STATUS_DRAINING] = "draining",
};

/* IPCCHAN_SEND, IPCCHAN_RECEIVE, IPCCHAN_ADMIN */
static const char *const rights[] = { "send", "receive", "admin" };

#define FIELD(key_, attr_, kind_, use_, ...) \
	{ .key = key_, .attr = attr_, .kind = kind_, .use = use_, __VA_ARGS__ }
#define IN	FIELD_INPUT
#define BRIEF	FIELD_BRIEF

static const struct field of_queue[] = {
	FIELD("ready", IPCCHAN_A_QUEUE_READY, FIELD_U64, BRIEF),
	FIELD("claimed", IPCCHAN_A_QUEUE_CLAIMED, FIELD_U64, BRIEF),
	FIELD("delayed", IPCCHAN_A_QUEUE_DELAYED, FIELD_U64, BRIEF),
	FIELD("acknowledged", IPCCHAN_A_QUEUE_ACKNOWLEDGED, FIELD_U64, BRIEF),
	FIELD("redelivered", IPCCHAN_A_QUEUE_REDELIVERED, FIELD_U64, BRIEF),
	FIELD("dead", IPCCHAN_A_QUEUE_DEAD, FIELD_U64, BRIEF),
	FIELD("dropped", IPCCHAN_A_QUEUE_DROPPED, FIELD_U64, BRIEF),
};

static const struct field_table queue_fields =
	TABLE(of_queue, "queue", IPCCHAN_A_QUEUE_MAX);

static const struct field of_channel[] = {
	FIELD("name", IPCCHAN_A_CHANNEL_NAME, FIELD_NAME, BRIEF),
	FIELD("id", IPCCHAN_A_CHANNEL_ID, FIELD_U32, BRIEF),
	FIELD("type", IPCCHAN_A_CHANNEL_TYPE, FIELD_CHOICE, IN | FIELD_REQUIRED | BRIEF,
	  WORDS(types), .accepted = "topic, queue, service"),
	FIELD("overflow", IPCCHAN_A_CHANNEL_OVERFLOW, FIELD_CHOICE, IN | BRIEF,
	  WORDS(overflows)),
	FIELD("depth", IPCCHAN_A_CHANNEL_DEPTH, FIELD_U32, IN | BRIEF),
	FIELD("arena", IPCCHAN_A_CHANNEL_ARENA, FIELD_SIZE, IN | BRIEF),
	FIELD("max-message", IPCCHAN_A_CHANNEL_MAX_MESSAGE, FIELD_SIZE, IN | BRIEF),
	FIELD("senders", IPCCHAN_A_CHANNEL_SENDERS, FIELD_U32, IN),
	FIELD("receivers", IPCCHAN_A_CHANNEL_RECEIVERS, FIELD_U32, IN),
	FIELD("holds", IPCCHAN_A_CHANNEL_HOLDS, FIELD_U32, IN),
	FIELD("mode", IPCCHAN_A_CHANNEL_MODE, FIELD_MODE, IN | BRIEF),
	FIELD("owner", IPCCHAN_A_CHANNEL_UID, FIELD_ID, IN | BRIEF),
	FIELD("group", IPCCHAN_A_CHANNEL_GID, FIELD_ID, IN | BRIEF),
	FIELD("persistent", IPCCHAN_A_CHANNEL_FLAGS, FIELD_BIT, IN | BRIEF,
	  .bit = IPCCHAN_CREATE_PERSISTENT),
	FIELD("history", IPCCHAN_A_CHANNEL_HISTORY, FIELD_U32, IN | BRIEF),
	FIELD("stall", IPCCHAN_A_CHANNEL_STALL_NS, FIELD_TIME, IN),
	FIELD("label", IPCCHAN_A_CHANNEL_LABEL, FIELD_NAME, IN),
	FIELD("senders-attached", IPCCHAN_A_CHANNEL_SENDERS_ATTACHED, FIELD_U32, BRIEF),
	FIELD("receivers-attached", IPCCHAN_A_CHANNEL_RECEIVERS_ATTACHED, FIELD_U32, BRIEF),
	FIELD("bytes", IPCCHAN_A_CHANNEL_BYTES, FIELD_SIZE, BRIEF),
	FIELD("rights", IPCCHAN_A_CHANNEL_RIGHTS, FIELD_SET, 0, WORDS(rights)),
	FIELD("backlog", IPCCHAN_A_CHANNEL_BACKLOG, FIELD_U32, 0),
	FIELD("max-per-user", IPCCHAN_A_CHANNEL_MAX_PER_USER, FIELD_U32, 0),
	FIELD("waiting", IPCCHAN_A_CHANNEL_WAITING, FIELD_U32, 0),
	FIELD("service", IPCCHAN_A_CHANNEL_SERVICE, FIELD_U32, 0),
	FIELD("lease", IPCCHAN_A_CHANNEL_LEASE_NS, FIELD_TIME, IN),
	FIELD("max-deliveries", IPCCHAN_A_CHANNEL_MAX_DELIVERIES, FIELD_U32, IN),
	FIELD("dead-letter", IPCCHAN_A_CHANNEL_DEAD_LETTER, FIELD_NAME, IN),
	FIELD("queue", IPCCHAN_A_CHANNEL_QUEUE, FIELD_NEST, 0, .nested = &queue_fields),
};

const struct field_table channel_fields =
	TABLE(of_channel, "channels", IPCCHAN_A_CHANNEL_MAX);

static const struct field of_claims[] = {
	FIELD("sent", IPCCHAN_A_CLAIMS_SENT, FIELD_U64, BRIEF),
	FIELD("sent-bytes", IPCCHAN_A_CLAIMS_SENT_BYTES, FIELD_U64, 0),
	FIELD("received", IPCCHAN_A_CLAIMS_RECEIVED, FIELD_U64, BRIEF),
	FIELD("lost", IPCCHAN_A_CLAIMS_LOST, FIELD_U64, BRIEF),
	FIELD("held", IPCCHAN_A_CLAIMS_HELD, FIELD_U32, BRIEF),
	FIELD("behind", IPCCHAN_A_CLAIMS_BEHIND, FIELD_U64, BRIEF),
};

static const struct field_table claims_fields =
	TABLE(of_claims, "claims", IPCCHAN_A_CLAIMS_MAX);

static const struct field of_port[] = {
	FIELD("channel", IPCCHAN_A_PORT_CHANNEL, FIELD_NAME, BRIEF),
	FIELD("channel-id", IPCCHAN_A_PORT_CHANNEL_ID, FIELD_U32, BRIEF),
	FIELD("port-id", IPCCHAN_A_PORT_ID, FIELD_U32, BRIEF),
	FIELD("roles", IPCCHAN_A_PORT_ROLES, FIELD_SET, BRIEF, WORDS(rights)),
	FIELD("status", IPCCHAN_A_PORT_STATUS, FIELD_CHOICE, BRIEF, WORDS(statuses)),
	FIELD("pid", IPCCHAN_A_PORT_PID, FIELD_U32, BRIEF),
	FIELD("uid", IPCCHAN_A_PORT_UID, FIELD_ID, BRIEF),
	FIELD("gid", IPCCHAN_A_PORT_GID, FIELD_ID, BRIEF),
	FIELD("sender-slot", IPCCHAN_A_PORT_SENDER_SLOT, FIELD_U32, 0),
	FIELD("receiver-slot", IPCCHAN_A_PORT_RECEIVER_SLOT, FIELD_U32, 0),
	FIELD("sleeping", IPCCHAN_A_PORT_SLEEPING, FIELD_SET, BRIEF, WORDS(rights)),
	FIELD("attached-ns", IPCCHAN_A_PORT_ATTACHED_NS, FIELD_AGE, 0),
	FIELD("bytes", IPCCHAN_A_PORT_BYTES, FIELD_SIZE, BRIEF),
	FIELD("claims", IPCCHAN_A_PORT_CLAIMS, FIELD_NEST, BRIEF, .nested = &claims_fields),
};

const struct field_table port_fields = TABLE(of_port, "ports", IPCCHAN_A_PORT_MAX);
