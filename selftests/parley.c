// SPDX-License-Identifier: GPL-2.0
/* Services step by step; see parley.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

int make_service(const char *name, uint32_t flags, uint32_t listeners)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open();
	int err;

	args.type = IPCCHAN_TYPE_SERVICE;
	args.flags = flags;
	args.mode = 0666;
	args.geometry = (struct ipcchan_geometry){
		.depth = 16, .receivers = listeners, .holds = 4, .arena = 16384,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

/* A file, attached; what it says of itself is that of @args. */
static int attach(struct raw_port *p, const struct ipcchan_attach *args, uint32_t roles)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->attach = *args;
	p->fd = device_open();
	if (p->fd < 0)
		return p->fd;
	err = call_attach(p->fd, &p->attach);
	if (err) {
		close(p->fd);
		memset(p, 0, sizeof(*p));
		return err;
	}
	p->attach.role = roles;
	ipcchan_layout(&p->layout, &p->attach.geometry, p->attach.type, sysconf(_SC_PAGESIZE));
	return 0;
}

int listen_args(struct raw_port *l, struct ipcchan_attach *args)
{
	int err = attach(l, args, IPCCHAN_RECEIVE);

	if (!err)
		err = raw_map(l);
	return err;
}

int listen_at(struct raw_port *l, const char *name, uint32_t backlog, uint32_t max_per_user)
{
	struct ipcchan_attach args = attach_args(name, IPCCHAN_RECEIVE);

	args.backlog = backlog;
	args.max_per_user = max_per_user;
	return listen_args(l, &args);
}

int client_attach(struct raw_port *c, const char *name)
{
	struct ipcchan_attach args = attach_args(name, IPCCHAN_SEND);

	return attach(c, &args, IPCCHAN_SEND | IPCCHAN_RECEIVE);
}

int client_attach_until(struct raw_port *c, const char *name, uint64_t deadline_ns)
{
	struct ipcchan_attach args = attach_args(name, IPCCHAN_SEND);

	args.flags = IPCCHAN_ATTACH_WAIT;
	args.deadline_ns = deadline_ns;
	return attach(c, &args, IPCCHAN_SEND | IPCCHAN_RECEIVE);
}

int client_wait(struct raw_port *c, const char *name)
{
	int err = client_attach(c, name);

	if (err)
		return err;
	err = raw_map(c);
	if (err)
		leave(c);
	return err;
}

int server_take(const struct raw_port *l, struct raw_port *s, uint64_t deadline_ns,
		struct ipcchan_accept *out)
{
	struct ipcchan_accept a = {
		.size = sizeof(a),
		.why = (uintptr_t)why,
		.why_len = WHY_SIZE,
		.deadline_ns = deadline_ns,
	};
	int err;

	why[0] = 0;
	memset(s, 0, sizeof(*s));
	err = call(l->fd, IPCCHAN_IOC_ACCEPT, &a);
	if (err)
		return err;
	s->fd = a.fd;
	s->attach = (struct ipcchan_attach){
		.size = sizeof(s->attach),
		.role = IPCCHAN_SEND | IPCCHAN_RECEIVE,
		.geometry = a.geometry,
		.type = a.type,
		.port_id = a.port_id,
		.sender_slot = a.sender_slot,
		.receiver_slot = a.receiver_slot,
		.own_offset = a.own_offset,
		.own_size = a.own_size,
		.window_offset = a.window_offset,
		.window_size = a.window_size,
	};
	ipcchan_layout(&s->layout, &s->attach.geometry, s->attach.type, sysconf(_SC_PAGESIZE));
	if (out)
		*out = a;
	return 0;
}

int server_join(struct raw_port *s)
{
	return raw_map(s);
}

int establish(const struct raw_port *l, const char *name, struct raw_port *c, struct raw_port *s)
{
	int err = client_wait(c, name);

	if (!err)
		err = server_take(l, s, 0, NULL);
	return err ? err : server_join(s);
}

int reason_of(const struct raw_port *p)
{
	struct ipcchan_peer peer;
	int err = call_peer(p->fd, 0, 0, &peer);

	return err ? err : (int)peer.reason;
}

bool goes_for(const struct raw_port *p, int reason)
{
	for (int i = 0; i < 2000 && reason_of(p) == IPCCHAN_REASON_NONE; i++)
		sleep_ms(10);
	return reason_of(p) == reason;
}

bool sees_peer(const struct raw_port *p)
{
	return ipcchan_load(&raw_sender_slot(p, 1 - p->attach.sender_slot)->state) ==
	       IPCCHAN_SLOT_ACTIVE;
}

bool hung_up(const struct raw_port *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN | POLLRDHUP };

	return poll(&fd, 1, 20000) == 1 && fd.revents & POLLHUP && fd.revents & POLLRDHUP;
}

uint32_t connections_of(const char *name)
{
	struct ipcchan_lookup lookup;

	return find_channel(name, &lookup) ? ~0u : lookup.senders;
}
