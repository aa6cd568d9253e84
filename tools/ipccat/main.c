// SPDX-License-Identifier: GPL-2.0
/* ipccat: channels in a shell pipeline. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/number.h"
#include "ipccat.h"

#define DEFAULT_ARENA	(1u << 20)
#define BLOCKS		4u

struct command {
	const char *verb;
	uint32_t role;
	int (*run)(struct ipcchan_port *port, const struct options *options);
};

static const struct command commands[] = {
	{ "send", IPCCHAN_ROLE_SEND, cat_send },
	{ "recv", IPCCHAN_ROLE_RECEIVE, cat_receive },
};

static const char help[] =
	"usage: ipccat send [OPTIONS] NAME\n"
	"       ipccat recv [OPTIONS] NAME\n"
	"\n"
	"  send  reads standard input and sends it through the channel NAME\n"
	"  recv  receives from the channel NAME and writes to standard output\n"
	"\n"
	"send waits for a first receiver before it reads, recv for a first sender. recv\n"
	"ends when the last sender has left and all it sent is written. Nothing is lost:\n"
	"who is slow holds up the others. A channel that is missing is created.\n"
	"\n"
	"Options:\n"
	"  -l, --lines        a message is a line: send takes off the newline, recv adds one\n"
	"  -b, --block SIZE   a message is a block of so many bytes, and only the last may be\n"
	"                     shorter: send cuts, recv checks. Without -l and -b send makes a\n"
	"                     message of what it has read, and recv does not look at lengths\n"
	"  -n, --receivers N  send: wait for N receivers instead of one\n"
	"  -h, --help         this text\n"
	"      --version      the version of the library\n"
	"Options for a channel that is created:\n"
	"  -a, --arena SIZE   payload memory of each sender (1M)\n"
	"  -d, --depth N      messages under way from each sender, a power of two (256)\n"
	"  -m, --mode OCTAL   rights as of a file, r receives, w sends (0600)\n"
	"  -p, --persistent   it stays when the last of us has left\n"
	"\n"
	"SIZE is a number of bytes, or one of K, M, G (powers of 1024) after it.\n"
	"\n"
	"Exit codes: 0 all was sent, or received and written; 1 the command line is\n"
	"wrong; 2 the kernel refused, the module is not loaded, the last receiver left\n"
	"before all was sent, a line or block was too long, the port was evicted, the channel was\n"
	"deleted, or input or output failed. A signal ends it as it ends other filters:\n"
	"SIGPIPE, too, when nobody reads what recv writes.\n";

enum { OPTION_VERSION = 256 };

static const struct option long_options[] = {
	{ "lines", no_argument, NULL, 'l' },
	{ "block", required_argument, NULL, 'b' },
	{ "receivers", required_argument, NULL, 'n' },
	{ "arena", required_argument, NULL, 'a' },
	{ "depth", required_argument, NULL, 'd' },
	{ "mode", required_argument, NULL, 'm' },
	{ "persistent", no_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

const char program[] = PROGRAM;

static int take_number(const char *option, const char *word, uint64_t most, uint32_t *value)
{
	uint64_t number;

	if (!number_parse(word, most, &number) || !number)
		return usage_error("%s: '%s' is not accepted; accepted: a number from 1 to %llu",
				   option, word, (unsigned long long)most);
	*value = number;
	return EXIT_OK;
}

static int take_size(const char *option, uint64_t *value)
{
	if (!number_parse_size(optarg, INT64_MAX, value) || !*value)
		return usage_error("%s: '%s' is not accepted; accepted: " SIZE_WORDS, option,
				   optarg);
	return EXIT_OK;
}

static int take_option(int option, struct options *options)
{
	uint64_t number;

	switch (option) {
	case 'l':
		options->lines = true;
		return EXIT_OK;
	case 'b':
		return take_size("--block", &options->block);
	case 'p':
		options->persistent = true;
		return EXIT_OK;
	case 'n':
		return take_number("--receivers", optarg, 64, &options->receivers);
	case 'd':
		return take_number("--depth", optarg, UINT32_MAX, &options->depth);
	case 'a':
		return take_size("--arena", &options->arena);
	case 'm':
		if (!number_parse_octal(optarg, 07777, &number))
			return usage_error("--mode: '%s' is not accepted; accepted: " MODE_WORDS,
					   optarg);
		options->mode = number;
		return EXIT_OK;
	case 'h':
		fputs(help, stdout);
		exit(streams_finish(PROGRAM));
	case OPTION_VERSION:
		printf(PROGRAM " %s\n", ipcchan_version());
		exit(streams_finish(PROGRAM));
	}
	/* getopt_long() has said what is wrong. */
	return usage_error("accepted options: see ipccat --help");
}

static int take_options(int argc, char **argv, struct options *options)
{
	int option, code;

	while ((option = getopt_long(argc, argv, "lb:n:a:d:m:ph", long_options, NULL)) != -1) {
		code = take_option(option, options);
		if (code)
			return code;
	}
	if (options->lines && options->block)
		return usage_error("a message is a line or a block: --lines or --block");
	return EXIT_OK;
}

static const struct command *find_command(const char *verb)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].verb, verb))
			return &commands[i];
	}
	return NULL;
}

static int open_port(const struct command *command, const struct options *options,
		     struct ipcchan_port **port)
{
	struct ipcchan_options how;
	struct ipcchan_error why = { "" };
	int error;

	ipcchan_options_init(&how);
	how.flags = IPCCHAN_OPEN_CREATE;
	if (options->persistent)
		how.flags |= IPCCHAN_OPEN_PERSISTENT;
	if (command->role == IPCCHAN_ROLE_SEND)
		how.flags |= IPCCHAN_OPEN_NEED_PEER;
	how.depth = options->depth;
	how.arena = options->arena;
	/* some blocks under way while the next is read */
	if (!how.arena && options->block > DEFAULT_ARENA / BLOCKS)
		how.arena = options->block <= UINT64_MAX / BLOCKS ? BLOCKS * options->block :
								     UINT64_MAX;
	how.mode = options->mode;
	error = ipcchan_open(port, options->name, command->role, &how, &why);
	if (error == -ENODEV)
		return refusal("the ipcchan module is not loaded");
	if (error)
		return refusal("%s: %s", options->name,
			       *why.text ? why.text : ipcchan_strerror(error));
	return EXIT_OK;
}

static int run(const struct command *command, const struct options *options)
{
	struct ipcchan_port *port;
	int code = open_port(command, options, &port);

	if (code)
		return code;
	code = command->run(port, options);
	ipcchan_port_close(port);
	return code;
}

int main(int argc, char **argv)
{
	struct options options = { .mode = 0600, .receivers = 1 };
	static char program[] = PROGRAM;
	const struct command *command;
	int code;

	if (streams_guard())
		return EXIT_REFUSED;
	if (argc > 0)
		argv[0] = program;	/* for getopt_long() */
	code = take_options(argc, argv, &options);
	if (code)
		return code;
	argc -= optind;
	argv += optind;
	if (argc < 1) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	command = find_command(argv[0]);
	if (!command)
		return usage_error("unknown word '%s'; accepted: send, recv", argv[0]);
	if (argc < 2)
		return usage_error("%s: NAME is missing", argv[0]);
	if (argc > 2)
		return usage_error("%s: unknown word '%s'; accepted: one NAME", argv[0], argv[2]);
	options.name = argv[1];
	return run(command, &options);
}
