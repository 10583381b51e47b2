"""502, 503, 504: backends that answer badly, late or not at all."""
import socket
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.rawclient import Truncated
from harness.waiting import eventually, free_port, patience

GARBAGE = {
    "no status line": b"hello\r\n\r\n",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status out of range": b"HTTP/1.1 999999 OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 300_000,
}


@pytest.mark.parametrize("what", GARBAGE)
def test_an_answer_with_no_single_reading(gateway, backend, what):
    path = f"/public/garbage-{list(GARBAGE).index(what)}"

    def script(connection, request):
        connection.send(GARBAGE[what])
        connection.wait_for_end(2)
        connection.close()

    backend.on(path, script)
    problem(gateway.ask("GET", path), 502, "upstream_protocol")
    assert gateway.ask("GET", "/public/afterwards").status == 200


@pytest.mark.parametrize("clean", [True, False], ids=["closed", "reset"])
def test_a_backend_that_goes_away_before_it_answers(gateway, backend, clean):
    path = f"/public/gone-{clean}"
    backend.on(path, lambda connection, request: connection.close(clean))
    problem(gateway.ask("POST", path, body=b"x"), 502, "upstream_reset")


def test_a_backend_that_answers_and_hangs_up_on_the_rest_is_heard(gateway, backend):
    """Writing to it fails before its answer is read, or after: the answer is in the socket all the same."""
    def script(connection, request):
        connection.answer(413, b"too much for me", reason="Content Too Large")
        connection.close(clean=False)

    backend.on("/streamed/enough", script)
    for _ in range(30):
        with gateway.client() as client:
            client.request("POST", "/streamed/enough", headers={"Content-Length": "2000000"})
            try:
                client.send(b"x" * 2_000_000)
            except OSError:
                pass
            answer = client.response()
            assert (answer.status, answer.body) == (413, b"too much for me"), answer.body


def test_a_backend_that_goes_away_in_the_head(gateway, backend):
    def script(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-")
        connection.close()
    backend.on("/public/half-head", script)
    problem(gateway.ask("POST", "/public/half-head", body=b"x"), 502, ("upstream_reset", "upstream_protocol"))


def test_an_endpoint_that_refuses_connections_is_passed_over(make_gateway, pki, backend):
    several = conf.backend(pki, backend.port)
    several["endpoints"] = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{backend.port}"]
    gateway = make_gateway(backends=[several])
    for _ in range(6):
        assert gateway.ask("POST", "/public/any", body=b"x").status == 200


def outcomes(gateway):
    """What became of the requests to backends, without those of which there is none."""
    from harness.prometheus import parse
    return {sample.labels["result"]: int(sample.value) for sample in parse(gateway.admin("/metrics").text).samples
            if sample.name == "gatehouse_upstream_requests_total"}


class TestBlame:
    @pytest.fixture
    def gateway(self, make_gateway, backend, idp, jwks):
        return make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, leeway="0s")]}, routes=[
            conf.route("hasty", "/hasty/**", public=True, timeout="500ms"), conf.route("public", "/public/**", public=True),
            conf.route("live", "/live/**", end_at_expiry=True)])

    def begin(self, backend, path, then):
        def script(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning")
            then(connection)
        backend.on(path, script)

    def test_what_a_backend_breaks_off_is_broken_once(self, gateway, backend):
        self.begin(backend, "/public/broken-off", lambda connection: connection.close())
        with gateway.client() as client:
            client.request("GET", "/public/broken-off")
            with pytest.raises(Truncated):
                client.response()
        line = gateway.logged(path="/public/broken-off")
        assert (line["status"], line["code"]) == (200, "upstream_reset")
        assert outcomes(gateway) == {"broken": 1}

    def test_what_others_end_is_not_the_backend_s_doing(self, gateway, backend, idp):
        for path in ("/public/left", "/live/expired", "/hasty/late"):
            self.begin(backend, path, lambda connection: connection.wait_for_end(20))
        with gateway.client() as client:
            client.request("GET", "/public/left")
            assert client.reader.response_head().status == 200
        with gateway.client() as client:
            client.request("GET", "/hasty/late")
            assert client.reader.response_head().status == 200
            client.rest()
        with gateway.client() as client:
            client.request("GET", "/live/expired", headers=idp.bearer(exp=int(time.time()) + 2))
            assert client.reader.response_head().status == 200
            client.rest(timeout=20)
        for path, code in (("/public/left", None), ("/hasty/late", "upstream_timeout"), ("/live/expired", "token_expired")):
            line = gateway.logged(path=path)
            assert (line["status"], line["code"]) == (200, code)
        assert outcomes(gateway) == {"success": 3}


def test_the_log_names_the_endpoint_that_failed(make_gateway, pki, backend):
    """Which of a backend's endpoints to look at is what an operator wants to know of a failure."""
    refuses = free_port()
    gateway = make_gateway(backends=[conf.backend(pki, backend.port), conf.backend(pki, refuses, name="refuses")], routes=[
        conf.route("hasty", "/hasty/**", public=True, timeout="500ms"), conf.route("public", "/public/**", public=True),
        conf.route("refused", "/refused/**", to="refuses", public=True)])
    backend.on("/hasty/hangs", lambda connection, request: connection.wait_for_end(20))
    backend.on("/public/hangs", lambda connection, request: connection.wait_for_end(20))
    backend.on("/public/resets", lambda connection, request: connection.close(False))
    backend.on("/public/switches", lambda connection, request: connection.send("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
    problem(gateway.ask("GET", "/hasty/hangs"), 504, "upstream_timeout")
    problem(gateway.ask("POST", "/public/resets", body=b"x"), 502, "upstream_reset")
    problem(gateway.ask("GET", "/public/switches"), 502, "upstream_protocol")
    problem(gateway.ask("GET", "/refused/1"), 502, "upstream_connect")
    problem(gateway.ask("POST", "/nowhere/1"), 404, "no_route")
    with gateway.client() as client:
        client.request("GET", "/public/hangs")
        eventually(lambda: backend.requests_to("/public/hangs"))
    there = f"127.0.0.1:{backend.port}"
    for path, status, endpoint in (("/hasty/hangs", 504, there), ("/public/resets", 502, there), ("/public/switches", 502, there),
                                   ("/refused/1", 502, f"127.0.0.1:{refuses}"), ("/public/hangs", 499, there), ("/nowhere/1", 404, None)):
        line = gateway.logged(path=path)
        assert (line["status"], line["endpoint"]) == (status, endpoint), line
    assert gateway.metric("gatehouse_upstream_requests_total", result="protocol", endpoint=there) == 1


class TestTimeouts:
    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend, pki):
        return make_gateway(backends=[conf.backend(pki, backend.port, timeouts={"connect": "1s", "response": "1s", "idle": "5s"})],
                            routes=[conf.route("patient", "/patient/**", public=True, timeout="3s"),
                                    conf.route("hasty", "/hasty/**", public=True, timeout="300ms"),
                                    conf.route("public", "/public/**", public=True)])

    def test_no_answer_in_the_backends_time(self, gateway, backend):
        closed = []
        backend.on("/public/silent", lambda connection, request: closed.append(connection.wait_for_end(4)))
        start = time.monotonic()
        problem(gateway.ask("GET", "/public/silent"), 504, "upstream_timeout")
        assert 0.9 < time.monotonic() - start < patience(2.5)
        eventually(lambda: closed == [True], what="the gateway gives the connection up")

    def test_no_answer_in_the_routes_time(self, gateway, backend):
        backend.on("/hasty", lambda connection, request: connection.wait_for_end(4))
        start = time.monotonic()
        problem(gateway.ask("GET", "/hasty/1"), 504, "upstream_timeout")
        assert 0.25 < time.monotonic() - start < patience(0.95)

    def test_an_answer_that_stops_in_the_middle(self, gateway, backend):
        def script(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            connection.wait_for_end(8)
        backend.on("/patient/half", script)
        with gateway.client() as client:
            client.request("GET", "/patient/half")
            with pytest.raises(Truncated) as truncated:
                client.response()
            assert truncated.value.partial == b"half"

    def test_a_backend_that_accepts_and_says_nothing(self, make_gateway):
        import socket
        with socket.create_server(("127.0.0.1", 0)) as mute:
            gateway = make_gateway(mute.getsockname()[1], {"process": {"workers": 1}})
            configuration = gateway.configuration
            configuration["backends"][0]["timeouts"] = {"connect": "500ms"}
            gateway.reload(configuration)
            answer = gateway.ask("GET", "/public/1")
            assert answer.status in (502, 504)
            problem(answer, answer.status, ("upstream_timeout", "upstream_connect", "upstream_tls"))


class TestTheLogNamesTheTimeout:
    """Which key of the backend has ended a wait, and what is written there."""

    def said(self, gateway, text):
        eventually(lambda: text in gateway.error_text, what=f"{text!r} in {gateway.error_text[-1500:]}")

    @pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
    def test_response_and_idle(self, make_gateway, pki, protocol):
        release = threading.Event()
        with (HTTP2Backend if protocol == "h2" else Backend)(pki.backend, pki.mesh.certificate) as backend:
            if protocol == "h2":
                backend.on("/public/silent", lambda stream: release.wait())
                backend.on("/public/half", lambda stream: (stream.respond(200), stream.send(b"half"), release.wait()))
            else:
                backend.on("/public/silent", lambda connection, request: release.wait())
                backend.on("/public/half", lambda connection, request: (
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"), release.wait()))
            gateway = make_gateway(backends=[
                conf.backend(pki, backend.port, protocol=protocol, timeouts={"response": "1500ms", "idle": "1s"})])
            try:
                place = f"backend orders at 127.0.0.1:{backend.port}: timeout: "
                problem(gateway.ask("GET", "/public/silent"), 504, "upstream_timeout")
                self.said(gateway, place + "no response within `timeouts.response` (1500ms)")
                with pytest.raises(Truncated):
                    gateway.ask("GET", "/public/half")
                self.said(gateway, place + "nothing was read or written for `timeouts.idle` (1s)")
            finally:
                release.set()

    def test_connect(self, make_gateway, pki):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            gateway = make_gateway(backends=[conf.backend(pki, port, timeouts={"connect": "500ms"})])
            problem(gateway.ask("GET", "/public/1"), 502, "upstream_connect")
            self.said(gateway, f"backend orders at 127.0.0.1:{port}: connect: not connected within `timeouts.connect` (500ms)")


def test_more_requests_than_the_backends_limits_let_wait(make_gateway, pki, backend):
    gateway = make_gateway(backends=[conf.backend(pki, backend.port, limits={"connections": 1, "pending": 1})])
    backend.on("/public/busy", lambda connection, request: (time.sleep(1.5), connection.answer(200, b"ok")))
    clients = [gateway.client() for _ in range(3)]
    try:
        for client in clients:
            client.request("GET", "/public/busy")
            time.sleep(0.15)
        problem(clients[2].response(), 503, ("overloaded", "circuit_open"))
        assert [client.response().status for client in clients[:2]] == [200, 200]
    finally:
        for client in clients:
            client.close()


class TestPool:
    """Connections that are kept and used again."""

    @pytest.fixture
    def own(self, make_gateway, pki):
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            yield make_gateway(backend.port), backend

    def test_a_connection_is_used_again(self, own):
        gateway, backend = own
        for _ in range(5):
            assert gateway.ask("GET", "/public/1").status == 200
        assert len(backend.connections) == 1

    def test_a_get_on_a_connection_that_went_stale_is_sent_once_more(self, own):
        gateway, backend = own

        def script(connection, request):
            if len(connection.requests) > 1:
                connection.close()
            else:
                connection.answer(200, b"ok")

        backend.on("/public/stale", script)
        with gateway.client() as client:
            assert client.exchange("GET", "/public/stale?1").status == 200
            assert client.exchange("GET", "/public/stale?2").status == 200
        assert len(backend.requests_to("/public/stale?2")) == 2 and len(backend.connections) == 2

    def test_a_post_that_may_have_arrived_is_never_sent_twice(self, own):
        gateway, backend = own

        def script(connection, request):
            connection.body(request)
            if len(connection.requests) > 1:
                connection.close()
            else:
                connection.answer(200, b"ok")

        backend.on("/public/stale", script)
        with gateway.client() as client:
            assert client.exchange("POST", "/public/stale?1", body=b"x").status == 200
            problem(client.exchange("POST", "/public/stale?2", body=b"x"), 502, "upstream_reset")
        assert len(backend.requests_to("/public/stale?2")) == 1

    @pytest.mark.parametrize("clean", [True, False], ids=["closed", "reset"])
    def test_a_connection_closed_while_idle_is_not_used(self, own, clean):
        gateway, backend = own
        assert gateway.ask("POST", "/public/1", body=b"x").status == 200
        backend.close_connections(clean)
        time.sleep(0.3)
        assert gateway.ask("POST", "/public/2", body=b"x").status == 200
        assert len(backend.requests_to("/public/2")) == 1

    def test_an_answer_nobody_asked_for_ends_the_connection(self, own):
        """Bytes beyond an answer must not become the answer to the next request."""
        gateway, backend = own

        def script(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")

        backend.on("/public/extra", script)
        with gateway.client() as client:
            assert client.exchange("GET", "/public/extra").body == b"ok"
            time.sleep(0.2)
            assert b"forged" not in client.exchange("GET", "/public/next").body

    def test_connection_close_from_the_backend_is_honoured(self, own):
        gateway, backend = own
        backend.on("/public/once", lambda connection, request: connection.answer(200, b"ok", {"Connection": "close"}))
        with gateway.client() as client:
            for _ in range(3):
                assert client.exchange("GET", "/public/once").status == 200
        assert len(backend.connections) == 3

    def test_idle_connections_are_closed_after_their_time(self, make_gateway, pki):
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            gateway = make_gateway(backends=[conf.backend(pki, backend.port, timeouts={"idle": "1s"})])
            assert gateway.ask("GET", "/public/1").status == 200
            assert backend.connections[0].ended.wait(patience(4))

    def test_a_backend_that_answers_before_the_request_is_over_gets_no_other_on_that_connection(self, own):
        """What is left of the first request's content must not be taken for the second request."""
        gateway, backend = own

        def script(connection, request):
            connection.answer(200, b"early")
            connection.wait_for_end(3)

        backend.on("/streamed/early", script)
        with gateway.client() as client:
            client.request("POST", "/streamed/early", headers={"Content-Length": "100000"})
            client.send(b"x" * 1000)
            assert client.response().body == b"early"
        assert gateway.ask("GET", "/public/next").status == 200
        assert not any(r.target == "/public/next" for r in backend.connections[0].requests)

    def test_content_after_an_answer_that_can_have_none_is_not_passed_on(self, own):
        gateway, backend = own
        backend.on("/public/head", lambda connection, request: connection.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"))
        with gateway.client() as client:
            assert client.exchange("HEAD", "/public/head").body == b""
            time.sleep(0.2)
            assert b"forged" not in client.exchange("GET", "/public/next").body

    def test_those_who_wait_for_a_connection_are_served_through_a_reload(self, make_gateway, pki):
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            gateway = make_gateway(backends=[conf.backend(pki, backend.port, limits={"connections": 1, "pending": 4})])
            backend.on("/public/slow", lambda connection, request: (time.sleep(1), connection.answer(200, b"ok")))
            clients = [gateway.client() for _ in range(3)]
            try:
                for client in clients:
                    client.request("GET", "/public/slow")
                eventually(lambda: backend.requests_to("/public/slow"))
                changed = conf.merged(gateway.configuration, {})
                changed["backends"][0]["tls"]["server_name"] = "renamed.internal"
                gateway.reload(changed)
                assert [client.response().status for client in clients] == [200, 200, 200]
            finally:
                for client in clients:
                    client.close()

    def test_a_client_that_leaves_the_line_makes_room(self, make_gateway, pki):
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            gateway = make_gateway(backends=[conf.backend(pki, backend.port, limits={"connections": 1, "pending": 1})])
            backend.on("/public/slow", lambda connection, request: (time.sleep(1.2), connection.answer(200, b"ok")))
            with gateway.client() as first, gateway.client() as third:
                first.request("GET", "/public/slow?first")
                eventually(lambda: backend.requests_to("/public/slow"))
                second = gateway.client()
                second.request("GET", "/public/slow?second")
                time.sleep(0.2)
                second.close()
                time.sleep(0.2)
                third.request("GET", "/public/slow?third")
                assert [first.response().status, third.response().status] == [200, 200]
            assert [r.target for r in backend.requests] == ["/public/slow?first", "/public/slow?third"]
