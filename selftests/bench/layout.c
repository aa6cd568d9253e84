// SPDX-License-Identifier: GPL-2.0
/*
 * Which shape should a descriptor have? Measures the layout prototype; see
 * layout.h. Every round takes one window of every cell, the rows of a column one
 * after the other, so that what changes on the machine changes for all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "layout.h"

#define WINDOWS		11
#define WINDOWS_QUICK	3
#define WINDOWS_MAX	101
#define WINDOW_NS	20000000u

/* More than what the kernel's own threads need. */
#define INTRUSIONS	1000

#define NR_TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct table *const tables[] = {
	&trip_table, &single_table, &batch_table, &alone_table, &barrier_table,
	&place_inside_table, &place_arena_table, &sharing_table,
};

static double figures[NR_TABLES][MAX_ROWS][MAX_COLUMNS][WINDOWS_MAX];

struct options {
	unsigned int windows;
	unsigned int chosen;	/* tables, a bit each */
};

static void take_windows(unsigned int t, unsigned int round)
{
	const struct table *table = tables[t];

	for (unsigned int c = 0; c < MAX_COLUMNS && table->columns[c]; c++) {
		for (unsigned int r = 0; r < MAX_ROWS && table->rows[r]; r++)
			figures[t][r][c][round] = table->measure(r, c);
	}
}

static void take_round(const struct options *options, unsigned int round)
{
	for (unsigned int t = 0; t < NR_TABLES; t++) {
		if (options->chosen & 1u << t)
			take_windows(t, round);
	}
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

static void print_cell(double *f, unsigned int windows)
{
	char text[64];

	qsort(f, windows, sizeof(*f), compare);
	if (f[0] < 0)
		snprintf(text, sizeof(text), "-");
	else if (f[windows - 1] < 10000)
		snprintf(text, sizeof(text), "%.1f (%.1f-%.1f)", f[windows / 2], f[0],
			 f[windows - 1]);
	else
		snprintf(text, sizeof(text), "%.0f (%.0f-%.0f)", f[windows / 2], f[0],
			 f[windows - 1]);
	printf(" %23s", text);
}

static void print_table(unsigned int t, unsigned int windows)
{
	const struct table *table = tables[t];

	printf("\n%s\n%-28s", table->title, "");
	for (unsigned int c = 0; c < MAX_COLUMNS && table->columns[c]; c++)
		printf(" %23s", table->columns[c]);
	for (unsigned int r = 0; r < MAX_ROWS && table->rows[r]; r++) {
		printf("\n%-28s", table->rows[r]);
		for (unsigned int c = 0; c < MAX_COLUMNS && table->columns[c]; c++)
			print_cell(figures[t][r][c], windows);
	}
	printf("\n");
}

/* The line of /proc/cpuinfo that names the processor. */
static void print_model(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!strncmp(line, "model name", 10) && colon) {
			line[strcspn(line, "\n")] = '\0';
			printf("%s", colon + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

/* Who had the machine for himself is not put aside for another. */
static void print_intruders(void)
{
	struct rusage here, peer;

	if (getrusage(RUSAGE_SELF, &here) || getrusage(RUSAGE_CHILDREN, &peer))
		die("getrusage fails");
	printf("put aside for others: %ld times, its peer %ld times%s\n", here.ru_nivcsw,
	       peer.ru_nivcsw, here.ru_nivcsw + peer.ru_nivcsw > INTRUSIONS ?
	       "; the machine was NOT quiet" : "");
}

static void print_header(unsigned int windows)
{
	struct utsname names;

	uname(&names);
	printf("layout prototype, not the library: ");
	print_model();
	printf(", %s, Linux %s\n", names.machine, names.release);
	printf("medians of %u windows of %u ms (least-most); two processes on processors 0 and 1\n",
	       windows, WINDOW_NS / 1000000);
	print_intruders();
}

static void usage(void)
{
	fprintf(stderr, "use: layout [-q] [-w WINDOWS] [-t TABLE]...\n");
	for (unsigned int t = 0; t < NR_TABLES; t++)
		fprintf(stderr, "  -t %u  %s\n", t, tables[t]->title);
	exit(2);
}

/* A number from @least to @most. */
static unsigned int number(const char *text, unsigned int least, unsigned int most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < least || n > most)
		usage();
	return (unsigned int)n;
}

static void parse(struct options *options, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "qw:t:")) != -1) {
		if (option == 'q')
			options->windows = WINDOWS_QUICK;
		else if (option == 'w')
			options->windows = number(optarg, 1, WINDOWS_MAX);
		else if (option == 't')
			options->chosen |= 1u << number(optarg, 0, NR_TABLES - 1);
		else
			usage();
	}
	if (optind != argc)
		usage();
	if (!options->chosen)
		options->chosen = (1u << NR_TABLES) - 1;
}

int main(int argc, char **argv)
{
	struct options options = { .windows = WINDOWS };

	parse(&options, argc, argv);
	window_ns = WINDOW_NS;
	peer_start();
	/* the first round warms up, and is overwritten */
	for (unsigned int round = 0; round <= options.windows; round++)
		take_round(&options, round % options.windows);
	peer_stop();
	print_header(options.windows);
	for (unsigned int t = 0; t < NR_TABLES; t++) {
		if (options.chosen & 1u << t)
			print_table(t, options.windows);
	}
	return 0;
}
