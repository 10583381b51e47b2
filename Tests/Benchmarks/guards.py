"""Holds what a warm request costs to `thresholds.yaml`. See `guards` for its use."""

import argparse
import math
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from allocations import AllocationCounter, explained
from crossings import CROSSINGS
from fixture import GATEHOUSE, HERE, ROOT, Fixture
from instructions import countable, instructions

from harness.nginx import Nginx
from harness.waiting import accepts, eventually, free_port

FILE = HERE / "thresholds.yaml"
COUNTS = ROOT / ".build-bench/guards"
# Above what was measured: twice the spread between runs, and less than the 5 % that must not pass.
MARGIN = 1.035
# How many of 16 streams have content at once depends on who runs when. A buffer that is made the first time that all have is not
# what a request costs: so many requests come before that it is rare, and so many after that a few do not add up to one.
WARM_UP, REQUESTS = 1_600, 6_400


def versions():
    """What the counts depend on besides our own code. Of libraries the first two numbers: later ones have mended, not changed."""

    def first_two(*command):
        out = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"\d+\.\d+", out.stdout)
        return found.group() if found else "?"

    processor = Path("/proc/cpuinfo").read_text()
    return {
        "processor": platform.machine() + (" avx2" if re.search(r"\bavx2\b", processor) else ""),
        "valgrind": first_two("valgrind", "--version"),
        "glibc": first_two("getconf", "GNU_LIBC_VERSION"),
        "OpenSSL": first_two("openssl", "version"),
        "nghttp2": first_two("pkg-config", "--modversion", "libnghttp2"),
        "Swift": first_two("swift", "--version"),
    }


def allocations(fixture, crossing):
    """Calls that allocate, by the gateway's own code, for each of the counted requests; and where they came from."""
    counter = AllocationCounter(fixture.directory)
    port = free_port()
    log = fixture.directory / f"allocations-{crossing.name}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [
                GATEHOUSE,
                "run",
                "--config",
                fixture.gatehouse(port, upstream=crossing.upstream, changes={"internal_token": {"ttl": "10m"}}),
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **counter.environment),
        )
    try:
        eventually(lambda: process.poll() is not None or accepts(port), 30)
        assert process.poll() is None, log.read_text()[-2000:]
        with crossing.client(port, fixture.pki.public.certificate, fixture.token) as client:
            client.requests(WARM_UP)
            counter.start()
            client.requests(REQUESTS)
            chains = counter.stop(process.pid)
    finally:
        process.terminate()
        process.wait(30)
    # Without a single call of OpenSSL's the counter would not have been there at all.
    assert sum(chain.calls for chain in chains if not chain.is_ours) >= REQUESTS, "the counter saw nothing"
    ours = [chain for chain in chains if chain.is_ours]
    # To the hundredth: a table that grows once in hundreds of requests is not what a request costs.
    return round(sum(chain.calls for chain in ours) / REQUESTS, 2), explained(ours, GATEHOUSE, REQUESTS)


class Report:
    """One line a guard, as `Tests/all` counts them."""

    def __init__(self, thresholds, judges):
        self.thresholds, self.judges = thresholds, judges
        self.measured = {"instructions": {}, "allocations": {}}
        self.failed = False

    def add(self, guard, crossing, value, detail):
        self.measured[guard][crossing.name] = value
        limit = self.thresholds.get(guard, {}).get(crossing.name)
        count = f"{value:,}" if guard == "instructions" else f"{value:.3f}".rstrip("0").rstrip(".")
        if not self.judges:
            print(f"{guard} {crossing.name}: {count} a request", flush=True)
        elif limit is None or value > limit:
            self.failed = True
            print(f"guard {guard} {crossing.name}: {count} a request, FAILED: at most {limit} are allowed\n{detail}", flush=True)
        else:
            spare = "; could be lowered" if guard == "instructions" and value * MARGIN * MARGIN < limit else ""
            print(f"guard {guard} {crossing.name}: {count} a request, at most {limit:,}{spare}, ok", flush=True)


def write(measured, found):
    """The thresholds anew, below the comment that stands first in the file."""
    comment = "".join(line for line in FILE.read_text().splitlines(keepends=True) if line.startswith("#")) if FILE.exists() else ""
    limits = {
        "versions": found,
        "instructions": {name: round(value * MARGIN / 100) * 100 for name, value in measured["instructions"].items()},
        "allocations": {name: math.ceil(value) for name, value in measured["allocations"].items()},
    }
    FILE.write_text(comment + yaml.safe_dump(limits, sort_keys=False))


def main():
    parser = argparse.ArgumentParser(
        description="Holds what a warm request costs to thresholds.yaml.", usage="guards [GUARD…] [--write]"
    )
    parser.add_argument("guards", nargs="*", metavar="GUARD", help="instructions, allocations (both)")
    parser.add_argument("--write", action="store_true", help="write what is measured, with its margin, to thresholds.yaml")
    options = parser.parse_args()
    guards = options.guards or ["instructions", "allocations"]
    for program in ("valgrind", "nginx", "nm"):
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            raise SystemExit(f"{program} is not installed; `Tests/install build test` installs what this needs on Debian")
    thresholds, found = yaml.safe_load(FILE.read_text()) or {}, versions()
    report = Report(thresholds, judges=not options.write)
    other = {name: version for name, version in found.items() if thresholds.get("versions", {}).get(name) != version}
    COUNTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gatehouse-guards-") as directory:
        os.chmod(directory, 0o755)
        fixture = Fixture(directory)
        binary = countable(directory)
        for crossing in CROSSINGS:
            with Nginx(
                Path(directory) / f"nginx-{crossing.name}",
                fixture.pki.backend,
                fixture.pki.mesh.certificate,
                port=fixture.backend_port,
                record=False,
                http2=crossing.upstream == "h2",
            ):
                if "allocations" in guards:
                    report.add("allocations", crossing, *allocations(fixture, crossing))
                if "instructions" in guards and other and not options.write:
                    print(
                        f"guard instructions {crossing.name}: SKIPPED, the thresholds hold for other versions: "
                        + ", ".join(
                            f"{name} {thresholds.get('versions', {}).get(name)}, found {version}" for name, version in other.items()
                        ),
                        flush=True,
                    )
                elif "instructions" in guards:
                    count = instructions(binary, fixture, crossing, COUNTS)
                    report.add(
                        "instructions",
                        crossing,
                        count,
                        f"callgrind_annotate {COUNTS.relative_to(ROOT)}/callgrind.out.{crossing.name}.* says where they went",
                    )
    if options.write:
        write(report.measured, found)
        print(f"wrote {FILE}")
    elif report.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
