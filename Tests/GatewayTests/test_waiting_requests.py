"""A request that waits for a connection to its backend is seen: how many do now, how it ended, how long it took."""
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.waiting import eventually

NOW = "gatehouse_upstream_pending_requests"
ENDED = "gatehouse_upstream_pending_total"
HELD_FOR = "gatehouse_upstream_pending_duration_seconds"
OTHER = "127.0.0.2"


class Held:
    """A backend whose one connection is taken by a request that is answered when the test says so."""

    def __init__(self, pki, make_gateway, **limits):
        self.go_on = threading.Event()
        self.backend = Backend(pki.backend, pki.mesh.certificate)
        self.backend.on("/public/held", self.answer)
        # Whoever waits is answered at once when its turn has come.
        self.gateway = make_gateway(
            backends=[conf.backend(pki, self.backend.port, protocol="http/1.1",
                                   limits={"connections": 1, "client_share": "100%", **limits})],
            routes=[conf.route("public", "/public/**", public=True),
                    conf.route("brief", "/brief/**", public=True, timeout="1s")], workers=1)
        self.clients = []

    def answer(self, connection, request):
        self.go_on.wait()
        connection.answer(200, b"held")

    def send(self, path, source=None):
        client = self.gateway.client(source=source)
        self.clients.append(client)
        client.request("GET", path)
        return client

    def waiting(self):
        return self.gateway.metric(NOW, backend="orders")

    def ended(self, result):
        return self.gateway.metric(ENDED, backend="orders", result=result)

    def __enter__(self):
        self.holder = self.send("/public/held")
        eventually(lambda: self.backend.saw(b"/public/held"), 20)
        return self

    def __exit__(self, *_):
        self.go_on.set()
        for client in self.clients:
            client.close()
        self.backend.stop()


@pytest.fixture
def held(pki, make_gateway):
    with Held(pki, make_gateway) as held:
        yield held


def test_a_wait_until_the_time_is_up(held):
    gateway = held.gateway
    waiting = held.send("/brief/waits")
    eventually(lambda: held.waiting() == 1, 20)
    problem(waiting.response(), 504, "upstream_timeout")
    line = gateway.logged(path="/brief/waits")
    assert (line["code"], line["backend"], line["endpoint"], line["upstream_ms"]) == ("upstream_timeout", "orders", None, None)
    assert 900 < line["upstream_wait_ms"] <= line["duration_ms"]
    assert held.ended("timeout") == 1 and held.waiting() == 0
    assert gateway.metric(HELD_FOR + "_count", backend="orders") == 1
    assert gateway.metric(HELD_FOR + "_sum", backend="orders") > 0.9


def test_a_slow_backend_is_something_else(pki, make_gateway):
    """It has the same code, and nobody has waited for a connection."""
    release = threading.Event()
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        backend.on("/brief/slow", lambda connection, request: release.wait())
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="http/1.1")], workers=1,
                               routes=[conf.route("brief", "/brief/**", public=True, timeout="2s")])
        try:
            assert gateway.ask("GET", "/brief/first").status == 200
            problem(gateway.ask("GET", "/brief/slow"), 504, "upstream_timeout")
            assert gateway.logged(path="/brief/slow")["upstream_wait_ms"] is None
            # The first had its connection made.
            assert gateway.logged(path="/brief/first")["upstream_wait_ms"] > 0
            assert gateway.metric(ENDED) == 0
        finally:
            release.set()


def test_a_wait_that_is_served(held):
    waiting = held.send("/public/waits")
    eventually(lambda: held.waiting() == 1, 20)
    held.go_on.set()
    assert waiting.response().status == 200
    line = held.gateway.logged(path="/public/waits")
    assert 0 < line["upstream_wait_ms"] <= line["upstream_ms"]
    assert held.ended("served") == 1 and held.waiting() == 0


def test_a_client_that_goes_while_it_waits(held):
    waiting = held.send("/public/leaves")
    eventually(lambda: held.waiting() == 1, 20)
    waiting.close()
    eventually(lambda: held.ended("cancelled") == 1, 20)
    assert held.waiting() == 0
    assert held.gateway.logged(path="/public/leaves")["upstream_wait_ms"] > 0


def test_a_wait_that_gives_way_to_another_client(pki, make_gateway):
    with Held(pki, make_gateway, pending=2) as held:
        waiting = [held.send(f"/public/waits/{number}", source=OTHER) for number in range(2)]
        eventually(lambda: held.waiting() == 2, 20)
        held.send("/public/comes")
        eventually(lambda: held.ended("overloaded") == 1, 20)
        assert held.waiting() == 2
        problem(waiting[1].response(), 503, "overloaded")


def test_a_wait_during_which_a_reload_changes_the_backend(pki, make_gateway, backend):
    with Held(pki, make_gateway) as held:
        waiting = held.send("/public/waits")
        eventually(lambda: held.waiting() == 1, 20)
        held.gateway.reload(conf.merged(held.gateway.configuration, {"backends": [
            conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 1, "client_share": "100%"})]}))
        assert waiting.response().status == 200
        assert held.ended("reload") == 1 and held.waiting() == 0
