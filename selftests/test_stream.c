// SPDX-License-Identifier: GPL-2.0
/*
 * System calls: none on the path of a message between two processes that run,
 * and at most one kick for each sleep.
 *
 * A filter that kills on any system call but exit_group() is installed by both
 * processes once they know each other. What breaks these: any call on the path,
 * a clock that is not read through the vDSO, an allocation, a sleeper's bit left
 * on the roster (a kick for each message).
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define WARM_UP		100
#define SECONDS		120
#define FOREVER_SPIN	(1ull << 60)

/* Words of the board. */
enum { READY, DONE, FULL, KICKS, WAITS, ROUND, ASLEEP };

struct job {
	const char *name;
	uint32_t messages;
	size_t length;
	bool in_place;
	bool must_fill;		/* the sender must have found the ring full */
};

static void allow_nothing_but_the_end(struct crew *crew)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		crew_fail(crew, "no filter: errno %d", errno);
}

/* Waits without a system call for what the other says. */
static void spin_until(const struct crew *crew, int word, uint64_t least)
{
	while (crew_word(crew, word) < least)
		__asm__ volatile("" ::: "memory");
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void send_number(struct crew *crew, struct ipcchan_port *port, uint32_t n, size_t length)
{
	struct ipcchan_loan loan;

	if (ipcchan_reserve(port, length, &loan, IPCCHAN_WAIT_FOREVER_NS))
		crew_fail(crew, "reserve");
	if (length >= sizeof(n))
		memcpy(loan.data, &n, sizeof(n));
	loan.tag = n;
	if (ipcchan_commit(port, &loan))
		crew_fail(crew, "commit");
}

static void take_number(struct crew *crew, struct ipcchan_port *port, uint32_t n,
			const struct job *job)
{
	struct ipcchan_message m;
	char copy[256] = { 0 };
	const void *data = copy;
	uint32_t found = n;

	if (job->in_place) {
		if (ipcchan_receive(port, &m, IPCCHAN_WAIT_FOREVER_NS))
			crew_fail(crew, "receive");
		data = m.data;
	} else if (ipcchan_recv(port, copy, sizeof(copy), &m, IPCCHAN_WAIT_FOREVER_NS) < 0) {
		crew_fail(crew, "recv");
	}
	if (m.length >= sizeof(found))
		memcpy(&found, data, sizeof(found));
	if (m.tag != n || found != n || m.length != job->length)
		_exit(2);
	if (job->in_place && ipcchan_release(port, &m))
		_exit(3);
}

static void note_stats(struct crew *crew, const struct ipcchan_port *port)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, FULL, stats.full);
	crew_add(crew, KICKS, stats.kicks);
	crew_add(crew, WAITS, stats.waits);
}

/* Both stay until both are through: who leaves makes the other look around. */
static void body_stream_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, FOREVER_SPIN);
	uint32_t n = 0;

	stay_on(me);
	crew_gate(crew, 2);
	while (n < WARM_UP)
		send_number(crew, port, n++, job->length);
	crew_add(crew, READY, 1);
	allow_nothing_but_the_end(crew);
	spin_until(crew, READY, 2);
	while (n < job->messages + WARM_UP)
		send_number(crew, port, n++, job->length);
	spin_until(crew, DONE, 1);
	note_stats(crew, port);
	if (job->must_fill && !crew_word(crew, FULL))
		_exit(4);
	_exit(0);
}

static void body_stream_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE,
					      FOREVER_SPIN);
	uint32_t n = 0;

	stay_on(me);
	crew_gate(crew, 2);
	while (n < WARM_UP)
		take_number(crew, port, n++, job);
	crew_add(crew, READY, 1);
	allow_nothing_but_the_end(crew);
	while (n < job->messages + WARM_UP)
		take_number(crew, port, n++, job);
	note_stats(crew, port);
	crew_add(crew, DONE, 1);
	_exit(0);
}

FIXTURE(stream) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct job job;
};

FIXTURE_VARIANT(stream) {
	uint32_t depth;
	uint64_t arena;
	uint32_t messages;
	size_t length;
	bool in_place;
	bool must_fill;
};

FIXTURE_VARIANT_ADD(stream, empty_100000) {
	.depth = 1024, .arena = 1 << 20, .messages = 100000, .length = 0, .in_place = true,
};

FIXTURE_VARIANT_ADD(stream, in_place_100000) {
	.depth = 1024, .arena = 1 << 20, .messages = 100000, .length = 200, .in_place = true,
};

FIXTURE_VARIANT_ADD(stream, by_copy_100000) {
	.depth = 1024, .arena = 1 << 20, .messages = 100000, .length = 200,
};

/* The sender runs into the full ring all the time, and spins. Fewer: they take turns. */
FIXTURE_VARIANT_ADD(stream, ring_of_2_2000) {
	.depth = 2, .arena = 4096, .messages = 2000, .length = 64, .in_place = true,
	.must_fill = true,
};

FIXTURE_VARIANT_ADD(stream, ring_of_1_2000) {
	.depth = 1, .arena = 4096, .messages = 2000, .length = 64,
	.must_fill = true,
};

/* Likewise into the full arena. */
FIXTURE_VARIANT_ADD(stream, arena_of_2_2000) {
	.depth = 64, .arena = 4096, .messages = 2000, .length = 2048, .in_place = true,
	.must_fill = true,
};

static int create(const char *name, uint32_t depth, uint64_t arena)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = depth;
	options.arena = arena;
	return ipcchan_create(name, &options, NULL);
}

FIXTURE_SETUP(stream)
{
	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "stream");
	ASSERT_EQ(0, create(self->name, variant->depth, variant->arena));
	self->job = (struct job){
		.name = self->name,
		.messages = variant->messages,
		.length = variant->length,
		.in_place = variant->in_place,
		.must_fill = variant->must_fill,
	};
}

FIXTURE_TEARDOWN(stream)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F_TIMEOUT(stream, no_system_call, 150)
{
	const char *wrong;

	ASSERT_LE(0, crew_start(&self->crew, body_stream_send, &self->job));
	ASSERT_LE(0, crew_start(&self->crew, body_stream_receive, &self->job));
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	/* The library counts the same. */
	EXPECT_EQ(0, crew_word(&self->crew, WAITS));
	EXPECT_EQ(0, crew_word(&self->crew, KICKS));
}

/* Sleeping, and what it costs. */
FIXTURE(sleep) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct job job;
};

FIXTURE_SETUP(sleep)
{
	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "sleep");
	ASSERT_EQ(0, create(self->name, 64, 65536));
	self->job = (struct job){ .name = self->name, .messages = heavy(2000, 400) };
}

FIXTURE_TEARDOWN(sleep)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* The control: that filter does kill. */
static void body_forbidden(struct crew *crew, int me, const void *arg)
{
	(void)me, (void)arg;
	allow_nothing_but_the_end(crew);
	syscall(__NR_getppid);
	_exit(0);
}

TEST_F(sleep, the_filter_kills)
{
	ASSERT_LE(0, crew_start(&self->crew, body_forbidden, NULL));
	EXPECT_STREQ("process 0: signal 31", crew_end(&self->crew, SECONDS));
}

/* Never spins: sleeps whenever there is nothing. */
static void body_sleepy(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	(void)me;
	crew_gate(crew, 2);
	for (uint32_t n = 0; n < job->messages; n++)
		take_number(crew, port, n, job);
	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, WAITS, stats.waits);
	crew_add(crew, KICKS, stats.kicks);
	ipcchan_port_close(port);
}

/* Bursts and pauses of random length; half of them find a sleeper. */
TEST_F_TIMEOUT(sleep, at_most_one_kick_for_a_sleep, 150)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t random = random_seed();
	struct ipcchan_port *port;
	const char *wrong;

	ASSERT_LE(0, crew_start(&self->crew, body_sleepy, &self->job));
	ASSERT_EQ(0, ipcchan_open(&port, self->name, IPCCHAN_ROLE_SEND, NULL, NULL));
	crew_gate(&self->crew, 2);
	for (uint32_t n = 0; n < self->job.messages; n++) {
		uint64_t r = random_next(&random);

		send_number(&self->crew, port, n, 0);
		if (r % 8 == 0)
			usleep(r >> 32 & 2047);
	}
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	ipcchan_port_get_stats(port, &stats);
	EXPECT_LT(0, stats.kicks);
	EXPECT_LE(stats.kicks, crew_word(&self->crew, WAITS));
	EXPECT_GE(self->job.messages, stats.kicks);
	/* And the other way, where the ring was full. */
	EXPECT_LE(crew_word(&self->crew, KICKS), stats.waits);
	ipcchan_port_close(port);
}

static bool is_asleep(pid_t pid)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = '?';
	fclose(file);
	return state == 'S';
}

static void body_sleep_and_take(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);

	(void)me;
	crew_add(crew, READY, 1);
	for (uint32_t n = 0; n < job->messages; n++)
		take_number(crew, port, n, job);
	ipcchan_port_close(port);
}

/* A burst to one that sleeps for certain: one kick, though it takes long to wake. */
TEST_F_TIMEOUT(sleep, a_burst_costs_one_kick, 60)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_port *port;
	const char *wrong;

	self->job.messages = 50;
	stay_on(0);
	ASSERT_LE(0, crew_start(&self->crew, body_sleep_and_take, &self->job));
	ASSERT_EQ(0, ipcchan_open(&port, self->name, IPCCHAN_ROLE_SEND, NULL, NULL));
	for (int i = 0; i < 20000; i++) {
		if (crew_word(&self->crew, READY) && is_asleep(self->crew.pids[0]))
			break;
		usleep(1000);
	}
	usleep(100000);
	/* On its CPU, and before it: it is woken, and cannot run. */
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 1 }));
	for (int i = 0; i < 50; i++) {
		send_number(&self->crew, port, i, 0);
	}
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }));
	ipcchan_port_get_stats(port, &stats);
	EXPECT_EQ(1, stats.kicks);
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	ipcchan_port_close(port);
}

/* Counts the lines of strace's output that hold @text. */
static int count_lines(const char *path, const char *text)
{
	FILE *file = fopen(path, "r");
	char line[512];
	int n = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		n += strstr(line, text) != NULL;
	fclose(file);
	return n;
}

static void body_strace(struct crew *crew, int me, const void *arg)
{
	char self[512] = "";

	(void)me;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		crew_fail(crew, "who am I?");
	execlp("strace", "strace", "-qq", "-o", "/tmp/test_stream.strace", "-e", "trace=ioctl",
	       "-e", "signal=none", self, "--send", arg, NULL);
	_exit(127);
}

static void body_take_slowly(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);
	struct ipcchan_message m;
	int rc;

	(void)me;
	crew_add(crew, READY, 1);
	while (!(rc = ipcchan_receive(port, &m, PATIENCE_NS))) {
		if (m.tag % 200 == 100)
			usleep(50000);
		ipcchan_release(port, &m);
	}
	if (rc != -EPIPE)
		crew_fail(crew, "receive: %s", ipcchan_strerror(rc));
	ipcchan_port_close(port);
}

/* The program that strace runs: kicks and sleeps, then says how often. */
static int send_and_count(const char *name)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_port *port;
	FILE *file;

	if (ipcchan_open(&port, name, IPCCHAN_ROLE_SEND, NULL, NULL))
		return 1;
	ipcchan_port_set_spin(port, 0);
	for (uint32_t n = 0; n < 1000; n++) {
		if (send_pattern(port, n, 64, PATIENCE_NS))
			return 1;
		if (n % 250 == 0)
			usleep(2000);
	}
	ipcchan_port_get_stats(port, &stats);
	file = fopen("/tmp/test_stream.stats", "w");
	fprintf(file, "%lu %lu\n", (unsigned long)stats.kicks, (unsigned long)stats.waits);
	return fclose(file);
}

TEST_F_TIMEOUT(sleep, statistics_agree_with_strace, 90)
{
	unsigned long kicks = 0, waits = 0;
	const char *wrong;
	FILE *file;

	ASSERT_LE(0, crew_start(&self->crew, body_take_slowly, &self->job));
	for (int i = 0; i < 10000 && !crew_word(&self->crew, READY); i++)
		usleep(1000);
	ASSERT_LE(0, crew_start(&self->crew, body_strace, self->name));
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	file = fopen("/tmp/test_stream.stats", "r");
	ASSERT_NE(NULL, file);
	EXPECT_EQ(2, fscanf(file, "%lu %lu", &kicks, &waits));
	fclose(file);
	EXPECT_LT(0, kicks);
	EXPECT_LT(0, waits);
	EXPECT_EQ(kicks, count_lines("/tmp/test_stream.strace", "0xbc, 0x85"));
	EXPECT_EQ(waits, count_lines("/tmp/test_stream.strace", "0xbc, 0x86"));
	/* Nothing else but attaching. */
	EXPECT_EQ(kicks + waits + 1, count_lines("/tmp/test_stream.strace", "0xbc, "));
	unlink("/tmp/test_stream.stats");
	unlink("/tmp/test_stream.strace");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--send"))
		return send_and_count(argv[2]);
	return test_harness_run(argc, argv);
}
