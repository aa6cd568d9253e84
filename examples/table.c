// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * table: 1,000 latest values that many write and anybody reads, by key.
 *
 * One channel, drop-oldest with a history of 1: the newest message of each
 * sender can always be read, and stays when its sender has left. Each writer owns
 * a share of the keys, and a message is all of that, sorted: so a reader sees one
 * moment of it, in place, without a lock, and no writer waits. A channel for each
 * key would be 1,000 descriptors and 2,000 mappings in everybody, to save copying
 * 8 KB: some 100 ns.
 *
 * usage: table [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#define WRITERS	4
#define KEYS	1000
#define SHARE	(KEYS / WRITERS)

struct entry {
	char key[24];
	int64_t value;
};

static char name[64];
static unsigned int rounds = 500;

static void check(const char *what, int error)
{
	if (error < 0) {
		fprintf(stderr, "table: %s: %s\n", what, ipcchan_strerror(error));
		exit(1);
	}
}

static struct ipcchan_port *attach(uint32_t role)
{
	struct ipcchan_options options;
	struct ipcchan_port *port;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_PERSISTENT | IPCCHAN_OPEN_TIMESTAMPS;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.history = 1;
	options.depth = 2;
	options.senders = WRITERS;
	options.receivers = 8;
	options.holds = 1;
	options.max_message = SHARE * sizeof(struct entry);
	check("open", ipcchan_open(&port, name, role, &options, NULL));
	return port;
}

/* Moves what is in one entry to another: at any moment the sum is 0. */
static void write_share(int me)
{
	struct ipcchan_port *port = attach(IPCCHAN_ROLE_SEND);
	struct entry share[SHARE] = { 0 };

	for (int i = 0; i < SHARE; i++)
		snprintf(share[i].key, sizeof(share[i].key), "sensor/%03d", me * SHARE + i);
	for (unsigned int round = 1; round <= rounds; round++) {
		share[round % SHARE].value += round;
		share[round * 7 % SHARE].value -= round;
		check("send", ipcchan_send(port, share, sizeof(share), IPCCHAN_NO_WAIT));
	}
	ipcchan_port_close(port);
}

static int compare(const void *key, const void *entry)
{
	return strcmp(key, ((const struct entry *)entry)->key);
}

/* The value of a key; is there one? */
static int lookup(struct ipcchan_port *port, const char *key, int64_t *value)
{
	for (uint32_t slot = 0; slot < WRITERS; slot++) {
		const struct entry *found;
		struct ipcchan_message m;

		if (ipcchan_latest(port, slot, &m))
			continue;	/* nothing yet */
		found = bsearch(key, m.data, m.length / sizeof(*found), sizeof(*found), compare);
		if (found)
			*value = found->value;
		check("release", ipcchan_release(port, &m));
		if (found)
			return 1;
	}
	return 0;
}

/* Is the share that changed last not as it was at some moment? */
static int is_torn(struct ipcchan_port *port)
{
	struct ipcchan_message m;
	int64_t sum = 0;

	if (ipcchan_latest(port, IPCCHAN_ANY_SENDER, &m))
		return 0;
	for (int i = 0; i < SHARE; i++)
		sum += ((const struct entry *)m.data)[i].value;
	check("release", ipcchan_release(port, &m));
	return sum != 0;
}

int main(int argc, char **argv)
{
	struct ipcchan_port *port;
	int torn = 0, found = 0, failed = 0, status;
	int64_t value;
	char key[24];

	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 10);
	snprintf(name, sizeof(name), "table.%d", getpid());
	for (int i = 0; i < WRITERS; i++) {
		if (!fork()) {
			write_share(i);
			return 0;
		}
	}
	port = attach(IPCCHAN_ROLE_RECEIVE);
	for (int left = WRITERS; left; torn += is_torn(port)) {
		if (waitpid(-1, &status, WNOHANG) > 0) {
			failed |= status;
			left--;
		}
	}
	ipcchan_port_close(port);

	/* the writers are gone, their values are not: for who comes now, too */
	port = attach(IPCCHAN_ROLE_RECEIVE);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "sensor/%03d", i);
		found += lookup(port, key, &value);
	}
	failed |= lookup(port, "sensor/none", &value);
	check("delete", ipcchan_delete(name, NULL));
	printf("table: keys=%d torn=%d\n", found, torn);
	return failed || torn || found != KEYS;
}
