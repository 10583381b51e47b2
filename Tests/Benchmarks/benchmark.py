"""Runs every work with every peer in turn, several rounds, and prints medians. See `run` for its use.

What counts is CPU time of the proxy per request, and its ratio to nginx in the same run: rates depend on who else uses the
machine, and ratios between runs mean nothing.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fixture import GATEHOUSE, HERE, ROOT, Fixture
from process import Pinned

from harness.waiting import free_port

PROXY_CORE, LOAD_CORE = 0, 1
PATH = os.environ["PATH"] + ":/usr/sbin"


@dataclass
class Result:
    rate: float
    requests: int
    failed: int = 0
    median: float = 0
    slowest: float = 0


def program(name):
    return shutil.which(name, path=PATH) or raise_missing(name)


def raise_missing(name):
    raise SystemExit(f"{name} is not installed; `make bench` installs what this needs on Debian")


def wrk(port, seconds, tokens, once=False, connections=32):
    out = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s",
         str(HERE / "tokens.lua"), f"https://127.0.0.1:{port}/"],
        capture_output=True, text=True, env=dict(os.environ, TOKENS=str(tokens), ONCE="1" if once else "0")).stdout

    def percentile(q):
        value, unit = re.search(rf"{q}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", out)))
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out):
        failed += sum(map(int, errors.groups()))
    return Result(float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), int(re.search(r"(\d+) requests in", out).group(1)),
                  failed, percentile(50), percentile(99))


def hot(port, seconds, fixture):
    """One token again and again on 32 connections."""
    return wrk(port, seconds, fixture.one_token)


def cold(port, seconds, fixture):
    """Every token once: nothing to look up. wrk waits out its time when the tokens run out, so there is no rate then."""
    result = wrk(port, seconds, fixture.many_tokens, once=True)
    if result.requests > fixture.token_count - 64:  # those in flight at the end are not counted
        result.rate = float("nan")
    return result


def handshake(port, seconds, fixture):
    """A full TLS handshake each, none resumed."""
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), program("openssl"), "s_time", "-connect", f"127.0.0.1:{port}", "-new",
                          "-time", str(seconds)], capture_output=True, text=True).stdout
    count, real = map(int, re.search(r"(\d+) connections in (\d+) real seconds", out).groups())
    return Result(count / real, count)


WORKS = {"hot": hot, "cold": cold, "handshake": handshake}


def commands(fixture, port):
    return {
        "nginx": lambda: [program("nginx"), "-p", fixture.directory, "-c", fixture.render("nginx.conf", port)],
        "haproxy": lambda: [program("haproxy"), "-db", "-f", fixture.render("haproxy.cfg", port)],
        "gatehouse": lambda: [GATEHOUSE, "run", "--config", fixture.gatehouse(port)],
    }


def measure(work, peer, fixture, seconds):
    """One round: CPU per request (user, system) in µs, with the result of the load and the memory at its end."""
    port = free_port()
    with Pinned(commands(fixture, port)[peer](), port, PROXY_CORE, fixture.directory / f"{peer}.log") as proxy:
        time.sleep(0.3)
        if work == "hot":
            WORKS[work](port, 1, fixture)
        user, system = proxy.cpu
        result = WORKS[work](port, seconds, fixture)
        now_user, now_system = proxy.cpu
        return {"rate": result.rate, "user": (now_user - user) / result.requests * 1e6,
                "system": (now_system - system) / result.requests * 1e6, "p50": result.median, "p99": result.slowest,
                "resident": proxy.resident, "failed": result.failed}


def version(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True)
        return (out.stdout + out.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def surroundings(peers):
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
                 platform.machine())
    lines = [f"{model}, {os.cpu_count()} cores, Linux {platform.release()}; load before: {os.getloadavg()[0]:.1f}", version("openssl", "version")]
    versions = {"nginx": ("nginx", "-v"), "haproxy": ("haproxy", "-v"), "gatehouse": (str(GATEHOUSE), "--version")}
    for peer in peers:
        name, flag = versions[peer]
        lines.append(f"{peer}: {version(shutil.which(name, path=PATH) or name, flag)}")
    lines.append("commit " + version("git", "-C", str(ROOT), "describe", "--always", "--dirty"))
    return lines


def table(rows, peers):
    print(f"\n{'work':10} {'peer':10} {'CPU µs/req':>10} {'user':>7} {'system':>7} {'ratio':>6} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'RSS MiB':>8} {'failed':>6}")
    summary = {}
    for (work, peer), rounds in rows.items():
        median = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        median["cpu"] = statistics.median(one["user"] + one["system"] for one in rounds)
        median["failed"] = sum(one["failed"] for one in rounds)
        summary[f"{work}/{peer}"] = median
    for name, one in summary.items():
        work, peer = name.split("/")
        base = summary.get(f"{work}/nginx")
        ratio = f"{one['cpu'] / base['cpu']:.2f}" if base else "-"
        print(f"{work:10} {peer:10} {one['cpu']:10.1f} {one['user']:7.1f} {one['system']:7.1f} {ratio:>6} {one['rate']:8.0f} "
              f"{one['p50']:7.2f} {one['p99']:7.2f} {one['resident']:8.1f} {one['failed']:6d}")
    print("\nratio: CPU per request against nginx in the same run. nginx checks no token and mints none.")
    return summary


def main():
    parser = argparse.ArgumentParser(description="Gatehouse beside nginx and HAProxy on this machine.")
    parser.add_argument("--work", default="hot,cold,handshake")
    parser.add_argument("--peers", default="nginx,haproxy,gatehouse")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--json", help="write the medians here as well")
    options = parser.parse_args()
    works, peers = options.work.split(","), options.peers.split(",")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the proxy, one for the load and the backend")
    for line in surroundings(peers):
        print(line)
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmark-") as directory:
        os.chmod(directory, 0o755)
        fixture = Fixture(directory, options.tokens)
        rows = {}
        with Pinned([program("nginx"), "-p", directory, "-c", fixture.render("backend.conf")], fixture.backend_port, LOAD_CORE, fixture.directory / "backend.log"):
            for work in works:
                for number in range(options.rounds):
                    for peer in peers:
                        one = measure(work, peer, fixture, options.seconds)
                        rows.setdefault((work, peer), []).append(one)
                        print(f"  {work} {peer} round {number + 1}: {one['user'] + one['system']:.1f} µs", flush=True)
    summary = table(rows, peers)
    if options.json:
        Path(options.json).write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
