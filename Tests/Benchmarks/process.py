"""A process pinned to a core, and what it has used."""
import os
import re
import signal
import subprocess
from pathlib import Path

from harness.waiting import accepts, eventually

TICK = os.sysconf("SC_CLK_TCK")


class Pinned:
    """Runs a command on one core until the block ends; counts its children with it."""

    def __init__(self, command, port, core, log):
        self.command, self.port, self.core, self.log = command, port, core, Path(log)

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["taskset", "-c", str(self.core), *map(str, self.command)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            eventually(lambda: self.process.poll() is not None or accepts(self.port), 20)
            assert self.process.poll() is None
        except AssertionError:
            self.__exit__()
            raise SystemExit(f"{self.command[0]} did not start:\n{self.log.read_text()[-2000:]}") from None
        return self

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
                waiting += map(int, children.read_text().split())
        return found

    @property
    def cpu(self):
        """User and system seconds so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self._pids()]
        return sum(int(f[11]) for f in fields) / TICK, sum(int(f[12]) for f in fields) / TICK

    @property
    def resident(self):
        """Resident memory in MiB; pages that processes share count once for each."""
        return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) for pid in self._pids()) / 1024
