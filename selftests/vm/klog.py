# SPDX-License-Identifier: GPL-2.0
"""Finds in a kernel log what must not be there."""
import re

# Reports begin with one of these. Not "Call Trace": injected faults have one,
# too, and every real report has a headline of its own.
BAD = re.compile("|".join([
    r"\bWARNING: ", r"\bBUG\b", r"\bKASAN: ", r"\bKCSAN: ", r"\bKFENCE: ", r"\bKMSAN: ",
    r"\bUBSAN: ", r"\bODEBUG: ", r"\bOops\b", r"Kernel panic", r"kernel BUG at",
    r"general protection fault", r"invalid opcode", r"double fault", r"stack segment:",
    r": 0000 \[#\d+\]", r"divide error", r"unable to handle",
    r"refcount_t: ", r"scheduling while atomic", r"sleeping function called",
    r"possible (circular|recursive|irq|deadlock|unsafe).* detected",
    r"suspicious RCU usage", r"inconsistent lock state", r"bad unlock balance",
    r"held lock freed", r"INFO: trying to register non-static key", r"lockdep is turned off",
    r"INFO: task .* blocked for more than", r"soft lockup", r"hard LOCKUP",
    r"detected stalls", r"self-detected stall", r"detected expedited stalls",
    r"rcu_\w+ kthread starved", r"kmemleak: \d+ new suspected",
    r"list_(add|del) corruption", r"Slab cache still has objects", r"Objects remaining",
    r"Busy inodes after unmount", r"cannot create duplicate", r"Bad page (state|map)",
    r"Bad rss-counter", r"nobody cared", r"unregister_netdevice: waiting",
    r"stack-protector: ",
]))

# A program that dies of its own fault is the program's business.
HARMLESS = re.compile(r"traps: .* ip:|: segfault at|potentially unexpected fatal signal")


def problems(text):
    """The lines that begin a report."""
    return [line for line in text.splitlines()
            if BAD.search(line) and not HARMLESS.search(line)]
