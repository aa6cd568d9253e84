/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness, with more patience: emulated guests are slow, debug
 * kernels slower, and a busy host slower still. A test that hangs is ended all
 * the same.
 */
#include_next <kselftest_harness.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150
