"""HTTP/2 connections to a backend that take no more requests and stay for those that they have: others go on beside them."""
import contextlib
import threading

import pytest

from harness import configuration as conf
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP2Client
from harness.waiting import eventually, patience

PENDING = "gatehouse_upstream_pending_requests"


class Long:
    """Answers that go on until they are let go, on a connection whose end is announced at once."""

    def __init__(self, backend):
        self.go = threading.Event()
        backend.on("/public/long/", self)

    def __call__(self, stream):
        stream.respond(200)
        stream.connection.go_away(stream.id)
        # Who has got this knows of the end.
        stream.send(b"begun")
        self.go.wait(patience(120))
        stream.send(b" and over", end=True)


@pytest.fixture
def backend(pki):
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        yield backend


def limited(make_gateway, pki, backend, connections, pending=100):
    limits = {"connections": connections, "pending": pending, "client_share": "100%"}
    timeouts = {"response": "10m", "idle": "10m"}
    return make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", limits=limits, timeouts=timeouts)],
                        routes=[conf.route("public", "/public/**", public=True, timeout="10m")])


def begin(client, name):
    number = client.start("GET", f"/public/long/{name}")
    answer = client.streams[number]
    client.until(lambda: answer.body == b"begun", what="the long answer's beginning")
    return number


def test_another_takes_the_place_of_one_that_goes_away(make_gateway, pki, backend):
    gateway, long = limited(make_gateway, pki, backend, 1), Long(backend)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        number = begin(client, "first")
        for _ in range(3):
            assert client.exchange("GET", "/public/next").status == 200
        assert len(backend.connections) == 2 and not backend.connections[0].ended.is_set()
        long.go.set()
        answer = client.response(number)
        assert (answer.status, bytes(answer.body)) == (200, b"begun and over")
    assert backend.connections[0].ended.wait(patience(10))


def test_as_many_are_leaving_as_there_may_be_connections(make_gateway, pki, backend):
    """Further ones take places, so that there are twice as many at most."""
    gateway, long = limited(make_gateway, pki, backend, 2), Long(backend)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        numbers = [begin(client, name) for name in range(4)]
        waits = client.start("GET", "/public/next")
        eventually(lambda: client.step(0.01) or gateway.metric(PENDING, backend="orders") == 1, 20)
        assert len(backend.connections) == 4 and not any(connection.ended.is_set() for connection in backend.connections)
        long.go.set()
        assert client.response(waits).status == 200
        assert all(bytes(client.response(number).body) == b"begun and over" for number in numbers)
        assert client.exchange("GET", "/public/after").status == 200
    assert len(backend.connections) == 5


def test_a_reload_that_lowers_the_limit(make_gateway, pki, backend):
    gateway, long = limited(make_gateway, pki, backend, 8), Long(backend)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        numbers = [begin(client, name) for name in range(4)]
        gateway.configuration["backends"][0]["limits"]["connections"] = 4
        gateway.reload(gateway.configuration)
        assert client.exchange("GET", "/public/next").status == 200
        assert len(backend.connections) == 5
        long.go.set()
        assert all(bytes(client.response(number).body) == b"begun and over" for number in numbers)


@pytest.mark.parametrize("count", [1, 2])
def test_what_died_with_its_connection_has_its_place(make_gateway, pki, backend, count):
    """It is sent again, and the only connection that there may be is free for it. One makes it anew, others wait for that."""
    gateway = limited(make_gateway, pki, backend, 1, pending=count - 1)
    gone = threading.Barrier(count)

    def script(stream):
        if stream.connection is backend.connections[0]:
            with contextlib.suppress(threading.BrokenBarrierError):
                gone.wait(patience(20))
            return stream.connection.close(clean=False)
        stream.answer(200, b"the second time")

    backend.on("/public/dies/", script)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        assert client.exchange("GET", "/public/before").status == 200
        numbers = [client.start("GET", f"/public/dies/{number}") for number in range(count)]
        assert [bytes(client.response(number).body) for number in numbers] == [b"the second time"] * count
    assert len(backend.connections) == 2
