"""What is put on a proxy: wrk, h2load, and clients of our own where those cannot do it. All of it runs on the load's core."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass

from fixture import HERE

PATH = os.environ["PATH"] + ":/usr/sbin"
LOAD_CORE = max(os.sched_getaffinity(0))
NOWHERE = float("nan")


def program(name):
    found = shutil.which(name, path=PATH)
    if not found:
        raise SystemExit(f"{name} is not installed; `make bench` installs what this needs on Debian")
    return found


@dataclass
class Load:
    """What came of it: requests per second, how many, how many of them failed, and the latency in ms."""

    rate: float
    requests: int
    failed: int = 0
    p50: float = NOWHERE
    p99: float = NOWHERE


def run(command, seconds, **environment):
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *map(str, command)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        env=dict(os.environ, **environment),
    )
    return done.stdout + done.stderr


def wrk(port, seconds, *, connections=32, script="tokens.lua", **environment):
    """HTTP/1.1 on kept connections; the script reads what to send from its environment. Longer when no answer came in time."""
    command = [program("wrk"), "-t1", f"-c{connections}", "--timeout", "20s", "--latency", "-s", HERE / script]
    environment = {name: str(value) for name, value in environment.items()}
    for duration in (seconds, 3 * seconds, 9 * seconds):
        out = run([*command, f"-d{duration}s", f"https://127.0.0.1:{port}/"], duration, **environment)
        found = re.search(r"(\d+) requests in", out)
        if found and int(found.group(1)) > 0:
            break
    else:
        raise SystemExit(f"wrk failed:\n{out[-1000:]}")

    def percentile(q):
        match = re.search(rf"{q}%\s+([\d.]+)(us|ms|s)", out)
        return float(match.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[match.group(2)] if match else NOWHERE

    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", out)))
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out):
        failed += sum(map(int, errors.groups()))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return Load(rate, int(found.group(1)), failed, percentile(50), percentile(99))


def h2load(port, requests, token, *, clients=8, streams=16):
    """HTTP/2, so many requests; a fixed number, because h2load does not say how many it sent while it warmed up."""
    out = run(
        [
            program("h2load"),
            "-t1",
            f"-c{clients}",
            f"-m{streams}",
            f"-n{requests}",
            "-H",
            f"authorization: Bearer {token}",
            f"https://127.0.0.1:{port}/orders/list",
        ],
        120,
    )
    finished = re.search(r"finished in .*?, ([\d.]+) req/s", out)
    if not finished:
        raise SystemExit(f"h2load failed:\n{out[-1000:]}")
    good = int(re.search(r"status codes: (\d+) 2xx", out).group(1))
    return Load(float(finished.group(1)), good, requests - good)


def handshakes(port, seconds, resumed):
    """TLS 1.3 handshakes one after another, each on a connection of its own, with nothing sent on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    session = _ticket(context, port) if resumed else None
    count = failed = 0
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="api.example.com", session=session
        ) as client:
            failed += client.session_reused != resumed
        count += 1
    return Load(count / (time.monotonic() - start), count, failed)


def _ticket(context, port):
    """A session; its ticket comes with the answer to a request."""
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="api.example.com") as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
        while client.recv(65_536):
            pass
        return client.session


class IdleConnections:
    """So many TLS connections, each of which has had one answer and says nothing more."""

    def __init__(self, port, token):
        self.port, self.open = port, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.message = (f"GET /orders/list HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n").encode()

    def add(self, count, progress=lambda done: None):
        for index in range(count):
            client = self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="api.example.com")
            self.open.append(client)
            client.sendall(self.message)
            answer = client.recv(16_384)
            while not answer.endswith(b"]}\n"):
                more = client.recv(16_384)
                assert more, f"the connection ended with {answer!r}"
                answer += more
            assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
            if index % 500 == 0:
                progress(index)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.open:
            client.close()
