"""`Expect: 100-continue` is the backend's to answer: with 100, with a refusal before the content, or not at all."""
import http.client
import ssl
import subprocess
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP1Client, HTTP2Client
from harness.nginx import Nginx
from harness.upload import Upload
from harness.waiting import eventually, free_port, patience
from test_interim_responses import CLIENTS, COUNT

MIB = 1 << 20
EXPECT = [("expect", "100-continue"), ("content-length", "5")]


class Side:
    """A backend of either version. `script(request)` has what both can do."""

    def __init__(self, version, pki):
        self.version = version
        self.backend = (HTTP2Backend if version == "h2" else Backend)(pki.backend, pki.mesh.certificate)

    def on(self, path, script):
        if self.version == "h2":
            self.backend.on(path, lambda stream: script(HTTP2Request(stream)))
        else:
            self.backend.on(path, lambda connection, request: script(HTTP1Request(connection, request)))

    def last(self, path):
        return self.backend.requests_to(path)[-1]


class HTTP1Request:
    def __init__(self, connection, request):
        self.connection, self.request = connection, request
        self.expects = request.get("Expect")

    def interim(self, status):
        self.connection.send(f"HTTP/1.1 {status} Interim\r\n\r\n")

    def read(self):
        return self.connection.body(self.request).body

    def answer(self, status, content):
        self.connection.answer(status, content)

    def gone(self):
        self.connection.wait_for_end(20)


class HTTP2Request:
    def __init__(self, stream):
        self.stream = stream
        self.expects = stream.get("expect")

    def interim(self, status):
        self.stream.interim(status)

    def read(self):
        return self.stream.read()

    def answer(self, status, content):
        self.stream.answer(status, content)

    def gone(self):
        self.stream.cancelled.wait(20)


@pytest.fixture(scope="module", params=["h1", "h2"], ids=["from-h1", "from-h2"])
def upstream(request, pki, make_gateway):
    side = Side(request.param, pki)
    more = {"protocol": "h2"} if request.param == "h2" else {}
    gateway = make_gateway(backends=[conf.backend(pki, side.backend.port, **more)])
    yield gateway, side
    side.backend.stop()


@pytest.fixture(params=CLIENTS, ids=["to-h1", "to-h2"])
def client(request, upstream):
    with CLIENTS[request.param](upstream[0].port, upstream[0].ca) as client:
        client.is_http2 = CLIENTS[request.param] is HTTP2Client
        yield Waiting(client)


class Waiting:
    """A client that sends its head, and its content when it is told."""

    def __init__(self, client):
        self.client = client
        self.number = None

    def start(self, path, headers=EXPECT):
        self.number = self.client.start("POST", path, headers=headers, end=False)

    def interim(self):
        """The next interim response, or None when the answer itself comes first."""
        if not self.client.is_http2:
            head = self.client.reader.head()
            return head if head.status < 200 else None
        answer = self.client.streams[self.number]
        self.client.until(lambda: answer.interim or answer.head_came, 20, "a head")
        return answer.interim[0] if answer.interim else None

    def send(self, content):
        if self.client.is_http2:
            self.client.send(self.number, content, end=True)
        else:
            self.client.link.send(content)

    def response(self):
        return self.client.response(self.number) if self.client.is_http2 else self.client.response()


def test_100_is_the_backends(upstream, client):
    _, side = upstream
    go, seen = threading.Event(), []

    def script(request):
        seen.append(request.expects)
        go.wait(0.3)
        request.interim(100)
        request.answer(200, request.read())

    side.on("/public/granted", script)
    client.start("/public/granted")
    began = time.monotonic()
    assert client.interim().status == 100
    assert time.monotonic() - began > 0.25, "nobody says it before the backend does"
    client.send(b"hello")
    answer = client.response()
    assert (answer.status, bytes(answer.body), seen) == (200, b"hello", ["100-continue"])
    if client.client.is_http2:
        assert len(answer.interim) == 1
    else:
        assert answer.interim == []


def test_a_backend_that_says_nothing_is_spoken_for(upstream, client):
    _, side = upstream
    side.on("/public/silent", lambda request: request.answer(200, request.read()))
    client.start("/public/silent")
    began = time.monotonic()
    assert client.interim().status == 100
    assert time.monotonic() - began > 0.9
    client.send(b"hello")
    assert bytes(client.response().body) == b"hello"


def test_a_late_100_is_not_said_twice(upstream, client):
    _, side = upstream

    def script(request):
        content = request.read()
        request.interim(100)
        request.interim(103)
        request.answer(200, content)

    side.on("/public/late", script)
    client.start("/public/late")
    assert client.interim().status == 100
    client.send(b"hello")
    answer = client.response()
    statuses = [message.status for message in answer.interim]
    assert bytes(answer.body) == b"hello" and statuses == ([100, 103] if client.client.is_http2 else [103])


def test_as_many_others_as_ever_are_allowed_beside_it(upstream, client):
    _, side = upstream

    def script(request):
        request.interim(100)
        for _ in range(COUNT):
            request.interim(103)
        request.answer(200, request.read())

    side.on("/public/many", script)
    client.start("/public/many")
    assert client.interim().status == 100
    client.send(b"hello")
    answer = client.response()
    assert answer.status == 200 and len([message for message in answer.interim if message.status == 103]) == COUNT


@pytest.mark.parametrize("status", [401, 413, 417, 200])
def test_an_answer_comes_before_the_content(upstream, client, status):
    gateway, side = upstream
    path = f"/public/refused-{status}"
    side.on(path, lambda request: (request.answer(status, b"no" * 10_000), request.gone()))
    client.start(path)
    answer = client.response()
    assert (answer.status, bytes(answer.body), answer.interim) == (status, b"no" * 10_000, [])
    if not client.client.is_http2:
        assert answer.get("Connection") == "close", "whether content follows is unknown"
    if side.version == "h2":
        request = side.last(path)
        eventually(request.cancelled.is_set)
        assert bytes(request.body) == b"" and not request.complete.is_set()
    assert gateway.logged(path=path)["bytes_in"] == 0
    assert gateway.ask("GET", "/public/after").status == 200


def test_content_that_comes_unasked_is_not_held_up(upstream, client):
    _, side = upstream
    side.on("/public/eager", lambda request: request.answer(200, request.read()))
    client.start("/public/eager")
    client.send(b"hello")
    began = time.monotonic()
    answer = client.response()
    assert bytes(answer.body) == b"hello" and answer.interim == []
    assert time.monotonic() - began < 0.9


def test_a_100_that_nobody_expects_goes_nowhere(upstream, client):
    _, side = upstream
    side.on("/public/unasked", lambda request: (request.interim(100), request.answer(200, request.read())))
    client.start("/public/unasked", [("content-length", "5")])
    client.send(b"hello")
    answer = client.response()
    assert bytes(answer.body) == b"hello" and answer.interim == []


def test_an_answer_that_takes_long_is_not_cut_for_content_that_is_not_wanted(upstream, pki, make_gateway):
    """It takes until another client has been told that it took too long: one whose time began later."""
    _, side = upstream
    more = {"protocol": "h2"} if side.version == "h2" else {}
    gateway = make_gateway(backends=[conf.backend(pki, side.backend.port, **more)], timeouts={"body": "1s"})

    def script(connection, request):
        connection.send("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nha")
        assert go_on.wait(patience(20))
        connection.send("lf")
        connection.wait_for_end(20)

    def stream_script(stream):
        stream.respond(403, [("content-length", "4")])
        stream.send(b"ha")
        assert go_on.wait(patience(20))
        stream.send(b"lf", end=True)

    side.backend.on("/public/long", stream_script if side.version == "h2" else script)
    for kind in CLIENTS.values():
        go_on = threading.Event()
        with kind(gateway.port, gateway.ca) as client, HTTP1Client(gateway.port, gateway.ca) as other:
            client.is_http2 = kind is HTTP2Client
            waiting = Waiting(client)
            waiting.start("/public/long")
            head = client.head(waiting.number) if client.is_http2 else client.head()
            late = Upload(other, "/public/late", length=2)
            late.send(b"x")
            problem(late.response(), 408, "request_timeout")
            go_on.set()
            answer = waiting.response() if client.is_http2 else client.reader.body(head, True)
            assert (answer.status, bytes(answer.body)) == (403, b"half")


def test_an_http10_client_expects_nothing(upstream):
    gateway, side = upstream
    seen = []
    side.on("/public/old", lambda request: (seen.append(request.expects), request.answer(200, request.read())))
    with gateway.client() as client:
        client.request("POST", "/public/old", version="HTTP/1.0", headers={"Expect": "100-continue"}, body=b"hello")
        answer = client.response()
        assert (answer.status, answer.body, answer.interim, seen) == (200, b"hello", [], [None])


def test_what_the_gateway_refuses_gets_no_100(upstream, client):
    client.start("/orders/1")
    answer = client.response()
    assert answer.status == 401 and answer.interim == []


@pytest.fixture(scope="module")
def nginx(pki, tmp_path_factory):
    # Written before nginx starts: after a reload the workers of before still answer on the connections they have.
    port = free_port()
    with Nginx(tmp_path_factory.mktemp("nginx"), pki.backend, pki.mesh.certificate, port=port, locations=f"""
    location /public/no {{ client_max_body_size 1k; }}
    location /public/up {{
      proxy_pass https://127.0.0.1:{port}/taken; proxy_ssl_certificate {pki.gateway.certificate}; proxy_ssl_certificate_key {pki.gateway.key};
    }}
    """) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def before_nginx(make_gateway, nginx):
    return make_gateway(nginx.port)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("path,status", [("/public/no", b"413"), ("/public/up", b"200")])
def test_curl_and_nginx(before_nginx, pki, curl, tmp_path, version, path, status):
    with open(tmp_path / "content", "wb") as file:
        file.truncate(3 * MIB)

    def ask():
        result = subprocess.run(
            [curl, "-sS", version, "--expect100-timeout", "20", "--cacert", pki.public.certificate, "-H", "Expect: 100-continue",
             "-T", tmp_path / "content", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}",
             f"https://localhost:{before_nginx.port}{path}"], capture_output=True, timeout=60)
        assert result.returncode == 0, result
        return result.stdout.split()
    eventually(lambda: ask()[0] == status, 20, what="nginx reloaded")
    code, sent = ask()
    assert code == status
    # Over HTTP/2 this curl does not wait.
    if status == b"200" or version == "--http1.1":
        assert int(sent) == (3 * MIB if status == b"200" else 0)


def test_pythons_client(before_nginx, pki):
    connection = http.client.HTTPSConnection(
        "localhost", before_nginx.port, timeout=30, context=ssl.create_default_context(cafile=str(pki.public.certificate)))
    connection.request("POST", "/public/no", body=b"b" * MIB, headers={"Expect": "100-continue"})
    answer = connection.getresponse()
    assert answer.status == 413 and b"nginx" in answer.read()
