// SPDX-License-Identifier: GPL-2.0
/* The character device. Its files: file.c */
#include <linux/miscdevice.h>

#include "device.h"
#include "file.h"

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcchan",
	.fops = &ipcchan_file_ops,
	.mode = 0666,
};

int ipcchan_device_init(void)
{
	return misc_register(&device);
}

void ipcchan_device_exit(void)
{
	misc_deregister(&device);
}
