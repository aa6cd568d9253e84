// SPDX-License-Identifier: GPL-2.0
/* Messages with files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "freight.h"

#define PATIENCE_MS	60000

void freight_init(struct freight *f)
{
	struct ipcchan_options *o = &f->options;

	accounts_read(&f->before);
	unique_name(f->name, "files");
	f->tx = f->rx[0] = f->rx[1] = NULL;
	ipcchan_options_init(o);
	o->flags = IPCCHAN_OPEN_CREATE;
	o->depth = FREIGHT_DEPTH;
	o->senders = 3;
	o->receivers = 3;
	o->holds = FREIGHT_HOLDS;
	o->max_message = FREIGHT_LONG;
}

int freight_begin(struct freight *f)
{
	struct ipcchan_options *o = &f->options;
	int rc;

	rc = ipcchan_open(&f->tx, f->name, IPCCHAN_ROLE_SEND, o, NULL);
	for (int i = 0; !rc && i < 2; i++)
		rc = ipcchan_open(&f->rx[i], f->name, IPCCHAN_ROLE_RECEIVE, o, NULL);
	return rc;
}

int freight_open(struct freight *f, uint32_t overflow, uint32_t history)
{
	freight_init(f);
	f->options.overflow = overflow;
	f->options.history = history;
	return freight_begin(f);
}

bool freight_close(struct freight *f)
{
	ipcchan_port_close(f->tx);
	ipcchan_port_close(f->rx[0]);
	ipcchan_port_close(f->rx[1]);
	return accounts_settle(&f->before);
}

int freight_send(struct ipcchan_port *tx, size_t length, const int *fds, uint32_t n)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(tx, length, &loan, IPCCHAN_NO_WAIT);

	if (rc)
		return rc;
	memset(loan.data, 'f', length);
	loan.files = fds;
	loan.nr_files = n;
	rc = ipcchan_commit(tx, &loan);
	if (rc)
		ipcchan_abort(tx, &loan);
	return rc;
}

int freight_take(struct ipcchan_port *rx, int *fds, size_t room)
{
	struct ipcchan_message m;
	int rc = ipcchan_receive(rx, &m, PATIENCE_NS);
	int n;

	if (rc)
		return rc;
	n = ipcchan_message_files(rx, &m, fds, room);
	rc = ipcchan_release(rx, &m);
	return rc ? rc : n;
}

int freight_pass(struct ipcchan_port *rx)
{
	struct ipcchan_message m;
	int rc = ipcchan_receive(rx, &m, PATIENCE_NS);

	return rc ? rc : ipcchan_release(rx, &m);
}

void close_fds(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* What cannot be asked of the kernel is left to the inode. */
bool same_file(int a, int b)
{
	long rc = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, (long)a, (long)b);
	struct stat sa, sb;

	if (rc >= 0)
		return !rc;
	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

bool closes_on_exec(int fd)
{
	return fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

unsigned long long files_in_flight(void)
{
	return param_get("files");
}

int watch_open(struct watch *w)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	w->fd = ends[0];
	w->end = ends[1];
	return 0;
}

int watch_send(struct watch *w, struct ipcchan_port *tx)
{
	int rc = watch_open(w);

	if (rc)
		return rc;
	rc = freight_send(tx, FREIGHT_SHORT, &w->fd, 1);
	close(w->fd);
	w->fd = -1;
	return rc;
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	close(w->end);
}

/* Of a pipe that nobody reads. */
static bool is_broken(const struct watch *w, int timeout_ms)
{
	struct pollfd p = { .fd = w->end };

	return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLERR;
}

bool watch_is_open(const struct watch *w)
{
	return !is_broken(w, 0);
}

bool watch_ends(const struct watch *w)
{
	return is_broken(w, PATIENCE_MS);
}
