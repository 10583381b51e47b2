"""Connections between two requests: what they hold, that they wake, and that those put to rest early end no earlier."""
import resource
import time

import pytest

from harness.http2client import HTTP2Client, RawHTTP2
from harness.rawclient import RawClient
from harness.waiting import eventually

# More than a worker keeps ready for a request: the oldest are put to rest at once.
WARM = 256


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))


def asked(kind, gateway):
    client = kind(gateway.port, gateway.ca)
    assert client.exchange("GET", "/public/1").status == 200
    return client


@pytest.mark.load
@pytest.mark.parametrize("kind, most", [(RawClient, 24), (HTTP2Client, 54)], ids=["h1", "h2"])
def test_an_idle_connection_holds_little(make_gateway, backend, kind, most):
    """OpenSSL's object is 14.2 KiB, and nghttp2's 33. With buffers for a request it would be 40 and 60 KiB."""
    gateway = make_gateway(backend.port)
    clients = [asked(kind, gateway) for _ in range(WARM + 100)]
    before = gateway.resident
    clients += [asked(kind, gateway) for _ in range(500)]
    each = (gateway.resident - before) * 1024 / 500
    assert each < most, f"{each:.1f} KiB"
    for client in clients:
        client.close()


@pytest.mark.parametrize("kind", [RawClient, HTTP2Client], ids=["h1", "h2"])
def test_a_connection_put_to_rest_answers_the_next_request(make_gateway, backend, kind):
    gateway = make_gateway(backend.port)
    clients = [asked(kind, gateway) for _ in range(WARM + 20)]
    for _ in range(3):
        for client in clients:
            assert client.exchange("GET", "/public/2").status == 200
    for client in clients:
        client.close()


@pytest.mark.parametrize("kind", [RawClient, HTTP2Client], ids=["h1", "h2"])
def test_a_connection_put_to_rest_early_has_its_whole_idle_time(make_gateway, backend, kind):
    """Seven seconds, of which it would have been ready for a request in the first five."""
    gateway = make_gateway(backend.port, timeouts={"idle": "7s"})
    first = asked(kind, gateway)
    began = time.monotonic()
    others = [asked(kind, gateway) for _ in range(WARM)]
    eventually(lambda: gateway.metric("gatehouse_connections", side="edge") <= WARM, 20, what="the end of the first")
    assert time.monotonic() - began > 6.5
    for client in [first, *others]:
        client.close()


@pytest.mark.parametrize("path", ["/public/held", "/nowhere"])
def test_a_connection_that_ends_with_its_streams_open_is_gone_from_the_warm_ones(make_gateway, backend, path):
    """Its streams end while it closes, and it is idle then by every sign but that it is closed. Whoever comes into its place would
    meet what is no more."""
    gateway = make_gateway(backend.port, limits={"connections": 4000})
    pid = gateway.pid
    for _ in range(3):
        busy = [RawHTTP2(gateway.port, gateway.ca) for _ in range(20)]
        others = [gateway.client() for _ in range(WARM)]
        for client in busy:
            client.request(1, path, method="POST", end=False)
            client.ping()
        for client in busy:
            client.close(clean=False)
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge", protocol="h2") == 0, 20, what="their end")
        others += [gateway.client() for _ in range(WARM + 20)]
        for client in others:
            client.close()
    assert gateway.ask("GET", "/public/1").status == 200
    assert gateway.process.poll() is None and gateway.pid == pid
