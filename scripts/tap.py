# SPDX-License-Identifier: GPL-2.0
"""Reads what test programs say (TAP) and adds it all up."""
import fnmatch
import re
import threading

RESULT = re.compile(r"^(not )?ok\b\s*(\d*)\s*(?:-\s*)?(.*?)\s*(?:#\s*(skip|todo|xfail)\b:?\s*(.*))?$",
                    re.I)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*(.*))?$")
SHOWN = 60              # lines of a failed test's output


class Skips:
    """The skips we agreed to: lines of kernel, program, name pattern, reason."""

    def __init__(self, path):
        self.rows = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split("#")[0].split(None, 3)
                if len(words) == 4:
                    self.rows.append(words)

    def allow(self, kernel, program, name):
        return any(k in ("*", kernel) and fnmatch.fnmatch(program, p)
                   and fnmatch.fnmatch(name, n) for k, p, n, _ in self.rows)


class Tally:
    """All results of a run; the one place that prints them."""

    def __init__(self, skips):
        self.skips = skips
        self.passed = self.failed = self.skipped = self.unexpected = 0
        self.lock = threading.Lock()

    def add(self, where, program, name, good, skip=None, details=()):
        """where is a kernel or "host"; skip the reason for one."""
        with self.lock:
            number = 1 + self.passed + self.failed + self.skipped
            title = " ".join(filter(None, (where, program, name)))
            tail = ""
            if not good:
                self.failed += 1
            elif skip is None:
                self.passed += 1
            else:
                self.skipped += 1
                tail = f" # SKIP {skip}"
                if not self.skips.allow(where, program, name):
                    self.unexpected += 1
                    tail += " (not on the list of agreed skips)"
            print(f"{'ok' if good else 'not ok'} {number} - {title}{tail}", flush=True)
            for line in list(details)[-SHOWN:] if not good else ():
                print(f"#   {line}", flush=True)

    def finish(self):
        print(f"1..{self.passed + self.failed + self.skipped}")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        done = self.passed + self.skipped
        return 0 if done and not self.failed and not self.unexpected else 1


class Program:
    """One test program's output, line by line, then its exit status."""

    def __init__(self, tally, where, name):
        self.tally = tally
        self.where = where
        self.name = name
        self.plan = None
        self.seen = self.bad = 0
        self.recent = []

    def result(self, name, good, skip=None):
        self.tally.add(self.where, self.name, name, good, skip, self.recent)

    def line(self, line):
        plan = PLAN.match(line)
        found = RESULT.match(line)
        if plan and self.plan is None:
            self.plan = int(plan.group(1))
            if not self.plan:
                self.seen = 0
                self.result("all", True, plan.group(2) or "nothing to run")
        elif found:
            self.take(found)
        else:
            self.recent.append(line)

    def take(self, found):
        wrong, number, name, directive, why = found.groups()
        directive = (directive or "").lower()
        skip = (why or "no reason given") if directive == "skip" else None
        good = not wrong or directive == "skip"         # cmocka skips with "not ok"
        self.seen += 1
        self.bad += not good
        self.result(name or number or str(self.seen), good, skip)
        self.recent = []

    def end(self, status):
        """A program that said little or nothing did not pass."""
        if self.plan is None and not self.seen:
            if status == 4:
                self.result("all", True, "; ".join(self.recent[-1:]) or "no reason given")
            else:
                self.recent.append(f"no results, exit status {status}")
                self.result("results", False)
            return
        if self.plan is None or self.seen != (self.plan or self.seen):
            self.recent.append(f"{self.seen} results of {self.plan} planned, exit status {status}")
            self.result("results", False)
        elif status not in (0, 4) and not self.bad:
            self.recent.append(f"exit status {status}")
            self.result("exit status", False)
