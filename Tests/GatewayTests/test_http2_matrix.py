"""Every crossing of HTTP/1.1 and HTTP/2, client and backend, told from both ends what arrived there."""
import hashlib
import json
import os
import threading
import time

import pytest

from harness import configuration as conf
from harness.backend import Backend, echo
from harness.http2backend import REFUSED_STREAM, HTTP2Backend
from harness.http2client import (CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, Answer, HTTP1Client, HTTP2Client, block, head,
                                 headers_frame)
from harness.message import Truncated
from harness.waiting import accepts, eventually, patience

MIB = 1 << 20
BLOB = os.urandom(8 * MIB)


class Side:
    """One request at the backend, whichever protocol brought it."""

    def __init__(self, request, connection=None):
        self.request = request
        self.connection = connection

    @property
    def is_http2(self):
        return self.connection is None

    def read(self):
        if self.is_http2:
            return self.request.read(), self.request.trailers
        self.connection.body(self.request)
        return self.request.body, self.request.trailers

    def blocks(self):
        """Content as it comes."""
        if not self.is_http2:
            yield from self.connection.reader.blocks(self.request, False)
            return
        taken, stream = 0, self.request
        while True:
            with stream.connection.changed:
                ready = lambda: len(stream.body) > taken or stream.complete.is_set() or stream.cancelled.is_set()
                assert stream.connection.changed.wait_for(ready, 20)
                if len(stream.body) == taken:
                    return
                part = bytes(stream.body[taken:])
            taken += len(part)
            yield part

    def begin(self, status=200, headers=(), length=None):
        fields = [*headers, *([("content-length", str(length))] if length is not None else [])]
        if self.is_http2:
            return self.request.respond(status, fields)
        if length is None:
            fields.append(("Transfer-Encoding", "chunked"))
        self.is_chunked = length is None
        self.connection.send(f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n")

    def interim(self, status, headers):
        if self.is_http2:
            return self.request.interim(status, headers)
        self.connection.send(f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n")

    def send(self, data):
        if self.is_http2:
            return self.request.send(data)
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data) if self.is_chunked else data)

    def finish(self, trailers=()):
        if self.is_http2:
            return self.request.send_trailers(trailers) if trailers else self.request.send(b"", end=True)
        if self.is_chunked:
            self.connection.send("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers) + "\r\n")

    def cut(self):
        if self.is_http2:
            self.request.reset(2)
        else:
            self.connection.close(clean=False)

    def wait_cancelled(self, timeout=10):
        """Whether the gateway gives the request up."""
        if self.is_http2:
            return self.request.cancelled.wait(timeout)
        return self.connection.wait_for_end(timeout)


class Either:
    """A backend of either protocol, scripted as a `Side`."""

    def __init__(self, backend, protocol):
        self.backend = backend
        self.protocol = protocol
        self.is_http2 = protocol == "h2"

    def on(self, path, script):
        if self.is_http2:
            self.backend.on(path, lambda stream: script(Side(stream)))
        else:
            self.backend.on(path, lambda connection, request: script(Side(request, connection)))

    def one(self, path):
        requests = self.backend.requests_to(path)
        assert len(requests) == 1, requests
        return requests[0]


@pytest.fixture(scope="module", params=["http/1.1", "h2"])
def backend(request, pki):
    if request.param == "h2":
        with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
            yield Either(backend, "h2")
            assert backend.faults == []
    else:
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            yield Either(backend, "http/1.1")


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, pki):
    return make_gateway(backends=[conf.backend(pki, backend.backend.port, protocol=backend.protocol)])


@pytest.fixture(params=["http/1.1", "h2"])
def caller(request, gateway, pki):
    """A client of the protocol: `start`, and then `response`."""
    kind = {"http/1.1": HTTP1Client, "h2": HTTP2Client}[request.param]
    with kind(gateway.port, pki.public.certificate) as client:
        client.is_http2 = kind is HTTP2Client
        yield client


def answer_of(caller, started, method="GET"):
    return caller.response(started) if caller.is_http2 else caller.response(method)


def head_of(caller, started):
    return caller.head(started) if caller.is_http2 else caller.head()


def start(caller, *arguments, streamed=False, **more):
    if not caller.is_http2:
        more["streamed"] = streamed
    elif more.get("body") is not None and not streamed:
        more["headers"] = [*more.get("headers", ()), ("content-length", str(len(more["body"])))]
    return caller.start(*arguments, **more)


def field(request, name):
    """The one value of a field at the backend, whichever message it is."""
    values = [value for key, value in (request.fields if hasattr(request, "fields") else request.headers) if key.lower() == name]
    assert len(values) <= 1, values
    return values[0] if values else None


def path_of(what, route="/public"):
    return f"{route}/{what}-{time.time_ns()}"


class TestMessages:
    def test_without_content(self, caller, backend, gateway):
        path = path_of("none")
        backend.on(path, answer_empty)
        answer = answer_of(caller, start(caller, "GET", path, headers=[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]))
        assert (answer.status, answer.body, answer.get("x-kept")) == (204, b"", "yes")
        request = backend.one(path)
        assert field(request, "content-length") is None and field(request, "transfer-encoding") is None
        assert [pair for pair in ((n.lower(), v) for n, v in request.fields) if pair[0] in ("x-a", "x-b")] == [
            ("x-a", "1"), ("x-b", "2"), ("x-a", "3")]
        if backend.is_http2:
            assert all(name == name.lower() for name, _ in request.headers)
            assert (request.method, request.pseudo("scheme"), request.pseudo("authority")) == ("GET", "https", "api.example.com")
            assert request.complete.is_set() and request.get("host") is None
        line = gateway.logged(path=path)
        assert (line["status"], line["bytes_in"], line["bytes_out"]) == (204, 0, 0)

    @pytest.mark.parametrize("size", [1, 100_000])
    @pytest.mark.parametrize("streamed", [False, True], ids=["sized", "streamed"])
    def test_with_content(self, caller, backend, gateway, size, streamed):
        path, body = path_of("content"), BLOB[:size]
        got = []

        def script(side):
            got.append(side.read()[0])
            side.begin(200, length=None if streamed else size)
            side.send(body[::-1])
            side.finish()

        backend.on(path, script)
        answer = answer_of(caller, start(caller, "POST", path, body=body, streamed=streamed), "POST")
        assert (answer.status, answer.body, got) == (200, body[::-1], [body])
        assert answer.get("content-length") == (None if streamed else str(size))
        request = backend.one(path)
        assert field(request, "content-length") == (None if streamed else str(size))
        assert field(request, "transfer-encoding") == ("chunked" if streamed and not backend.is_http2 else None)
        line = gateway.logged(path=path)
        assert (line["status"], line["bytes_in"], line["bytes_out"]) == (200, size, size)

    def test_trailers_both_ways(self, caller, backend):
        path = path_of("trailers")
        got = []

        def script(side):
            got.append(side.read())
            side.begin(200)
            side.send(b"answer")
            side.finish([("x-sum", "42"), ("x-more", "m")])

        backend.on(path, script)
        answer = answer_of(caller, start(caller, "POST", path, body=b"question", streamed=True, headers=[("te", "trailers")],
                                         trailers=[("x-check", "7"), ("x-last", "l")]), "POST")
        assert (answer.status, answer.body) == (200, b"answer")
        assert [(n.lower(), v) for n, v in answer.trailers] == [("x-sum", "42"), ("x-more", "m")]
        assert got[0][0] == b"question"
        assert [(n.lower(), v) for n, v in got[0][1]] == [("x-check", "7"), ("x-last", "l")]

    def test_eight_mebibytes_both_ways_at_once(self, caller, backend, gateway):
        path = path_of("duplex")
        digest = hashlib.sha256()

        def script(side):
            side.begin(200)
            for part in side.blocks():
                digest.update(part)
                side.send(part)
            side.finish()

        backend.on(path, script)
        answer = answer_of(caller, start(caller, "POST", path, body=BLOB, streamed=True), "POST")
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(BLOB).digest() == digest.digest()
        line = gateway.logged(path=path)
        assert (line["bytes_in"], line["bytes_out"]) == (len(BLOB), len(BLOB))
        assert gateway.peak_resident < 64

    def test_an_answer_before_the_content_is_over(self, caller, backend, gateway):
        path = path_of("early", "/streamed")
        backend.on(path, lambda side: (side.begin(403, length=2), side.send(b"no"), side.finish(), side.wait_cancelled()))
        started = start(caller, "POST", path, body=b"x" * 1000, streamed=True, end=False)
        answer = answer_of(caller, started, "POST")
        assert (answer.status, answer.body) == (403, b"no")
        if backend.is_http2:
            request = backend.one(path)
            eventually(lambda: request.cancelled.is_set(), what="the rest of the request is given up")
            assert request.reset_code in (NO_ERROR, CANCEL)
        assert gateway.logged(path=path)["status"] == 403
        assert gateway.ask("GET", "/public/afterwards").status == 200

    def test_interim_answers_cross(self, caller, backend):
        path = path_of("hints")
        link = ("link", "</style.css>; rel=preload")
        backend.on(path, lambda side: (side.interim(103, [link]), side.begin(200, length=2), side.send(b"ok"), side.finish()))
        answer = answer_of(caller, start(caller, "GET", path))
        assert (answer.status, answer.body) == (200, b"ok")
        assert [message.status for message in answer.interim] == [103]
        assert [message.get("link") for message in answer.interim] == [link[1]]

    def test_head_has_a_length_and_no_content(self, caller, backend):
        path = path_of("head")
        backend.on(path, lambda side: side.request.respond(200, [("content-length", "1234")], end=True) if side.is_http2
                   else side.begin(200, length=1234))
        answer = answer_of(caller, start(caller, "HEAD", path), "HEAD")
        assert (answer.status, answer.get("content-length"), answer.body) == (200, "1234", b"")
        path = path_of("after-head")
        backend.on(path, lambda side: (side.begin(200, length=2), side.send(b"ok"), side.finish()))
        assert answer_of(caller, start(caller, "GET", path)).body == b"ok"


def answer_empty(side):
    if side.is_http2:
        side.request.respond(204, [("x-kept", "yes")], end=True)
    else:
        side.connection.send("HTTP/1.1 204 X\r\nx-kept: yes\r\n\r\n")


class TestEnds:
    def test_the_client_leaves_in_the_answer(self, caller, backend, gateway, pki):
        path, calm = path_of("left"), path_of("calm")
        cancelled, go = [], threading.Event()

        def script(side):
            side.begin(200)
            side.send(b"x" * 1000)
            cancelled.append(side.wait_cancelled())

        backend.on(path, script)
        backend.on(calm, lambda side: (side.begin(200, length=4), side.send(b"ca"), go.wait(patience(10)), side.send(b"lm"), side.finish()))
        with HTTP2Client(gateway.port, pki.public.certificate) as other:
            undisturbed = other.start("GET", calm)
            other.head(undisturbed)
            started = start(caller, "GET", path)
            assert head_of(caller, started).status == 200
            if caller.is_http2:
                caller.cancel(started)
            else:
                caller.close()
            eventually(lambda: cancelled == [True], what="the backend learns of it")
            if backend.is_http2:
                assert backend.one(path).reset_code == CANCEL
                assert backend.one(path).connection is backend.one(calm).connection
            go.set()
            assert other.response(undisturbed).body == b"calm"

    def test_the_backend_leaves_before_its_head(self, caller, backend, gateway):
        path = path_of("gone")
        backend.on(path, lambda side: (side.read(), side.cut()))
        answer = answer_of(caller, start(caller, "POST", path, body=b"x"), "POST")
        assert answer.status == 502 and json.loads(answer.body)["code"] == "upstream_reset"
        assert answer.get("content-type") == "application/problem+json"
        backend.one(path)
        line = gateway.logged(path=path)
        assert line["status"] == 502

    def test_the_backend_leaves_in_its_answer(self, caller, backend, gateway):
        path = path_of("cut")
        seen = threading.Event()
        backend.on(path, lambda side: (side.begin(200), side.send(b"half"), seen.wait(patience(10)), side.cut()))
        started = start(caller, "GET", path)
        head_of(caller, started)
        if caller.is_http2:
            caller.until(lambda: caller.streams[started].body == b"half")
            seen.set()
            answer = caller.response(started)
            assert (answer.body, answer.complete, answer.reset_code) == (b"half", False, INTERNAL_ERROR)
            assert caller.exchange("GET", "/public/still-open").status == 200
        else:
            assert [caller.reader.line() for _ in range(2)] == [b"4", b"half"]
            seen.set()
            with pytest.raises(Truncated):
                caller.reader.line()
        backend.one(path)


# A request whose end comes before there is a connection to send it over.


@pytest.fixture
def narrow(pki, make_gateway):
    """A gateway of its own with one connection to an HTTP/1.1 backend of its own."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 1})])
        with HTTP2Client(gateway.port, pki.public.certificate) as client:
            yield gateway, backend, client


def start_at_once(client, path, trailers):
    """Head and end of a request without content and without a length, in one piece."""
    number = client.h2.get_next_available_stream_id()
    client.streams[number] = Answer("", [])
    client.h2.send_headers(number, head(path, "POST"))
    if trailers:
        client.h2.send_headers(number, trailers, end_stream=True)
    else:
        client.h2.end_stream(number)
    client._write()
    return number


def seen_by(backend, path):
    return next(connection for connection in backend.connections if any(r.target == path for r in connection.requests))


@pytest.mark.parametrize("trailers", [[], [("x-check", "7")]], ids=["no trailers", "trailers"])
def test_an_end_that_comes_before_the_connection_is_made(narrow, trailers):
    _, backend, client = narrow
    answer = client.response(start_at_once(client, "/public/opening", trailers))
    seen = json.loads(answer.body)
    assert (answer.status, seen["body_bytes"], seen["trailers"]) == (200, 0, [list(pair) for pair in trailers])
    assert seen_by(backend, "/public/opening").received.startswith(b"POST /public/opening HTTP/1.1\r\n")


@pytest.mark.parametrize("trailers", [[], [("x-check", "7")]], ids=["no trailers", "trailers"])
def test_an_end_that_comes_while_its_request_waits_in_line(narrow, trailers):
    _, backend, client = narrow
    go = threading.Event()
    backend.on("/public/first", lambda connection, request: (go.wait(patience(20)), connection.answer(200, b"first")))
    first = client.start("GET", "/public/first")
    eventually(lambda: backend.requests_to("/public/first"), 20)
    second = start_at_once(client, "/public/second", trailers)
    # The gateway has read what came before this.
    assert client.exchange("GET", "/nowhere").status == 404
    go.set()
    assert client.response(first).body == b"first"
    seen = json.loads(client.response(second).body)
    assert (seen["body_bytes"], seen["trailers"]) == (0, [list(pair) for pair in trailers])


@pytest.mark.parametrize("kind", [HTTP1Client, HTTP2Client])
def test_a_request_without_content_or_length_is_whole_when_it_is_sent_again(narrow, kind, pki):
    gateway, backend, warm = narrow
    assert warm.exchange("GET", "/public/warm").status == 200
    backend.on("/public/stale", lambda connection, request: (connection.body(request), connection.close(clean=False))
               if len(backend.requests_to("/public/stale")) == 1 else echo(connection, request))
    with kind(gateway.port, pki.public.certificate) as client:
        client.is_http2 = kind is HTTP2Client
        if client.is_http2:
            started = client.start("PUT", "/public/stale", end=False)
            client.send(started, b"", end=True)
        else:
            started = start(client, "PUT", "/public/stale", body=b"", streamed=True)
        answer = answer_of(client, started, "PUT")
    assert (answer.status, json.loads(answer.body)["body_bytes"]) == (200, 0)
    assert len(backend.requests_to("/public/stale")) == 2


# What only HTTP/2 backends do.


@pytest.fixture
def own(pki, make_gateway, request):
    """A gateway of its own before an HTTP/2 backend of its own."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate, **getattr(request, "param", {})) as backend:
        # One client may have all of it.
        limits = {"connections": 4, "client_share": "100%"}
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", limits=limits)])
        with HTTP2Client(gateway.port, pki.public.certificate) as client:
            yield gateway, backend, client


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_going_backend_has_not_seen_is_sent_again(own, method):
    """GOAWAY below the stream: not processed, so even a POST may be sent once more."""
    gateway, backend, client = own
    assert client.exchange("GET", "/public/warm").status == 200

    def script(stream):
        if len(backend.requests_to("/public/again")) == 1:
            stream.connection.go_away(stream.id - 2)
            stream.connection.close()
        else:
            stream.answer(200, b"second")

    backend.on("/public/again", script)
    answer = client.exchange(method, "/public/again")
    assert (answer.status, answer.body) == (200, b"second")
    assert len(backend.requests_to("/public/again")) == 2 and len(backend.connections) == 2


def test_what_a_going_backend_has_begun_is_finished(own):
    gateway, backend, client = own
    told = threading.Event()

    def script(stream):
        stream.connection.go_away(stream.id)
        stream.respond(200)
        stream.send(b"first ")
        told.wait(patience(10))
        stream.send(b"last", end=True)

    backend.on("/public/begun", script)
    number = client.start("GET", "/public/begun")
    client.until(lambda: client.streams[number].body == b"first ")
    assert client.exchange("GET", "/public/elsewhere").status == 200
    assert backend.requests_to("/public/elsewhere")[0].connection is not backend.requests_to("/public/begun")[0].connection
    told.set()
    assert client.response(number).body == b"first last"


def test_a_post_that_a_going_backend_may_have_seen_is_not_sent_again(own):
    gateway, backend, client = own
    assert client.exchange("GET", "/public/warm").status == 200
    backend.on("/public/perhaps", lambda stream: (stream.connection.go_away(stream.id), stream.connection.close()))
    answer = client.exchange("POST", "/public/perhaps")
    problem_of(answer, 502, "upstream_reset")
    assert len(backend.requests_to("/public/perhaps")) == 1


def problem_of(answer, status, code):
    assert answer.status == status, (answer.start, answer.fields, bytes(answer.body))
    document = json.loads(answer.body)
    assert (document["code"], document["status"]) == (code, status)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_refused_stream_is_sent_again(own, method):
    gateway, backend, client = own
    backend.on("/public/refused", lambda stream: stream.reset(REFUSED_STREAM)
               if len(backend.requests_to("/public/refused")) == 1 else stream.answer(200, b"second"))
    answer = client.exchange(method, "/public/refused")
    assert (answer.status, answer.body) == (200, b"second")
    assert len(backend.requests_to("/public/refused")) == 2


def test_a_post_with_content_that_was_passed_on_is_not_sent_again(own):
    gateway, backend, client = own
    backend.on("/public/passed", lambda stream: (stream.read(), stream.reset(REFUSED_STREAM)))
    problem_of(client.exchange("POST", "/public/passed", body=b"content"), 502, "upstream_reset")
    assert len(backend.requests_to("/public/passed")) == 1


@pytest.mark.parametrize("own", [{"streams": 3}], indirect=True)
def test_no_more_streams_than_the_backend_allows(own):
    gateway, backend, client = own
    # Until the backend's SETTINGS are heard its limit is not known.
    assert client.exchange("GET", "/public/warm").status == 200
    eventually(lambda: not any(connection.alive for connection in backend.connections), what="the backend done with it as well")
    go = threading.Event()
    backend.on("/public/hold", lambda stream: (go.wait(patience(20)), stream.answer(200, b"held")))
    numbers = [client.start("GET", f"/public/hold-{number}") for number in range(8)]

    def all_there():
        client.step(0.01)
        return len(backend.requests_to("/public/hold")) == 8

    try:
        eventually(all_there, 15, what="all requests at the backend")
    finally:
        go.set()
    assert [bytes(client.response(number).body) for number in numbers] == [b"held"] * 8
    assert all(connection.most_alive <= 3 for connection in backend.connections) and len(backend.connections) >= 3


BAD_HEADS = {
    "no status": [("x-a", "1")],
    "a status of two digits": [(":status", "20")],
    "a status out of range": [(":status", "999")],
    "two statuses": [(":status", "200"), (":status", "201")],
    "a status after a field": [("x-a", "1"), (":status", "200")],
    "a pseudo-header of requests": [(":status", "200"), (":path", "/")],
    "a name in upper case": [(":status", "200"), ("X-A", "1")],
    "a connection field": [(":status", "200"), ("connection", "close")],
    "a transfer coding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "a NUL in a value": [(":status", "200"), ("x-a", "1\x002")],
    "a line end in a value": [(":status", "200"), ("x-a", "1\r\nset-cookie: a=b")],
    "two lengths": [(":status", "200"), ("content-length", "0"), ("content-length", "1")],
    "a length with a sign": [(":status", "200"), ("content-length", "+0")],
    "switching protocols": [(":status", "101")],
    "more fields than there may be": [(":status", "200"), *((f"x-{number}", "1") for number in range(200))],
}


def test_a_bad_head_costs_its_stream_only(own):
    gateway, backend, client = own
    go = threading.Event()
    backend.on("/public/good", lambda stream: (stream.respond(200), stream.send(b"go"), go.wait(patience(30)), stream.send(b"od", end=True)))
    good = client.start("GET", "/public/good")
    client.head(good)
    wrong = {}
    for number, (what, fields) in enumerate(BAD_HEADS.items()):
        backend.on(f"/public/bad-{number}/", lambda stream, fields=fields: stream.connection.raw(malformed(stream, fields)))
        answer = client.exchange("POST", f"/public/bad-{number}/")
        code = json.loads(answer.body)["code"] if answer.status == 502 else None
        if code != "upstream_protocol" or len(backend.requests_to(f"/public/bad-{number}/")) != 1:
            wrong[what] = (answer.start, code)
    go.set()
    assert client.response(good).body == b"good"
    assert wrong == {} and len(backend.connections) == 1


def malformed(stream, fields):
    """HEADERS of literals that no library corrects."""
    return headers_frame(stream.id, block(fields), end=True)


@pytest.mark.parametrize("length,content", [(10, b"short"), (3, b"longer")])
def test_a_length_that_is_not_kept_costs_its_stream_only(own, length, content):
    gateway, backend, client = own
    backend.on("/streamed/lies", lambda stream: (stream.respond(200, [("content-length", str(length))]), stream.send(content, end=True)))
    # The request stays open: the backend hears no reset of a stream that is over on both sides.
    answer = client.response(client.start("POST", "/streamed/lies", end=False))
    if answer.reset_code is not None:
        # Known too late for another answer. A head that came in the same turn may have gone with its stream.
        assert not answer.complete and answer.reset_code == INTERNAL_ERROR and (not answer.head_came or answer.status == 200)
    else:
        problem_of(answer, 502, "upstream_protocol")
    eventually(lambda: backend.requests_to("/streamed/lies")[0].reset_code is not None, what="its reset")
    assert backend.requests_to("/streamed/lies")[0].reset_code == PROTOCOL_ERROR
    assert client.exchange("GET", "/public/next").status == 200
    assert len(backend.connections) == 1


@pytest.mark.parametrize("own", [{"window": 1000}], indirect=True)
def test_a_backends_small_windows_are_kept(own):
    gateway, backend, client = own
    # Until the backend's SETTINGS are heard its windows have the default size.
    assert client.exchange("GET", "/public/warm").status == 200
    answer = client.exchange("POST", "/public/narrow", body=b"n" * 100_000)
    assert json.loads(answer.body)["body_bytes"] == 100_000
    assert backend.faults == []


def test_a_drain_announces_itself_and_finishes_what_it_carries(own):
    gateway, backend, client = own
    go = threading.Event()
    backend.on("/public/drain", lambda stream: (stream.respond(200), stream.send(b"before "), go.wait(patience(10)), stream.send(b"after", end=True)))
    numbers = [client.start("GET", f"/public/drain-{number}") for number in range(5)]
    for number in numbers:
        client.head(number)
    gateway.signal(15)
    client.until(lambda: len(client.goaways) >= 2, 5, "two GOAWAYs")
    assert client.goaways == [((1 << 31) - 1, NO_ERROR), (numbers[-1], NO_ERROR)]
    eventually(lambda: not accepts(gateway.port), what="no new connections")
    go.set()
    assert [bytes(client.response(number).body) for number in numbers] == [b"before after"] * 5
    assert gateway.process.wait(patience(5)) == 0


@pytest.mark.parametrize("path", ["/public/", "/streamed/"])
@pytest.mark.parametrize("body", [b"hello", b""], ids=["content", "no content"])
def test_trailers_behind_content_of_a_promised_length_do_not_begin_the_next_request(make_gateway, pki, path, body):
    """HTTP/1.1 has no place for them: the backend would take them for another request's first bytes."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(
            backends=[conf.backend(pki, backend.port, protocol="http/1.1", limits={"connections": 1})],
            routes=[conf.route("public", "/public/**", public=True),
                    conf.route("streamed", "/streamed/**", public=True, body={"gather": 0})])
        with HTTP2Client(gateway.port, gateway.ca) as client:
            number = client.start("POST", f"{path}1", headers=[("content-length", str(len(body)))], body=body, trailers=[("x-check", "7")])
            seen = json.loads(client.response(number).body)
            assert (seen["body_bytes"], seen["trailers"]) == (len(body), [])
            assert client.exchange("GET", f"{path}2").status == 200
        received, = [connection.received for connection in backend.connections if connection.requests]
        head, _, rest = received.partition(b"\r\n\r\n")
        assert head.startswith(f"POST {path}1 ".encode()) and rest.startswith(body + f"GET {path}2 ".encode()), received
