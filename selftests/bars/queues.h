/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what a message of a queue costs from being sent until it is acknowledged
 *
 * One process sends and claims, never asleep, and copies every message out. Each
 * claiming call acknowledges what the one before has claimed. Beside it a POSIX
 * message queue, of one priority, which knows no batches and acknowledges nothing.
 */
#ifndef BARS_QUEUES_H
#define BARS_QUEUES_H

void run_queues(void);

#endif
