// SPDX-License-Identifier: GPL-2.0
/* ipcadm: manages channels and ports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipcadm.h"

struct command {
	const char *object;
	const char *verb;
	command_fn *run;
	const char *arguments;
	const char *help;
};

static const struct command commands[] = {
	{ "channel", "add", channel_add,
	  "NAME type topic|queue|service [overflow block|drop-oldest] [depth N] [arena SIZE]\n"
	  "                [max-message SIZE] [senders N] [receivers N] [holds N]\n"
	  "                [mode OCTAL] [owner UID] [group GID] [persistent]\n"
	  "                [history N] [stall TIME] [label TEXT]\n"
	  "                [lease TIME] [max-deliveries N] [dead-letter NAME]",
	  "create a channel" },
	{ "channel", "show", channel_show, "[NAME | id N]",
	  "list the channels, or tell all about one" },
	{ "channel", "del", channel_del, "NAME | id N", "remove a channel" },
	{ "port", "show", port_show, "[NAME | id N]",
	  "list the ports of all channels, or of one" },
	{ "port", "evict", port_evict, "{ NAME | id N } PORT-ID", "take a port off its channel" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char channel_help[] =
	"What follows NAME comes in any order, each word once; what is absent gets the\n"
	"kernel's default.\n"
	"\n"
	"  type topic        every receiver gets every message\n"
	"  type queue        one receiver gets it, and says when it is done\n"
	"  overflow block    a sender waits for slow receivers; nothing is lost (so it is)\n"
	"  overflow drop-oldest  it never waits; slow receivers lose messages, and are told\n"
	"  depth N           descriptors in a sender's ring, a power of two (256)\n"
	"  arena SIZE        payload memory of each sender (1M)\n"
	"  max-message SIZE  the longest message (what arena and policy allow)\n"
	"  senders N         most senders at a time, up to 64 (16)\n"
	"  receivers N       most receivers at a time, up to 64 (16)\n"
	"  holds N           most messages one receiver holds at a time (16)\n"
	"  mode OCTAL        rights as of a file, r receives, w sends (0600)\n"
	"  owner UID         owner (who creates it)\n"
	"  group GID         group (of who creates it)\n"
	"  persistent        the channel stays when its last port has left\n"
	"  history N         the last N messages of each sender are there for who comes late;\n"
	"                    if it is persistent also when the sender has gone (0)\n"
	"  stall TIME        evict a receiver that stands still so long while a sender waits\n"
	"                    for it; 1ms to 3600s; with overflow block (never)\n"
	"  label TEXT        what is in the messages, up to 63 characters: who attaches may\n"
	"                    insist on it (none)\n"
	"  lease TIME        queue: what is claimed for longer is given to another; 1ms to\n"
	"                    86400s (never)\n"
	"  max-deliveries N  queue: what comes back so often is dead (never)\n"
	"  dead-letter NAME  queue: the queue to which that goes (it is dropped)\n"
	"\n"
	"With overflow drop-oldest a sender needs an arena of (2H + 1) x max-message, H being\n"
	"receivers x holds + history; with block and a history, H is the history.\n"
	"\n"
	"SIZE is a number of bytes, or one of K, M, G (powers of 1024) after it. TIME is a\n"
	"number with ns, us, ms or s after it; in JSON it is in nanoseconds. NAME has\n"
	"up to 63 letters, digits and ._:/- in it; names under u<uid>/ are for that user\n"
	"to create, those under sys/ for CAP_NET_ADMIN.\n"
	"\n"
	"Each channel has a number; one that a program made without a name has nothing\n"
	"else, is there for its owner and for CAP_NET_ADMIN only, and is shown with a - for\n"
	"its name.\n";

static const char port_help[] =
	"A port is one process attached to a channel. A port that was evicted keeps its\n"
	"own memory, which nobody sees any more; its program is told. What is under\n"
	"CLAIMS is read from pages the port's process may write as it likes.\n";

struct topic {
	const char *object;
	const char *text;
};

static const struct topic topics[] = {
	{ "channel", channel_help },
	{ "port", port_help },
};

#define NR_TOPICS (sizeof(topics) / sizeof(topics[0]))

static const char options_help[] =
	"Options, before or after the object and its verb:\n"
	"  -j, --json     one JSON document instead of text\n"
	"  -h, --help     this text, or that of the object\n"
	"      --version  the version of ipcadm\n"
	"      --         the words after it are no options\n"
	"\n"
	"Exit codes: 0 done; 1 the command line is wrong; 2 the kernel refused (its words\n"
	"are shown), the module is not loaded, or the output could not be written.\n";

const char program[] = PROGRAM;

static void print_commands(FILE *to, const char *object)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		const struct command *command = &commands[i];

		if (object && strcmp(object, command->object))
			continue;
		fprintf(to, "  %s %s %s %s\n        %s\n", PROGRAM, command->object,
			command->verb, command->arguments, command->help);
	}
}

static int help_all(FILE *to)
{
	fputs("usage: " PROGRAM " [-j] OBJECT VERB [ARGUMENTS]\n\n", to);
	print_commands(to, NULL);
	fputs("  " PROGRAM " help [channel|port]\n        tell more about an object\n\n", to);
	fputs(options_help, to);
	return EXIT_OK;
}

/* ipcadm help [TOPIC]: an object, whatever verb follows it. */
static int help(int argc, char **argv)
{
	if (!argc)
		return help_all(stdout);
	for (size_t i = 0; i < NR_TOPICS; i++) {
		if (strcmp(argv[0], topics[i].object))
			continue;
		fputs("usage:\n", stdout);
		print_commands(stdout, argv[0]);
		printf("\n%s\n%s", topics[i].text, options_help);
		return EXIT_OK;
	}
	return usage_error("help: unknown topic '%s'; accepted: channel, port", argv[0]);
}

static int no_verb(const char *object, const char *verb)
{
	char verbs[64] = "";
	size_t used = 0;

	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].object, object))
			used += snprintf(verbs + used, sizeof(verbs) - used, "%s%s",
					 used ? ", " : "", commands[i].verb);
	}
	if (!used)
		return usage_error("unknown object '%s'; accepted: channel, port, help", object);
	if (!verb)
		return usage_error("%s: a verb is missing; accepted: %s", object, verbs);
	return usage_error("%s: unknown verb '%s'; accepted: %s", object, verb, verbs);
}

static int run(int argc, char **argv, const struct options *options)
{
	if (!argc) {
		help_all(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "help"))
		return help(argc - 1, argv + 1);
	for (size_t i = 0; i < NR_COMMANDS && argc > 1; i++) {
		if (!strcmp(argv[0], commands[i].object) && !strcmp(argv[1], commands[i].verb))
			return commands[i].run(argc - 2, argv + 2, options);
	}
	return no_verb(argv[0], argc > 1 ? argv[1] : NULL);
}

/* A number with a sign is no option, but a wrong value. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !strchr("0123456789.", word[1]);
}

struct asked {
	struct options options;
	bool help;
	bool version;
};

static int take_option(const char *word, struct asked *asked)
{
	if (!strcmp(word, "-j") || !strcmp(word, "--json"))
		asked->options.json = true;
	else if (!strcmp(word, "-h") || !strcmp(word, "--help"))
		asked->help = true;
	else if (!strcmp(word, "--version"))
		asked->version = true;
	else
		return usage_error("unknown option '%s'; accepted: -j, --json, -h, --help, --version",
				   word);
	return EXIT_OK;
}

/* Takes the options out of @argv, and leaves the other words in order. */
static int take_options(int *argc, char **argv, struct asked *asked)
{
	int words = 0, code;

	for (int i = 0; i < *argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (++i < *argc)
				argv[words++] = argv[i];
			break;
		}
		if (!is_option(argv[i])) {
			argv[words++] = argv[i];
			continue;
		}
		code = take_option(argv[i], asked);
		if (code)
			return code;
	}
	*argc = words;
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct asked asked = { 0 };
	int words = argc > 0 ? argc - 1 : 0;
	int code, written;

	if (streams_guard())
		return EXIT_REFUSED;
	code = take_options(&words, argv + 1, &asked);
	if (code)
		return code;
	if (asked.version)
		puts(PROGRAM " " IPCCHAN_VERSION);
	else if (asked.help)
		code = help(words && strcmp(argv[1], "help") ? 1 : 0, argv + 1);
	else
		code = run(words, argv + 1, &asked.options);
	written = streams_finish(PROGRAM);
	return code ? code : written;
}
