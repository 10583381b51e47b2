"""Requests that are cancelled while a backend works on them: they cost the gateway no handshake each, and nobody else anything."""
import contextlib
import threading

import pytest

from harness import configuration as conf
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import CANCEL, HTTP1Client, HTTP2Client, RawHTTP2, RstStreamFrame
from harness.waiting import eventually, patience

DRAINED = 64 << 10


@pytest.fixture
def own(make_gateway, pki):
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        # One client asks for all there is.
        limits = {"client_share": "100%"}
        yield make_gateway(backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits=limits)]), backend


class Held:
    """Answers each request when it is let go: with `answer`, or as `answer(connection)` does."""

    def __init__(self, answer=b"too late for you"):
        self.answer = answer
        self.go = threading.Event()

    def __call__(self, connection, request):
        self.go.wait(patience(30))
        if callable(self.answer):
            self.answer(connection)
        else:
            connection.answer(200, self.answer, {"X-Held": request.target})


def cancel_one(gateway, backend, client, path, held):
    number = client.start("GET", path)
    client.until(lambda: client.step(0.01) or backend.requests_to(path), what="the request at the backend")
    client.cancel(number)
    client.step(0)
    held.go.set()


def test_two_hundred_in_a_row_cost_few_handshakes(own):
    gateway, backend = own
    with HTTP2Client(gateway.port, gateway.ca) as client:
        for round in range(200):
            held = Held()
            backend.on(f"/public/row-{round}/", held)
            cancel_one(gateway, backend, client, f"/public/row-{round}/", held)
            if round % 10 == 0:
                answer = client.exchange("GET", f"/public/fresh-{round}")
                assert answer.status == 200 and f"/public/fresh-{round}".encode() in answer.body
    assert backend.accepted <= 20


def test_many_at_once_cost_their_handshakes_once(own):
    gateway, backend = own
    with HTTP2Client(gateway.port, gateway.ca) as client:
        for wave in range(4):
            held = Held()
            path = f"/public/wave-{wave}/"
            backend.on(path, held)
            numbers = [client.start("GET", f"{path}{number}") for number in range(90)]
            client.until(lambda: client.step(0.05) or len(backend.requests_to(path)) == 90, what="all at the backend")
            for number in numbers:
                client.cancel(number)
            client.step(0)
            held.go.set()
            answers = [client.exchange("GET", f"/public/fresh-{wave}-{number}") for number in range(20)]
            for number, answer in enumerate(answers):
                assert answer.status == 200 and f"/public/fresh-{wave}-{number}".encode() in answer.body
    assert backend.accepted <= 150


@pytest.mark.parametrize("version", ["h1", "h2"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close", "HEAD", "204", "interim"])
def test_nobody_gets_what_another_has_given_up(make_gateway, pki, framing, version):
    """On two connections of which one may be drained: what was given up comes while others ask."""
    answers = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngiven up",
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ngiven up\r\n0\r\nX-Given: up\r\n\r\n",
        "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ngiven up",
        # Content that may not be there.
        "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngiven up",
        "204": b"HTTP/1.1 204 No Content\r\n\r\ngiven up",
        "interim": b"HTTP/1.1 103 Early Hints\r\nX-Given: up\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngiven up",
    }
    method = "HEAD" if framing == "HEAD" else "GET"
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(
            backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 2, "pending": 100})])
        for round in range(10):
            held = Held(lambda connection: connection.send(answers[framing]))
            path = f"/public/given-{round}/"
            backend.on(path, held)
            with contextlib.ExitStack() as stack:
                client = stack.enter_context((HTTP2Client if version == "h2" else HTTP1Client)(gateway.port, gateway.ca))
                client.start(method, path)
                eventually(lambda: backend.requests_to(path))
                client.close()
            with HTTP2Client(gateway.port, gateway.ca) as other:
                numbers = [other.start("GET", f"/public/other-{round}-{number}") for number in range(6)]
                held.go.set()
                for index, number in enumerate(numbers):
                    answer = other.response(number)
                    assert answer.status == 200 and f"/public/other-{round}-{index}".encode() in answer.body, answer.body
                    assert not answer.interim and not answer.get("x-given")


def endless(connection):
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")


BEYOND = {
    "a length beyond the bound": lambda connection: (connection.send(
        f"HTTP/1.1 200 OK\r\nContent-Length: {DRAINED + 1}\r\n\r\n"), connection.wait_for_end(60)),
    "content without an end": endless,
    "content until the connection closes": lambda connection: (connection.send("HTTP/1.1 200 OK\r\n\r\nsome"), connection.wait_for_end(60)),
    "a head that never comes": lambda connection: connection.wait_for_end(60),
    "content that never comes": lambda connection: (connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"), connection.wait_for_end(60)),
    "another protocol": lambda connection: (connection.send("HTTP/1.1 101 Switching Protocols\r\n\r\n"), connection.wait_for_end(60)),
    "nonsense": lambda connection: (connection.send("nonsense\r\n\r\n"), connection.wait_for_end(60)),
}


@pytest.mark.parametrize("what", BEYOND)
def test_what_is_too_much_closes_the_connection(own, what):
    gateway, backend = own
    held = Held(BEYOND[what])
    backend.on("/public/beyond", held)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        cancel_one(gateway, backend, client, "/public/beyond", held)
        (connection,) = backend.connections
        assert connection.ended.wait(patience(20))
        answer = client.exchange("GET", "/public/fresh")
        assert answer.status == 200 and b"/public/fresh" in answer.body
    assert len(connection.requests) == 1


def test_a_request_that_is_not_whole_closes_the_connection(own):
    gateway, backend = own
    backend.on("/streamed/half", lambda connection, request: connection.wait_for_end(60))
    with HTTP2Client(gateway.port, gateway.ca) as client:
        number = client.start("POST", "/streamed/half", end=False)
        client.send(number, b"half of it")
        client.until(lambda: client.step(0.01) or backend.requests_to("/streamed/half"))
        client.cancel(number)
        client.step(0)
        (connection,) = backend.connections
        assert connection.ended.wait(patience(20))
        assert client.exchange("GET", "/public/fresh").status == 200


def test_an_answer_that_was_held_back_is_read_to_its_end(own):
    """The client gives no window, so that the gateway has stopped reading when he cancels."""
    gateway, backend = own
    size = 110_000
    sent = threading.Semaphore(0)

    def script(connection, request):
        connection.answer(200, b"x" * size)
        sent.release()

    backend.on("/public/held-back", script)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        client.consumes = False
        for round in range(30):
            number = client.start("GET", f"/public/held-back-{round}")
            client.head(number)
            assert sent.acquire(timeout=patience(20))
            client.cancel(number)
            client.step(0)
        assert client.exchange("HEAD", "/public/fresh").status == 200
    assert backend.accepted <= 8


def test_many_on_one_http2_connection_end_nothing_of_others(make_gateway, pki):
    """Backends take too many of them on one connection for an attack, and end it with all that is on it."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate, streams=100) as backend:
        go = threading.Event()

        def late(stream):
            go.wait(patience(60))
            stream.answer(200, b"good")

        backend.on("/public/late", late)
        backend.on("/public/cancelled", lambda stream: stream.cancelled.wait(patience(30)))
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", timeouts={"response": "5m"})])
        with HTTP2Client(gateway.port, gateway.ca) as good:
            number = good.start("GET", "/public/late")
            eventually(lambda: good.step(0.01) or backend.requests_to("/public/late"), what="the request at the backend")
            for round in range(14):
                with RawHTTP2(gateway.port, gateway.ca, source="127.0.0.2") as attacker:
                    path, streams = f"/public/cancelled/{round}/", range(1, 81, 2)
                    for stream in streams:
                        attacker.request(stream, path)
                    eventually(lambda: attacker.take(0.01) or len(backend.requests_to(path)) == len(streams), 20, what="the requests at the backend")
                    attacker.send(*[RstStreamFrame(stream, error_code=CANCEL) for stream in streams])
                    eventually(lambda: attacker.take(0.01) or all(stream.reset_code is not None for stream in backend.requests_to(path)), 20)
            resets = [sum(stream.reset_code is not None for stream in connection.streams) for connection in backend.connections]
            assert sum(resets) == 14 * 40 and max(resets) < 400, resets
            assert backend.requests_to("/public/late")[0] in backend.connections[0].streams and not backend.connections[0].ended.is_set()
            with HTTP2Client(gateway.port, gateway.ca) as another:
                assert another.exchange("GET", "/public/next").status == 200
            go.set()
            answer = good.response(number)
            assert (answer.status, bytes(answer.body)) == (200, b"good")
        # It was kept for that alone.
        assert backend.connections[0].ended.wait(patience(10))
