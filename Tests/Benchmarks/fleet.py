#!/usr/bin/env python3
"""What a fleet needs, from what a run of `make bench` measured and from how users behave: see docs/performance.md.

usage: fleet.py [--results FILE] [--users N] [--any assumption by its name, with - for _]
"""

import argparse
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Assumptions:
    """Of users, of the machines, and of what stands beside them. Rates are those of the busiest minute."""

    users: float = 1e6
    active: float = 0.10  # share of users who are there at once
    rate: float = 0.2  # requests a second of an active user
    connections: float = 1.2  # open connections of an active user
    connection_life: float = 300  # seconds
    resumed: float = 0.6  # share of connections that resume a session
    token_life: float = 600  # seconds
    backends: float = 3  # that an active user's requests go to within a minute
    content: float = 4  # KiB, of a request and its answer
    cores: float = 8  # of a machine, one worker each
    busy: float = 0.5  # how far a machine is filled at the peak
    providers: float = 1  # whose key sets are fetched
    fetch: float = 600  # seconds between two fetches of one
    logouts: float = 1  # denied tokens or sessions for each user and day
    entry: float = 120  # bytes of one in Redis' answer
    read: float = 5  # seconds between two reads of the whole list: `read_interval`


@dataclass
class Costs:
    """Of one thing each: µs of a core, KiB, MiB."""

    request: float
    cold: float
    mint: float
    full: float
    resumed: float
    connection: float
    token: float
    process: float
    throughput: float


def costs(run):
    def row(work, variant):
        return next(row for row in run["results"][work] if row["peer"] == "gatehouse" and row["variant"] == variant)

    hot = row("hot", "")
    tokens = {int(one["variant"]): one for one in run["results"]["tokens"]}
    known = max(count for count in tokens if count <= 10_000)
    return Costs(
        request=hot["cpu"],
        cold=row("cold", "ES256")["cpu"] - hot["cpu"],
        mint=run["about"]["floors"]["ES256 sign"],
        full=row("handshake", "full")["cpu"],
        resumed=row("handshake", "resumed")["cpu"],
        connection=row("idle", "")["resident_each"],
        token=(tokens[known]["resident"] - tokens[1]["resident"]) * 1024 / (known - 1),
        process=hot["resident"],
        throughput=row("bodies", "down 256 KiB")["throughput"],
    )


def need(a, c):
    """Each line: a name, a number, its unit."""
    active = a.users * a.active
    requests = active * a.rate
    opened = active * a.connections / a.connection_life
    # A worker knows only the tokens that it has seen: one is verified when it is new, and when its user comes to another worker.
    cold = min(requests, active / a.token_life + opened)
    mints = min(requests, active * a.backends / 45 + cold)  # an internal token of 60 s is used for 45
    work = {
        "requests": requests * c.request,
        "verifications": cold * c.cold,
        "internal tokens": max(0, mints - cold) * c.mint,
        "full handshakes": opened * (1 - a.resumed) * c.full,
        "resumed handshakes": opened * a.resumed * c.resumed,
        "content": requests * a.content / 1024 / c.throughput * 1e6,
    }
    cores = sum(work.values()) / 1e6
    machines = max(2, math.ceil(cores / a.busy / a.cores) + 1)  # one more than is needed: any may be away
    each = active * a.connections / machines
    ram = c.process + each * c.connection / 1024 + min(64, active / machines * c.token / 1024)
    entries = a.users * a.logouts / 86_400 * a.token_life
    return {
        "active users": active,
        "requests/s": requests,
        "new connections/s": opened,
        "open connections": active * a.connections,
        "verifications/s": cold,
        "internal tokens/s": mints,
        **{f"cores for {name}": value / 1e6 for name, value in work.items()},
        "cores, all": cores,
        "machines": machines,
        "connections a machine": each,
        "RAM a machine, MiB": ram,
        "key-set fetches a minute": machines * a.providers * 60 / a.fetch,
        "denials a second": a.users * a.logouts / 86_400,
        "denials in force": entries,
        "Redis, publishing, KiB/s": a.users * a.logouts / 86_400 * a.entry * machines / 1024,
        "Redis, reads of the list, MiB/s": entries * a.entry / a.read * machines / (1 << 20),
    }


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def main():
    parser = argparse.ArgumentParser(description="What a fleet needs; see docs/performance.md.")
    parser.add_argument("--results", default=ROOT / ".build-bench/results.json", help="of a run of `make bench` (%(default)s)")
    for one in fields(Assumptions):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=float, default=one.default, help="%(default)s")
    chosen = vars(parser.parse_args())
    run = json.loads(Path(chosen.pop("results")).read_text())
    for name, value in need(Assumptions(**chosen), costs(run)).items():
        print(f"{name:34} {number(value):>16}")


if __name__ == "__main__":
    main()
