"""The process's own log, on standard error: whoever reads it may stall or go, and no request, reload or end waits for it."""
import fcntl
import os
import re
import select
import signal
import socket
import subprocess

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.gateway import BINARY
from harness.rawclient import RawClient
from harness.waiting import accepts, eventually, free_port, patience


def fill(pipe):
    """Leaves no room in a pipe, without changing flags that others share."""
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        for chunk in (b"." * 4095 + b"\n", b"\n"):
            try:
                while True:
                    os.write(own, chunk)
            except BlockingIOError:
                pass
    finally:
        os.close(own)


class Output:
    """A standard error that takes nothing, from the start or once `block` was called."""

    def __init__(self, kind):
        self.kind = kind
        self.reader = None
        if kind == "a full disk":
            self.writer = os.open("/dev/full", os.O_WRONLY)
        elif kind.endswith("socket"):
            ours, theirs = socket.socketpair()
            self.reader, self.writer = ours.detach(), theirs.detach()
        else:
            self.reader, self.writer = os.pipe()

    def block(self):
        if self.kind.startswith("a closed"):
            self.close()
        elif self.kind == "a full pipe":
            fill(self.writer)
        elif self.kind == "a full socket":
            own = socket.socket(fileno=os.dup(self.writer))
            try:
                while True:
                    own.send(b"." * 4095 + b"\n", socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            finally:
                own.close()

    def close(self):
        if self.reader is not None:
            os.close(self.reader)
        self.reader = None


KINDS = ["a closed pipe", "a full pipe", "a closed socket", "a full socket", "a full disk"]


@pytest.fixture(params=KINDS)
def output(request):
    output = Output(request.param)
    yield output
    output.close()
    os.close(output.writer)


@pytest.fixture
def start(make_gateway, pki, idp, jwks, backend):
    """A gateway with this standard error, a backend that is down and a listener for logouts."""
    def start(output, **changes):
        down = conf.merged(conf.backend(pki, free_port(), name="down"), {"timeouts": {"connect": "1s"}})
        configuration = make_gateway(backend.port, start=False).configuration
        gateway = make_gateway(backend.port, {
            "identity_providers": [{**conf.provider(idp, jwks), "backchannel_logout": {"client_ids": ["web"], "keep": "1h"}}],
            "listeners": [conf.listener(pki, free_port()), conf.listener(pki, free_port(), name="logout", serve="logout")],
            "backends": [*configuration["backends"], down],
            "routes": [conf.route("public", "/public/**", public=True), conf.route("down", "/down/**", public=True, to="down")],
            **changes}, start=False)
        gateway.error_descriptor = output.writer
        gateway.launch()

        def ready():
            assert gateway.process.poll() is None, f"ended with {gateway.process.returncode}"
            return accepts(gateway.port) and gateway.admin("/readyz").status_code == 200

        eventually(ready, 15)
        return gateway
    return start


def everything_said(gateway, pki):
    """Has the gateway say all kinds of things, and each of its threads, and expects that it goes on."""
    for number in range(20):
        # A connection each: the kernel spreads them over the workers.
        assert gateway.ask("GET", f"/down/{number}").status == 502
    port = int(gateway.configuration["listeners"][1]["address"].rsplit(":", 1)[1])
    with RawClient(port, pki.public.certificate) as client:
        answer = client.exchange("POST", "/backchannel-logout", headers={"Content-Type": "application/x-www-form-urlencoded"},
                                 body=b"logout_token=none")
        assert answer.status == 400
    gateway.reload()
    good = gateway.configuration
    refused = gateway.metric("gatehouse_config_reloads_total", result="failure")
    gateway.file.write_text("rotes: []\n")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: gateway.metric("gatehouse_config_reloads_total", result="failure") == refused + 1)
    gateway.write(good)
    gateway.signal(signal.SIGUSR1)
    assert gateway.ask("GET", "/public/still").status == 200


def test_nothing_that_is_said_stops_or_ends_it(start, backend, pki, output):
    gateway = start(output)
    output.block()
    everything_said(gateway, pki)
    path = f"/public/last/{output.kind.replace(' ', '-')}"
    backend.on(path, lambda connection, request: (eventually(lambda: not accepts(gateway.port), 10), connection.answer(200, b"drained")))
    with gateway.client() as client:
        client.request("GET", path)
        eventually(lambda: backend.requests_to(path))
        gateway.signal(signal.SIGTERM)
        assert client.response().body == b"drained"
    assert gateway.process.wait(patience(10)) == 0


def test_a_start_needs_nobody_who_reads(start, output):
    output.block()
    gateway = start(output)
    assert gateway.ask("GET", "/public/1").status == 200
    assert gateway.ask("GET", "/down/1").status == 502
    gateway.signal(signal.SIGTERM)
    assert gateway.process.wait(patience(10)) == 0


def ended(output, *arguments):
    """The exit code of a command with this standard error."""
    return subprocess.run([str(BINARY), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output.writer,
                          timeout=patience(20)).returncode


def test_an_error_at_the_start_has_its_exit_code(tmp_path, output):
    (tmp_path / "gateway.yaml").write_text("rotes: []\n")
    output.block()
    assert ended(output, "run", "--config", tmp_path) == 2


@pytest.mark.parametrize("output", ["a closed pipe", "a closed socket", "a full disk"], indirect=True)
@pytest.mark.parametrize("arguments", [("check",), ("check", "--config", "/dev/null/none"), ("no-such-command",)], ids=str)
def test_a_command_has_its_exit_code_whoever_reads(output, arguments):
    """At a terminal it waits for somebody who is slow; for nobody it does not."""
    output.block()
    assert ended(output, *arguments) == 2


def test_a_check_waits_for_whoever_reads_it(tmp_path):
    """All of it is said, however much, to somebody who reads slowly."""
    (tmp_path / "gateway.yaml").write_text("".join(f"key{number}: 1\n" for number in range(500)))
    reader, writer = os.pipe()
    fill(writer)
    process = subprocess.Popen([str(BINARY), "check", "--config", str(tmp_path)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    assert process.wait(patience(20)) == 2
    last = re.search(r"(\d+) errors\n\Z", said)
    assert last and said.count("gateway.yaml:") >= 500 and int(last[1]) >= 500


def test_what_was_lost_is_said_when_there_is_room(start):
    output = Output("a full pipe")
    try:
        gateway = start(output)
        output.block()
        for number in range(3):
            gateway.reload()
        os.set_blocking(output.reader, False)
        said = b""

        def read():
            nonlocal said
            try:
                said += os.read(output.reader, 65536)
            except BlockingIOError:
                pass
            return re.search(rb"warning (\d+) lines? of this log (was|were) lost: .*\n.*configuration \d+ is in force", said)

        while select.select([output.reader], [], [], 0)[0]:
            read()
        gateway.reload()
        found = eventually(read, 10)
        # Each reload says one thing at least.
        assert int(found[1]) >= 3, said
        # Every line is whole.
        assert all(re.match(rb"\.*$|ready: |\d{4}-\d\d-\d\dT\S+ \w+ ", line) for line in said.splitlines()), said
    finally:
        output.close()
        os.close(output.writer)
