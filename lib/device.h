/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: everything the library asks of the kernel module
 *
 * These seven calls are the library's only way to the module, and to the clock.
 * Linking other definitions of them runs the library over something else: the
 * unit tests run it over plain memory.
 */
#ifndef IPCCHAN_DEVICE_H
#define IPCCHAN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** ipcchan_device_open() - a new file; descriptor or -errno */
int ipcchan_device_open(void);

/** ipcchan_device_call() - one of IPCCHAN_IOC_*; 0 or -errno */
int ipcchan_device_call(int fd, unsigned long number, void *request);

/** ipcchan_device_map() - map a region; 0 or -errno */
int ipcchan_device_map(int fd, uint64_t offset, size_t size, bool writable, uint8_t **at);

/** ipcchan_device_unmap() - undo ipcchan_device_map(); NULL is allowed */
void ipcchan_device_unmap(const uint8_t *at, size_t size);

/** ipcchan_device_close() - close the file */
void ipcchan_device_close(int fd);

struct pollfd;

/**
 * ipcchan_device_poll() - ppoll() on ports
 * @deadline_ns: CLOCK_MONOTONIC; 0 looks, UINT64_MAX: no end
 *
 * How many are ready, 0 when the time is over, or -errno.
 */
int ipcchan_device_poll(struct pollfd *fds, unsigned int n, uint64_t deadline_ns);

/** ipcchan_device_now() - CLOCK_MONOTONIC, ns */
uint64_t ipcchan_device_now(void);

#endif /* IPCCHAN_DEVICE_H */
