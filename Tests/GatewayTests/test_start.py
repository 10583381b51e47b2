"""What clients meet while a gateway starts."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.rawclient import RawClient
from harness.waiting import eventually

SOURCE = Path(__file__).parent / "harness/slow_listen.c"


@pytest.fixture
def slow_listen(tmp_path):
    library = tmp_path / "slow_listen.so"
    # The latter comes with Swift.
    compiler = shutil.which("cc") or "clang"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return {"LD_PRELOAD": " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(library)]))}


def test_whoever_can_connect_while_it_starts_is_answered(make_gateway, backend, slow_listen):
    """Looking whether somebody else has the address takes no connection that is then dropped."""
    gateway = make_gateway(backend.port, start=False, environment=slow_listen)
    gateway.launch()

    def connected():
        assert gateway.process.poll() is None, gateway.error_text
        try:
            return RawClient(gateway.port, gateway.ca)
        except ConnectionRefusedError:
            return None

    with eventually(connected, 15) as client:
        assert client.exchange("GET", "/public/1").status == 200
    eventually(lambda: "ready" in gateway.error_text, 15)
