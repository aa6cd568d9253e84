// SPDX-License-Identifier: GPL-2.0
/*
 * As test_memory.c, for what queues and services have of their own: claiming, with
 * files and without, connecting and accepting. Invariant 10.
 *
 * Needs a kernel with fault injection: Debian's have none, the debug kernel has.
 *
 * What breaks these: a claim that nobody knows of; a connection that is in no
 * backlog, or counted twice; as there.
 */
#include <sys/mman.h>

#include "sweep.h"

#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

/* A queue whose port sends and receives, with two messages in it. */
static int open_queue(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_create args = create_args(self->fresh);
	int err;

	args.type = IPCCHAN_TYPE_QUEUE;
	args.geometry = (struct ipcchan_geometry){ 4, 2, 2, 2, 16384, 16384 };
	err = call_create(self->home, &args);
	if (!err)
		err = raw_open(&self->port, self->fresh, BOTH);
	for (int i = 0; !err && i < 2; i++)
		raw_publish(&self->port, "work", 4, i);
	return err;
}

static int claim(FIXTURE_DATA(memory) *self, struct ipcchan_verdict *verdicts, uint32_t nr)
{
	struct ipcchan_claimed claimed[2];
	struct ipcchan_claim args = {
		.size = sizeof(args), .claims = (uintptr_t)claimed, .nr_claims = 1,
		.verdicts = (uintptr_t)verdicts, .nr_verdicts = nr,
	};
	int err = call(self->port.fd, IPCCHAN_IOC_CLAIM, &args);

	return err ? err : args.nr_claimed == 1 ? 0 : -EPROTO;
}

static int claim_one(FIXTURE_DATA(memory) *self)
{
	return claim(self, NULL, 0);
}

TEST_F_TIMEOUT(memory, claim, 200)
{
	sweep(_metadata, self, open_queue, claim_one, false);
}

/* What was refused the caller is there for the next call: so it ends, whatever failed. */
static int claim_again(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_verdict wrong[2] = {
		{ .sequence = self->port.base + 1 }, { .sequence = self->port.base + 4 },
	};
	int err = claim(self, wrong, 2);

	if (!err && (wrong[0].result || wrong[1].result != -ENOENT))
		err = -EPROTO;
	return err;
}

static int open_and_claim(FIXTURE_DATA(memory) *self)
{
	int err = open_queue(self);

	return err ? err : claim_one(self);
}

TEST_F_TIMEOUT(memory, verdicts_and_a_claim, 200)
{
	sweep(_metadata, self, open_and_claim, claim_again, false);
}

static int put_files(FIXTURE_DATA(memory) *self)
{
	int fds[2] = { self->file, self->file };
	struct ipcchan_files_put args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why), .nr = 2,
		.sequence = self->port.next, .fds = (uintptr_t)fds,
	};

	return call(self->port.fd, IPCCHAN_IOC_FILES_PUT, &args);
}

TEST_F_TIMEOUT(memory, put_files_on_a_queue, 200)
{
	self->file = memfd_create("memory", MFD_CLOEXEC);
	sweep(_metadata, self, open_queue, put_files, false);
	EXPECT_TRUE(said(self, "not enough memory for the files"));
	close(self->file);
}

/* The third message has files, and is claimed. */
static int claim_files(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_verdict first[2] = {};
	int err = open_and_claim(self);

	first[0].sequence = self->port.base + 1;
	first[1].sequence = self->port.base + 2;
	if (!err)
		err = put_files(self);
	if (!err) {
		raw_publish(&self->port, "files", 5, 0);
		err = claim(self, first, 1);
	}
	return err ? err : claim(self, &first[1], 1);
}

static int take_files(FIXTURE_DATA(memory) *self)
{
	struct raw_port *p = &self->port;
	int fds[2];
	struct ipcchan_files_take args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why), .nr = 2,
		.slot = p->attach.sender_slot, .sequence = p->next - 1, .fds = (uintptr_t)fds,
	};
	int err = call(p->fd, IPCCHAN_IOC_FILES_TAKE, &args);

	for (int i = 0; !err && i < 2; i++)
		close(fds[i]);
	return err;
}

TEST_F_TIMEOUT(memory, take_files_of_a_claim, 200)
{
	int before, after;

	self->file = memfd_create("memory", MFD_CLOEXEC);
	before = dup(self->file);
	sweep(_metadata, self, claim_files, take_files, false);
	close(before);
	after = dup(self->file);
	EXPECT_EQ(before, after);
	close(after);
	close(self->file);
}

/* Services: a listener, and a file that is to become a client. */
static int open_service(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_create args = create_args(self->fresh);
	int err;

	args.type = IPCCHAN_TYPE_SERVICE;
	args.geometry = (struct ipcchan_geometry){ .depth = 4, .receivers = 1, .arena = 4096 };
	err = call_create(self->home, &args);
	if (!err)
		err = raw_open(&self->port, self->fresh, IPCCHAN_RECEIVE);
	if (err)
		return err;
	self->fd = device_open();
	return self->fd < 0 ? self->fd : 0;
}

static int connect_to_it(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_attach args = attach_args(self->fresh, IPCCHAN_SEND);

	return call_attach(self->fd, &args);
}

TEST_F_TIMEOUT(memory, connect, 200)
{
	sweep(_metadata, self, open_service, connect_to_it, false);
	EXPECT_TRUE(said(self, "not enough memory for the channel"));
	EXPECT_TRUE(said(self, "not enough memory for the port"));
}

/* With a client that waits. */
static int open_backlog(FIXTURE_DATA(memory) *self)
{
	int err = open_service(self);

	if (err)
		return err;
	close(self->fd);
	self->fd = -1;
	return raw_open(&self->third, self->fresh, IPCCHAN_SEND);
}

static int accept_it(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_accept args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why),
	};
	int err = call(self->port.fd, IPCCHAN_IOC_ACCEPT, &args);

	if (!err)
		self->fd = args.fd;
	return err;
}

TEST_F_TIMEOUT(memory, accept, 200)
{
	sweep(_metadata, self, open_backlog, accept_it, false);
	EXPECT_TRUE(said(self, "not enough memory for the port"));
}

/* A failure leaves the client where it was: the next call takes it. */
static int accept_at_last(FIXTURE_DATA(memory) *self)
{
	int err = accept_it(self);

	arm(self, 0);
	if (err == -ENOMEM && accept_it(self))
		return -EPROTO;
	return err;
}

TEST_F_TIMEOUT(memory, accept_again, 200)
{
	ASSERT_TRUE(inject_pages(false));
	for (unsigned int n = 1; n < 40; n++) {
		int err;

		ASSERT_EQ(0, open_backlog(self));
		arm(self, n);
		err = accept_at_last(self);
		EXPECT_TRUE(!err || err == -ENOMEM || err == -EFAULT) {
			TH_LOG("failure %u: %d %s", n, err, why);
		}
		clean_up(self);
		ASSERT_TRUE(accounts_settle(&self->there));
	}
}

TEST_HARNESS_MAIN
