/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Creating, deleting and asking about channels; and how structs are handed over. */
#include <string.h>

#include "internal.h"

#define KNOWN_FLAGS	(IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_PERSISTENT | IPCCHAN_OPEN_OWNER | \
			 IPCCHAN_OPEN_TIMESTAMPS | IPCCHAN_OPEN_NEED_PEER | \
			 IPCCHAN_OPEN_SPIN_FIXED | IPCCHAN_OPEN_WAIT)

/* The first members of any version: less than these is a mistake. */
#define MIN_OPTIONS	offsetof(struct ipcchan_options, depth)
#define MIN_INFO	offsetof(struct ipcchan_info, senders)

/*
 * Hands out a struct whose first member is the size its owner knows: an older
 * program gets the beginning, a newer one zeros for what is not known here.
 */
int ipcchan_give_struct(void *to, size_t minimum, const void *from, size_t known)
{
	size_t size;

	memcpy(&size, to, sizeof(size));
	if (size < minimum)
		return -EINVAL;
	if (size > known)
		memset((char *)to + known, 0, size - known);
	if (size < known)
		known = size;
	memcpy((char *)to + sizeof(size), (const char *)from + sizeof(size),
	       known - sizeof(size));
	return 0;
}

void ipcchan_options_init(struct ipcchan_options *options)
{
	*options = (struct ipcchan_options){
		.size = sizeof(*options),
		.mode = 0600,
		.uid = IPCCHAN_SAME,
		.gid = IPCCHAN_SAME,
		.spin_ns = ipcchan_spin_default(),
	};
}

static bool is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

/* Copies what was given over the defaults; NULL gives nothing. */
int ipcchan_take_options(struct ipcchan_options *o, const struct ipcchan_options *given,
			 struct ipcchan_error *error)
{
	size_t size;

	ipcchan_options_init(o);
	if (!given)
		return 0;
	size = given->size;
	if (size < MIN_OPTIONS)
		return ipcchan_fail(error, -EINVAL, "options: %zu bytes are too few; "
				    "use ipcchan_options_init()", size);
	if (size > sizeof(*o)) {
		if (!is_zero((const char *)given + sizeof(*o), size - sizeof(*o)))
			return ipcchan_fail(error, -E2BIG, "options: made for a newer version");
		size = sizeof(*o);
	}
	memcpy(o, given, size);
	if (o->flags & ~KNOWN_FLAGS)
		return ipcchan_fail(error, -EINVAL, "options: unknown flags %#x",
				    o->flags & ~KNOWN_FLAGS);
	if (o->type > IPCCHAN_SERVICE)
		return ipcchan_fail(error, -EINVAL, "options: unknown type of channel %u", o->type);
	if (o->overflow > IPCCHAN_DROP_OLDEST)
		return ipcchan_fail(error, -EINVAL, "options: unknown overflow policy %u",
				    o->overflow);
	return 0;
}

int ipcchan_take_name(char to[IPCCHAN_NAME_SIZE], const char *name, struct ipcchan_error *error)
{
	size_t length = name ? strnlen(name, IPCCHAN_NAME_SIZE) : 0;

	if (!length || length == IPCCHAN_NAME_SIZE)
		return ipcchan_fail(error, -EINVAL, "a name has 1 to %d bytes",
				    IPCCHAN_NAME_SIZE - 1);
	memset(to, 0, IPCCHAN_NAME_SIZE);
	memcpy(to, name, length);
	return 0;
}

int ipcchan_take_label(char to[IPCCHAN_LABEL_SIZE], const char *label,
		       struct ipcchan_error *error)
{
	size_t length = label ? strnlen(label, IPCCHAN_LABEL_SIZE) : 0;

	if (length == IPCCHAN_LABEL_SIZE)
		return ipcchan_fail(error, -EINVAL, "a label has at most %d bytes",
				    IPCCHAN_LABEL_SIZE - 1);
	memset(to, 0, IPCCHAN_LABEL_SIZE);
	if (length)
		memcpy(to, label, length);
	return 0;
}

/* @name NULL: an unnamed channel, of which it returns a handle. */
int ipcchan_request_create(int fd, const char *name, const struct ipcchan_options *o,
			   struct ipcchan_error *error)
{
	struct ipcchan_create create = {
		.size = sizeof(create),
		.flags = o->flags & IPCCHAN_OPEN_PERSISTENT ? IPCCHAN_CREATE_PERSISTENT : 0,
		.type = o->type ? o->type : IPCCHAN_TOPIC,
		.overflow = o->overflow,
		.geometry = {
			.depth = o->depth,
			.senders = o->senders,
			.receivers = o->receivers,
			.holds = o->holds,
			.arena = o->arena,
			.max_message = o->max_message,
		},
		.mode = o->mode,
		.uid = o->uid,
		.gid = o->gid,
		.history = o->history,
		.stall_ns = o->stall_ns,
		.lease_ns = o->lease_ns,
		.max_deliveries = o->max_deliveries,
	};
	int rc = ipcchan_take_label(create.label, o->label, error);

	if (name && !rc)
		rc = ipcchan_take_name(create.name, name, error);
	if (!rc && o->dead_letter && o->dead_letter[0])
		rc = ipcchan_take_name(create.dead_letter, o->dead_letter, error);
	if (rc)
		return rc;
	if (!name)
		create.flags |= IPCCHAN_CREATE_UNNAMED;
	create.why = ipcchan_why(error, &create.why_len);
	rc = ipcchan_device_call(fd, IPCCHAN_IOC_CREATE, &create);
	if (rc)
		return ipcchan_fail_call(error, rc, "cannot create the channel");
	return name ? 0 : create.handle;
}

/** ipcchan_make() - by a file of its own: a channel, or with @name NULL the handle of one */
int ipcchan_make(const char *name, const struct ipcchan_options *options,
		 struct ipcchan_error *error)
{
	struct ipcchan_options o;
	int rc = ipcchan_take_options(&o, options, error);
	int fd;

	if (rc)
		return rc;
	fd = ipcchan_open_device(error);
	if (fd < 0)
		return fd;
	rc = ipcchan_request_create(fd, name, &o, error);
	ipcchan_device_close(fd);
	return rc;
}

int ipcchan_create(const char *name, const struct ipcchan_options *options,
		   struct ipcchan_error *error)
{
	return ipcchan_make(name ? name : "", options, error);
}

/* A call on a file of its own; @what it was to do, for the text. */
static int call_once(unsigned long number, void *request, struct ipcchan_error *error,
		     const char *what)
{
	int fd = ipcchan_open_device(error);
	int rc;

	if (fd < 0)
		return fd;
	rc = ipcchan_device_call(fd, number, request);
	ipcchan_device_close(fd);
	return rc ? ipcchan_fail_call(error, rc, what) : 0;
}

int ipcchan_delete(const char *name, struct ipcchan_error *error)
{
	struct ipcchan_delete delete = { .size = sizeof(delete) };
	int rc = ipcchan_take_name(delete.name, name, error);

	if (rc)
		return rc;
	delete.why = ipcchan_why(error, &delete.why_len);
	return call_once(IPCCHAN_IOC_DELETE, &delete, error, "cannot delete the channel");
}

static void describe(struct ipcchan_info *info, const struct ipcchan_lookup *lookup)
{
	*info = (struct ipcchan_info){
		.depth = lookup->geometry.depth,
		.senders = lookup->geometry.senders,
		.receivers = lookup->geometry.receivers,
		.holds = lookup->geometry.holds,
		.arena = lookup->geometry.arena,
		.max_message = lookup->geometry.max_message,
		.roles = lookup->rights,
		.mode = lookup->mode,
		.uid = lookup->uid,
		.gid = lookup->gid,
		.flags = lookup->flags & IPCCHAN_CREATE_PERSISTENT ?
			 IPCCHAN_OPEN_PERSISTENT : 0,
		.overflow = lookup->overflow,
		.history = lookup->history,
		.stall_ns = lookup->stall_ns,
		.type = lookup->type,
		.max_deliveries = lookup->max_deliveries,
		.lease_ns = lookup->lease_ns,
	};
	memcpy(info->dead_letter, lookup->dead_letter, sizeof(info->dead_letter));
	memcpy(info->label, lookup->label, sizeof(info->label));
}

/* What a LOOKUP has found, in the size the program knows. */
int ipcchan_give_info(struct ipcchan_info *info, const struct ipcchan_lookup *lookup,
		      struct ipcchan_error *error)
{
	struct ipcchan_info found;
	int rc;

	describe(&found, lookup);
	rc = ipcchan_give_struct(info, MIN_INFO, &found, sizeof(found));
	return rc ? ipcchan_fail(error, rc, "info: its size is not set") : 0;
}

int ipcchan_lookup(const char *name, struct ipcchan_info *info, struct ipcchan_error *error)
{
	struct ipcchan_lookup lookup = { .size = sizeof(lookup) };
	int rc = ipcchan_take_name(lookup.name, name, error);

	if (rc)
		return rc;
	lookup.why = ipcchan_why(error, &lookup.why_len);
	rc = call_once(IPCCHAN_IOC_LOOKUP, &lookup, error, "cannot look the channel up");
	return rc ? rc : ipcchan_give_info(info, &lookup, error);
}

int ipcchan_port_info(const struct ipcchan_port *port, struct ipcchan_info *info)
{
	const struct ipcchan_geometry *g = &port->geometry;
	struct ipcchan_info found = {
		.depth = g->depth,
		.senders = g->senders,
		.receivers = g->receivers,
		.holds = g->holds,
		.arena = g->arena,
		.max_message = g->max_message,
		.port_id = port->id,
		.roles = port->roles,
		.overflow = port->overflow,
		.history = port->history,
		.type = port->type == IPCCHAN_TYPE_CONNECTION ? IPCCHAN_SERVICE : port->type,
	};

	if (ipcchan_is_forked(port))
		return -EBUSY;
	return ipcchan_give_struct(info, MIN_INFO, &found, sizeof(found));
}
