"""Interim responses (1xx) that a backend sends again and again, and heads for a client that does not read: bounded either way."""
import contextlib
import secrets
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP1Client, HTTP2Client, RawHTTP2, RstStreamFrame
from harness.waiting import eventually, patience, settled

COUNT, BYTES = 8, 32 << 10
CLIENTS = {"h1": HTTP1Client, "h2": HTTP2Client}


def exchange(client, method, path):
    number = client.start(method, path)
    return client.response() if number is None else client.response(number)


class Either:
    """A backend of either version whose scripts send interim heads."""

    def __init__(self, version, pki):
        self.version = version
        self.backend = (HTTP2Backend if version == "h2" else Backend)(pki.backend, pki.mesh.certificate)

    def on(self, path, script):
        """`script(interim, answer)`: `interim` takes a status and fields, `answer` ends the exchange."""
        if self.version == "h2":
            self.backend.on(path, lambda stream: script(stream.interim, lambda: stream.answer(200, b"final")))
            return

        def run(connection, request):
            def interim(status, fields=()):
                lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
                connection.send(f"HTTP/1.1 {status} Interim\r\n{lines}\r\n")
            script(interim, lambda: connection.answer(200, b"final"))
        self.backend.on(path, run)


@pytest.fixture(scope="module", params=["h1", "h2"], ids=["from-h1", "from-h2"])
def upstream(request, pki, make_gateway):
    either = Either(request.param, pki)
    more = {"protocol": "h2"} if request.param == "h2" else {}
    gateway = make_gateway(backends=[conf.backend(pki, either.backend.port, **more)])
    yield gateway, either
    either.backend.stop()


@pytest.fixture(params=CLIENTS, ids=["to-h1", "to-h2"])
def client(request, upstream):
    with CLIENTS[request.param](upstream[0].port, upstream[0].ca) as client:
        yield client


def test_as_many_as_are_allowed_arrive(upstream, client):
    _, either = upstream

    def script(interim, answer):
        for number in range(COUNT):
            interim(103, [("link", f"<{number}>"), ("x-pad", "p" * (BYTES // COUNT - 200))])
        answer()

    either.on("/public/allowed", script)
    answer = exchange(client, "GET", "/public/allowed")
    assert (answer.status, answer.body) == (200, b"final")
    assert [message.get("link") for message in answer.interim] == [f"<{number}>" for number in range(COUNT)]


@pytest.mark.parametrize("size", [0, 3_900, 16_000, 60_000], ids=["small", "medium", "large", "too large alone"])
def test_more_than_are_allowed_are_the_backends_fault(upstream, client, size):
    gateway, either = upstream
    path = f"/public/flood-{size}"
    ended = threading.Event()

    def script(interim, answer):
        # On HTTP/2 all but the first of each field are one or two bytes on the wire.
        pads = [(f"x-pad-{index}", "p" * min(size, 3_900)) for index in range(max(1, size // 3_900))]
        try:
            for number in range(100):
                interim(103, pads)
            answer()
        finally:
            ended.set()

    either.on(path, script)
    answer = exchange(client, "GET", path)
    problem(answer, 502, "upstream_protocol")
    assert len(answer.interim) <= COUNT and len(answer.interim) * size <= BYTES
    assert ended.wait(patience(10))
    assert gateway.ask("GET", "/public/echo").status == 200


def test_100_counts_as_well(upstream, client):
    _, either = upstream
    either.on("/public/continue", lambda interim, answer: ([interim(100) for _ in range(20)], answer()))
    problem(exchange(client, "GET", "/public/continue"), 502, "upstream_protocol")


def test_a_flood_towards_a_client_that_does_not_read_takes_no_memory(upstream):
    gateway, either = upstream

    def script(interim, answer):
        with contextlib.suppress(Exception):
            while True:
                interim(103, [("x-pad", "p" * 3_900)] * 15)

    either.on("/public/endless", script)
    before = gateway.resident
    clients = [CLIENTS[version](gateway.port, gateway.ca, receive_buffer=4096) for version in ("h1", "h2") for _ in range(4)]
    try:
        for client in clients:
            client.start("GET", "/public/endless")
        # Each of them is answered, and nothing grows any more.
        eventually(lambda: len([line for line in gateway.log if line.get("code") == "upstream_protocol"
                                and line["path"] == "/public/endless"]) >= len(clients), 20)
        assert gateway.resident - before < 30
    finally:
        for client in clients:
            client.close(clean=False)


def test_heads_for_streams_that_were_reset_are_held_back(make_gateway, pki):
    """HEADERS are under no flow control, and a client may reset what it has asked for without ever reading an answer."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        def script(connection, request):
            # Twelve KiB on the wire, and nearly sixty once decoded.
            pads = [secrets.token_hex(500) for _ in range(12)]
            connection.answer(200, b"", [("X-Pad", pad) for pad in [*pads, *[pads[-1]] * 46]])
        backend.on("/public", script)
        gateway = make_gateway(backend.port)
        gateway.ask("GET", "/public/warm")
        before = gateway.resident
        answered = lambda: sum(line["path"].startswith("/public/stream-") and line["status"] == 200 for line in gateway.log)
        with RawHTTP2(gateway.port, gateway.ca, receive_buffer=4096) as client:
            for start in range(0, 900, 90):
                numbers = range(2 * start + 1, 2 * start + 181, 2)
                for number in numbers:
                    client.request(number, f"/public/stream-{number}")
                # Answered as far as the gateway is concerned; or it does not even read them any more.
                if settled(answered, 1.0, 30) < start + 90:
                    break
                client.send(*(RstStreamFrame(number, error_code=8) for number in numbers))
            assert gateway.resident - before < 20, answered()
            # What was held back is served once the client reads again.
            client.request(2001, "/public/last")
            assert client.status(2001, 30) == 200
