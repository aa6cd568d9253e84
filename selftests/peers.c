// SPDX-License-Identifier: GPL-2.0
/* Processes that exchange messages; see peers.h. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "peers.h"

uint32_t heavy(uint32_t n, uint32_t least)
{
	const char *scale = getenv("IPCCHAN_TEST_SCALE");
	double factor = scale ? atof(scale) : slow_kernel() ? 0.2 : 1;

	return n * factor < least ? least : (uint32_t)(n * factor);
}

uint64_t random_seed(void)
{
	const char *given = getenv("IPCCHAN_TEST_SEED");
	struct timespec now;

	if (given)
		return strtoull(given, NULL, 0) | 1;
	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_nsec << 20 ^ now.tv_sec) | 1;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Mostly none: so that queues run full and empty by turns. */
void random_pause(uint64_t *state)
{
	uint64_t r = random_next(state);

	if (r % 128 == 0)
		usleep(r >> 32 & 1023);
	else if (r % 16 == 0)
		sched_yield();
}

int crew_init(struct crew *crew)
{
	memset(crew, 0, sizeof(*crew));
	crew->board = mmap(NULL, sizeof(*crew->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crew->board != MAP_FAILED)
		return 0;
	crew->board = NULL;
	return -1;
}

int crew_start(struct crew *crew, crew_body body, const void *job)
{
	int me = crew->nr;
	pid_t parent = getpid(), pid;

	if (me == CREW_MOST)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid) {
		crew->pids[crew->nr++] = pid;
		return me;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	body(crew, me, job);
	_exit(0);
}

static void blame(struct crew *crew, int member, int status)
{
	struct crew_board *board = crew->board;

	if (__atomic_exchange_n(&board->failed, 1, __ATOMIC_ACQ_REL))
		return;
	if (WIFSIGNALED(status))
		snprintf(board->text, sizeof(board->text), "process %d: signal %d", member,
			 WTERMSIG(status));
	else
		snprintf(board->text, sizeof(board->text), "process %d: exit status %d", member,
			 WEXITSTATUS(status));
}

/* Has it ended? Then its number is no more in use. */
static bool reap(struct crew *crew, int member)
{
	int status;

	if (!crew->pids[member])
		return true;
	if (waitpid(crew->pids[member], &status, WNOHANG) != crew->pids[member])
		return false;
	crew->pids[member] = 0;
	if (status)
		blame(crew, member, status);
	return true;
}

static void end_member(struct crew *crew, int member)
{
	if (!crew->pids[member])
		return;
	kill(crew->pids[member], SIGKILL);
	waitpid(crew->pids[member], NULL, 0);
	crew->pids[member] = 0;
}

static const char *verdict(struct crew *crew)
{
	return __atomic_load_n(&crew->board->failed, __ATOMIC_ACQUIRE) ? crew->board->text : NULL;
}

const char *crew_join(struct crew *crew, int member, int seconds)
{
	for (int i = 0; i < seconds * 1000; i++) {
		if (reap(crew, member))
			return verdict(crew);
		if (verdict(crew))
			break;
		usleep(1000);
	}
	if (!__atomic_exchange_n(&crew->board->failed, 1, __ATOMIC_ACQ_REL))
		snprintf(crew->board->text, sizeof(crew->board->text),
			 "process %d: no end after %d s", member, seconds);
	end_member(crew, member);
	return verdict(crew);
}

const char *crew_end(struct crew *crew, int seconds)
{
	time_t until = time(NULL) + seconds;

	for (int i = 0; i < crew->nr; i++) {
		time_t now = time(NULL);

		crew_join(crew, i, until > now ? until - now + 1 : 1);
	}
	for (int i = 0; i < crew->nr; i++)
		end_member(crew, i);
	return verdict(crew);
}

void crew_free(struct crew *crew)
{
	if (!crew->board)
		return;
	for (int i = 0; i < crew->nr; i++)
		end_member(crew, i);
	munmap(crew->board, sizeof(*crew->board));
	crew->board = NULL;
}

void crew_fail(struct crew *crew, const char *format, ...)
{
	struct crew_board *board = crew->board;
	va_list args;

	va_start(args, format);
	if (!__atomic_exchange_n(&board->failed, 1, __ATOMIC_ACQ_REL))
		vsnprintf(board->text, sizeof(board->text), format, args);
	va_end(args);
	_exit(1);
}

void crew_gate(struct crew *crew, uint32_t count)
{
	__atomic_fetch_add(&crew->board->ready, 1, __ATOMIC_ACQ_REL);
	for (int i = 0; i < 60000; i++) {
		if (__atomic_load_n(&crew->board->ready, __ATOMIC_ACQUIRE) >= count)
			return;
		usleep(1000);
	}
	crew_fail(crew, "the others did not come to the gate");
}

uint64_t crew_add(struct crew *crew, int word, uint64_t n)
{
	return __atomic_add_fetch(&crew->board->words[word], n, __ATOMIC_ACQ_REL);
}

uint64_t crew_word(const struct crew *crew, int word)
{
	return __atomic_load_n(&crew->board->words[word], __ATOMIC_ACQUIRE);
}

/* Slots are taken while what was sent from them is unread: try again for a while. */
struct ipcchan_port *crew_open(struct crew *crew, const char *name, uint32_t roles,
			       uint64_t spin_ns)
{
	struct ipcchan_error error = { "" };
	struct ipcchan_options options;
	struct ipcchan_port *port;
	int rc = -EUSERS;

	ipcchan_options_init(&options);
	if (spin_ns != SPIN_DEFAULT) {
		options.flags = IPCCHAN_OPEN_SPIN_FIXED;
		options.spin_ns = spin_ns;
	}
	for (int i = 0; rc == -EUSERS && i < 30000; i++) {
		rc = ipcchan_open(&port, name, roles, &options, &error);
		if (rc == -EUSERS)
			usleep(1000);
	}
	if (rc)
		crew_fail(crew, "open: %s", error.text);
	return port;
}

size_t pattern_length(uint64_t tag, size_t most)
{
	uint64_t r = random_next(&(uint64_t){ tag });

	switch (r % 16) {
	case 0:
		return 0;
	case 1:
		return most;
	case 2 ... 5:
		return (r >> 8) % (most / 16 + 1);
	}
	return (r >> 8) % (most + 1);
}

static inline uint64_t pattern_word(uint64_t tag, size_t i)
{
	return (tag * 0xd1342543de82ef95ull + i) * 0x9e3779b97f4a7c15ull;
}

void pattern_fill(void *data, size_t length, uint64_t tag)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= length; i += 8) {
		word = pattern_word(tag, i);
		memcpy((char *)data + i, &word, 8);
	}
	word = pattern_word(tag, i);
	if (length > i)
		memcpy((char *)data + i, &word, length - i);
}

bool pattern_matches(const void *data, size_t length, uint64_t tag)
{
	uint64_t word, found;
	size_t i;

	for (i = 0; i + 8 <= length; i += 8) {
		memcpy(&found, (const char *)data + i, 8);
		if (found != pattern_word(tag, i))
			return false;
	}
	word = pattern_word(tag, i);
	return length == i || !memcmp((const char *)data + i, &word, length - i);
}

int send_pattern(struct ipcchan_port *port, uint64_t tag, size_t length, int64_t timeout_ns)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(port, length, &loan, timeout_ns);

	if (rc)
		return rc;
	pattern_fill(loan.data, length, tag);
	loan.tag = tag;
	return ipcchan_commit(port, &loan);
}

void ledger_enter(struct crew *crew, struct ledger *ledger, const struct ipcchan_message *message,
		  const void *data)
{
	uint32_t sender = message->tag >> 32, number = (uint32_t)message->tag;

	if (sender >= LEDGER_SENDERS)
		crew_fail(crew, "message of an unknown sender, %u", sender);
	if (number != ledger->next[sender])
		crew_fail(crew, "sender %u: message %u instead of %u", sender, number,
			  ledger->next[sender]);
	if (message->length != pattern_length(message->tag, ledger->most))
		crew_fail(crew, "sender %u: message %u has %zu bytes", sender, number,
			  message->length);
	if (!pattern_matches(data, message->length, message->tag))
		crew_fail(crew, "sender %u: message %u has other bytes", sender, number);
	ledger->known[sender] = true;
	ledger->next[sender]++;
	ledger->received++;
}

struct taker *taker_new(struct crew *crew, struct ipcchan_port *port, enum way way, size_t most,
			uint64_t seed)
{
	struct taker *t = calloc(1, sizeof(*t));

	if (!t)
		crew_fail(crew, "out of memory");
	t->crew = crew;
	t->port = port;
	t->way = way;
	t->random = seed;
	t->ledger.most = most;
	return t;
}

static void give_back(struct taker *t, int i)
{
	struct ipcchan_message *m = &t->held[i];

	if (!pattern_matches(m->data, m->length, m->tag))
		crew_fail(t->crew, "a held message has changed");
	if (ipcchan_release(t->port, m))
		crew_fail(t->crew, "cannot release");
	*m = t->held[--t->nr_held];
}

static int take_copy(struct taker *t, int64_t timeout_ns)
{
	struct ipcchan_message m;
	ssize_t got = ipcchan_recv(t->port, t->copy, sizeof(t->copy), &m, timeout_ns);

	if (got < 0)
		return got;
	ledger_enter(t->crew, &t->ledger, &m, t->copy);
	return 0;
}

/* Who sleeps holds nothing: what he holds might be all the arena. */
static int take_in_place(struct taker *t, int64_t timeout_ns)
{
	struct ipcchan_message *m = &t->held[t->nr_held];
	int rc = ipcchan_receive(t->port, m, IPCCHAN_NO_WAIT);

	if (rc == -EAGAIN) {
		while (t->nr_held)
			give_back(t, 0);
		m = &t->held[0];
		rc = ipcchan_receive(t->port, m, timeout_ns);
	}
	if (rc)
		return rc;
	ledger_enter(t->crew, &t->ledger, m, m->data);
	t->nr_held++;
	if (t->way == IN_PLACE || t->nr_held == TAKER_HOLDS)
		give_back(t, random_next(&t->random) % t->nr_held);
	return 0;
}

int taker_take(struct taker *t, int64_t timeout_ns)
{
	return t->way == BY_COPY ? take_copy(t, timeout_ns) : take_in_place(t, timeout_ns);
}

void taker_take_all(struct taker *t)
{
	int rc;

	do {
		rc = taker_take(t, PATIENCE_NS);
		random_pause(&t->random);
	} while (!rc);
	if (rc != -EPIPE)
		crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
}

void taker_free(struct taker *t)
{
	while (t->nr_held)
		give_back(t, 0);
	ipcchan_port_close(t->port);
	free(t);
}
