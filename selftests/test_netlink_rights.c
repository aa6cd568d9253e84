// SPDX-License-Identifier: GPL-2.0
/*
 * Who may ask what through netlink: other users, other namespaces, and sockets
 * that were opened by somebody else than who writes to them.
 */
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "probe.h"

FIXTURE(rights) {
	struct accounts before;
	char secret[IPCCHAN_NAME_SIZE];		/* alice's, 0600 */
	char open[IPCCHAN_NAME_SIZE];		/* alice's, 0666 */
	struct raw_port port;			/* ours, on the secret one */
	struct genl_answers answers;
};

static int make_for_alice(const char *name, uint32_t mode)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_NEW, name);

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_FLAGS, IPCCHAN_CREATE_PERSISTENT);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_MODE, mode);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_UID, ALICE);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_GID, ALICE);
	return genl_ask(&r);
}

FIXTURE_SETUP(rights)
{
	accounts_read(&self->before);
	unique_name(self->secret, "secret");
	unique_name(self->open, "open");
	ASSERT_EQ(0, make_for_alice(self->secret, 0600)) TH_LOG("%s", why);
	ASSERT_EQ(0, make_for_alice(self->open, 0666)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->port, self->secret, IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(rights)
{
	genl_free(&self->answers);
	raw_close(&self->port);
	EXPECT_EQ(0, drop_channel(self->secret) & ~-ENOENT);
	EXPECT_EQ(0, drop_channel(self->open) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static struct genl_request new_topic(const char *name)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_NEW, name);

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	return r;
}

static struct genl_request get(const char *name)
{
	return genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, name);
}

static struct genl_request del(const char *name)
{
	return genl_of_channel(IPCCHAN_CMD_CHANNEL_DEL, name);
}

static struct genl_request evict_one(const char *name, uint32_t id)
{
	return genl_of_port(IPCCHAN_CMD_PORT_EVICT, name, id);
}

static struct genl_request list_ports(const char *name)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_PORT_GET);

	genl_put_text(&r, IPCCHAN_A_PORT_CHANNEL, name);
	return r;
}

/* Asks as that user, with a socket of its own. */
#define AS(uid, r) ({ struct genl_request r_ = (r); run_as(uid, genl_ask, &r_); })

#define EXPECT_REFUSED(err, words, does) \
	do { \
		EXPECT_EQ(err, does); \
		EXPECT_STREQ(words, why); \
	} while (0)

#define NOT_ADMIN "only the channel's owner or CAP_NET_ADMIN may do that"

/* Of these, as bits, which names a dump shows. */
struct look {
	const char *names[2];
};

static int look_around(struct genl *g, struct look *look)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	struct genl_answers answers = { 0 };
	int err = genl_talk(g, &r, &answers), shown = 0;

	for (int i = 0; i < 2; i++)
		if (genl_with_text(&answers, IPCCHAN_A_CHANNEL_NAME, look->names[i]))
			shown |= 1 << i;
	genl_free(&answers);
	return err ? err : shown;
}

/* A task_fn. */
static int look_task(void *look)
{
	struct genl g;
	int err = genl_open(&g);

	if (err)
		return err;
	err = look_around(&g, look);
	genl_close(&g);
	return err;
}

/* Breaks when a dump shows what a question would refuse. */
TEST_F(rights, dumps_hide)
{
	struct look look = { .names = { self->secret, self->open } };

	EXPECT_EQ(3, look_task(&look));
	EXPECT_EQ(3, run_as(ALICE, look_task, &look));
	EXPECT_EQ(2, run_as(BOB, look_task, &look));
}

TEST_F(rights, stranger)
{
	uint32_t id = self->port.attach.port_id;

	EXPECT_REFUSED(-EACCES, "no right to the channel", AS(BOB, get(self->secret)));
	EXPECT_REFUSED(-EACCES, "no right to the channel", AS(BOB, list_ports(self->secret)));
	EXPECT_REFUSED(-EACCES, "no right to the channel",
		       AS(BOB, genl_of_port(IPCCHAN_CMD_PORT_GET, self->secret, id)));
	/* whether there is such a port is none of its business either */
	EXPECT_REFUSED(-EACCES, "no right to the channel",
		       AS(BOB, genl_of_port(IPCCHAN_CMD_PORT_GET, self->secret, 999)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, AS(BOB, evict_one(self->secret, id)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, AS(BOB, evict_one(self->secret, 999)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, AS(BOB, del(self->secret)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, AS(BOB, del(self->open)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, AS(BOB, evict_one(self->open, 1)));
	EXPECT_REFUSED(-EEXIST, "the name is taken", AS(BOB, new_topic(self->secret)));
	EXPECT_EQ(0, AS(BOB, get(self->open)));
	EXPECT_EQ(0, AS(BOB, list_ports(self->open)));
	EXPECT_EQ(0, call_kick(self->port.fd, 0, 0));
}

TEST_F(rights, owner)
{
	uint32_t id = self->port.attach.port_id;

	EXPECT_EQ(0, AS(ALICE, get(self->secret)));
	EXPECT_EQ(0, AS(ALICE, list_ports(self->secret)));
	EXPECT_EQ(0, AS(ALICE, evict_one(self->secret, id))) TH_LOG("%s", why);
	EXPECT_EQ(-ESHUTDOWN, call_kick(self->port.fd, 0, 0));
	EXPECT_EQ(-ENOENT, AS(ALICE, evict_one(self->secret, id)));
	EXPECT_EQ(0, AS(ALICE, del(self->secret)));
	EXPECT_FALSE(channel_exists(self->secret));
}

TEST_F(rights, create)
{
	struct genl_request r = new_topic("u1000/mine");

	EXPECT_EQ(0, AS(ALICE, r)) TH_LOG("%s", why);
	EXPECT_EQ(0, AS(ALICE, del("u1000/mine")));
	EXPECT_REFUSED(-EPERM, "names under u<uid>/ are for that user to create", AS(BOB, r));
	EXPECT_REFUSED(-EPERM, "names under sys/ are for CAP_NET_ADMIN to create",
		       AS(BOB, new_topic("sys/x")));
	r = new_topic("test/given");
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_UID, ALICE);
	EXPECT_REFUSED(-EPERM, "only CAP_NET_ADMIN gives a channel to another owner", AS(BOB, r));
	EXPECT_EQ(0, AS(ALICE, r));
	EXPECT_EQ(0, AS(ALICE, del("test/given")));
	r = new_topic("test/given");
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_GID, ALICE);
	EXPECT_REFUSED(-EPERM, "only CAP_NET_ADMIN gives a channel to a group it is not in",
		       AS(BOB, r));
	EXPECT_FALSE(channel_exists("test/given"));
}

static int look_with_capability(void *look)
{
	become_with(BOB, CAP_NET_ADMIN);
	return look_task(look);
}

static int look_as_root_without(void *look)
{
	drop_capability(CAP_NET_ADMIN);
	return look_task(look);
}

/* The capability counts, not the number of the user. */
TEST_F(rights, capability)
{
	struct look look = { .names = { self->secret, self->open } };

	EXPECT_EQ(3, run_child(look_with_capability, &look));
	EXPECT_EQ(2, run_child(look_as_root_without, &look));
}

/* Sockets that change hands */

/* What is done with the socket of another. */
struct hand {
	struct genl genl;
	struct genl_request request;
	struct look look;
	int socket;
};

static int open_and_pass(void *arg)
{
	struct hand *hand = arg;
	struct genl g;
	int err;

	err = genl_open(&g);
	return err ? err : send_file(hand->socket, g.fd);
}

/* A socket of @uid's, here; it knows nothing of who has it now. */
static int get_socket_of(uid_t uid, struct hand *hand)
{
	struct genl own;
	int ends[2], err = genl_open(&own);

	if (err || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -errno;
	genl_close(&own);
	hand->genl.family = own.family;
	hand->socket = ends[1];
	err = run_as(uid, open_and_pass, hand);
	if (!err) {
		hand->genl.fd = recv_file(ends[0]);
		err = hand->genl.fd < 0 ? hand->genl.fd : 0;
	}
	close(ends[0]);
	close(ends[1]);
	return err;
}

static int ask_by_hand(void *arg)
{
	struct hand *hand = arg;

	return genl_talk(&hand->genl, &hand->request, NULL);
}

static int look_by_hand(void *arg)
{
	struct hand *hand = arg;

	return look_around(&hand->genl, &hand->look);
}

#define BY_HAND(uid, r) (hand.request = (r), run_as(uid, ask_by_hand, &hand))
#define HERE_BY_HAND(r) (hand.request = (r), ask_by_hand(&hand))

/*
 * Breaks when only who writes is asked for rights: a setuid program could be
 * made to write to its standard output, which is such a socket.
 */
TEST_F(rights, socket_of_one_with_fewer)
{
	struct hand hand = { .look.names = { self->secret, self->open } };
	uint32_t id = self->port.attach.port_id;

	ASSERT_EQ(0, get_socket_of(BOB, &hand));
	EXPECT_EQ(2, look_by_hand(&hand));
	EXPECT_REFUSED(-EACCES, "no right to the channel", HERE_BY_HAND(get(self->secret)));
	EXPECT_REFUSED(-EACCES, "no right to the channel", HERE_BY_HAND(list_ports(self->secret)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, HERE_BY_HAND(evict_one(self->secret, id)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, HERE_BY_HAND(del(self->secret)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, HERE_BY_HAND(del(self->open)));
	EXPECT_REFUSED(-EPERM, "the socket was opened by somebody with fewer rights",
		       HERE_BY_HAND(new_topic("test/by-hand")));
	EXPECT_REFUSED(-EPERM, "the socket was opened by somebody with fewer rights",
		       HERE_BY_HAND(new_topic("sys/by-hand")));
	EXPECT_REFUSED(-EPERM, "the socket was opened by somebody with fewer rights",
		       BY_HAND(ALICE, new_topic("test/by-hand")));
	EXPECT_EQ(0, BY_HAND(BOB, new_topic("test/by-hand"))) TH_LOG("%s", why);
	EXPECT_EQ(0, BY_HAND(BOB, del("test/by-hand")));
	close(hand.genl.fd);
}

/* A socket lends nobody the rights of who opened it. */
TEST_F(rights, socket_of_one_with_more)
{
	struct hand hand = { .look.names = { self->secret, self->open } };

	ASSERT_EQ(0, genl_open(&hand.genl));
	EXPECT_EQ(2, run_as(BOB, look_by_hand, &hand));
	EXPECT_REFUSED(-EACCES, "no right to the channel", BY_HAND(BOB, get(self->secret)));
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, BY_HAND(BOB, del(self->open)));
	EXPECT_REFUSED(-EPERM, "names under sys/ are for CAP_NET_ADMIN to create",
		       BY_HAND(BOB, new_topic("sys/by-hand")));
	EXPECT_EQ(0, BY_HAND(ALICE, get(self->secret)));
	genl_close(&hand.genl);
}

/* Namespaces */

static int in_own_netns(void *look)
{
	int err = enter_netns();

	return err ? err : look_task(look);
}

static int old_socket_in_new_netns(void *arg)
{
	struct hand *hand = arg;
	int err = enter_netns();

	return err ? err : look_by_hand(hand);
}

TEST_F(rights, network_namespaces)
{
	struct hand hand = { .look.names = { self->secret, self->open } };

	EXPECT_EQ(0, run_child(in_own_netns, &hand.look));
	ASSERT_EQ(0, genl_open(&hand.genl));
	EXPECT_EQ(3, run_child(old_socket_in_new_netns, &hand));
	genl_close(&hand.genl);
}

/* In a user namespace with a network of its own: all is allowed there, nothing here. */
static int rule_at_home(void *arg)
{
	struct hand *hand = arg;
	struct look look = { .names = { "sys/at-home", "u0/at-home" } };
	struct genl_request r;
	int err = enter_userns();

	if (err)
		return err;
	/* root there, yet not yet the network's */
	r = new_topic("sys/at-home");
	if (genl_ask(&r) != -EPERM)
		return -1000;
	r = del(hand->look.names[1]);
	if (genl_ask(&r) != -EPERM)
		return -1001;
	err = enter_netns();
	if (err)
		return err;
	r = new_topic("sys/at-home");
	err = genl_ask(&r);
	if (err)
		return err;
	r = new_topic("u0/at-home");
	err = genl_ask(&r);
	if (err)
		return err;
	if (look_task(&look) != 3)
		return -1002;
	return genl_talk(&hand->genl, &hand->request, NULL);
}

TEST_F(rights, user_namespaces)
{
	struct hand hand = { .look.names = { self->secret, self->open } };

	ASSERT_EQ(0, genl_open(&hand.genl));
	hand.request = del(self->open);
	EXPECT_REFUSED(-EPERM, NOT_ADMIN, run_as(BOB, rule_at_home, &hand));
	EXPECT_TRUE(channel_exists(self->open));
	genl_close(&hand.genl);
}

/* Ids are those of the asker's namespaces */

struct seen {
	const char *name;
	uint32_t port;
	int64_t uid, gid, pid, rights;
};

static int see(struct seen *seen)
{
	struct genl_request r = get(seen->name);
	struct genl_answers answers = { 0 };
	struct genl g;
	int err = genl_open(&g);

	if (err)
		return err;
	err = genl_talk(&g, &r, &answers);
	if (!err) {
		seen->uid = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_CHANNEL_UID);
		seen->gid = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_CHANNEL_GID);
		seen->rights = genl_number(genl_attrs(answers.messages[0]),
					   IPCCHAN_A_CHANNEL_RIGHTS);
	}
	genl_free(&answers);
	genl_close(&g);
	return err;
}

static int see_port(struct seen *seen)
{
	struct genl_request r = genl_of_port(IPCCHAN_CMD_PORT_GET, seen->name, seen->port);
	struct genl_answers answers = { 0 };
	struct genl g;
	int err = genl_open(&g);

	if (err)
		return err;
	err = genl_talk(&g, &r, &answers);
	if (!err) {
		seen->uid = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_PORT_UID);
		seen->gid = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_PORT_GID);
		seen->pid = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_PORT_PID);
	}
	genl_free(&answers);
	genl_close(&g);
	return err;
}

/* 7 is alice, and nobody else is anybody. Our port is root's. */
static int see_translated(void *arg)
{
	struct seen *seen = arg;
	int err = enter_userns_mapped(7, ALICE, 1);

	if (!err)
		err = see(seen);
	if (err)
		return err;
	if (seen->uid != 7 || seen->gid != 7)
		return -1000 - seen->uid;
	if (seen->rights != (IPCCHAN_SEND | IPCCHAN_RECEIVE))
		return -2000;
	err = see_port(seen);
	if (err)
		return err;
	return seen->uid == 65534 && seen->gid == 65534 && seen->pid == getppid() ? 0 : -3000;
}

TEST_F(rights, ids_of_users)
{
	struct seen seen = { .name = self->open };
	struct raw_port port;

	ASSERT_EQ(0, see(&seen));
	EXPECT_EQ(ALICE, seen.uid);
	EXPECT_EQ(ALICE, seen.gid);
	ASSERT_EQ(0, raw_open(&port, self->open, IPCCHAN_SEND));
	seen.port = port.attach.port_id;
	EXPECT_EQ(0, see_port(&seen));
	EXPECT_EQ(getpid(), seen.pid);
	EXPECT_EQ(0, run_child(see_translated, &seen)) TH_LOG("%s", why);
	raw_close(&port);
}

/* In a pid namespace: a port of its own, and one from outside, which is nobody there. */
static int first_of_its_kind(void *arg)
{
	struct seen *seen = arg;
	struct seen own = { .name = seen->name };
	struct raw_port port;
	int err = see_port(seen);

	if (err)
		return err;
	if (seen->pid != 0)
		return -1000;
	err = raw_open(&port, seen->name, IPCCHAN_SEND);
	if (err)
		return err;
	own.port = port.attach.port_id;
	err = see_port(&own);
	raw_close(&port);
	if (err)
		return err;
	return getpid() == 1 && own.pid == 1 ? 0 : -2000;
}

static int see_from_new_pidns(void *arg)
{
	if (unshare(CLONE_NEWPID))
		return -errno;
	return run_child(first_of_its_kind, arg);
}

TEST_F(rights, ids_of_processes)
{
	struct seen seen = { .name = self->open };
	struct raw_port port;

	ASSERT_EQ(0, raw_open(&port, self->open, IPCCHAN_SEND));
	seen.port = port.attach.port_id;
	EXPECT_EQ(0, run_child(see_from_new_pidns, &seen)) TH_LOG("%s", why);
	raw_close(&port);
}

TEST_HARNESS_MAIN
