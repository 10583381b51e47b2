"""The built gateway as a process: started, reloaded, looked into, stopped."""
import json
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import requests

from . import configuration as conf
from .rawclient import RawClient
from .waiting import SANITIZED, eventually, patience

ROOT = Path(__file__).resolve().parents[3]
# The binary is built with the address sanitizer: what is measured in memory does not hold, everything else does.
BINARY = Path(os.environ.get("GATEHOUSE", ROOT / ".build/release/gatehouse")).resolve()


def command(*arguments, timeout=30, **more):
    """Runs a subcommand to its end."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=patience(timeout), **more)


class Gateway:
    """One running gateway. Its configuration is the dictionary `configuration`, written as one file."""

    # Denial codes in the access logs of the gateways that this run has ended.
    codes = set()

    def __init__(self, directory, configuration, *, ca, open_files=None, environment=None):
        self.directory = Path(directory)
        self.routes = self.directory / "Routes"
        self.routes.mkdir(parents=True, exist_ok=True)
        self.file = self.routes / "gateway.yaml"
        self.configuration = configuration
        self.ca = ca
        self.open_files = open_files
        self.environment = environment
        self.process = None
        self.output = self.directory / "stdout.log"
        self.errors = self.directory / "stderr.log"
        # A descriptor to be the process's standard output in place of the file.
        self.output_descriptor = None
        # The same for standard error; `start` cannot see then that the gateway is ready.
        self.error_descriptor = None

    # Life

    def write(self, configuration=None):
        self.configuration = configuration or self.configuration
        self.file.write_text(conf.as_yaml(self.configuration))

    def launch(self):
        """Starts the process without waiting for it."""
        limit = self.open_files

        def restrict():
            if limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                [str(BINARY), "run", "--config", str(self.routes)], stdin=subprocess.DEVNULL,
                stdout=out if self.output_descriptor is None else self.output_descriptor,
                stderr=err if self.error_descriptor is None else self.error_descriptor,
                preexec_fn=restrict, env=dict(os.environ, **(self.environment or {})))
        return self

    def start(self, timeout=15):
        self.write()
        self.launch()

        def ready():
            assert self.process.poll() is None, f"the gateway ended with {self.process.returncode}:\n{self.error_text}"
            return re.search(r"\bready\b", self.error_text)

        try:
            eventually(ready, timeout, what="`ready` on standard error")
        except AssertionError:
            self.stop()
            raise AssertionError(f"no `ready` in {timeout} s; standard error:\n{self.error_text}") from None
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=15):
        """SIGTERM, and the exit code; SIGKILL when it does not end in time."""
        try:
            if self.process is None or self.process.poll() is not None:
                return self.process and self.process.returncode
            self.process.terminate()
            return self.process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            return None
        finally:
            if self.output.exists():
                self.codes.update(code.decode() for code in re.findall(rb'"code":"(\w+)"', self.output.read_bytes()))

    def __enter__(self):
        return self.start()

    def end(self):
        """Stops it, and says what was wrong with its end: it must have lived until now, and exit with 0."""
        if self.process is None:
            return None
        died = self.process.poll() not in (None, 0)
        code = self.stop()
        if died:
            return f"the gateway died with {code}"
        return None if code == 0 else f"the gateway ended with {code} after SIGTERM"

    def __exit__(self, *_):
        wrong = self.end()
        assert wrong is None, f"{wrong}\n{self.error_text[-4000:]}"

    # Reload

    @property
    def generation(self):
        return self.admin("/config").json()["generation"]

    def reload(self, configuration=None, timeout=5):
        """Writes the configuration, if given, sends SIGHUP and waits until the next generation serves."""
        if configuration is not None:
            self.write(configuration)
        before = self.generation
        self.signal(signal.SIGHUP)
        eventually(lambda: self.generation > before, timeout, what="a new generation after SIGHUP; " + self.error_text[-1500:])

    def reload_rejected(self, timeout=5):
        """Sends SIGHUP, waits until a refusal is logged, and gives what was logged for it."""
        before, logged = self.generation, len(self.error_text)
        self.signal(signal.SIGHUP)
        eventually(lambda: re.search(r":\d+:\d+: ", self.error_text[logged:]), timeout, what="FILE:LINE:COLUMN on standard error")
        assert self.generation == before
        return self.error_text[logged:]

    # What it says

    @property
    def error_text(self):
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    @property
    def log(self):
        """The access log, line by line; a line that is being written is not there yet."""
        return [json.loads(line) for line in self.output.read_text().splitlines(keepends=True) if line[:1] == "{" and line[-1:] == "\n"]

    def logged(self, timeout=5, **fields):
        """The first access-log line that has these fields."""
        return eventually(
            lambda: next((line for line in self.log if all(line.get(key) == value for key, value in fields.items())), None),
            timeout, what=f"an access-log line with {fields}; the last one is {self.log[-1:]}")

    def admin(self, path, method="GET"):
        address = self.configuration["admin"]["address"]
        return requests.request(method, f"http://{address}{path}", timeout=patience(5))

    @property
    def internal_keys(self):
        return self.admin("/.well-known/jwks.json").json()

    def metric(self, name, **labels):
        """The sum over the samples of a metric that have these labels."""
        from .prometheus import parse
        return sum(sample.value for sample in parse(self.admin("/metrics").text).samples
                   if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items()))

    # What it holds

    @property
    def pid(self):
        return self.process.pid

    def _status(self, field):
        if SANITIZED:
            return 0.0  # A sanitizer's memory is its own affair, and tells nothing of the gateway's.
        return int(re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.M).group(1)) / 1024

    @property
    def resident(self):
        """Resident memory now, in MiB."""
        return self._status("VmRSS")

    @property
    def peak_resident(self):
        """The most memory that was resident since the start, in MiB."""
        return self._status("VmHWM")

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # Talking to it

    @property
    def port(self):
        return int(self.configuration["listeners"][0]["address"].rsplit(":", 1)[1])

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def client(self, **more):
        """A raw TLS client on a connection of its own."""
        return RawClient(self.port, self.ca, **more)

    def ask(self, method, target, **more):
        """One request on a connection of its own."""
        with self.client() as client:
            return client.exchange(method, target, **more)

    def idle_for(self, seconds):
        """CPU seconds spent while nothing is asked of it for this long."""
        before = self.cpu_seconds
        time.sleep(seconds)
        return self.cpu_seconds - before
