// SPDX-License-Identifier: GPL-2.0
/*
 * Many clients, through the library: idle ones cost nothing, one of a thousand is
 * found at once, and in a storm of calls and deaths every reply reaches its own
 * caller.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"
#include "probe.h"
#include "tool.h"

#define LIMIT		600
#define CLIENTS		1000u	/* that sleep */
#define CALLERS		100u	/* in the storm */
#define CALLS		100000u
#define SERVERS		2u
#define WINDOW		8u	/* calls in flight */
#define PARKED		16u	/* requests a server answers later */

static void allow_files(void)
{
	struct rlimit files = { 8192, 8192 };

	setrlimit(RLIMIT_NOFILE, &files);
}

static void options(struct ipcchan_options *o)
{
	ipcchan_options_init(o);
	o->flags = IPCCHAN_OPEN_CREATE;
	o->depth = 16;
	o->arena = 8192;
	o->spin_ns = 0;
}

FIXTURE(many) {
	struct accounts before;
	struct crew crew;
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_SETUP(many)
{
	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "many");
	allow_files();
}

FIXTURE_TEARDOWN(many)
{
	crew_free(&self->crew);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* A server: an epoll set of its listener (number 0) and its ports. */

struct server {
	struct ipcchan_listener *listener;
	int set;
	struct ipcchan_port *ports[CLIENTS + 2];
};

static void watch(struct crew *crew, struct server *s, int fd, uint32_t number)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = number };

	if (epoll_ctl(s->set, EPOLL_CTL_ADD, fd, &event))
		crew_fail(crew, "epoll_ctl: %d", errno);
}

static struct server *server_new(struct crew *crew, const char *name)
{
	struct server *s = calloc(1, sizeof(*s));
	struct ipcchan_options o;
	struct ipcchan_error error;

	options(&o);
	s->set = epoll_create1(EPOLL_CLOEXEC);
	if (ipcchan_listen(&s->listener, name, &o, &error))
		crew_fail(crew, "listen: %s", error.text);
	watch(crew, s, ipcchan_listener_fd(s->listener), 0);
	return s;
}

static void accept_all(struct crew *crew, struct server *s)
{
	uint32_t i = 1;
	int rc;

	do {
		while (i < ARRAY_SIZE(s->ports) && s->ports[i])
			i++;
		if (i == ARRAY_SIZE(s->ports))
			crew_fail(crew, "more clients than there are");
		rc = ipcchan_accept(s->listener, &s->ports[i], NULL, IPCCHAN_NO_WAIT);
		if (!rc)
			watch(crew, s, ipcchan_port_fd(s->ports[i]), i);
	} while (!rc);
	if (rc != -EAGAIN)
		crew_fail(crew, "accept: %s", ipcchan_strerror(rc));
}

static void hang_up(struct server *s, uint32_t i)
{
	ipcchan_port_close(s->ports[i]);
	s->ports[i] = NULL;
}

/* The words of the board. */
enum { CONNECTED, ANSWERED, TURNS, STOP, DONE, PROGRESS };

static void echo_all(struct crew *crew, struct server *s, uint32_t i)
{
	struct ipcchan_message m;
	int rc;

	while (!(rc = ipcchan_receive(s->ports[i], &m, IPCCHAN_NO_WAIT))) {
		rc = ipcchan_reply(s->ports[i], &m, m.data, m.length, IPCCHAN_NO_WAIT);
		if (rc && rc != -EPIPE)
			crew_fail(crew, "reply: %s", ipcchan_strerror(rc));
		ipcchan_release(s->ports[i], &m);
		crew_add(crew, ANSWERED, 1);
	}
	if (rc == -EPIPE)
		hang_up(s, i);
	else if (rc != -EAGAIN)
		crew_fail(crew, "receive: %s", ipcchan_strerror(rc));
}

static void serve_idle(struct crew *crew, int me, const void *job)
{
	struct server *s = server_new(crew, job);
	struct epoll_event events[16];

	crew_gate(crew, 1);
	while (!crew_word(crew, STOP)) {
		int n = epoll_wait(s->set, events, 16, 60000);

		crew_add(crew, TURNS, 1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u32)
				echo_all(crew, s, events[i].data.u32);
			else
				accept_all(crew, s);
		}
	}
}

static unsigned long switches_of(pid_t pid)
{
	unsigned long voluntary, involuntary;
	char path[64], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	if (!at || sscanf(at, "\nvoluntary_ctxt_switches: %lu nonvoluntary_ctxt_switches: %lu",
			  &voluntary, &involuntary) != 2)
		return 0;
	return voluntary;
}

/* Has it come to rest? How often it has slept by then. */
static unsigned long rests(pid_t pid)
{
	unsigned long before, now = switches_of(pid);
	int calm = 0;

	for (int i = 0; i < 300 && calm < 10; i++) {
		before = now;
		sleep_ms(100);
		now = switches_of(pid);
		calm = now == before ? calm + 1 : 0;
	}
	return now;
}

/* One server, 1,000 clients: those that sleep do not wake it, one that calls does. */
TEST_F_TIMEOUT(many, idle_clients_cost_nothing, LIMIT)
{
	uint32_t n = heavy(CLIENTS, 200);
	struct ipcchan_port **ports = calloc(n, sizeof(*ports));
	struct ipcchan_message reply;
	struct ipcchan_error error;
	uint64_t random = random_seed();
	unsigned long before, turns;
	struct ipcchan_options o;

	options(&o);
	o.flags = IPCCHAN_OPEN_WAIT;
	ASSERT_EQ(0, crew_start(&self->crew, serve_idle, self->name));
	for (uint32_t i = 0; i < n; i++) {
		ASSERT_EQ(0, ipcchan_connect(&ports[i], self->name, &o, PATIENCE_NS, &error))
			TH_LOG("%u: %s", i, error.text);
	}
	before = rests(self->crew.pids[0]);
	turns = crew_word(&self->crew, TURNS);
	ASSERT_LT(0, before);
	sleep_ms(2000);
	EXPECT_EQ(before, switches_of(self->crew.pids[0]));
	EXPECT_EQ(turns, crew_word(&self->crew, TURNS));
	TH_LOG("%u clients, %lu turns to accept them; woken while they sleep: %lu times", n,
	       turns, switches_of(self->crew.pids[0]) - before);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t who = random_next(&random) % n;

		ASSERT_EQ(0, ipcchan_call(ports[who], &who, sizeof(who), &reply, PATIENCE_NS));
		EXPECT_EQ(0, memcmp(reply.data, &who, sizeof(who)));
		ASSERT_EQ(0, ipcchan_release(ports[who], &reply));
	}
	EXPECT_EQ(n, crew_word(&self->crew, ANSWERED));
	crew_add(&self->crew, STOP, 1);
	for (uint32_t i = 0; i < n; i++)
		ipcchan_port_close(ports[i]);
	free(ports);
	EXPECT_EQ(NULL, crew_end(&self->crew, 60)) TH_LOG("%s", self->crew.board->text);
}

/* The storm */

struct question {
	uint64_t caller;	/* a number nobody else has */
	uint64_t number;
	uint64_t length;	/* of the answer, besides this */
};

static uint64_t answer_to(const struct question *q)
{
	uint64_t state = q->caller << 32 ^ q->number;

	return random_next(&state);
}

/* Requests that are answered later, in another order. */
struct parked {
	uint32_t port;
	struct ipcchan_message request;
	struct question q;
};

struct storm_server {
	struct server *s;
	struct parked parked[PARKED];
	uint32_t nr;
	uint64_t random;
};

static void answer_one(struct crew *crew, struct storm_server *w)
{
	uint32_t i = random_next(&w->random) % w->nr;
	struct parked p = w->parked[i];
	struct ipcchan_port *port = w->s->ports[p.port];
	struct ipcchan_loan loan;
	uint64_t *words;
	int rc;

	w->parked[i] = w->parked[--w->nr];
	if (!port)
		return;
	rc = ipcchan_reserve(port, sizeof(p.q) + 8 + p.q.length, &loan, PATIENCE_NS);
	if (!rc) {
		words = loan.data;
		memcpy(words, &p.q, sizeof(p.q));
		words[3] = answer_to(&p.q);
		memset(&words[4], (int)p.q.number, p.q.length);
		rc = ipcchan_reply_commit(port, &p.request, &loan);
	}
	if (rc && rc != -EPIPE)
		crew_fail(crew, "reply: %s", ipcchan_strerror(rc));
	crew_add(crew, ANSWERED, 1);
}

/* What was parked for a client that has died. */
static void forget(struct storm_server *w, uint32_t port)
{
	for (uint32_t i = 0; i < w->nr;) {
		if (w->parked[i].port == port)
			w->parked[i] = w->parked[--w->nr];
		else
			i++;
	}
}

static void take_all(struct crew *crew, struct storm_server *w, uint32_t port)
{
	struct parked *p;
	ssize_t length;

	if (!w->s->ports[port])
		return;
	for (;;) {
		if (w->nr == PARKED)
			answer_one(crew, w);
		p = &w->parked[w->nr];
		p->port = port;
		length = ipcchan_recv(w->s->ports[port], &p->q, sizeof(p->q), &p->request,
				      IPCCHAN_NO_WAIT);
		if (length != sizeof(p->q))
			break;
		w->nr++;
	}
	if (length == -EPIPE) {
		forget(w, port);
		hang_up(w->s, port);
	} else if (length != -EAGAIN) {
		crew_fail(crew, "receive: %s", ipcchan_strerror((int)length));
	}
}

static void serve_storm(struct crew *crew, int me, const void *job)
{
	struct storm_server *w = calloc(1, sizeof(*w));
	struct epoll_event events[16];

	w->s = server_new(crew, job);
	w->random = random_seed() + me;
	crew_gate(crew, SERVERS);
	while (!crew_word(crew, STOP)) {
		int n = epoll_wait(w->s->set, events, 16, w->nr ? 0 : 100);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32)
				take_all(crew, w, events[i].data.u32);
			else
				accept_all(crew, w->s);
		}
		/* nothing more to do: those that are left, by and by */
		if (w->nr && (!n || random_next(&w->random) % 2))
			answer_one(crew, w);
	}
}

static void check_answer(struct crew *crew, const struct question *q, uint64_t call,
			 const struct ipcchan_message *reply)
{
	const uint64_t *words = reply->data;
	const uint8_t *rest = (const uint8_t *)&words[4];

	if (reply->tag != call)
		crew_fail(crew, "the reply to another call");
	if (reply->length != sizeof(*q) + 8 + q->length)
		crew_fail(crew, "a reply of %zu bytes, not %llu", reply->length,
			  (unsigned long long)(sizeof(*q) + 8 + q->length));
	if (memcmp(words, q, sizeof(*q)))
		crew_fail(crew, "caller %llu, call %llu: it answers caller %llu, call %llu",
			  (unsigned long long)q->caller, (unsigned long long)q->number,
			  (unsigned long long)words[0], (unsigned long long)words[1]);
	if (words[3] != answer_to(q))
		crew_fail(crew, "a wrong answer");
	for (uint64_t i = 0; i < q->length; i++)
		if (rest[i] != (uint8_t)q->number)
			crew_fail(crew, "another's bytes");
}

static struct question ask(uint64_t caller, uint64_t number, uint64_t *random)
{
	struct question q = { .caller = caller, .number = number };
	uint64_t r = random_next(random);

	q.length = r % 4 ? r >> 32 & 31 : r >> 32 & 511;
	return q;
}

/* Until it is killed, or all is done: calls in flight, finished in any order. */
static void storm_client(struct crew *crew, const char *name, uint64_t caller)
{
	struct question q[WINDOW];
	uint64_t calls[WINDOW], number = 0, random = random_seed() ^ caller << 17;
	struct ipcchan_message reply;
	struct ipcchan_options o;
	struct ipcchan_error error;
	struct ipcchan_port *port;
	uint32_t nr, i;
	int rc;

	options(&o);
	o.flags = IPCCHAN_OPEN_WAIT;
	if (ipcchan_connect(&port, name, &o, PATIENCE_NS, &error))
		crew_fail(crew, "connect: %s", error.text);
	while (crew_word(crew, DONE) < crew_word(crew, PROGRESS)) {
		for (nr = 0; nr < WINDOW; nr++) {
			q[nr] = ask(caller, number++, &random);
			rc = ipcchan_call_start(port, &q[nr], sizeof(q[nr]), &calls[nr], PATIENCE_NS);
			if (rc)
				crew_fail(crew, "call: %s", ipcchan_strerror(rc));
		}
		while (nr) {
			i = random_next(&random) % nr;
			if (random_next(&random) % 64 == 0) {
				/* one that is given up: its answer is nobody's */
				ipcchan_call_cancel(port, calls[i]);
			} else {
				rc = ipcchan_call_finish(port, calls[i], &reply, PATIENCE_NS);
				if (rc)
					crew_fail(crew, "finish: %s", ipcchan_strerror(rc));
				check_answer(crew, &q[i], calls[i], &reply);
				ipcchan_release(port, &reply);
				crew_add(crew, DONE, 1);
			}
			nr--;
			q[i] = q[nr];
			calls[i] = calls[nr];
		}
	}
	ipcchan_port_close(port);
}

static pid_t start_client(struct crew *crew, const char *name, uint64_t caller)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	storm_client(crew, name, caller);
	_exit(0);
}

TEST_F_TIMEOUT(many, every_reply_reaches_its_caller, LIMIT)
{
	uint32_t goal = heavy(CALLS, 5000), callers = heavy(CALLERS, 20), deaths = 0, bad = 0;
	uint64_t random = random_seed(), next = callers;
	pid_t pids[CALLERS];
	int status, err;

	TH_LOG("%u calls of %u clients", goal, callers);
	crew_add(&self->crew, PROGRESS, goal);
	for (uint32_t i = 0; i < SERVERS; i++) {
		ASSERT_EQ(i, crew_start(&self->crew, serve_storm, self->name));
	}
	for (uint32_t i = 0; i < callers; i++) {
		pids[i] = start_client(&self->crew, self->name, i);
		ASSERT_LT(0, pids[i]);
	}
	while (crew_word(&self->crew, DONE) < goal && !self->crew.board->failed) {
		uint32_t i = random_next(&random) % callers;

		sleep_ms(random_next(&random) % 20);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
		bad += !WIFSIGNALED(status) && WEXITSTATUS(status);
		deaths++;
		pids[i] = start_client(&self->crew, self->name, next++);
	}
	for (uint32_t i = 0; i < callers; i++) {
		if (self->crew.board->failed)
			kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
		bad += !WIFSIGNALED(status) && WEXITSTATUS(status);
	}
	EXPECT_EQ(0, bad);
	crew_add(&self->crew, STOP, 1);
	EXPECT_EQ(NULL, crew_end(&self->crew, 120)) TH_LOG("%s", self->crew.board->text);
	TH_LOG("%llu calls, %u deaths", (unsigned long long)crew_word(&self->crew, DONE), deaths);
	EXPECT_TRUE(accounts_settle(&self->before));
	for (int i = 0; (err = module_unload()) == -EAGAIN && i < 100; i++)
		sleep_ms(100);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
