# SPDX-License-Identifier: GPL-2.0
"""The root file system of a guest: cpio archives, one after the other.

The kernel unpacks archives that follow each other as one. So the base (C
library, shell, tools of the system) is made once and kept in the cache, and
only what changes is packed for each run: kernel modules, what the project
built, added files.
"""
import glob
import hashlib
import os
import stat
import subprocess

import paths

# Packages taken whole, as far as their programs go.
PACKAGES = ["coreutils"]

PROGRAMS = """
bash dash grep sed mawk find xargs diff cmp ps kill pgrep pkill free vmstat sysctl
setpriv unshare nsenter mount umount dmesg flock prlimit taskset setsid chrt ipcs
mountpoint getopt hexdump lsns capsh strace ip ss insmod rmmod lsmod modinfo kmod
gzip hostname getconf ldd
""".split()

# What programs under test may want that nothing above does.
LIBRARIES = """
libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libresolv.so.2
libnss_files.so.2 libgcc_s.so.1 libstdc++.so.6 libasan.so.8 libubsan.so.1
libtsan.so.2 liblsan.so.0 libatomic.so.1 libseccomp.so.2 libnl-3.so.200
libnl-genl-3.so.200 libjansson.so.4 libcmocka.so.0 libsmartcols.so.1
""".split()

DIRECTORIES = {
    "bin": None, "sbin": None, "lib": None, "lib64": None,
    "dev": 0o755, "etc": 0o755, "proc": 0o755, "sys": 0o755, "run": 0o755,
    "tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777, "root": 0o700,
    "home": 0o755, "mnt": 0o755, "test": 0o1777, "vm": 0o700, "selftests": 0o755, "examples": 0o755,
    "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/lib": 0o755,
    "usr/lib64": 0o755, "usr/lib/x86_64-linux-gnu": 0o755,
    "usr/local": 0o755, "usr/local/bin": 0o755, "usr/local/lib": 0o755,
}

USERS = [("root", 0, "/root"), ("alice", 1000, "/home/alice"),
         ("bob", 1001, "/home/bob"), ("carol", 1002, "/home/carol"),
         ("nobody", 65534, "/nonexistent")]

LIBDIRS = ["/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu"]


class Cpio:
    """Writes a cpio archive of the kind the kernel reads ("newc")."""

    def __init__(self, file):
        self.file = file
        self.inode = 0

    def _entry(self, name, mode, size=0, uid=0, rdev=(0, 0)):
        self.inode += 1
        name = os.fsencode(name) + b"\0"
        fields = (self.inode, mode, uid, uid, 1, 0, size, 0, 0, *rdev, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.file.write(head + bytes(-len(head) % 4))

    def data(self, name, content, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, len(content))
        self.file.write(content + bytes(-len(content) % 4))

    def copy(self, name, path, mode=None):
        with open(path, "rb") as source:
            info = os.fstat(source.fileno())
            if mode is None:
                mode = stat.S_IMODE(info.st_mode)
            self._entry(name, stat.S_IFREG | mode, info.st_size)
            left = info.st_size
            while left:
                piece = source.read(min(left, 1 << 20))
                if not piece:
                    raise OSError(f"{path} shrank while it was read")
                self.file.write(piece)
                left -= len(piece)
            self.file.write(bytes(-info.st_size % 4))

    def directory(self, name, mode=0o755, uid=0):
        self._entry(name, stat.S_IFDIR | mode, uid=uid)

    def symlink(self, name, target):
        target = os.fsencode(target)
        self._entry(name, stat.S_IFLNK | 0o777, len(target))
        self.file.write(target + bytes(-len(target) % 4))

    def device(self, name, major, minor):
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def end(self):
        self._entry("TRAILER!!!", 0)
        self.file.write(bytes(-self.file.tell() % 512))


def find_program(name):
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        path = f"{folder}/{name}"
        if os.path.exists(path):
            return path
    return None


def programs():
    """Paths of the system's programs that go into the base."""
    found = {}
    listing = subprocess.run(["dpkg", "-L", *PACKAGES], capture_output=True,
                             text=True, check=True).stdout.split("\n")
    names = [p for p in listing if p.startswith(("/bin/", "/usr/bin/", "/usr/sbin/"))]
    names += [p for p in map(find_program, PROGRAMS) if p]
    for path in names:
        found["usr/" + path.lstrip("/").removeprefix("usr/")] = os.path.realpath(path)
    return found


def find_library(name):
    for folder in LIBDIRS:
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    return None


def is_dynamic(path):
    with open(path, "rb") as file:
        head = file.read(4096)
    return head.startswith(b"\x7fELF") and (b"ld-linux" in head or head[16:17] == b"\x03")


def needed(files, search=""):
    """Libraries that the dynamic programs among files load: name -> path."""
    found = {}
    files = [f for f in files if is_dynamic(f)]
    if not files:
        return found
    env = dict(os.environ, LD_LIBRARY_PATH=search, LC_ALL="C")
    out = subprocess.run(["ldd", *files], capture_output=True, text=True, env=env,
                         check=False).stdout
    for line in out.splitlines():
        words = line.split()
        path = words[2] if len(words) > 3 and words[1] == "=>" else words[0] if words else ""
        if path.startswith("/") and not path.endswith(":") and os.path.exists(path):
            found[library_place(words[0] if "=>" in words else path)] = path
    return found


def library_place(name):
    """Where a library of this name or path goes in the guest."""
    if "/" not in name:
        return "usr/lib/x86_64-linux-gnu/" + name
    return "usr/" + name.lstrip("/").removeprefix("usr/")


INIT = [f"{paths.HERE}/{name}" for name in ("init.c", "channels.c", "leaks.c", "init.h")]


def compile_init(target):
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-static", "-O2", "-Wall",
                    "-Wextra", "-Werror", "-o", target,
                    *[path for path in INIT if path.endswith(".c")]], check=True)


def write_etc(cpio):
    passwd = "".join(f"{n}:x:{u}:{u}:{n}:{h}:/bin/sh\n" for n, u, h in USERS)
    group = "".join(f"{n}:x:{u}:\n" for n, u, h in USERS)
    ids = "".join(f"{n}:{100000 + 65536 * i}:65536\n" for i, (n, u, h) in enumerate(USERS) if u)
    cpio.data("etc/passwd", passwd.encode())
    cpio.data("etc/group", group.encode())
    cpio.data("etc/subuid", ids.encode())
    cpio.data("etc/subgid", ids.encode())
    cpio.data("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files\n")
    cpio.data("etc/hosts", b"127.0.0.1 localhost guest\n")
    for _, uid, home in USERS:
        if uid in range(1000, 2000):
            cpio.directory(home.lstrip("/"), 0o755, uid)


def write_base(cpio, init):
    for name, mode in DIRECTORIES.items():
        if mode is None:
            cpio.symlink(name, "usr/" + name)
        else:
            cpio.directory(name, mode)
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.copy("init", init, 0o755)
    write_etc(cpio)
    files = programs()
    libraries = {library_place(name): path for name in LIBRARIES
                 if (path := find_library(name))}
    libraries.update(needed([*files.values(), *libraries.values()]))
    for name, path in {**files, **libraries}.items():
        cpio.copy(name, path, 0o755)
    cpio.symlink("usr/bin/sh", "dash")
    cpio.symlink("usr/bin/awk", "mawk")
    cpio.end()


def base_key():
    """Changes when the base would: our sources, or the system's packages."""
    digest = hashlib.sha256()
    for path in (__file__, *INIT):
        with open(path, "rb") as file:
            digest.update(file.read())
    info = os.stat("/var/lib/dpkg/status")
    digest.update(f"{info.st_mtime_ns} {info.st_size}".encode())
    return digest.hexdigest()[:16]


def base():
    """Path of the base archive, made if need be."""
    folder = f"{paths.CACHE}/rootfs"
    path = f"{folder}/{base_key()}.cpio"
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    new = f"{path}.{os.getpid()}"
    init = f"{new}.init"
    try:
        compile_init(init)
        with open(new, "wb") as file:
            write_base(Cpio(file), init)
        os.rename(new, path)
    finally:
        for leftover in (new, init):
            if os.path.exists(leftover):
                os.unlink(leftover)
    for old in glob.glob(f"{folder}/*.cpio"):
        if old != path and os.stat(old).st_mtime < os.stat(path).st_mtime - 86400:
            os.unlink(old)
    return path


def in_base():
    """Names of the files in the base archive."""
    names = set()
    with open(base(), "rb") as file:
        while True:
            start = file.tell()
            head = file.read(110)
            size, length = int(head[54:62], 16), int(head[94:102], 16)
            name = os.fsdecode(file.read(length)[:-1])
            if name == "TRAILER!!!":
                return names
            names.add(name)
            begin = start + 110 + length
            begin += -begin % 4
            file.seek(begin + size + -size % 4)


def add_tree(cpio, name, path):
    """Adds a file or a directory with all below it; returns the files' paths."""
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise OSError(f"neither a file nor a directory: {path}")
        cpio.copy(name, path)
        return [path]
    cpio.directory(name, stat.S_IMODE(os.stat(path).st_mode))
    files = []
    for entry in sorted(os.listdir(path)):
        below = f"{path}/{entry}"
        if os.path.islink(below):
            cpio.symlink(f"{name}/{entry}", os.readlink(below))
        else:
            files += add_tree(cpio, f"{name}/{entry}", below)
    return files


def add_project(cpio):
    """What the project built: library, tools, test programs, examples."""
    files = []
    out = paths.OUT
    for path in sorted(glob.glob(f"{out}/lib/libipcchan.so*")):
        name = "usr/lib/x86_64-linux-gnu/" + os.path.basename(path)
        if os.path.islink(path):
            cpio.symlink(name, os.readlink(path))
        else:
            cpio.copy(name, path)
    for where, folder in (("usr/local/bin", "tools"), ("selftests", "selftests"),
                          ("examples", "examples")):
        for path in sorted(glob.glob(f"{out}/{folder}/*")):
            if os.path.isfile(path) and os.access(path, os.X_OK):
                cpio.copy(f"{where}/{os.path.basename(path)}", path)
                files.append(path)
    for name in ("run-tests",):
        cpio.copy(f"selftests/{name}", f"{paths.HERE}/{name}")
    return files


def add_libraries(cpio, files):
    """The libraries of these files, as far as nothing above brought them."""
    search = f"{paths.OUT}/lib"
    libraries = needed(files, search)
    if not libraries:
        return
    have = in_base()
    made = set()
    for name, path in libraries.items():
        if name in have or os.path.basename(name).startswith("libipcchan"):
            continue
        folder = os.path.dirname(name)
        while folder and folder not in have | made:
            made.add(folder)
            folder = os.path.dirname(folder)
    for folder in sorted(made):
        cpio.directory(folder)
    for name, path in libraries.items():
        if name not in have and not os.path.basename(name).startswith("libipcchan"):
            cpio.copy(name, path, 0o755)


def write_run(file, argv, kernel, added, kmemleak=False):
    """Appends to file what this run needs beyond the base."""
    cpio = Cpio(file)
    cpio.data("vm/argv", b"".join(os.fsencode(word) + b"\0" for word in argv))
    if kmemleak:
        cpio.data("vm/kmemleak", b"")
    names = []
    for i, (name, content) in enumerate(kernel.drivers()):
        names.append(f"/vm/{i:02}-{name}")
        cpio.data(names[-1][1:], content)
    cpio.data("vm/modules", "".join(name + "\n" for name in names).encode())
    if kernel.module:
        cpio.copy("vm/ipcchan.ko", kernel.module)
    files = add_project(cpio)
    for path in added:
        files += add_tree(cpio, "test/" + os.path.basename(path.rstrip("/")), path)
    add_libraries(cpio, files)
    cpio.end()
