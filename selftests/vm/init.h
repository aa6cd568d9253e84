/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: what the files of the guest's first process share; see init.c. */
#ifndef VM_INIT_H
#define VM_INIT_H

#include <stddef.h>

/* A stream of the command's: its standard output, its standard error. */
struct stream {
	int in;			/* what the command writes to */
	int out;		/* leads to the host */
	unsigned long long sent;
};

extern struct stream streams[2];

/* channels.c: to the host */
void open_channels(void);
void send_boot_log(void);
void write_all(int fd, const char *buf, size_t len);
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tell_block(const char *what, const char *data, size_t len);
/* Until the host ends the guest. */
void halt(void) __attribute__((noreturn));
/* There will be no command. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* leaks.c: if the host asked for it, tells it of memory nobody points to any more */
void leaks_begin(void);
void leaks_end(void);

#endif
