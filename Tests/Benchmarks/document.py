"""Puts the numbers of a run into docs/performance.md, between the marks `<!-- NAME -->` and `<!-- /NAME -->`. See `document`."""

import json
import re
import sys
from pathlib import Path

import yaml

import report
from fleet import ROOT, Assumptions, costs, need, number

DOCUMENT = ROOT / "docs/performance.md"


def markdown(heads, lines):
    rows = [heads, ["---"] + ["---:"] * (len(heads) - 1), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def about(run):
    said = run["about"]
    rows = [[name, value] for name, value in said.items() if isinstance(value, str)]
    return "\n".join(["| | |", "| --- | --- |", *("| " + " | ".join(row) + " |" for row in rows)])


def floors(run):
    return markdown(["OpenSSL alone", "µs"], [[name, f"{value:.0f}"] for name, value in run["about"]["floors"].items()])


def goals(run):
    return markdown(
        ["goal", "measured", "at most", ""],
        [
            [one["goal"], report.figure(one["value"]), report.figure(one["limit"]), "met" if one["met"] else "**missed**"]
            for one in run["goals"]
        ],
    )


def warm(_):
    limits = yaml.safe_load((Path(__file__).parent / "thresholds.yaml").read_text())
    return markdown(
        ["crossing", "instructions, at most", "allocations, at most"],
        [[name, f"{count:,}", str(limits["allocations"][name])] for name, count in limits["instructions"].items()],
    )


def prices(run):
    c = costs(run)
    return markdown(
        ["symbol", "what", "measured"],
        [
            ["`h`", "a warm request", f"{c.request:.0f} µs"],
            ["`v`", "what a first sight of a token costs on top: verified, minted, kept", f"{c.cold:.0f} µs"],
            ["`m`", "an internal token for a known access token", f"{c.mint:.0f} µs"],
            ["`f`", "a full handshake", f"{c.full:.0f} µs"],
            ["`s`", "a resumed handshake", f"{c.resumed:.0f} µs"],
            ["`b`", "content", f"{c.throughput:.0f} MiB for a second of a core"],
            ["`k`", "an open connection", f"{c.connection:.1f} KiB"],
            ["`t`", "a token in the cache", f"{c.token:.1f} KiB"],
            ["`p`", "the process itself, under load", f"{c.process:.0f} MiB"],
        ],
    )


def fleet(run):
    sizes = (1e4, 1e6, 1e8)
    columns = [need(Assumptions(users=users), costs(run)) for users in sizes]
    return markdown(
        ["users", *(number(users) for users in sizes)],
        [[name, *(number(column[name]) for column in columns)] for name in columns[0]],
    )


BLOCKS = {"about": about, "floors": floors, "goals": goals, "warm": warm, "prices": prices, "fleet": fleet}


def main():
    run = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".build-bench/results.json").read_text())
    text, left = DOCUMENT.read_text(), []
    for name in re.findall(r"<!-- (\w+) -->", text):
        if name in BLOCKS:
            block = BLOCKS[name](run)
        elif run["results"].get(name):
            block = markdown(*report.cells(name, run["results"][name]))
        else:
            left.append(name)
            continue
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda found: f"{found[1]}{block}\n{found[2]}", text, flags=re.S
        )
    DOCUMENT.write_text(text)
    print(
        f"{DOCUMENT.relative_to(ROOT)}: written" + (f"; not in this run, and left as they were: {', '.join(left)}" if left else "")
    )


if __name__ == "__main__":
    main()
