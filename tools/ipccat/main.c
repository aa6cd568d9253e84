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

static int open_send(const struct options *options, struct ipcchan_options *how,
		     struct ipcchan_port **port);
static int open_receive(const struct options *options, struct ipcchan_options *how,
			struct ipcchan_port **port);

struct command {
	const char *verb;
	int (*open)(const struct options *options, struct ipcchan_options *how,
		    struct ipcchan_port **port);
	int (*run)(struct ipcchan_port *port, const struct options *options);
	bool both;
};

static const struct command commands[] = {
	{ "send", open_send, cat_send, false },
	{ "recv", open_receive, cat_receive, false },
	{ "listen", link_listen, cat_link, true },
	{ "connect", link_connect, cat_link, true },
};

static const char help[] =
	"usage: ipccat send [OPTIONS] NAME\n"
	"       ipccat recv [OPTIONS] NAME\n"
	"       ipccat listen [OPTIONS] NAME\n"
	"       ipccat connect [OPTIONS] NAME\n"
	"\n"
	"  send     reads standard input and sends it through the channel NAME\n"
	"  recv     receives from the channel NAME and writes to standard output\n"
	"  listen   waits for one connection to the service NAME, and is a pipe both ways:\n"
	"           standard input to the other end, what comes from there to standard output\n"
	"  connect  the same from the other side; waits until somebody listens\n"
	"\n"
	"send waits for a first receiver before it reads, recv for a first sender. recv\n"
	"ends when the last sender has left and all it sent is written. Nothing is lost:\n"
	"who is slow holds up the others. A channel that is missing is created.\n"
	"\n"
	"A queue (--type queue, or what is there) gives each message to one recv, which\n"
	"acknowledges what it has written. If it ends in between, another writes the same\n"
	"once more: every message is written at least once. send waits for nobody if the\n"
	"queue is persistent.\n"
	"\n"
	"listen and connect end when both inputs have ended and all is written, or when\n"
	"the other end leaves, before which something may have been sent that it has not\n"
	"read (exit code 2). The end of one input ends that direction alone.\n"
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
	"  -m, --mode OCTAL   rights as of a file, r receives (or listens), w sends (or\n"
	"                     connects) (0600)\n"
	"  -p, --persistent   it stays when the last of us has left\n"
	"  -t, --type TYPE    topic or queue; one that is there must be that (topic)\n"
	"\n"
	"SIZE is a number of bytes, or one of K, M, G (powers of 1024) after it.\n"
	"\n"
	"Exit codes: 0 all was sent, or received and written; 1 the command line is\n"
	"wrong; 2 the kernel refused, the module is not loaded, the last receiver or the\n"
	"other end left before all was sent, a line or block was too long, the port was\n"
	"evicted, the channel was deleted, or input or output failed. A signal ends it as it ends other filters:\n"
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
	{ "type", required_argument, NULL, 't' },
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

static int take_type(uint32_t *type)
{
	if (!strcmp(optarg, "topic"))
		*type = IPCCHAN_TOPIC;
	else if (!strcmp(optarg, "queue"))
		*type = IPCCHAN_QUEUE;
	else
		return usage_error("--type: '%s' is not accepted; accepted: topic, queue", optarg);
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
	case 't':
		return take_type(&options->type);
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

	while ((option = getopt_long(argc, argv, "lb:n:a:d:m:pt:h", long_options, NULL)) != -1) {
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

int open_refused(const struct options *options, int error, const struct ipcchan_error *why)
{
	if (error == -ENODEV)
		return refusal("the ipcchan module is not loaded");
	return refusal("%s: %s", options->name, *why->text ? why->text : ipcchan_strerror(error));
}

static int open_by_name(const struct options *options, uint32_t role,
			struct ipcchan_options *how, struct ipcchan_port **port)
{
	struct ipcchan_error why = { "" };
	int error;

	how->flags |= IPCCHAN_OPEN_CREATE;
	error = ipcchan_open(port, options->name, role, how, &why);
	return error ? open_refused(options, error, &why) : EXIT_OK;
}

static int open_send(const struct options *options, struct ipcchan_options *how,
		     struct ipcchan_port **port)
{
	if (options->type != IPCCHAN_QUEUE)
		how->flags |= IPCCHAN_OPEN_NEED_PEER;
	return open_by_name(options, IPCCHAN_ROLE_SEND, how, port);
}

static int open_receive(const struct options *options, struct ipcchan_options *how,
			struct ipcchan_port **port)
{
	return open_by_name(options, IPCCHAN_ROLE_RECEIVE, how, port);
}

static int open_port(const struct command *command, const struct options *options,
		     struct ipcchan_port **port)
{
	struct ipcchan_options how;

	ipcchan_options_init(&how);
	if (options->persistent)
		how.flags |= IPCCHAN_OPEN_PERSISTENT;
	how.type = options->type;
	how.depth = options->depth;
	how.arena = options->arena;
	/* some blocks under way while the next is read */
	if (!how.arena && options->block > DEFAULT_ARENA / BLOCKS)
		how.arena = options->block <= UINT64_MAX / BLOCKS ? BLOCKS * options->block :
								     UINT64_MAX;
	how.mode = options->mode;
	return command->open(options, &how, port);
}

/* Who is not told goes by what is there. */
static void learn_type(struct options *options)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	if (!options->type && !ipcchan_lookup(options->name, &info, NULL) &&
	    info.type == IPCCHAN_QUEUE)
		options->type = info.type;
}

static int run(const struct command *command, struct options *options)
{
	struct ipcchan_port *port;
	int code;

	options->both = command->both;
	if (options->both && options->type)
		return usage_error("%s: --type is for send and recv", command->verb);
	if (!options->both)
		learn_type(options);
	code = open_port(command, options, &port);
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
		return usage_error("unknown word '%s'; accepted: send, recv, listen, connect", argv[0]);
	if (argc < 2)
		return usage_error("%s: NAME is missing", argv[0]);
	if (argc > 2)
		return usage_error("%s: unknown word '%s'; accepted: one NAME", argv[0], argv[2]);
	options.name = argv[1];
	return run(command, &options);
}
