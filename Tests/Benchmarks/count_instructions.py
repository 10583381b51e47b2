"""User instructions per warm request, by callgrind. See `instructions` for its use."""
import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from fixture import ROOT, Fixture

from harness.nginx import Nginx
from harness.rawclient import RawClient, request_bytes
from harness.waiting import accepts, eventually, free_port

GATEHOUSE = Path(os.environ.get("GATEHOUSE", ROOT / ".build/release/gatehouse")).resolve()
BATCH = 1000


def readable(directory):
    """A copy of the binary without debug information, which valgrind 3.19 cannot read from Swift; its symbols stay."""
    copy = Path(directory) / "gatehouse"
    subprocess.run(["strip", "--strip-debug", "-o", str(copy), str(GATEHOUSE)], check=True)
    return copy


def counted(binary, fixture, requests):
    """Instructions that a gateway spends from its start to its end, with this many requests on one connection between."""
    port = free_port()
    out = fixture.directory / f"callgrind.{requests}"
    log = fixture.directory / "gatehouse.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(binary), "run", "--config", str(fixture.gatehouse(port))],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: process.poll() is not None or accepts(port), 120)
        assert process.poll() is None, log.read_text()[-2000:]
        token = fixture.one_token.read_text().strip()
        message = request_bytes("GET", "/orders/list", headers={"Authorization": f"Bearer {token}"})
        with RawClient(port, fixture.pki.public.certificate, timeout=60) as client:
            for _ in range(requests):
                client.send(message)
                assert client.response().status == 200
    finally:
        process.terminate()
        process.wait(60)
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))


def main():
    parser = argparse.ArgumentParser(description="User instructions for one warm request.")
    parser.add_argument("--limit", type=int, help="fail when a request costs more")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed (Debian: apt-get install valgrind)")
    with tempfile.TemporaryDirectory(prefix="gatehouse-instructions-") as directory:
        os.chmod(directory, 0o755)
        fixture = Fixture(directory, 1)
        with Nginx(Path(directory) / "nginx", fixture.pki.backend, fixture.pki.mesh.certificate, port=fixture.backend_port, record=False):
            few, many = [counted(readable(directory), fixture, requests) for requests in (2 * BATCH, 4 * BATCH)]
    each = (many - few) / (2 * BATCH)
    print(f"{each:,.0f} user instructions for one warm request")
    if options.limit and each > options.limit:
        raise SystemExit(f"more than {options.limit:,}")


if __name__ == "__main__":
    main()
