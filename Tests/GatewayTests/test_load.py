"""Two hundred clients at once: no error, and no growth of memory or descriptors.

GATEHOUSE_LOAD_SECONDS (default 20) is how long.
"""
import os
import re
import subprocess
import time

import pytest

from harness.waiting import eventually

SECONDS = int(os.environ.get("GATEHOUSE_LOAD_SECONDS", "20"))


@pytest.mark.load
@pytest.mark.timeout(600)
def test_two_hundred_concurrent_clients(make_gateway, nginx, wrk, idp, tmp_path):
    gateway = make_gateway(nginx.port, {"access_log": {"path": str(tmp_path / "access.log")}}, workers=2)
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("\n".join(idp.token(sub=f"user-{n}") for n in range(200)) + "\n")
    script = tmp_path / "load.lua"
    script.write_text(f"""
local requests, i = {{}}, 0
for line in io.lines("{tokens}") do
  requests[#requests + 1] = wrk.format("GET", "/orders/load", {{["Authorization"] = "Bearer " .. line, ["Host"] = "api.example.com"}})
end
function request() i = i % #requests + 1; return requests[i] end
""")
    at_rest = gateway.descriptors
    load = subprocess.Popen([wrk, "-t2", "-c200", f"-d{SECONDS}s", "--timeout", "10s", "--latency", "-s", str(script), gateway.url.replace("localhost", "127.0.0.1")],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    samples = []
    while load.poll() is None:
        samples.append((gateway.resident, gateway.descriptors))
        time.sleep(0.5)
    output = load.communicate()[0]
    assert "Non-2xx" not in output and "Socket errors" not in output, output
    assert int(re.search(r"(\d+) requests in", output).group(1)) > 200 * SECONDS, output
    early = max(memory for memory, _ in samples[len(samples) // 3:len(samples) // 2])
    late = max(memory for memory, _ in samples[len(samples) // 2:])
    assert late - early < 4, f"memory grew from {early:.1f} to {late:.1f} MiB"
    half = [count for _, count in samples[len(samples) // 2:]]
    assert max(half) < at_rest + 200 + 256 + 20
    eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 0, 10,
               what="every client's connection is let go")
    eventually(lambda: gateway.descriptors <= at_rest + 256 + 4, 10)
    assert gateway.metric("gatehouse_requests_total", route="orders") >= 200 * SECONDS


@pytest.mark.load
def test_connections_that_come_and_go_leave_nothing_behind(make_gateway, backend):
    gateway = make_gateway(backend.port)
    for _ in range(50):
        assert gateway.ask("GET", "/public/1").status == 200
    time.sleep(0.3)
    memory, descriptors = gateway.resident, gateway.descriptors
    for _ in range(1500):
        assert gateway.ask("GET", "/public/1").status == 200
    eventually(lambda: gateway.descriptors <= descriptors, 5)
    assert gateway.resident - memory < 3
