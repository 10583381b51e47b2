"""What a backend says that nobody asked for: it is nobody's answer, and least of all the next user's."""
import socket
import ssl
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.waiting import eventually, patience

USERS = 12
FORGED = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

# What answers a request: its method, and how its own answer is framed.
ANSWERS = {
    "length": ("GET", "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n{own}"),
    "chunked": ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{count:x}\r\n{own}\r\n0\r\n\r\n"),
    "empty": ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Own: {own}\r\n\r\n"),
    "head": ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\nX-Own: {own}\r\n\r\n"),
    "304": ("GET", "HTTP/1.1 304 Not Modified\r\nX-Own: {own}\r\n\r\n"),
}
UNASKED = {"an answer": FORGED, "garbage": "\0garbage\r\n\r\n", "one byte": "H", "a line end": "\r\n"}


def together(connection, *parts):
    """Each part is a TLS record of its own, and all of them leave in one segment."""
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for part in parts:
        connection.send(part)
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def own(answer):
    """What the answer says of whose it is."""
    return answer.get("X-Own") or answer.body.decode()


@pytest.fixture
def poisoned(make_gateway, pki):
    """A gateway with one connection to a backend that answers everything twice."""
    def make(answer, unasked, connections=1):
        backend = Backend(pki.backend, pki.mesh.certificate)
        running.append(backend)
        gate = threading.Event()

        def script(connection, request):
            name = request.target.rsplit("/", 1)[1]
            if name == "first":
                gate.wait(patience(10))
            together(connection, ANSWERS[answer][1].format(own=name, count=len(name)), UNASKED[unasked])

        backend.on("/public", script)
        limits = {"connections": connections, "pending": 2 * USERS}
        return make_gateway(backends=[conf.backend(pki, backend.port, limits=limits)]), backend, gate

    running = []
    yield make
    for backend in running:
        backend.stop()


@pytest.mark.parametrize("unasked", UNASKED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_it_reaches_nobody_who_waits(poisoned, answer, unasked):
    gateway, backend, gate = poisoned(answer, unasked)
    method = ANSWERS[answer][0]
    with gateway.client() as first:
        first.request(method, "/public/first")
        eventually(lambda: backend.requests_to("/public/first"))
        clients = [gateway.client() for _ in range(USERS)]
        try:
            for number, client in enumerate(clients):
                client.request(method, f"/public/user-{number}")
            # The worker has read what was there before it answers these: the others stand in line now.
            assert [gateway.ask("GET", "/nowhere").status for _ in range(3)] == [404] * 3
            assert len(backend.requests) == 1
            gate.set()
            assert own(first.response(method)) == "first"
            assert [own(client.response(method)) for client in clients] == [f"user-{number}" for number in range(USERS)]
        finally:
            for client in clients:
                client.close()
    assert len(backend.connections) == USERS + 1


@pytest.mark.parametrize("unasked", UNASKED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_it_reaches_nobody_who_comes_later(poisoned, answer, unasked):
    """Another client at once behind the last, and the same one with its next request sent along."""
    gateway, backend, gate = poisoned(answer, unasked)
    gate.set()
    method = ANSWERS[answer][0]
    with gateway.client() as one, gateway.client() as other:
        for number in range(USERS):
            client = one if number % 2 else other
            assert own(client.exchange(method, f"/public/user-{number}")) == f"user-{number}"
        for number in range(4):
            one.request(method, f"/public/along-{number}")
        assert [own(one.response(method)) for _ in range(4)] == [f"along-{number}" for number in range(4)]
    assert len(backend.connections) == USERS + 4


def test_what_is_said_before_anything_was_asked_is_no_answer(make_gateway, pki):
    """The backend's first words come in one segment with the end of its handshake, which TLS 1.2 leaves to the server."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        backend.context.maximum_version = ssl.TLSVersion.TLSv1_2
        backend.greeting = FORGED.encode()
        gateway = make_gateway(backend.port)
        for number in range(4):
            problem(gateway.ask("GET", f"/public/{number}"), 502, "upstream_protocol")
        assert backend.requests == []
