"""Responses that go on and on: server-sent events and long downloads, each part passed on as it comes."""
import threading
import time

import pytest

from harness import configuration as conf
from harness.eventstream import HEAD, HTTP1Events, HTTP2Events, chunk
from harness.rawclient import Truncated
from harness.waiting import eventually, patience


@pytest.fixture(params=[HTTP1Events, HTTP2Events], ids=["http1", "http2"])
def events(request, pki):
    opened = []

    def events(gateway, path, headers={}):
        opened.append(request.param(gateway, pki, path, headers))
        return opened[-1]

    yield events
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def gateway(make_gateway, pki, idp, jwks, backend):
    return make_gateway(
        backends=[conf.backend(pki, backend.port, timeouts={"idle": "1s"})],
        changes={"identity_providers": [conf.provider(idp, jwks, leeway="0s")]},
        routes=[conf.route("public", "/public/**", public=True), conf.route("ending", "/ending/**", end_at_expiry=True),
                conf.route("lasting", "/lasting/**"), conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])


def test_each_event_is_passed_on_before_the_next_is_sent(gateway, backend, events):
    heard = threading.Semaphore(0)

    def script(connection, request):
        connection.send(HEAD)
        for number in range(200):
            connection.send(chunk(f"data: {number}\n\n"))
            assert heard.acquire(timeout=patience(5)), f"event {number} was held back"
        connection.send("0\r\n\r\n")

    backend.on("/public/each", script)
    stream = events(gateway, "/public/each")
    for number in range(200):
        assert stream.next() == f"data: {number}\n\n"
        heard.release()
    assert stream.next() == "end"


def drip(connection, request, count=10_000, pause=0.3):
    connection.send(HEAD)
    for number in range(count):
        connection.send(chunk(f"data: {number}\n\n"))
        if connection.ended.wait(pause):
            return
    connection.send("0\r\n\r\n")


def test_a_stream_outlives_the_idle_time_as_long_as_it_says_something(gateway, backend, events):
    backend.on("/public/drip", lambda connection, request: drip(connection, request, 12))
    stream, start = events(gateway, "/public/drip"), time.monotonic()
    assert [stream.next() for _ in range(12)] == [f"data: {number}\n\n" for number in range(12)]
    assert stream.next() == "end" and time.monotonic() - start > 3


def test_a_backend_that_falls_silent_is_cut(gateway, backend, events):
    backend.on("/public/silent", lambda connection, request: (connection.send(HEAD + chunk("data: 0\n\n")), connection.wait_for_end(20)))
    stream, start = events(gateway, "/public/silent"), time.monotonic()
    assert stream.next() == "data: 0\n\n"
    assert stream.next() is None
    assert 0.8 < time.monotonic() - start < patience(5)
    assert gateway.logged(path="/public/silent")["code"] == "upstream_timeout"


def test_a_client_that_reads_nothing_is_cut(make_gateway, pki, backend, events):
    gateway = make_gateway(backend.port, timeouts={"body": "1s"})
    over = threading.Event()

    def flood(connection, request):
        connection.send(HEAD)
        try:
            while True:
                connection.send(chunk("x" * 60_000 + "\n\n"))
        finally:
            over.set()

    backend.on("/public/flood", flood)
    events(gateway, "/public/flood")
    assert over.wait(patience(10))
    assert gateway.logged(path="/public/flood")["status"] == 200


def test_a_client_that_leaves_ends_the_backend_s_work(gateway, backend, events):
    over = threading.Event()

    def script(connection, request):
        connection.send(HEAD + chunk("data: 0\n\n"))
        connection.wait_for_end(10) and over.set()

    backend.on("/public/leave", script)
    stream = events(gateway, "/public/leave")
    assert stream.next() == "data: 0\n\n"
    stream.close()
    assert over.wait(patience(5))


def test_a_response_is_cut_off_when_its_token_expires(gateway, backend, events, idp):
    backend.on("/ending/", drip)
    path, expiry = f"/ending/{time.time_ns()}", int(time.time()) + 2
    stream = events(gateway, path, idp.bearer(exp=expiry))
    while (event := stream.next()) not in (None, "end"):
        assert time.time() < expiry + 3
    assert event is None and time.time() > expiry - 0.1
    assert gateway.logged(path=path)["code"] == "token_expired"


def test_a_route_that_does_not_say_so_lets_it_live(gateway, backend, events, idp):
    backend.on("/lasting/", lambda connection, request: drip(connection, request, 10))
    stream = events(gateway, "/lasting/1", idp.bearer(exp=int(time.time()) + 1))
    assert [stream.next() for _ in range(10)][-1] == "data: 9\n\n"
    assert stream.next() == "end"


def test_an_upload_streams_as_it_comes(gateway, backend):
    got = [threading.Event() for _ in range(5)]

    def script(connection, request):
        total = 0
        while total < 5:
            total = connection.received.count(b"part")
            for number in range(total):
                got[number].set()
            if total < 5:
                connection._receive()
        connection.answer(200, b"done")
        raise ValueError

    backend.on("/streamed/upload", script)
    with gateway.client() as client:
        client.send("POST /streamed/upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            client.send(chunk(f"part {number}"))
            assert got[number].wait(5), f"part {number} was held back"
        client.send("0\r\n\r\n")
        try:
            assert client.response().body == b"done"
        except Truncated as error:
            raise AssertionError(str(error))
    eventually(lambda: gateway.logged(path="/streamed/upload"))
