/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The calls of device.h, on /dev/ipcchan. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/ipcchan.h>

#include "device.h"

int ipcchan_device_open(void)
{
	int fd;

	do
		fd = open(IPCCHAN_DEVICE, O_RDWR | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO)
		return -ENODEV;
	return -errno;
}

int ipcchan_device_call(int fd, unsigned long number, void *request)
{
	return ioctl(fd, number, request) < 0 ? -errno : 0;
}

int ipcchan_device_map(int fd, uint64_t offset, size_t size, bool writable, uint8_t **at)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*at = p;
	return 0;
}

void ipcchan_device_unmap(const uint8_t *at, size_t size)
{
	if (at)
		munmap((void *)(uintptr_t)at, size);
}

void ipcchan_device_close(int fd)
{
	close(fd);
}

/* How long until then; ppoll() takes it relative. */
static struct timespec until(uint64_t deadline_ns)
{
	uint64_t now = deadline_ns ? ipcchan_device_now() : 0;
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;

	return (struct timespec){
		.tv_sec = (time_t)(left / 1000000000u),
		.tv_nsec = (long)(left % 1000000000u),
	};
}

int ipcchan_device_poll(struct pollfd *fds, unsigned int n, uint64_t deadline_ns)
{
	struct timespec left = until(deadline_ns);
	int ready = ppoll(fds, n, deadline_ns == UINT64_MAX ? NULL : &left, NULL);

	return ready < 0 ? -errno : ready;
}

uint64_t ipcchan_device_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
