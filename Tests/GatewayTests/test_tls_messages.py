"""Messages of TLS behind the handshake, which bring nobody anything: many of them at once keep the thread from no one else."""
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.waiting import patience

SOURCE = Path(__file__).parent / "harness/key_updates.c"


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    """Asks for a page behind so many changes of keys, of 27 bytes each, and gives what came."""
    program = tmp_path_factory.mktemp("updates") / "key_updates"
    subprocess.run([shutil.which("cc") or "clang", "-O1", "-o", str(program), str(SOURCE), "-lssl", "-lcrypto"], check=True)

    def updates(gateway, count):
        done = subprocess.run([str(program), str(gateway.port), str(count)], capture_output=True, timeout=patience(30))
        assert done.returncode == 0, done
        return done.stdout
    return updates


def test_some_are_nothing_unusual(gateway, updates):
    assert updates(gateway, 1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_who_sends_nothing_else_is_cut_off(gateway, updates):
    assert updates(gateway, 40_000) == b""
    assert gateway.ask("GET", "/public/after").status == 200
