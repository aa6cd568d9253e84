# SPDX-License-Identifier: GPL-2.0
"""One guest: starts QEMU, passes on the command's output, learns how it ended."""
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import time

import paths
import rootfs
from kernels import Failure

QEMU = "qemu-system-x86_64"
BOOT_LIMIT = 300        # seconds, also for the end: a busy machine that emulates is slow
PROBE_LIMIT = 10        # a guest under a working KVM starts in one
PAUSE = 0.02

# String instructions that QEMU emulates byte by byte flatter whoever copies less.
EMULATED = ["-accel", "tcg,thread=multi", "-cpu", "max,erms=off,fsrm=off"]
VIRTUAL = ["-accel", "kvm", "-cpu", "host"]

# Every instruction takes one nanosecond, and the clocks know no other time: a
# program counts its instructions with rdtsc, and finds the same number again.
COUNTED = ["-accel", "tcg,thread=single", "-cpu", "max,erms=off,fsrm=off",
           "-icount", "shift=0,sleep=off", "-rtc", "base=2024-01-01,clock=vm"]

# No mitigations: nothing here is secret. An oops ends the run at once, instead
# of leaving locks held and the run hanging. Long patience with stalls, which
# emulation on a busy machine has of its own. The kernel's tests of its ciphers
# would go on for a while beside the command.
APPEND = ("console=ttyS0 panic=-1 oops=panic quiet mitigations=off rootfstype=ramfs "
          "cryptomgr.notests "
          "printk.devkmsg=on rcupdate.rcu_cpu_stall_timeout=300 "
          "rcupdate.rcu_exp_cpu_stall_timeout=300000 workqueue.watchdog_thresh=300 "
          "watchdog_thresh=60")


def base_command(kernel, initrd, accel, boot=""):
    return ["setpriv", "--pdeathsig", "KILL", QEMU, "-M", "pc", *accel, "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel.image,
            "-initrd", initrd, "-append", f"{APPEND} {boot}"]


def spawn(command):
    """Starts QEMU. Signals from the terminal are for us: we end it ourselves."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, start_new_session=True)


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read().replace("\r\n", "\n")
    except FileNotFoundError:
        return ""


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def probe(kernel, accel=VIRTUAL):
    """Does a guest start under KVM? On some machines it hangs, so try once."""
    with tempfile.TemporaryDirectory(prefix="ipcchan-kvm-") as folder:
        initrd = f"{folder}/initrd"
        with open(initrd, "wb") as file:
            cpio = rootfs.Cpio(file)
            for name in ("dev", "proc", "sys", "tmp", "run"):
                cpio.directory(name)
            cpio.device("dev/console", 5, 1)
            rootfs.compile_init(f"{folder}/init")
            cpio.copy("init", f"{folder}/init", 0o755)
            cpio.end()
        process = spawn(base_command(kernel, initrd, accel) + [
            "-smp", "2,sockets=2", "-m", "512", "-serial", f"file:{folder}/console"])
        try:
            process.wait(PROBE_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            end(process)
            process.stderr.close()
        return "vm-init: started" in read_text(f"{folder}/console")


def kvm_works(kernel):
    """Remembered as long as machine and kernel are the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        what = f"{file.read()} {os.path.realpath(kernel.image)} {kernel.release}"
    path = f"{paths.CACHE}/kvm/{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    try:
        with open(path, encoding="ascii") as file:
            known = file.read()
        # a "no" may only say that the machine was busy: ask again in an hour
        if known == "yes" or time.time() - os.path.getmtime(path) < 3600:
            return known == "yes"
    except OSError:
        pass
    works = probe(kernel)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.{os.getpid()}", "w", encoding="ascii") as file:
        file.write("yes" if works else "no")
    os.rename(f"{path}.{os.getpid()}", path)
    return works


class Tail:
    """A file QEMU writes, read as it grows."""

    def __init__(self, path):
        self.path = path
        self.file = None

    def read(self):
        if not self.file:
            try:
                self.file = open(self.path, "rb", buffering=0)
            except FileNotFoundError:
                return b""
        return self.file.read(1 << 20)


class Output:
    """One of the command's two streams: whichever transport the guest chose."""

    def __init__(self, fd, tails):
        self.fd = fd
        self.tails = tails
        self.seen = 0

    def pump(self):
        """Passes on what is new, tells if there was any."""
        found = False
        for tail in self.tails:
            while piece := tail.read():
                found = True
                self.seen += len(piece)
                self.write(piece)
        return found

    def write(self, piece):
        while piece and self.fd is not None:
            try:
                piece = piece[os.write(self.fd, piece):]
            except BlockingIOError:
                time.sleep(PAUSE)
            except BrokenPipeError:
                self.fd = None      # nobody listens any more


class Status:
    """What the guest's init says, see init.c."""

    def __init__(self, tails):
        self.tails = tails
        self.data = [b"" for _ in tails]
        self.boot_log = b""
        self.leaks = b""
        self.ready = False
        self.ended = False
        self.failure = None
        self.exit = None

    def pump(self):
        for i, tail in enumerate(self.tails):
            piece = tail.read()
            while piece:
                self.data[i] += piece
                piece = tail.read()
            while self.data[i]:
                rest = self.parse(self.data[i])
                if rest is None:
                    break
                self.data[i] = rest

    def parse(self, data):
        """Takes one item off data; None when it is not complete."""
        line, newline, rest = data.partition(b"\n")
        if not newline:
            return None
        word, _, text = line.partition(b" ")
        if word in (b"log", b"leaks"):
            size = int(text)
            if len(rest) < size:
                return None
            if word == b"log":
                self.boot_log = rest[:size]
            else:
                self.leaks += rest[:size]
            return rest[size:]
        if word == b"ready":
            self.ready = True
        elif word == b"ended":
            self.ended = True
        elif word == b"fail":
            self.failure = text.decode(errors="replace")
        elif word == b"exit":
            self.exit = [int(number) for number in text.split()]
        return rest


class Guest:
    """folder is ours alone, and goes away with us. boot is for the kernel's command line."""

    def __init__(self, kernel, folder, cpus, mem, icount=False, boot=""):
        self.folder = folder
        accel = COUNTED if icount else VIRTUAL if kvm_works(kernel) else EMULATED
        self.command = base_command(kernel, f"{folder}/initrd", accel, boot)
        self.command += ["-smp", f"{cpus},sockets={cpus}", "-m", str(mem)]
        self.serial("console")
        for name in ("stdout", "stderr", "status"):
            self.serial(f"{name}.serial")
        # Synchronous, so that what the guest has sent has arrived.
        self.command += ["-device", "virtio-serial-pci,ioeventfd=off"]
        for name in ("stdout", "stderr", "status"):
            self.command += ["-chardev", f"file,id={name},path={folder}/{name}",
                             "-device", f"virtserialport,chardev={name},name={name}"]
        self.process = None
        self.status = Status(self.tails("status"))
        self.outputs = [Output(1, self.tails("stdout")), Output(2, self.tails("stderr"))]

    def serial(self, name):
        ident = name.replace(".", "-")
        self.command += ["-chardev", f"file,id={ident},path={self.folder}/{name}",
                         "-serial", f"chardev:{ident}"]

    def tails(self, name):
        return [Tail(f"{self.folder}/{name}"), Tail(f"{self.folder}/{name}.serial")]

    def run(self, timeout):
        """Returns the command's exit status, or 124; Failure if it never started."""
        self.process = spawn(self.command)
        try:
            return self.attend(timeout)
        finally:
            end(self.process)
            self.process.stderr.close()

    def attend(self, timeout):
        started = time.monotonic()
        limit = started + BOOT_LIMIT
        while True:
            gone = self.process.poll() is not None
            before = self.status.ready, self.status.ended
            self.status.pump()
            if (self.status.ready, self.status.ended) != before:
                limit = time.monotonic() + (BOOT_LIMIT if self.status.ended else timeout)
            moved = self.pump_outputs()
            if any(output.fd is None for output in self.outputs):
                return 128 + signal.SIGPIPE
            if self.finished():
                return self.status.exit[0]
            if self.status.failure:
                raise Failure(f"{self.status.failure}\n{self.last_words()}")
            if gone:
                return self.died()
            if time.monotonic() > limit:
                return self.overdue()
            if not moved:
                time.sleep(PAUSE)

    def pump_outputs(self):
        return any([output.pump() for output in self.outputs])

    def finished(self):
        """All that was sent is here, and the kernel log is complete."""
        if not self.status.exit:
            return False
        _, *sent = self.status.exit
        return ([output.seen for output in self.outputs] == sent
                and "vm-init: end" in self.console())

    def died(self):
        """QEMU ended by itself: the guest panicked or rebooted, or never was."""
        complaint = self.process.stderr.read().decode(errors="replace").strip()
        if self.status.ready:
            return None
        raise Failure(f"the guest did not start: {complaint or self.last_words()}")

    def overdue(self):
        if self.status.ended:
            raise Failure(f"the guest did not end in {BOOT_LIMIT} s: {self.last_words()}")
        if self.status.ready:
            return 124
        raise Failure(f"the guest did not start in {BOOT_LIMIT} s: {self.last_words()}")

    def console(self):
        return read_text(f"{self.folder}/console")

    def last_words(self):
        lines = self.console().strip().splitlines()[-10:]
        return "\n".join(lines) if lines else "it said nothing"

    def log(self):
        """The kernel log: of the boot as init read it, then as the console showed it."""
        boot = self.status.boot_log.decode(errors="replace")
        boot = re.sub(r"^<\d+>", "", boot, flags=re.M)
        return boot + self.console()


def raise_on_signals():
    """So that everything is cleaned up on the way out."""
    def stop(number, _):
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
