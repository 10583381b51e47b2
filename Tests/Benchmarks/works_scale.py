"""The works that look at what grows: routes, tokens, connections, content, workers, reloads. See `works.py` for the frame."""

import os
import re
import resource
import signal
import sys
import threading
import time
import urllib.request

from fixture import progress
from loads import LOAD_CORE, IdleConnections, wrk
from peers import started
from process import Pinned, spent
from sink import __file__ as SINK

from harness import configuration as conf
from harness.waiting import free_port

ROUTES = (10, 100, 1_000, 10_000)
TOKENS = (1, 1_000, 10_000, 100_000, 1_000_000)
SIZES = {"1 KiB": 1 << 10, "16 KiB": 1 << 14, "256 KiB": 1 << 18, "4 MiB": 1 << 22, "64 MiB": 1 << 26}
BODIES = tuple(f"{way} {size}" for way in ("down", "up") for size in SIZES)
WORKERS = tuple(range(1, os.cpu_count() + 1))
CONNECTIONS, BEFORE = 5_000, 500
# Seconds without a request before a connection's memory is looked at: longer than any of the proxies keeps buffers for the next one.
SILENCE = 8


def idle(peer, variant, fixture, seconds):
    """Memory of a connection: what the process grew by while so many were opened, each with a request, divided by their number."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(CONNECTIONS if seconds > 1 else 500, most - BEFORE - 500)
    with started(peer, fixture) as proxy, IdleConnections(proxy.port, fixture.token) as clients:
        clients.add(BEFORE)  # what the first ones make the process set up for good is not theirs
        time.sleep(SILENCE)
        resident, proportional = proxy.resident, proxy.proportional
        clients.add(count, lambda done: progress(f"idle {peer}: {done} connections"))
        time.sleep(SILENCE)
        return {
            "resident_each": (proxy.resident - resident) * 1024 / count,
            "resident": proxy.resident,
            "proportional_each": (proxy.proportional - proportional) * 1024 / count,
            "connections": count,
        }


def many_routes(count):
    """So many routes beside the usual ones, and a path that each matches, of a file with a line each."""
    return [
        conf.route(f"service-{n}", f"/service-{n}/items/**", authorize={"scopes": ["orders:read"]}, methods=["GET"])
        for n in range(count)
    ]


def paths(fixture, count):
    path = fixture.directory / f"paths-{count}.txt"
    path.write_text("".join(f"/service-{n * 7919 % count}/items/42\n" for n in range(count)))
    return f"@{path}"


def routes(peer, count, fixture, seconds):
    listed = paths(fixture, count)
    with started(peer, fixture, routes=many_routes(count)) as proxy:
        ready = proxy.began * 1e3
        wrk(proxy.port, 1, TOKENS=fixture.tokens("ES256", 1), PATHS=listed)
        result = spent(proxy, lambda: wrk(proxy.port, seconds, TOKENS=fixture.tokens("ES256", 1), PATHS=listed))
        return {**result, "ready": ready, "resident": proxy.resident}


def _lookups(admin):
    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10).read().decode()
    found = {
        result: float(value)
        for result, value in re.findall(r'gatehouse_token_cache_lookups_total\{result="(\w+)"\} ([\d.e+]+)', text)
    }
    return found.get("hit", 0), sum(found.values())


def tokens(peer, count, fixture, seconds):
    """The cache is bounded at 64 MiB. It is filled first, so that it is full when it is looked at, if the tokens suffice."""
    file, admin = fixture.tokens("ES256", count), free_port()
    with started(peer, fixture, admin=admin) as proxy:
        wrk(proxy.port, 1 if count == 1 else 3 * max(1, seconds), TOKENS=file, ORDER="any")
        hits, lookups = _lookups(admin)
        result = spent(proxy, lambda: wrk(proxy.port, seconds, TOKENS=file, ORDER="any"))
        now_hits, now_lookups = _lookups(admin)
        return {**result, "hits": 100 * (now_hits - hits) / max(1, now_lookups - lookups), "resident": proxy.resident}


def bodies(peer, variant, fixture, seconds):
    """MiB that pass for each second of the proxy's CPU."""
    way, _, name = variant.partition(" ")
    size = SIZES[name]
    request = "/upload" if way == "up" else f"/orders/download/{size}"
    environment = {"TOKENS": fixture.tokens("ES256", 1), "REQUEST": request, **({"SIZE": size} if way == "up" else {})}
    # What is under way at the end is spent but not counted; so of large ones, one at a time.
    connections = 8 if size < 1 << 20 else 1
    www = fixture.directory / "www"
    www.mkdir(exist_ok=True)
    if way == "down" and not (www / str(size)).exists():
        (www / str(size)).write_bytes(os.urandom(1 << 10) * (size >> 10))
    sink = Pinned(
        [
            sys.executable,
            SINK,
            fixture.sink_port,
            fixture.pki.backend.certificate,
            fixture.pki.backend.key,
            fixture.pki.mesh.certificate,
        ],
        fixture.sink_port,
        (LOAD_CORE,),
        fixture.directory / "sink.log",
    )
    with sink, started(peer, fixture) as proxy:
        wrk(proxy.port, 1, connections=connections, script="bodies.lua", **environment)
        result = spent(proxy, lambda: wrk(proxy.port, seconds, connections=connections, script="bodies.lua", **environment))
        return {
            **result,
            "throughput": size / (1 << 20) / (result["cpu"] / 1e6) if result["cpu"] else 0,
            "resident": proxy.resident,
        }


def workers(peer, count, fixture, seconds):
    """Workers take the first cores; with as many as there are cores, the last one has the load as well."""
    with started(peer, fixture, workers=count, cores=tuple(range(count))) as proxy:
        wrk(proxy.port, 1, TOKENS=fixture.tokens("ES256", 1))
        result = spent(proxy, lambda: wrk(proxy.port, seconds, connections=64, TOKENS=fixture.tokens("ES256", 1)))
        return {**result, "resident": proxy.resident}


def reload(peer, variant, fixture, seconds):
    """The gateway reads, checks and compiles its 10,000 routes anew, on the core that also serves."""
    admin, count = free_port(), 10_000
    listed = paths(fixture, count)

    def generation():
        text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=30).read().decode()
        return int(float(re.search(r"^gatehouse_config_generation ([\d.e+]+)", text, re.M).group(1)))

    with started(peer, fixture, admin=admin, routes=many_routes(count)) as proxy:
        wrk(proxy.port, 1, TOKENS=fixture.tokens("ES256", 1), PATHS=listed)
        first, over = generation(), threading.Event()

        def keep_reloading():
            while not over.wait(1):
                proxy.process.send_signal(signal.SIGHUP)

        reloader = threading.Thread(target=keep_reloading, daemon=True)
        if variant == "reloaded":
            reloader.start()
        try:
            result = spent(proxy, lambda: wrk(proxy.port, max(seconds, 12), TOKENS=fixture.tokens("ES256", 1), PATHS=listed))
        finally:
            over.set()
        return {**result, "reloads": generation() - first, "resident": proxy.resident}
