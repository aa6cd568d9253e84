# SPDX-License-Identifier: GPL-2.0
"""The file of recorded figures: what they were, what with, and why they changed."""
import os
import re

TOLERANCE = 0.01
CALLS = ("trip_", "queue_")     # so begin figures with calls to the kernel, counted on each
HEAD = """\
# SPDX-License-Identifier: GPL-2.0
# Instructions a message costs: kernel, figure (bars.c says what each is), count.
# Written by: scripts/bars --update REASON
"""
CHANGES = "# Changes, the newest last:"


def differs(old, new):
    return abs(new / old - 1) > TOLERANCE


class Record:
    """tools and releases: what the figures depend on. figures: (kernel, name) -> count."""

    def __init__(self, tools="", releases=None, figures=None, changes=None):
        self.tools = tools
        self.releases = releases or {}
        self.figures = figures or {}
        self.changes = changes or []

    def strange(self, kernel, name, other):
        """Why a figure cannot be compared with that of another record, or None."""
        if self.tools != other.tools:
            return f"recorded with {self.tools}; this is {other.tools}"
        if name.startswith(CALLS) and self.releases.get(kernel) != other.releases.get(kernel):
            return f"recorded on {self.releases.get(kernel)}; this is {other.releases.get(kernel)}"
        return None

    def follow(self, old, reason):
        """Takes over the changes of an older record, and says what has changed since."""
        mine = [f"# {reason}"]
        for (kernel, name), new in self.figures.items():
            was = old.figures.get((kernel, name))
            if was is None or differs(was, new):
                mine.append(f"#   {kernel} {name} {was or 'none'} -> {new:.1f}")
        for kernel, name in old.figures.keys() - self.figures.keys():
            mine.append(f"#   {kernel} {name} no longer counted")
        self.changes = old.changes + (mine if old.figures else mine[:1])
        return mine[1:]

    def write(self, path):
        lines = [f"# with {self.tools}"]
        lines += [f"# {kernel} is {name}" for kernel, name in self.releases.items()]
        lines += [f"{kernel:6}{name:20}{count:10.1f}"
                  for (kernel, name), count in self.figures.items()]
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(HEAD + "\n".join([*lines, CHANGES, *self.changes]) + "\n")
        os.rename(f"{path}.new", path)


def read(path):
    """An empty record where there is no file."""
    record = Record()
    if not os.path.exists(path):
        return record
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    cut = lines.index(CHANGES)
    record.changes = lines[cut + 1:]
    for line in lines[:cut]:
        words = line.split()
        if found := re.match(r"# with (.*)", line):
            record.tools = found.group(1)
        elif found := re.match(r"# (\S+) is (\S+)$", line):
            record.releases[found.group(1)] = found.group(2)
        elif words and not line.startswith("#"):
            record.figures[words[0], words[1]] = float(words[2])
    return record
