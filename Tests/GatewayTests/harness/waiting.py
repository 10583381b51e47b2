"""Waiting for something that another process does."""
import os
import random
import socket
import threading
import time
from pathlib import Path


SANITIZED = "GATEHOUSE_SANITIZED" in os.environ


def patience(seconds):
    """How long to wait for what takes less than `seconds` on a machine of one's own: longer the more processes want its processors,
    and with a sanitizer. For limits of waiting alone: what must not happen meanwhile is waited for as long as it is said."""
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
    return seconds * (1 + max(running, os.getloadavg()[0]) / os.cpu_count()) * (3 if SANITIZED else 1)


def eventually(check, timeout=5.0, interval=0.02, what=None):
    """The first truthy value of `check()`; an assertion failure when there is none within `timeout` seconds, stretched."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what or getattr(check, '__doc__', None) or 'the awaited state'}")
        time.sleep(interval)


def settled(read, quiet=1.0, timeout=10.0):
    """The value of `read()` once it has not changed for `quiet` seconds."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    value, since = read(), time.monotonic()
    while time.monotonic() - since < quiet:
        assert time.monotonic() < deadline, f"still changing after {timeout} s: {value}"
        time.sleep(0.05)
        now = read()
        if now != value:
            value, since = now, time.monotonic()
    return value


# Below the ports that the kernel gives to clients. One of those could be taken by any connection before the server is there to
# bind it; and whoever asks again and again whether it is there may be given it himself, and find that he is talking to himself.
FIRST_PORT = 10_000
LAST_PORT = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
# Of its own, so that a test that seeds the common one does not choose ports. Processes begin in different places.
_ports = random.Random(f"{os.getpid()} {time.time_ns()}")
_given = _ports.randint(FIRST_PORT, LAST_PORT)
# Two gateways that are given one port share it (SO_REUSEPORT), and the connections of one go to the other.
_one_at_a_time = threading.Lock()


def free_port():
    """A TCP port that nobody has, and that nobody is given by chance; each call gives another, from any thread."""
    global _given
    with _one_at_a_time:
        for _ in range(FIRST_PORT, LAST_PORT):
            _given = _given + 1 if _given < LAST_PORT else FIRST_PORT
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", _given))
                    return _given
                except OSError:
                    continue
    raise AssertionError(f"no port is free from {FIRST_PORT} to {LAST_PORT}")


def accepts(port):
    """Whether somebody accepts TCP connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False
