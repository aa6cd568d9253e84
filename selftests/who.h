/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: being somebody else
 *
 * Users, capabilities and namespaces are changed for good: in a child.
 */
#ifndef SELFTESTS_WHO_H
#define SELFTESTS_WHO_H

#include <sys/types.h>

/* The guest's users; each has a group of the same number. */
#define ALICE	1000u
#define BOB	1001u
#define CAROL	1002u
#define NOBODY	65534u

/* In a child: its result, and its words, come back. -ECHILD: it died. */
typedef int (*task_fn)(void *arg);

int run_child(task_fn task, void *arg);
/* As that user, with the group of the same number and no other, no privilege. */
int run_as(uid_t uid, task_fn task, void *arg);
/* The caller becomes that user, for good. */
void become(uid_t uid);
/* The caller gives up a capability, for good; uid 0 remains uid 0. */
void drop_capability(int capability);
/* And all but this one, changing to @uid. */
void become_with(uid_t uid, int capability);

/* The caller enters a new user namespace: uid and gid 0 there are its own here. */
int enter_userns(void);
/* Likewise, @count ids from @inside being those from @outside; needs privilege. */
int enter_userns_mapped(uid_t inside, uid_t outside, uint32_t count);
int enter_netns(void);

/* Files between processes; recv_file() returns the file. */
int send_file(int socket, int fd);
int recv_file(int socket);

#endif
