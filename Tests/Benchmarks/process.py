"""A process pinned to cores, and what it has used."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from harness.waiting import accepts, eventually

TICK = os.sysconf("SC_CLK_TCK")


class Pinned:
    """Runs a command on these cores until the block ends; counts its children with it.

    It has begun when its port accepts, or, given `ready`, when it has said so. `began` is how many seconds that took.
    """

    def __init__(self, command, port, cores, log, ready=None):
        self.command, self.port, self.cores, self.log, self.ready = command, port, cores, Path(log), ready

    def __enter__(self):
        start = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, self.cores)), *map(str, self.command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            eventually(lambda: self.process.poll() is not None or self._begun(), 60, interval=0.002)
            assert self.process.poll() is None
        except AssertionError:
            self.__exit__()
            raise SystemExit(f"{self.command[0]} did not start:\n{self.log.read_text()[-2000:]}") from None
        except BaseException:
            self.__exit__()
            raise
        self.began = time.monotonic() - start
        return self

    def _begun(self):
        return re.search(self.ready, self.log.read_text()) if self.ready else accepts(self.port)

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(8)
                return
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _pids(self):
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    waiting += map(int, children.read_text().split())
                except (FileNotFoundError, ProcessLookupError):
                    continue  # the thread has ended
        return found

    def _read(self, file):
        """The file of each process; those that have ended meanwhile have handed what they used to their parent."""
        for pid in self._pids():
            try:
                yield Path(f"/proc/{pid}/{file}").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue

    @property
    def cpu(self):
        """User and system seconds so far."""
        fields = [text.rsplit(")", 1)[1].split() for text in self._read("stat")]
        return sum(int(f[11]) for f in fields) / TICK, sum(int(f[12]) for f in fields) / TICK

    @property
    def resident(self):
        """Resident memory in MiB; pages that processes share count once for each."""
        return self._memory("status", "VmRSS")

    @property
    def proportional(self):
        """The same with shared pages divided among those that share them (PSS)."""
        return self._memory("smaps_rollup", "Pss")

    def _memory(self, file, field):
        # A process that is about to end has no memory any more.
        found = [re.search(rf"^{field}:\s+(\d+)", text, re.M) for text in self._read(file)]
        return sum(int(one.group(1)) for one in found if one) / 1024


def spent(proxy, load):
    """Runs a load and gives what the proxy spent on each of its requests, in µs, and how the requests fared."""
    user, system = proxy.cpu
    done = load()
    now_user, now_system = proxy.cpu
    each = 1e6 / max(1, done.requests)
    return {
        "cpu": (now_user + now_system - user - system) * each,
        "user": (now_user - user) * each,
        "system": (now_system - system) * each,
        "rate": done.rate,
        "p50": done.p50,
        "p99": done.p99,
        "failed": done.failed,
    }
