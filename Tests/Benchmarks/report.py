"""What a run says: the machine, a table for each work, and each goal with `met` or `missed`."""

import math
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import peers
from fixture import ROOT

METHOD = (
    "The proxy has a core to itself; load and backend share another. CPU is what the proxy's process spent, user and system, "
    "divided by the requests that were answered. Peers take turns within a round; the median of the rounds counts. Everything is "
    "on loopback, over TLS 1.3, with mutual TLS to the backend."
)

# Columns: what a row holds, how it is headed, how it is written.
COLUMNS = (
    ("cpu", "CPU µs", "{:.1f}"),
    ("user", "user", "{:.1f}"),
    ("system", "system", "{:.1f}"),
    ("ratio", "ratio", "{:.2f}"),
    ("throughput", "MiB/s a core", "{:.0f}"),
    ("resident_each", "KiB each (RSS)", "{:.1f}"),
    ("proportional_each", "KiB each (PSS)", "{:.1f}"),
    ("ready", "ready, ms", "{:.0f}"),
    ("hits", "hits %", "{:.1f}"),
    ("reloads", "reloads", "{:.0f}"),
    ("rate", "req/s", "{:.0f}"),
    ("p50", "p50 ms", "{:.2f}"),
    ("p99", "p99 ms", "{:.2f}"),
    ("rest", "at rest, MiB", "{:.1f}"),
    ("resident", "RSS MiB", "{:.1f}"),
    ("spread", "spread %", "{:.1f}"),
    ("failed", "failed", "{:.0f}"),
)
# Where a column says nothing worth its place.
LEFT_OUT = {"handshake": ("p50", "p99"), "bodies": ("user", "system", "p50", "p99", "rate"), "h2": ("p50", "p99")}

# Goals: a name, the work, (variant, peer, number) of ours, what it is held against, and by which factor.
GOALS = (
    ("hot: 0.75 of nginx without authentication", "hot", ("", "gatehouse", "cpu"), ("", "nginx", "cpu"), 0.75),
    ("hot: no more than nghttpx without authentication", "hot", ("", "gatehouse", "cpu"), ("", "nghttpx", "cpu"), 1.0),
    (
        "cold, ES256: no more than HAProxy, which mints nothing",
        "cold",
        ("ES256", "gatehouse", "cpu"),
        ("ES256", "haproxy", "cpu"),
        1.0,
    ),
    (
        "cold, RS256: no more than HAProxy, which mints nothing",
        "cold",
        ("RS256", "gatehouse", "cpu"),
        ("RS256", "haproxy", "cpu"),
        1.0,
    ),
    ("h2: 0.75 of nginx without authentication", "h2", ("http/1.1", "gatehouse", "cpu"), ("http/1.1", "nginx", "cpu"), 0.75),
    ("h2 on both sides: half of nginx, which has it on one", "h2", ("h2", "gatehouse", "cpu"), ("http/1.1", "nginx", "cpu"), 0.5),
    ("handshake, full: 0.9 of nginx", "handshake", ("full", "gatehouse", "cpu"), ("full", "nginx", "cpu"), 0.9),
    ("memory at rest, one worker: 20 MiB", "hot", ("", "gatehouse", "rest"), 20, 1),
    ("idle connection: no more than nginx (RSS)", "idle", ("", "gatehouse", "resident_each"), ("", "nginx", "resident_each"), 1.0),
    ("routes: 10,000 cost what 10 do, within a tenth", "routes", ("10000", "gatehouse", "cpu"), ("10", "gatehouse", "cpu"), 1.1),
    ("start to ready with 10 routes: 50 ms", "routes", ("10", "gatehouse", "ready"), 50, 1),
    ("start to ready with 10,000 routes: 500 ms", "routes", ("10000", "gatehouse", "ready"), 500, 1),
    (
        "p99 while 10,000 routes are read anew: 1.2 of undisturbed",
        "reload",
        ("reloaded", "gatehouse", "p99"),
        ("undisturbed", "gatehouse", "p99"),
        1.2,
    ),
    (
        "tokens: memory is bounded: 64 MiB of cache on top of what one token takes, and a tenth",
        "tokens",
        ("1000000", "gatehouse", "resident"),
        ("1", "gatehouse", "resident"),
        "+ 70",
    ),
    ("64 MiB down: no more CPU than nginx", "bodies", ("down 64 MiB", "gatehouse", "cpu"), ("down 64 MiB", "nginx", "cpu"), 1.0),
    ("64 MiB up: no more CPU than nginx", "bodies", ("up 64 MiB", "gatehouse", "cpu"), ("up 64 MiB", "nginx", "cpu"), 1.0),
)


def _output(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True)
        return (out.stdout + out.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def floors():
    """What OpenSSL alone takes here, in µs: no proxy can be cheaper than what it has to ask of it."""
    out = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "ecdsap256", "rsa2048", "ed25519"], capture_output=True, text=True
    ).stdout
    # The last two numbers of a line are signatures and verifications a second.
    rates = {
        name: re.search(rf"{mark}.*?([\d.]+)\s+([\d.]+)$", out, re.M)
        for name, mark in (("ES256", "nistp256"), ("RS256", "rsa 2048"), ("Ed25519", "Ed25519"))
    }
    return {
        f"{name} {what}": 1e6 / float(found.group(index))
        for name, found in rates.items()
        if found
        for index, what in ((1, "sign"), (2, "verify"))
    }


def surroundings(chosen):
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{processor.group(1) if processor else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "kernel": f"Linux {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "libraries": "; ".join(
            (
                _output("openssl", "version").split(" (")[0],
                f"glibc {platform.libc_ver()[1]}",
                f"nghttp2 {_output('pkg-config', '--modversion', 'libnghttp2')}",
            )
        ),
        "commit": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        **{peer: f"{peers.version(peer)} ({peers.DOES[peer]})" for peer in chosen.peers.split(",")},
        "floors": floors(),
        "method": f"{METHOD} Rounds: {chosen.rounds}, fewer for curves; {chosen.seconds} s of load each.",
    }


def as_text(about):
    lines = {**about, "floors": ", ".join(f"{name} {value:.0f} µs" for name, value in about["floors"].items())}
    return "\n".join(f"{name}: {value}" for name, value in lines.items()) + "\n"


def in_short(row):
    name = " ".join(part for part in (row["variant"], row["peer"]) if part)
    for key, text in (
        ("throughput", "{:.0f} MiB/s"),
        ("resident_each", "{:.1f} KiB"),
        ("hits", "{:.0f} % hits"),
        ("cpu", "{:.1f} µs"),
    ):
        if key in row:
            return f"{name} {text.format(row[key])}"
    return name


def ratio(rows, row):
    """Against nginx doing the same, or, where nginx does not, the first."""
    base = next((one for one in rows if one["peer"] == "nginx" and one["variant"] == row["variant"]), None) or next(
        (one for one in rows if one["peer"] == "nginx"), rows[0]
    )
    return row["cpu"] / base["cpu"] if "cpu" in row and base.get("cpu") else math.nan


def cells(name, rows):
    """Heads and lines of a work's table, as text."""
    rows = [{**row, "ratio": ratio(rows, row)} for row in rows]
    columns = [
        column
        for column in COLUMNS
        if column[0] not in LEFT_OUT.get(name, ()) and any(not math.isnan(row.get(column[0], math.nan)) for row in rows)
    ]
    named = [""] * (1 + any(row["variant"] for row in rows))
    heads = [*(["", "peer"] if len(named) == 2 else ["peer"]), *(head for _, head, _ in columns)]
    lines = []
    for row in rows:
        names = [f"{int(row['variant']):,}" if row["variant"].isdigit() else row["variant"]] if len(named) == 2 else []
        values = [row.get(key, math.nan) for key, _, _ in columns]
        lines.append(
            [
                *names,
                row["peer"],
                *("–" if math.isnan(value) else form.format(value) for value, (_, _, form) in zip(values, columns)),
            ]
        )
    return heads, lines


def tables(results, works):
    text = []
    for work in works:
        if not results.get(work.name):
            continue
        heads, lines = cells(work.name, results[work.name])
        widths = [max(len(line[index]) for line in [heads, *lines]) for index in range(len(heads))]
        names = heads.index("peer") + 1
        text.append(f"\n{work.name}: {work.title}")
        for line in [heads, *lines]:
            padded = [cell.ljust(width) for cell, width in zip(line[:names], widths)]
            padded += [cell.rjust(width) for cell, width in zip(line[names:], widths[names:])]
            text.append("  ".join(padded))
    return "\n".join(text)


def goals(results):
    """Each goal that this run can judge."""

    def number(work, place):
        if isinstance(place, (int, float)):
            return float(place)
        variant, peer, key = place
        row = next((row for row in results.get(work, ()) if row["variant"] == variant and row["peer"] == peer), {})
        return row.get(key)

    judged = []
    for name, work, ours, against, factor in GOALS:
        value, base = number(work, ours), number(work, against)
        if value is None or base is None:
            continue
        limit = base + float(factor[1:]) if isinstance(factor, str) else base * factor
        judged.append({"goal": name, "value": value, "limit": limit, "met": value <= limit})
    failed = sum(row.get("failed", 0) for rows in results.values() for row in rows if row["peer"] == "gatehouse")
    return [*judged, {"goal": "no request of Gatehouse's failed", "value": failed, "limit": 0, "met": failed == 0}]


def goals_as_text(judged):
    return "\ngoals\n" + "\n".join(
        f"{'met   ' if one['met'] else 'MISSED'}  {one['goal']}: {figure(one['value'])}, at most {figure(one['limit'])}"
        for one in judged
    )


def figure(value):
    return f"{value:.2f}" if 0 < value < 10 else f"{value:.1f}"
