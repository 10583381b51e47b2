"""Content has a least rate and a total; what the gateway itself does not take yet is nobody's delay."""
import json
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.rawclient import Truncated
from harness.upload import VERSIONS, Upload
from harness.waiting import eventually, patience


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    return make_gateway(
        backend.port, timeouts={"body": "30s", "body_rate": "8KiB/s", "body_total": "120s"},
        routes=[conf.route("public", "/public/**", public=True),
                conf.route("brief", "/brief/**", public=True, body={"total": "2s"}),
                conf.route("patient", "/patient/**", public=True, body={"gather": 0, "rate": 0, "total": 0})])


@pytest.fixture(params=VERSIONS, ids=["HTTP/1.1", "HTTP/2"])
def client(request, gateway):
    with request.param(gateway.port, gateway.ca) as client:
        yield client


def drip(upload, piece, seconds, every=0.25):
    """Sends a piece now and then, and gives how long it was until the other side said something."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        upload.send(piece)
        end = time.monotonic() + every
        while time.monotonic() < end:
            if upload.answered():
                return time.monotonic() - start
    return time.monotonic() - start


@pytest.mark.parametrize("path", ["/public/drip", "/patient/drip"])
def test_a_drip_gets_408_where_a_rate_is_asked_for(gateway, client, path):
    upload = Upload(client, path, length=100_000)
    took = drip(upload, b"x" * 100, 60 if path.startswith("/public") else 9)
    if path.startswith("/public"):
        assert took > 4.5, "the first seconds are free"
        problem(upload.response(), 408, "request_timeout")
    else:
        assert took >= 9
        upload.send(b"x" * (100_000 - upload.sent))
        upload.end()
        assert json.loads(upload.response().body)["body_bytes"] == 100_000


def test_a_burst_does_not_pay_for_a_drip(gateway, client, backend):
    """The connection is taken, and given back when the client has become too slow."""
    path = f"/public/burst-{type(client).__name__}"
    upload = Upload(client, path, length=1_000_000)
    upload.send(b"x" * 70_000)
    eventually(lambda: upload.pump() or backend.requests_to(path), 10)
    # 70,000 bytes have earned 8.5 s.
    assert 8 < drip(upload, b"x", 100) < 100
    try:
        problem(upload.response(), 408, "request_timeout")
    except Truncated:
        pass
    connection = next(c for c in backend.connections if any(r.target == path for r in c.requests))
    assert connection.ended.wait(patience(5))


def test_an_honest_rate_is_enough(gateway, client):
    upload = Upload(client, "/public/honest", length=48_000)
    for _ in range(16):
        upload.send(b"x" * 3_000)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert not upload.answered() or _ == 15
    upload.end()
    assert json.loads(upload.response().body)["body_bytes"] == 48_000


def test_a_total_is_a_total(gateway, client):
    upload = Upload(client, "/brief/1", length=1_000_000)
    assert drip(upload, b"x" * 5_000, 40) > 1.9
    problem(upload.response(), 408, "request_timeout")


def test_time_in_which_the_backend_takes_nothing_does_not_count(make_gateway, backend, client):
    """Neither rate nor total runs while the gateway has no place for more."""
    # What it does take takes as long as a busy machine needs for 64 MiB.
    total_time = round(patience(4))
    gateway = make_gateway(backend.port, timeouts={"body": f"{2 * total_time}s", "body_rate": "100KiB/s", "body_total": f"{total_time}s"})
    go = threading.Event()

    def script(connection, request):
        go.wait(4 * total_time)
        connection.answer(200, str(sum(len(block) for block in connection.reader.blocks(request, False))).encode())

    path = f"/public/stalled-{type(client).__name__}"
    backend.on(path, script)
    total = 64 << 20
    with type(client)(gateway.port, gateway.ca) as own:
        timer = threading.Timer(2 * total_time, go.set)
        timer.start()
        try:
            upload = Upload(own, path, length=total)
            upload.send(b"x" * total)
            upload.end()
            answer = upload.response()
            assert (answer.status, answer.body) == (200, str(total).encode())
            assert go.is_set()
        finally:
            timer.cancel()
            go.set()


def test_content_that_stops_after_the_answer_has_begun_is_cut(make_gateway, backend):
    gateway = make_gateway(backend.port, timeouts={"body": "1s"})

    def script(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
        connection.wait_for_end(15)

    for version in VERSIONS:
        path = f"/streamed/begun-{version.__name__}"
        backend.on(path, script)
        with version(gateway.port, gateway.ca) as client:
            upload = Upload(client, path, length=1000)
            upload.send(b"x")
            try:
                answer = upload.response()
                assert answer.body == b"begun" and answer.reset_code is not None
            except Truncated as truncated:
                assert truncated.partial == b"begun"
        connection = next(c for c in backend.connections if any(r.target == path for r in c.requests))
        assert connection.ended.wait(patience(10))
        assert gateway.logged(path=path)["code"] == "request_timeout"
