"""Content that comes slowly holds no backend's connection: up to a bound it is gathered before one is taken."""
import json
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.http2client import HTTP1Client, HTTP2Client
from harness.upload import VERSIONS, Upload
from harness.waiting import eventually, patience

KIB = 1 << 10


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, pki):
    return make_gateway(
        backends=[conf.backend(pki, backend.port, limits={"connections": 4, "pending": 64})],
        routes=[conf.route("public", "/public/**", public=True, body={"gather": "64KiB", "maximum": "1MiB"}),
                conf.route("streamed", "/streamed/**", public=True, body={"gather": 0}),
                conf.route("orders", "/orders/**", authorize={"scopes": ["orders:write"]})])


@pytest.fixture(params=VERSIONS, ids=["HTTP/1.1", "HTTP/2"])
def client(request, gateway):
    with request.param(gateway.port, gateway.ca) as client:
        yield client


@pytest.mark.parametrize("version", VERSIONS, ids=["HTTP/1.1", "HTTP/2"])
def test_slow_uploads_hold_no_connection(gateway, backend, version):
    clients = [version(gateway.port, gateway.ca) for _ in range(12 if version is HTTP1Client else 2)]
    uploads = []
    try:
        for number in range(40 if version is HTTP2Client else 12):
            upload = Upload(clients[number % len(clients)], f"/public/trickle/{version.__name__}/{number}", length=1000)
            upload.send(b"x")
            uploads.append(upload)
        for number in range(20):
            assert gateway.ask("GET", f"/public/beside/{number}").status == 200
        assert not backend.requests_to(f"/public/trickle/{version.__name__}/"), "no backend has heard of them yet"
        for upload in uploads:
            upload.send(b"y" * 999)
            upload.end()
        for upload in uploads:
            seen = json.loads(upload.response().body)
            assert (seen["body"], seen["target"]) == ("x" + "y" * 999, upload.path)
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("length", [None, 300 * KIB], ids=["chunked", "length"])
def test_what_is_longer_than_the_bound_goes_on_when_the_bound_is_full(backend, client, length):
    path = f"/public/long-{type(client).__name__}-{length}"
    upload = Upload(client, path, length=length)
    upload.send(b"a" * (63 * KIB))
    for _ in range(20):
        upload.pump()
    assert not backend.requests_to(path)
    upload.send(b"b" * (2 * KIB))
    eventually(lambda: upload.pump() or backend.requests_to(path), 10)
    upload.send(b"c" * (235 * KIB))
    upload.end()
    answer = upload.response()
    assert answer.status == 200 and json.loads(answer.body)["body_bytes"] == 300 * KIB


def test_a_request_says_the_same_as_it_would_have(backend, client):
    path = f"/public/same-{type(client).__name__}"
    upload = Upload(client, path + "-chunked")
    upload.send(b"abc")
    upload.pump()
    upload.send(b"def")
    upload.end(trailers=[("x-sum", "6"), ("x-internal-token", "mine")])
    seen = json.loads(upload.response().body)
    assert seen["body"] == "abcdef" and seen["trailers"] == [["x-sum", "6"]]
    names = {name.lower(): value for name, value in seen["headers"]}
    assert names["transfer-encoding"] == "chunked" and "content-length" not in names
    upload = Upload(client, path + "-length", length=6)
    upload.send(b"abc")
    upload.pump()
    upload.send(b"def")
    upload.end()
    seen = json.loads(upload.response().body)
    names = {name.lower(): value for name, value in seen["headers"]}
    assert (seen["body"], names["content-length"]) == ("abcdef", "6") and "transfer-encoding" not in names


def test_content_that_turns_out_to_be_empty_is_complete(gateway, backend, client):
    upload = Upload(client, f"/public/empty-{type(client).__name__}")
    for _ in range(5):
        upload.pump()
    upload.end()
    assert json.loads(upload.response().body)["body"] == ""


@pytest.mark.parametrize("path", ["/streamed/", "/public/"])
def test_content_that_ends_before_there_is_a_connection_is_complete_all_the_same(make_gateway, backend, pki, path):
    """An empty DATA frame ends a request while another holds the only connection: the backend must get the last chunk."""
    gateway = make_gateway(
        backends=[conf.backend(pki, backend.port, limits={"connections": 1})],
        routes=[conf.route("public", "/public/**", public=True), conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
    go = threading.Event()

    def hold(connection, request):
        connection.body(request)
        go.wait(patience(20))
        connection.answer(200, b"held")

    backend.on(path + "hold", hold)
    with gateway.client() as first, HTTP2Client(gateway.port, gateway.ca) as second:
        first.request("GET", path + "hold")
        eventually(lambda: backend.requests_to(path + "hold"))
        number = second.start("POST", path + "ended", end=False)
        second.send(number, end=True)
        for _ in range(10):
            second.step(0.05)
        go.set()
        assert first.response().body == b"held"
        assert json.loads(second.response(number).body)["body"] == ""
        assert json.loads(second.exchange("GET", path + "after").body)["target"] == path + "after"


def test_a_route_may_pass_on_what_comes_at_once(backend, client):
    path = f"/streamed/{type(client).__name__}"
    upload = Upload(client, path, length=10)
    eventually(lambda: upload.pump() or backend.requests_to(path), 5)
    upload.send(b"0123456789")
    upload.end()
    assert json.loads(upload.response().body)["body"] == "0123456789"


def test_who_may_not_is_refused_before_anything_is_gathered(client):
    upload = Upload(client, "/orders/1", length=1000)
    problem(upload.response(), 401, "token_missing")


def test_too_much_is_refused_while_it_is_gathered(make_gateway, backend):
    gateway = make_gateway(backend.port, routes=[conf.route("small", "/small/**", public=True, body={"maximum": "1KiB"})])
    for version in VERSIONS:
        with version(gateway.port, gateway.ca) as client:
            upload = Upload(client, "/small/1")
            upload.send(b"x" * 600)
            upload.send(b"x" * 600)
            problem(upload.response(), 413, "body_too_large")
    assert not backend.requests_to("/small/")


def test_content_that_stops_while_it_is_gathered_gets_408(make_gateway, backend):
    gateway = make_gateway(backend.port, timeouts={"body": "1s"})
    for version in VERSIONS:
        with version(gateway.port, gateway.ca) as client:
            upload = Upload(client, "/public/stopped", length=1000)
            upload.send(b"x")
            problem(upload.response(), 408, "request_timeout")
    assert not backend.requests_to("/public/stopped")


def test_clients_that_go_away_leave_nothing_gathered(make_gateway, backend):
    """More than there is memory for, one after the other."""
    gateway = make_gateway(backend.port, changes={"process": {"gathered": "1MiB"}})
    for round in range(10):
        with HTTP2Client(gateway.port, gateway.ca) as client:
            for number in range(20):
                client.send(client.start("POST", f"/public/left/{round}/{number}", end=False), b"x" * 1000)
            client.step(0.05)
    with HTTP1Client(gateway.port, gateway.ca) as client:
        upload = Upload(client, "/public/stays", length=10)
        upload.send(b"01234")
        for _ in range(5):
            upload.pump()
        assert not backend.requests_to("/public/stays"), "there is memory to gather it"
        upload.send(b"56789")
        assert upload.response().status == 200


def test_one_clients_gathering_leaves_memory_for_others(make_gateway, backend):
    gateway = make_gateway(backend.port, changes={"process": {"gathered": "1MiB"}})
    greedy = []

    def fill(address, count):
        client = HTTP2Client(gateway.port, gateway.ca, source=address)
        greedy.append(client)
        for number in range(count):
            client.send(client.start("POST", f"/public/greedy/{address}/{number}", end=False), b"x")
        assert client.exchange("GET", "/public/behind-them").status == 200

    def passed(address):
        for client in greedy:
            client.step(0.01)
        return len(backend.requests_to(f"/public/greedy/{address}/"))

    try:
        # A block of 16 KiB for each: one client may have as many of the 64 as are free. The rest goes on as it comes.
        fill("127.0.0.2", 50)
        eventually(lambda: passed("127.0.0.2") == 18, 10)
        with HTTP1Client(gateway.port, gateway.ca, source="127.0.0.4") as client:
            upload = Upload(client, "/public/modest", length=10)
            upload.send(b"01234")
            for _ in range(5):
                upload.pump()
            assert not backend.requests_to("/public/modest")
            upload.send(b"56789")
            assert upload.response().status == 200
        # A second client has half of the rest, and there is something left for a third.
        fill("127.0.0.3", 32)
        eventually(lambda: passed("127.0.0.3") == 16, 10)
        with HTTP1Client(gateway.port, gateway.ca, source="127.0.0.4") as client:
            upload = Upload(client, "/public/third", length=10)
            upload.send(b"01234")
            for _ in range(5):
                upload.pump()
            assert not backend.requests_to("/public/third")
            upload.send(b"56789")
            assert upload.response().status == 200
        assert gateway.ask("GET", "/public/beside").status == 200
        while greedy:
            greedy.pop().close()
        with HTTP1Client(gateway.port, gateway.ca, source="127.0.0.4") as client:
            upload = Upload(client, "/public/again", length=10)
            upload.send(b"0123456789")
            assert upload.response().status == 200
    finally:
        for client in greedy:
            client.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_who_finds_no_memory_goes_on_all_the_same(make_gateway, backend, version):
    """Many clients together have it all: content of others goes on as it comes, and nobody is refused."""
    gateway = make_gateway(backend.port, changes={"process": {"gathered": "1MiB"}})
    greedy = []
    try:
        # 32, 16, 8, 4, 2, 1 and none of the 64 blocks that there are, and one more each.
        for number, blocks in enumerate([32, 16, 8, 4, 2, 1, 0, 0], 2):
            client = HTTP2Client(gateway.port, gateway.ca, source=f"127.0.0.{number}")
            greedy.append(client)
            for upload in range(blocks + 1):
                client.send(client.start("POST", f"/public/many/{version.__name__}/{number}/{upload}", end=False), b"x")
            assert client.exchange("GET", "/public/behind-them").status == 200

        def passed():
            for client in greedy:
                client.step(0.01)
            return len(backend.requests_to(f"/public/many/{version.__name__}/"))

        eventually(lambda: passed() == 8, 20)
        with version(gateway.port, gateway.ca, source="127.0.0.20") as client:
            upload = Upload(client, f"/public/none-left/{version.__name__}", length=10)
            upload.send(b"01234")
            eventually(lambda: upload.pump() or backend.requests_to(upload.path), what="the content on its way as it comes")
            upload.send(b"56789")
            assert upload.response().status == 200
        assert gateway.metric("gatehouse_denied_total", code="overloaded") == 0
    finally:
        for client in greedy:
            client.close()


def test_what_is_gathered_across_a_reload_is_decided_anew(make_gateway, backend):
    gateway = make_gateway(backend.port)
    with HTTP1Client(gateway.port, gateway.ca) as kept, HTTP1Client(gateway.port, gateway.ca) as lost:
        uploads = [Upload(kept, "/public/kept", length=10), Upload(lost, "/orders/lost", length=10, headers={})]
        problem(uploads[1].response(), 401, "token_missing")
        uploads[0].send(b"01234")
        uploads[0].pump()
        gateway.reload()
        uploads[0].send(b"56789")
        assert json.loads(uploads[0].response().body)["body"] == "0123456789"
    with HTTP2Client(gateway.port, gateway.ca) as client:
        upload = Upload(client, "/public/gone", length=10)
        upload.send(b"01234")
        upload.pump()
        gateway.reload(conf.merged(gateway.configuration, {"routes": [conf.route("other", "/other/**", public=True)]}))
        upload.send(b"56789")
        upload.end()
        problem(upload.response(), 404, "no_route")
    assert not backend.requests_to("/public/gone")


@pytest.mark.parametrize("version", VERSIONS, ids=["HTTP/1.1", "HTTP/2"])
def test_what_is_gathered_for_a_backend_that_a_reload_takes_away_is_refused(make_gateway, backend, pki, version):
    # The second of two is the one that goes: there is nobody behind its number any more.
    both = [conf.backend(pki, backend.port), conf.backend(pki, backend.port, name="users")]
    public = conf.route("public", "/public/**", public=True)
    gateway = make_gateway(backends=both, routes=[conf.route("users", "/users/**", public=True, to="users"), public])
    with version(gateway.port, gateway.ca) as client:
        upload = Upload(client, "/users/gone", length=10)
        upload.send(b"01234")
        upload.pump()
        assert gateway.ask("GET", "/public/beside").status == 200
        gateway.reload(conf.merged(gateway.configuration, {"backends": both[:1], "routes": [public]}))
        upload.send(b"56789")
        upload.end()
        problem(upload.response(), 404, "no_route")
    assert gateway.ask("GET", "/public/after").status == 200
    assert not backend.requests_to("/users/gone")


def test_what_is_gathered_shows_no_internal_token_on_a_route_that_has_become_public(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port)
    with HTTP1Client(gateway.port, gateway.ca) as client:
        upload = Upload(client, "/orders/bare", length=10, headers=bearer)
        upload.send(b"01234")
        upload.pump()
        assert gateway.ask("GET", "/public/beside").status == 200
        gateway.reload(conf.merged(gateway.configuration, {"routes": [conf.route("open", "/orders/**", public=True)]}))
        upload.send(b"56789")
        seen = json.loads(upload.response().body)
    assert seen["body"] == "0123456789"
    assert "x-internal-token" not in [name.lower() for name, _ in seen["headers"]]
