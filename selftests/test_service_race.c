// SPDX-License-Identifier: GPL-2.0
/* Services: what is ended, or evicted, while another is about to use it. */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "parley.h"

#define LIMIT	120
#define TRIES	2000
#define ALLOWED	3

FIXTURE(race) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port l;
	struct genl genl;
	pthread_t thread;
	uint32_t next;		/* the number the next connection will have */
	bool stop;
};

FIXTURE_SETUP(race)
{
	accounts_read(&self->before);
	unique_name(self->name, "race");
	ASSERT_EQ(0, make_service(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
	ASSERT_EQ(0, genl_open(&self->genl));
}

FIXTURE_TEARDOWN(race)
{
	leave(&self->l);
	EXPECT_EQ(0, drop_channel(self->name));
	genl_close(&self->genl);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static uint32_t number_of(struct genl *genl, const char *name)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, name);
	struct genl_answers answers;
	uint32_t id;

	if (genl_talk(genl, &r, &answers))
		return 0;
	id = genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_CHANNEL_ID);
	genl_free(&answers);
	return id;
}

/* Deletes each connection as soon as there is one of its number. */
static void *delete_each(void *arg)
{
	FIXTURE_DATA(race) *self = arg;

	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE)) {
		struct genl_request r = genl_request(IPCCHAN_CMD_CHANNEL_DEL);

		genl_put_u32(&r, IPCCHAN_A_CHANNEL_ID, self->next);
		if (!genl_talk(&self->genl, &r, NULL))
			__atomic_add_fetch(&self->next, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* @words: why not; empty: it was made. The other thread has "why". */
static int connect_saying(const char *name, char *words)
{
	struct ipcchan_attach args = attach_args(name, IPCCHAN_SEND);
	int fd = device_open();

	words[0] = 0;
	args.why = (uintptr_t)words;
	args.why_len = WHY_SIZE;
	call(fd, IPCCHAN_IOC_ATTACH, &args);
	return fd;
}

/* Breaks it: a connection that has ended is counted, and nobody counts it off. */
TEST_F_TIMEOUT(race, ended_while_it_is_made, LIMIT)
{
	uint64_t end = now_ns() + 20 * SECOND;
	char words[WHY_SIZE];
	int fd;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, ALLOWED));
	self->next = number_of(&self->genl, self->name) + 1;
	ASSERT_LT(1, self->next);
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, delete_each, self));
	for (int i = 0; i < TRIES && now_ns() < end; i++) {
		uint32_t before = self->next;

		fd = connect_saying(self->name, words);
		if (words[0])
			ASSERT_STREQ("the connection was ended while it was made", words);
		while (__atomic_load_n(&self->next, __ATOMIC_ACQUIRE) == before)
			sched_yield();
		close(fd);
	}
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, connections_of(self->name));
}

TEST_HARNESS_MAIN
