"""Instructions that a gateway spends on a warm request, counted by valgrind. See `guards` for their use.

One process serves few requests and another many; the difference has no start, no handshake and no end in it. What does not cancel
(numbers of a few bytes more or less in keys, signatures and hash tables) is under 400,000 instructions, spread over thousands of
requests. Valgrind shows programs a processor of its own making, which is the same wherever the real one has AVX2.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fixture import GATEHOUSE

from harness.waiting import accepts, eventually, free_port

FEW, MANY = 800, 4800


def countable(directory):
    """A copy of the binary without debug information, which valgrind 3.19 cannot read from Swift; its symbols stay."""
    copy = Path(directory) / "gatehouse"
    subprocess.run(["strip", "--strip-debug", "-o", copy, GATEHOUSE], check=True)
    return copy


def _spent(binary, fixture, token, crossing, requests, counts):
    """Instructions from a gateway's start to its end, with this many requests on one connection between."""
    port = free_port()
    out = Path(counts) / f"callgrind.out.{crossing.name}.{requests}"
    log = fixture.directory / f"callgrind-{crossing.name}-{requests}.log"
    # Internal tokens live as long as they may, and hash tables are the same each time: neither is a request's cost.
    configuration = fixture.gatehouse(port, upstream=crossing.upstream, changes={"internal_token": {"ttl": "10m"}})
    with open(log, "wb") as file:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, "run", "--config", configuration],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1"),
        )
    try:
        eventually(lambda: process.poll() is not None or accepts(port), 120)
        assert process.poll() is None, log.read_text()[-2000:]
        with crossing.client(port, fixture.pki.public.certificate, token) as client:
            client.requests(requests)
    finally:
        process.terminate()
        process.wait(60)
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))


def instructions(binary, fixture, crossing, counts):
    """Instructions for one warm request. What callgrind found stays in the directory `counts`."""
    # Signed when it is first asked for, into a file that two threads would fight over.
    token = fixture.token
    with ThreadPoolExecutor(2) as both:
        few, many = both.map(lambda requests: _spent(binary, fixture, token, crossing, requests, counts), (FEW, MANY))
    return round((many - few) / (MANY - FEW))
