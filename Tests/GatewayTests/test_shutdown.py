"""SIGTERM and SIGINT: nothing new is accepted, what is in flight is finished, and the process ends with 0."""
import signal
import socket
import time

import pytest

from harness.answers import problem
from harness.rawclient import Truncated
from harness.waiting import accepts, eventually, patience


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_request_in_flight_is_finished(make_gateway, backend, number):
    gateway = make_gateway(backend.port)
    path = f"/public/draining-{number}"
    backend.on(path, lambda connection, request: (time.sleep(1.2), connection.answer(200, b"finished")))
    with gateway.client() as client:
        client.request("GET", path)
        eventually(lambda: backend.requests_to(path))
        gateway.signal(number)
        eventually(lambda: not accepts(gateway.port), 2, what="no new connections")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"finished")
        client.rest()
    assert gateway.process.wait(patience(5)) == 0
    assert gateway.logged(path=path)["status"] == 200


def test_idle_connections_do_not_hold_the_end_up(make_gateway, backend):
    gateway = make_gateway(backend.port)
    with gateway.client() as used, gateway.client() as unused:
        assert used.exchange("GET", "/public/1").status == 200
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(5)) == 0
        assert time.monotonic() - start < patience(3)
        assert used.rest() == b"" and unused.rest() == b""


def test_what_takes_longer_than_drain_is_cut(make_gateway, backend):
    gateway = make_gateway(backend.port, {"process": {"drain": "1s"}})
    backend.on("/public/forever", lambda connection, request: connection.wait_for_end(20))
    with gateway.client() as client:
        client.request("GET", "/public/forever")
        eventually(lambda: backend.requests_to("/public/forever"))
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(6)) == 0
        assert 0.8 < time.monotonic() - start < patience(4)
        try:
            answer = client.response()
            assert answer.status in (502, 503, 504)
        except Truncated:
            pass


def test_a_second_signal_does_not_wait(make_gateway, backend):
    gateway = make_gateway(backend.port)
    backend.on("/public/impatient", lambda connection, request: connection.wait_for_end(20))
    with gateway.client() as client:
        client.request("GET", "/public/impatient")
        eventually(lambda: backend.requests_to("/public/impatient"))
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert gateway.process.poll() is None
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(2)) == 0


def test_readiness_goes_before_the_process_does(make_gateway, backend):
    gateway = make_gateway(backend.port)
    backend.on("/public/readiness", lambda connection, request: (time.sleep(1.5), connection.answer(200, b"ok")))
    with gateway.client() as client:
        client.request("GET", "/public/readiness")
        eventually(lambda: backend.requests_to("/public/readiness"))
        gateway.signal(signal.SIGTERM)
        eventually(lambda: gateway.admin("/readyz").status_code == 503, 1.2)
        assert gateway.admin("/healthz").status_code == 200
        assert client.response().status == 200
    assert gateway.process.wait(patience(5)) == 0


def test_a_request_that_has_begun_is_served_and_is_the_last_of_its_connection(make_gateway, backend):
    gateway = make_gateway(backend.port)
    with gateway.client() as client:
        assert client.exchange("GET", "/public/before").status == 200
        client.send("GET /public/during HTTP/1.1\r\n")
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        eventually(lambda: gateway.admin("/readyz").status_code == 503, 2)
        time.sleep(0.2)
        client.send("Host: api.example.com\r\n\r\n")
        answer = client.response()
        if answer.status != 200:
            problem(answer, 503, "draining")
        assert answer.get("Connection", "").lower() == "close"
        assert client.rest() == b""
    assert gateway.process.wait(patience(5)) == 0


def test_a_second_start_on_the_same_address_fails_plainly(make_gateway, backend):
    """Two gateways must not share a port by accident."""
    taken = socket.create_server(("127.0.0.1", 0))
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"][0]["address"] = f"127.0.0.1:{taken.getsockname()[1]}"
    gateway.write()
    gateway.launch()
    try:
        code = gateway.process.wait(patience(10))
        assert code in (1, 2)
        assert str(taken.getsockname()[1]) in gateway.error_text
    finally:
        gateway.process = None
        taken.close()
