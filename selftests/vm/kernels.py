# SPDX-License-Identifier: GPL-2.0
"""The kernels a guest can run: image, build tree, drivers, the module built for it."""
import fcntl
import glob
import lzma
import os
import re
import subprocess
import sys

import paths

# In the order of loading; a kernel has them as modules, built in, or not at all.
DRIVERS = ["virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev",
           "virtio_pci", "virtio_console"]

SERIES = ("6.1", "6.12")


class Failure(Exception):
    """The runner cannot do what it was asked to; says why."""


def run(*argv):
    """Runs a helper of ours. Standard error is the command's: what helpers print
    shows if they fail, or if somebody is watching who would wonder."""
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    watched = sys.stderr.isatty()
    done = subprocess.run(argv, cwd=paths.TOP, stdin=subprocess.DEVNULL, check=False, env=env,
                          stdout=subprocess.PIPE, stderr=None if watched else subprocess.PIPE,
                          text=True, errors="replace")
    if done.returncode:
        raise Failure(f"{' '.join(argv)} failed:\n{done.stderr or done.stdout}".rstrip())
    return done.stdout.strip()


def release_of(kdir):
    try:
        with open(f"{kdir}/include/generated/utsrelease.h", encoding="ascii") as file:
            return re.search(r'"(.*)"', file.read()).group(1)
    except (OSError, AttributeError):
        raise Failure(f"not a kernel's build tree: {kdir}") from None


class Kernel:
    """image and kdir as given; roots are where its drivers may lie."""

    def __init__(self, image, kdir, roots=()):
        if not os.path.isfile(image):
            raise Failure(f"no such kernel image: {image}")
        self.image = image
        self.kdir = os.path.realpath(kdir)
        self.release = release_of(self.kdir)
        self.roots = list(roots)
        self.module = None

    def build(self):
        """Builds the module, the library and the tools, as far as they are out of date."""
        run("make", "-s", "lib", "tools", "module", f"KDIR={self.kdir}", f"O={paths.OUT}")

    def use_module(self):
        self.module = f"{paths.OUT}/{self.release}/ipcchan.ko"
        if not os.path.exists(self.module):
            raise Failure(f"no module for {self.release}: {self.module}")

    def drivers(self):
        for name in DRIVERS:
            for root in self.roots:
                found = glob.glob(f"{root}/drivers/*/{name}.ko*")
                found = [f for f in found if f.endswith((".ko", ".ko.xz"))]
                if found:
                    opener = lzma.open if found[0].endswith(".xz") else open
                    with opener(found[0], "rb") as file:
                        yield name + ".ko", file.read()
                    break


def by_series(series):
    release = run("sh", "-c", '. scripts/env.sh; release "$1"', "sh", series)
    folder = f"{paths.CACHE}/images/{release}"
    return Kernel(f"{folder}/boot/vmlinuz-{release}", f"/lib/modules/{release}/build",
                  [f"{folder}/lib/modules/{release}/kernel"])


def debug():
    kdir = run("scripts/kernel", "debug")
    return Kernel(f"{kdir}/arch/x86/boot/bzImage", kdir)


def by_path(image, kdir):
    if not kdir:
        raise Failure("--kernel with a path needs --kdir, its build tree")
    kernel = Kernel(image, kdir)
    kernel.roots = [kernel.kdir, f"/lib/modules/{kernel.release}/kernel",
                    f"{os.path.dirname(os.path.dirname(os.path.realpath(image)))}"
                    f"/lib/modules/{kernel.release}/kernel"]
    return kernel


def find(name, kdir):
    if kdir and "/" not in name and (name in SERIES or name == "debug"):
        raise Failure("--kdir goes with a path as --kernel")
    if name in SERIES:
        return by_series(name)
    if name == "debug":
        return debug()
    if "/" not in name and not os.path.exists(name):
        raise Failure(f"unknown kernel '{name}': 6.1, 6.12, debug or the path of an image")
    return by_path(name, kdir)


class BuildLock:
    """One builds at a time, and nobody packs what another is writing."""

    def __enter__(self):
        os.makedirs(paths.OUT, exist_ok=True)
        self.file = open(f"{paths.OUT}/.lock", "w", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()
