"""HTTP/1.1 semantics on both sides: persistence, content, interim answers, trailers (RFC 9110, 9112)."""
import json
import time

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.rawclient import request_bytes


def raw(text):
    """A script that answers with these bytes once the request is read."""
    def script(connection, request):
        connection.body(request)
        connection.send(text)
    return script


def test_a_connection_serves_many_requests(client, bearer):
    for number in range(50):
        assert seen(client.exchange("GET", f"/orders/{number}", headers=bearer)).target == f"/orders/{number}"


@pytest.mark.parametrize("value", ["close", "Close", "foo, close"])
def test_connection_close_closes(gateway, value):
    with gateway.client() as client:
        answer = client.exchange("GET", "/public/1", headers={"Connection": value})
        assert answer.status == 200 and answer.get("Connection", "").lower() == "close"
        assert client.rest() == b"" and client.clean_end, "with close_notify"


class TestHTTP10:
    def test_closes_by_default(self, gateway):
        with gateway.client() as client:
            answer = client.exchange("GET", "/public/1", version="HTTP/1.0")
            assert answer.status == 200
            assert client.rest() == b""

    def test_without_host(self, gateway):
        with gateway.client() as client:
            assert client.exchange("GET", "/public/1", version="HTTP/1.0", host=None).status == 200

    def test_gets_no_chunks(self, gateway, backend):
        backend.on("/public/ten", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        with gateway.client() as client:
            answer = client.exchange("GET", "/public/ten", version="HTTP/1.0")
            assert answer.all("Transfer-Encoding") == [] and answer.body == b"abcde"

    def test_gets_no_interim_answers(self, gateway, backend):
        backend.on("/public/ten-early", raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        with gateway.client() as client:
            answer = client.exchange("GET", "/public/ten-early", version="HTTP/1.0")
            assert answer.interim == [] and answer.body == b"ok"

    def test_goes_on_when_asked_to(self, gateway):
        with gateway.client() as client:
            answer = client.exchange("GET", "/public/1", version="HTTP/1.0", headers={"Connection": "keep-alive"})
            if answer.get("Connection", "").lower() == "keep-alive":
                assert client.exchange("GET", "/public/2", version="HTTP/1.0").status == 200
            else:
                assert client.rest() == b""

    def test_the_backend_is_spoken_to_in_1_1(self, gateway, backend):
        assert gateway.ask("GET", "/public/ten-version", version="HTTP/1.0").status == 200
        assert backend.requests_to("/public/ten-version")[0].start.endswith("HTTP/1.1")


BODILESS = {
    "HEAD with a length": ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", 200),
    "HEAD with a coding": ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
    "204": ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
    "304 with a length": ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n", 304),
    "an empty 200": ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
}


@pytest.mark.parametrize("what", BODILESS)
def test_answers_without_content_leave_the_connection_in_step(gateway, backend, what):
    method, text, status = BODILESS[what]
    path = f"/public/bodiless-{list(BODILESS).index(what)}"
    backend.on(path, raw(text))
    with gateway.client() as client:
        for _ in range(3):
            answer = client.exchange(method, path)
            assert (answer.status, answer.body) == (status, b"")
        assert seen(client.exchange("GET", "/public/after")).target == "/public/after"
    if what == "HEAD with a length":
        assert answer.get("Content-Length") == "1234"


class TestContinue:
    def test_a_client_that_waits_is_told_to_go_on(self, gateway, backend):
        def script(connection, request):
            if request.get("Expect"):
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            body = connection.body(request).body
            connection.answer(200, body)
        backend.on("/public/continue", script)
        with gateway.client() as client:
            client.request("POST", "/public/continue", headers={"Expect": "100-continue", "Content-Length": "5"})
            interim = client.reader.head()
            assert interim.status == 100
            client.send("hello")
            assert client.response().body == b"hello"
            assert client.exchange("GET", "/public/after").status == 200

    def test_a_client_that_does_not_wait_is_served_too(self, gateway):
        with gateway.client() as client:
            client.request("POST", "/public/eager", headers={"Expect": "100-continue"}, body=b"hello")
            assert seen(client.response()).body == b"hello"

    @pytest.mark.parametrize("path,status", [("/orders/1", 401), ("/nowhere", 404)])
    def test_a_refused_request_gets_its_refusal_at_once(self, gateway, path, status):
        with gateway.client() as client:
            client.request("POST", path, headers={"Expect": "100-continue", "Content-Length": "5"})
            answer = client.response()
            assert answer.status == status and answer.interim == []

    def test_the_backends_refusal_reaches_a_client_that_waits(self, gateway, backend):
        backend.on("/public/unwelcome", lambda connection, request: (
            connection.answer(413, b"no", {"Connection": "close"}, "Too Large"), connection.close()))
        with gateway.client() as client:
            client.request("POST", "/public/unwelcome", headers={"Expect": "100-continue", "Content-Length": "5"})
            assert client.response().status == 413


def test_interim_answers_are_passed_on(gateway, backend):
    backend.on("/public/early", raw("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                                    "HTTP/1.1 103 Early Hints\r\nLink: </b.js>\r\n\r\n"
                                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    with gateway.client() as client:
        answer = client.exchange("GET", "/public/early")
        assert [(i.status, i.get("Link")) for i in answer.interim] == [(103, "</a.css>; rel=preload"), (103, "</b.js>")]
        assert answer.body == b"ok"
        assert client.exchange("GET", "/public/after").status == 200


def test_interim_answers_without_end_are_an_error(make_gateway, pki, backend):
    gateway = make_gateway(backends=[conf.backend(pki, backend.port, timeouts={"response": "1s"})])
    backend.on("/public/forever", raw("HTTP/1.1 103 Early Hints\r\n\r\n" * 5000))
    with gateway.client() as client:
        answer = client.exchange("GET", "/public/forever")
        assert answer.status in (502, 504)


class TestChunks:
    def test_up_with_trailers(self, gateway):
        with gateway.client() as client:
            client.send("POST /public/chunks HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                        "5;name=value\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n")
            request = seen(client.response())
        assert request.body == b"hello world"
        assert ("x-sum", "11") in [(name.lower(), value) for name, value in request.trailers]

    def test_down_with_trailers(self, gateway, backend):
        backend.on("/public/down", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                                       "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n"))
        with gateway.client() as client:
            answer = client.exchange("GET", "/public/down", headers={"TE": "trailers"})
            assert answer.body == b"hello world" and ("x-sum", "11") in [(n.lower(), v) for n, v in answer.trailers]
            assert client.exchange("GET", "/public/after").status == 200

    def test_down_piece_by_piece(self, gateway, backend):
        """A chunk is passed on when it comes, not when the answer is complete."""
        def script(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n")
            for number in range(3):
                connection.send(f"2\r\n{number}\n\r\n")
                time.sleep(0.4)
            connection.send("0\r\n\r\n")
        backend.on("/public/events", script)
        with gateway.client() as client:
            client.request("GET", "/public/events")
            head, start, times = client.reader.response_head(), time.monotonic(), []
            for _ in client.reader.blocks(head, True):
                times.append(time.monotonic() - start)
        assert len(times) == 3 and times[0] < 0.3 and 0.3 < times[1] < 0.75 and 0.65 < times[2] < 1.2, times

    def test_an_answer_that_ends_with_its_connection(self, gateway, backend):
        def script(connection, request):
            connection.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
            connection.close()
        backend.on("/public/until-close", script)
        with gateway.client() as client:
            assert client.exchange("GET", "/public/until-close").body == b"until the end"

    def test_the_backend_gets_exactly_the_bytes(self, gateway):
        body = bytes(range(256)) * 64
        with gateway.client() as client:
            assert json.loads(client.exchange("POST", "/public/bytes", body=body).body)["body_bytes"] == len(body)
            client.request("POST", "/public/bytes", headers={"Transfer-Encoding": "chunked"})
            for start in range(0, len(body), 1000):
                block = body[start:start + 1000]
                client.send(b"%x\r\n%s\r\n" % (len(block), block))
            client.send(b"0\r\n\r\n")
            answer = json.loads(client.response().body)
        assert answer["body"].encode("latin-1") == body


def test_a_request_without_content_gets_none_added(gateway):
    request = seen(gateway.ask("GET", "/public/none"))
    assert request.all("Transfer-Encoding") == []
    assert request.all("Content-Length") in ([], ["0"])
    request = seen(gateway.ask("POST", "/public/none", headers={"Content-Length": "0"}))
    assert request.get("Content-Length") == "0"


HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize("change", [
    {"Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}, {"Upgrade": "websocket2"}, {"Connection": "keep-alive"},
    {"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Version": "8"}, {"Content-Length": "0"},
], ids=lambda change: "-".join(change))
def test_what_opens_no_websocket_is_answered_as_a_plain_request(gateway, change):
    with gateway.client() as client:
        answer = client.exchange("GET", "/public/upgrade", headers=HANDSHAKE | change)
        assert answer.status == 200
        assert seen(answer).all("Upgrade") == [] and seen(answer).all("HTTP2-Settings") == []
        assert client.exchange("GET", "/public/after").status == 200


def test_a_backend_that_switches_protocols_unasked(gateway, backend):
    backend.on("/public/switch", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"))
    problem(gateway.ask("GET", "/public/switch"), 502, "upstream_protocol")


def test_an_unknown_status_and_reason_travel(gateway, backend):
    backend.on("/public/odd", raw("HTTP/1.1 299 Quite Odd\r\nContent-Length: 0\r\n\r\n"))
    assert gateway.ask("GET", "/public/odd").status == 299
    backend.on("/public/reasonless", raw("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"))
    assert gateway.ask("GET", "/public/reasonless").status == 404


def test_large_heads_pass_both_ways(gateway, backend):
    backend.on("/public/large", lambda connection, request: connection.answer(
        200, str(len(request.get("X-Large"))).encode(), {"X-Back": "b" * 12_000}))
    answer = gateway.ask("GET", "/public/large", headers={"X-Large": "a" * 12_000})
    assert answer.body == b"12000" and len(answer.get("X-Back")) == 12_000


def test_requests_of_several_clients_do_not_mix(gateway, bearer):
    clients = [gateway.client() for _ in range(20)]
    try:
        for turn in range(5):
            for number, client in enumerate(clients):
                client.send(request_bytes("POST", f"/orders/{number}/{turn}", headers=bearer, body=f"{number}".encode() * 500))
            for number, client in enumerate(clients):
                request = seen(client.response())
                assert (request.target, request.body) == (f"/orders/{number}/{turn}", f"{number}".encode() * 500)
    finally:
        for client in clients:
            client.close()
