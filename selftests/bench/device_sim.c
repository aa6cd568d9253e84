// SPDX-License-Identifier: GPL-2.0
/* The bars over the simulated device. */
#include "../sim/sim.h"
#include "bars.h"

const char *const device_label = "data path, device simulated";
const bool device_is_module = false;

void device_begin(void)
{
	sim_begin(0);
}
