"""Runs every work with every peer in turn, several rounds, and reports medians. See `run` for its use.

What counts is CPU time of the proxy per request, and its ratio to a peer in the same run: rates depend on who else uses the
machine, and ratios between runs mean nothing. So peers take turns within a round, and rounds follow each other.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import peers as proxies
import report
from fixture import ROOT, Fixture, progress
from loads import LOAD_CORE
from plot import plot
from works import WORKS

OUT = ROOT / ".build-bench"


def options():
    parser = argparse.ArgumentParser(
        prog="Tests/Benchmarks/run", description="Gatehouse beside nginx, nghttpx and HAProxy on this machine."
    )
    parser.add_argument("--work", default=",".join(work.name for work in WORKS), help="some of %(default)s")
    parser.add_argument("--peers", default=",".join(proxies.default_peers()), help="some of %(default)s; envoy, if ENVOY names it")
    parser.add_argument("--rounds", type=int, default=5, help="each measurement is repeated so often (5)")
    parser.add_argument("--seconds", type=int, default=4, help="of load for each measurement (4)")
    parser.add_argument("--most-tokens", type=int, default=1_000_000, help="for the work `tokens` (1000000)")
    parser.add_argument(
        "--quick", action="store_true", help="one round of a second each, a tenth of the sizes: does everything run?"
    )
    parser.add_argument("--json", default=str(OUT / "results.json"), help="where the numbers go (%(default)s)")
    parser.add_argument("--plot", default=str(OUT / "results.svg"), help="where the plot goes (%(default)s)")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.most_tokens = 1, 1, min(chosen.most_tokens, 10_000)
    return chosen


def chosen_works(chosen):
    known = {work.name: work for work in WORKS}
    names = chosen.work.split(",")
    if unknown := set(names) - set(known):
        raise SystemExit(f"no work {', '.join(sorted(unknown))}: {', '.join(known)}")
    if unknown := set(chosen.peers.split(",")) - set(proxies.ALL):
        raise SystemExit(f"no peer {', '.join(sorted(unknown))}: {', '.join(proxies.ALL)}")
    return [known[name] for name in names]


def turns(work, chosen):
    """Who does what, in the order of one round."""
    for variant in work.variants:
        if work.name == "tokens" and variant > chosen.most_tokens or chosen.quick and work.name == "routes" and variant > 1_000:
            continue
        for peer in work.peers:
            if peer in chosen.peers.split(",") and variant not in work.cannot.get(peer, ()):
                yield variant, peer


def median(rounds):
    """Of each number; what failed is added up."""
    numbers = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    if "failed" in numbers:
        numbers["failed"] = sum(one["failed"] for one in rounds)
    if "cpu" in numbers:
        values = [one["cpu"] for one in rounds]
        numbers["spread"] = 100 * (max(values) - min(values)) / numbers["cpu"] if numbers["cpu"] else 0
    return {**numbers, "rounds": len(rounds)}


def run(works, chosen, fixture, results):
    started = time.monotonic()
    with proxies.backend(fixture):
        for work in works:
            taken = {}
            for number in range(min(chosen.rounds, work.rounds)):
                for variant, peer in turns(work, chosen):
                    progress(f"{work.name} {variant} {peer}, round {number + 1}")
                    one = work.measure(peer, variant, fixture, chosen.seconds)
                    taken.setdefault((str(variant), peer), []).append(one)
                    results[work.name] = [{"variant": v, "peer": p, **median(r)} for (v, p), r in taken.items()]
            progress("")
            done = "; ".join(report.in_short(row) for row in results.get(work.name, ()))
            print(f"[{time.monotonic() - started:4.0f}s] {work.name}: {done}", flush=True)


def main():
    chosen = options()
    works = chosen_works(chosen)
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the proxy, one for the load and the backend")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    about = report.surroundings(chosen)
    print(report.as_text(about))
    os.sched_setaffinity(0, {LOAD_CORE})  # we are part of the load
    results, interrupted = {}, False
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmark-") as directory:
        os.chmod(directory, 0o755)
        try:
            run(works, chosen, Fixture(directory), results)
        except KeyboardInterrupt:
            interrupted = True
    if results:
        goals = report.goals(results)
        print(report.tables(results, works), report.goals_as_text(goals), sep="\n")
        for path, text in (
            (chosen.json, json.dumps({"about": about, "results": results, "goals": goals}, indent=1)),
            (chosen.plot, plot(results, about)),
        ):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        print(f"\nnumbers: {chosen.json}\nplot:    {chosen.plot}")
    if interrupted:
        print("interrupted; what is above is what was done until then", file=sys.stderr)
        raise SystemExit(130)


if __name__ == "__main__":
    main()
