// SPDX-License-Identifier: GPL-2.0
/* The bars over the module. */
#include "bars.h"

const char *const device_label = "module";
const bool device_is_module = true;

void device_begin(void)
{
}
