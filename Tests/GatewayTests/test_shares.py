"""Few clients cannot starve many: whatever one of them holds, another is served."""
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP1Client, HTTP2Client, RawHTTP2, SettingsFrame
from harness.relay import Relay
from harness.upload import Upload
from harness.waiting import eventually, settled

LENGTH = 1_000_000
OTHER = "127.0.0.2"


@pytest.fixture
def gateway(make_gateway, backend, pki):
    """As it is by default, but that a stream may be as slow as it likes."""
    return make_gateway(
        backends=[conf.backend(pki, backend.port, protocol="http/1.1")],
        routes=[conf.route("public", "/public/**", public=True),
                conf.route("streamed", "/streamed/**", public=True, body={"gather": 0, "rate": 0, "total": 0})])


def upstream_connections(gateway):
    return gateway.metric("gatehouse_connections", side="upstream")


class Attack:
    """Uploads of a byte each that never go on."""

    def __init__(self, gateway, path, version, connections, uploads, source=None):
        self.clients = [version(gateway.port, gateway.ca, source=source) for _ in range(connections)]
        self.uploads = []
        for number in range(uploads):
            upload = Upload(self.clients[number % connections], f"{path}{number}", length=LENGTH)
            upload.send(b"x")
            self.uploads.append(upload)

    def pump(self):
        for client in self.clients:
            if isinstance(client, HTTP2Client):
                client.step(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()


ATTACKS = {
    "256 connections": (HTTP1Client, 256, 256, OTHER),
    "three HTTP/2 connections": (HTTP2Client, 3, 300, OTHER),
    "six HTTP/2 connections of the same address": (HTTP2Client, 6, 600, None),
}


@pytest.mark.parametrize("path", ["/public/", "/streamed/"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_slow_uploads_take_nothing_from_others(gateway, backend, attack, path):
    version, connections, uploads, source = attack
    with Attack(gateway, path + "slow/", version, connections, uploads, source) as held:
        if path == "/streamed/":
            # As many as may be: their heads have gone to the backend, one on each connection.
            last = [0, time.monotonic()]

            def settled():
                held.pump()
                count = upstream_connections(gateway)
                if count != last[0]:
                    last[:] = count, time.monotonic()
                return count >= 32 and time.monotonic() - last[1] > 1

            eventually(settled, 60)
        for open_client in (gateway.client, lambda: HTTP2Client(gateway.port, gateway.ca)):
            with open_client() as good:
                for number in range(10):
                    started = time.monotonic()
                    assert good.exchange("GET", f"{path}good/{number}").status == 200
                    assert time.monotonic() - started < 10
        assert upstream_connections(gateway) < 256


def test_a_client_who_is_alone_has_half(make_gateway, backend, pki):
    """And what it asks beyond waits until it gives something back."""
    gateway = make_gateway(
        backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 8, "pending": 100})], workers=1,
        routes=[conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
    clients = [HTTP1Client(gateway.port, gateway.ca, source=OTHER) for _ in range(6)]
    try:
        uploads = [Upload(client, f"/streamed/half/{number}", length=2) for number, client in enumerate(clients)]
        for upload in uploads:
            upload.send(b"x")
        eventually(lambda: upstream_connections(gateway) == 4, 20)
        with gateway.client() as good:
            assert good.exchange("GET", "/streamed/good").status == 200
        for upload in uploads:
            upload.send(b"y")
        assert [upload.response().status for upload in uploads] == [200] * 6
    finally:
        for client in clients:
            client.close()


def test_no_share_where_none_is_asked_for(make_gateway, backend, pki):
    gateway = make_gateway(
        backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 4, "client_share": "100%"})], workers=1,
        routes=[conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
    clients = [HTTP1Client(gateway.port, gateway.ca) for _ in range(4)]
    try:
        for number, client in enumerate(clients):
            Upload(client, f"/streamed/all/{number}", length=2).send(b"x")
        eventually(lambda: upstream_connections(gateway) == 4, 20)
    finally:
        for client in clients:
            client.close()


def test_a_full_line_refuses_whoever_fills_it(make_gateway, backend, pki):
    gateway = make_gateway(
        backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 1, "pending": 8})], workers=1,
        routes=[conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
    with Attack(gateway, "/streamed/fills/", HTTP1Client, 9, 9, OTHER) as held, gateway.client() as good:
        eventually(lambda: backend.requests_to("/streamed/fills/") or upstream_connections(gateway) == 1, 20)
        good.request("GET", "/streamed/waits")
        # One of those that fill the line makes room.
        refused = []
        eventually(lambda: [refused.append(upload) for upload in held.uploads if upload not in refused and upload.answered()] or refused, 20)
        assert len(refused) == 1
        problem(refused[0].response(), 503, "overloaded")
        for upload in held.uploads:
            upload.client.close()
        assert good.response().status == 200


def test_who_waits_to_share_a_connection_that_turns_out_not_to_be_shared_gets_another(make_gateway, pki):
    """A backend that spoke HTTP/2 is replaced by one that does not, at the same address."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as before, Backend(pki.backend, pki.mesh.certificate) as after, \
            Relay(before.port) as relay:
        gateway = make_gateway(backends=[conf.backend(pki, relay.port)])
        assert gateway.ask("GET", "/public/1").status == 200
        ended = threading.Event()

        def stream(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
            ended.wait(60)
        after.on("/public/stream", stream)
        relay.move(after.port, wait=1)
        eventually(lambda: upstream_connections(gateway) == 0)
        with HTTP1Client(gateway.port, gateway.ca) as first, HTTP2Client(gateway.port, gateway.ca) as others:
            first.start("GET", "/public/stream")
            eventually(lambda: upstream_connections(gateway) == 1)
            numbers = [others.start("GET", f"/public/{number}") for number in range(5)]
            assert [others.response(number).status for number in numbers] == [200] * 5
            ended.set()


def test_answers_that_nobody_takes_hold_no_more_than_a_share_of_the_windows(make_gateway, pki):
    """Few streams are enough to hold the window of a connection, on which nobody else is served then."""
    size, sent, lock = 300_000, [0], threading.Lock()

    def large(stream):
        stream.respond(200, [("content-length", str(size))])
        for start in range(0, size, 10_000):
            stream.send(b"x" * 10_000, end=start + 10_000 == size, timeout=600)
            with lock:
                sent[0] += 10_000

    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        backend.on("/public/large", large)
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", limits={"connections": 4, "pending": 400})])
        attackers = []
        try:
            for number in range(8):
                attacker = RawHTTP2(gateway.port, gateway.ca, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}, source=OTHER)
                attackers.append(attacker)
                for stream in range(1, 45, 2):
                    attacker.request(stream, f"/public/large/{number}/{stream}")
                attacker.ping()
                settled(lambda: sent[0], quiet=0.5)
            assert len(backend.connections) == 2
            for open_client in (gateway.client, lambda: HTTP2Client(gateway.port, gateway.ca)):
                with open_client() as good:
                    for number in range(10):
                        assert good.exchange("GET", f"/public/good/{number}").status == 200
            # What is given back is had by those who wait.
            for attacker in attackers[:4]:
                attacker.close()
            eventually(lambda: len(backend.requests_to("/public/large/7/")) == 22, 20)
        finally:
            for attacker in attackers:
                attacker.close()


def test_workers_have_as_many_connections_together_as_are_written(make_gateway, backend, pki):
    """Six for four workers: two have two, two have one."""
    gateway = make_gateway(
        backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 6, "client_share": "100%"})], workers=4,
        routes=[conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
    # Each connection is some worker's, as the kernel likes: so many that every worker has more than enough.
    clients = [HTTP1Client(gateway.port, gateway.ca) for _ in range(80)]
    try:
        for number, client in enumerate(clients):
            Upload(client, f"/streamed/divided/{number}", length=2).send(b"x")
        eventually(lambda: gateway.metric("gatehouse_upstream_pending_requests", backend="orders") == 80 - 6, 30)
        assert upstream_connections(gateway) == 6
    finally:
        for client in clients:
            client.close()
