"""WebSockets through the whole gate: by an upgrade of HTTP/1.1 or an extended CONNECT of HTTP/2, on either side."""
import json
import socket
import ssl
import threading
import time

import jwt
import pytest
from websockets.sync.client import connect

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.browser import browser
from harness.http2client import HTTP2Client, RawHTTP2, SettingsFrame, block, headers_frame
from harness.rawclient import Truncated, request_bytes
from harness.waiting import eventually, free_port, patience
from harness.websocket import (BINARY, CLOSE, HANDSHAKE, PING, TEXT, ConnectBackend, ConnectSocket, UpgradeBackend, UpgradeSocket, accept,
                               frame)

from conftest import program
from test_listeners import PlainClient

EDGES = {"upgrade": UpgradeSocket, "connect": ConnectSocket}


@pytest.fixture(scope="module")
def upgrades(pki):
    backend = UpgradeBackend(pki.backend, pki.mesh.certificate)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def connects(pki):
    backend = ConnectBackend(pki.backend, pki.mesh.certificate)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def crossings(make_gateway, pki, upgrades, connects):
    return {
        "upgrade": (make_gateway(upgrades.port), upgrades),
        "connect": (make_gateway(backends=[conf.backend(pki, connects.port, protocol="h2")]), connects),
    }


@pytest.fixture(params=["upgrade", "connect"], ids="to-{}".format)
def crossing(request, crossings):
    return crossings[request.param]


@pytest.fixture(params=EDGES, ids="from-{}".format)
def edge(request):
    return EDGES[request.param]


@pytest.fixture(scope="module")
def upgrade_gateway(crossings):
    return crossings["upgrade"][0]


@pytest.fixture
def open_socket(pki, bearer):
    """Opens WebSockets that are closed with the test: `open_socket(kind, gateway, path, …)`."""
    opened = []

    def open_socket(kind, gateway, path="/orders/chat", headers=bearer, **more):
        opened.append(kind(gateway, pki, path, headers, **more))
        return opened[-1]

    yield open_socket
    for one in opened:
        one.close()


def tls(pki):
    return ssl.create_default_context(cafile=str(pki.public.certificate))


class TestEcho:
    def test_ten_thousand_messages_over_an_upgrade(self, upgrade_gateway, pki, bearer):
        with connect(f"wss://localhost:{upgrade_gateway.port}/orders/chat", ssl=tls(pki), additional_headers=bearer) as client:
            for number in range(10_000):
                client.send(f"message {number}")
                assert client.recv(timeout=10) == f"message {number}"
        line = upgrade_gateway.logged(path="/orders/chat", status=101)
        assert line["bytes_in"] > 100_000 and line["bytes_out"] > 100_000 and line["duration_ms"] > 0

    def test_ten_thousand_messages_over_extended_connect(self, crossing, open_socket):
        client = open_socket(ConnectSocket, crossing[0])
        for batch in range(100):
            messages = [b"%d of %d" % (number, batch) for number in range(100)]
            client.send(b"".join(map(frame, messages)))
            assert [client.receive() for _ in messages] == [(BINARY, message) for message in messages]

    def test_messages_of_every_size(self, crossing, edge, open_socket):
        client = open_socket(edge, crossing[0])
        for size in (0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000):
            payload = bytes(range(256)) * (size // 256 + 1)
            client.send(frame(payload[:size]))
            assert client.receive() == (BINARY, payload[:size])

    def test_many_at_once_do_not_mix(self, crossing, edge, open_socket):
        clients = [open_socket(edge, crossing[0]) for _ in range(20)]
        for turn in range(10):
            for number, client in enumerate(clients):
                client.send(frame(b"%d %d" % (number, turn), TEXT))
            for number, client in enumerate(clients):
                assert client.receive() == (TEXT, b"%d %d" % (number, turn))


class TestHandshake:
    def test_what_the_backend_is_asked(self, crossing, edge, open_socket):
        gateway, backend = crossing
        path = f"/orders/asked-{time.time_ns()}"
        client = open_socket(edge, gateway, path + "?x=1")
        assert client.opened
        client.send(frame(b"hello"))
        assert client.receive() == (BINARY, b"hello")
        if isinstance(backend, UpgradeBackend):
            asked = next(one for one in backend.handshakes if one.path == path + "?x=1").headers
            assert (asked["Upgrade"], asked["Connection"], asked["Sec-WebSocket-Version"]) == ("websocket", "Upgrade", "13")
        else:
            asked = next(one for one in backend.handshakes if one[":path"] == path + "?x=1")
            assert (asked[":method"], asked[":protocol"], asked[":scheme"]) == ("CONNECT", "websocket", "https")
            assert not {"upgrade", "connection", "sec-websocket-key", "sec-websocket-accept"} & set(asked)
        assert "authorization" not in asked and asked["x-forwarded-for"] == "127.0.0.1"
        keys = jwt.PyJWKSet.from_dict(gateway.internal_keys)
        token = asked["x-internal-token"]
        claims = jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]].key, algorithms=["ES256"], audience="orders",
                            issuer="https://gateway.internal")
        assert claims["sub"] == "alice"

    def test_what_the_client_is_answered(self, crossing, open_socket):
        client = open_socket(UpgradeSocket, crossing[0])
        assert client.fields["sec-websocket-accept"] == accept()
        assert client.fields["upgrade"] == "websocket" and client.fields["connection"] == "Upgrade"
        client = open_socket(ConnectSocket, crossing[0])
        assert client.status == 200 and not {"upgrade", "connection", "sec-websocket-accept"} & set(client.fields)

    @pytest.mark.parametrize("status, code, path, claims", [
        (401, "token_missing", "/orders/chat", None), (401, "token_expired", "/orders/chat", {"exp": 1}),
        (403, "scope_missing", "/orders/chat", {"scope": "none"}), (404, "no_route", "/elsewhere", {}),
        (400, "bad_path", "/orders/%2f", {}),
    ], ids=lambda value: value if isinstance(value, str) and "_" in value else "")
    def test_the_whole_gate_is_there(self, crossing, edge, open_socket, idp, status, code, path, claims):
        gateway, backend = crossing
        before = len(backend.handshakes)
        client = open_socket(edge, gateway, path, {} if claims is None else idp.bearer(**claims))
        assert client.status == status and json.loads(client.body)["code"] == code
        assert len(backend.handshakes) == before

    def test_the_log_says_how_it_went(self, crossing, edge, open_socket):
        path = f"/orders/logged-{time.time_ns()}"
        client = open_socket(edge, crossing[0], path)
        client.send(frame(b"12345"))
        client.receive()
        client.close()
        line = crossing[0].logged(path=path)
        assert line["status"] == (101 if edge is UpgradeSocket else 200) and line["method"] == "GET" and line["code"] is None
        assert line["bytes_in"] == 11 and line["bytes_out"] == 7 and line["route"] == "orders" and line["sub"] == "alice"
        assert line["upstream_identity"] == "spiffe://example.internal/orders"

    @pytest.mark.parametrize("protocol", ["connect-udp", "websocket2", "WebSocket", ""])
    def test_no_other_protocol_is_forwarded(self, crossing, pki, bearer, protocol):
        gateway, backend = crossing
        before = len(backend.handshakes)
        client = ConnectSocket.__new__(ConnectSocket)
        try:
            client.__init__(gateway, pki, "/orders/chat", bearer, protocol=protocol)
            assert client.status == 400
        except TypeError:
            assert client.http2.reset == 1  # No head at all: nghttp2 has reset the stream.
        client.close()
        assert len(backend.handshakes) == before


@pytest.fixture(scope="module")
def scripted(pki, make_gateway):
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        yield backend, make_gateway(backend.port)


class TestBytesBeforeTheAnswer:
    """A request that asks for a WebSocket may be followed by anything. None of it is the backend's before its 101."""

    EARLY = frame(b"early bytes", TEXT)

    @staticmethod
    def held(backend, path):
        """A script that waits for `go` before it answers, and says what had come until then."""
        go, seen = threading.Event(), []

        def script(connection, request):
            assert go.wait(patience(10))
            connection.socket.settimeout(0.5)
            seen.append(connection._receive())  # b"" when nothing came.
            connection.socket.settimeout(10)
            return script.then(connection, request)

        backend.on(path, script)
        return script, go, seen

    def test_they_wait_for_the_101(self, scripted, bearer):
        backend, gateway = scripted

        def agree(connection, request):
            key = request.get("Sec-WebSocket-Key")
            connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Accept: {accept(key)}\r\n\r\n")
            while len(connection.received) < len(request.raw_head) + len(self.EARLY):
                connection._receive()
            connection.send(b"after")
            connection.wait_for_end()
            raise ValueError

        script, go, _ = self.held(backend, "/orders/early")
        script.then = agree
        with gateway.client(server_name="localhost") as client:
            client.send(request_bytes("GET", "/orders/early", headers=HANDSHAKE | bearer) + self.EARLY)
            request = eventually(lambda: backend.requests_to("/orders/early"))[0]
            connection = next(one for one in backend.connections if request in one.requests)
            assert bytes(connection.received) == request.raw_head
            go.set()
            assert client.response().status == 101
            assert client.socket.recv(100) == b"after"
            assert bytes(connection.received[len(request.raw_head):]) == self.EARLY

    @pytest.mark.parametrize("answer", ["HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"])
    def test_a_backend_that_declines_never_gets_them(self, scripted, bearer, answer):
        backend, gateway = scripted
        path = f"/orders/declined-{answer[9:12]}"

        def decline(connection, request):
            connection.send(answer)

        script, go, seen = self.held(backend, path)
        script.then = decline
        with gateway.client(server_name="localhost") as client:
            client.send(request_bytes("GET", path, headers=HANDSHAKE | bearer) + b"GET /orders/smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            eventually(lambda: backend.requests_to(path))
            go.set()
            response = client.response()
            assert response.body == b"no"
            assert client.rest() == b""
        assert seen == [b""] and not backend.saw("smuggled")

    def test_a_declined_extended_connect_passes_the_answer_on(self, scripted, bearer, open_socket):
        backend, gateway = scripted
        backend.on("/orders/forbidden", lambda connection, request: connection.answer(403, b"no", reason="Forbidden"))
        client = open_socket(ConnectSocket, gateway, "/orders/forbidden")
        assert client.status == 403 and client.body == b"no"

    def test_a_200_is_no_tunnel(self, scripted, bearer, open_socket):
        backend, gateway = scripted
        backend.on("/orders/plain", lambda connection, request: connection.answer(200, b"plain"))
        assert open_socket(UpgradeSocket, gateway, "/orders/plain").answer.body == b"plain"
        client = open_socket(ConnectSocket, gateway, "/orders/plain")
        assert client.status == 502 and json.loads(client.body)["code"] == "upstream_protocol"

    @pytest.mark.parametrize("fields", [
        "Upgrade: websocket\r\nConnection: Upgrade\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n",
        "Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n", "Upgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        "Upgrade: other\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Accept: {}\r\n",
    ], ids=["no-accept", "wrong-accept", "no-upgrade", "no-connection", "another-protocol", "accept-twice"])
    def test_a_101_to_something_else_is_refused(self, scripted, bearer, fields, edge, open_socket):
        backend, gateway = scripted

        def switch(connection, request):
            key = accept(request.get("Sec-WebSocket-Key"))
            connection.send("HTTP/1.1 101 Switching Protocols\r\n" + fields.replace("{}", key) + "\r\n")
            connection.wait_for_end()
            raise ValueError

        backend.on("/orders/switch", switch)
        client = open_socket(edge, gateway, "/orders/switch")
        assert client.status == 502 and json.loads(client.body)["code"] == "upstream_protocol"


class TestEnds:
    def test_the_backend_ends_it(self, upgrade_gateway, edge, open_socket):
        client = open_socket(edge, upgrade_gateway)
        client.send(frame(b"close", TEXT))
        assert client.receive() == (CLOSE, (4001).to_bytes(2, "big") + b"as asked")
        client.send(frame((4001).to_bytes(2, "big"), CLOSE))
        assert client.receive() is None

    def test_the_client_goes_away(self, crossing, edge, open_socket):
        gateway, backend = crossing
        client = open_socket(edge, gateway)
        client.send(frame(b"x"))
        client.receive()
        client.close()
        assert backend.ended.acquire(timeout=patience(5))

    def test_the_client_ends_its_side(self, crossing, edge, open_socket):
        gateway, backend = crossing
        client = open_socket(edge, gateway)
        client.send(frame(b"last words"))
        assert client.receive() == (BINARY, b"last words")
        client.end()
        assert backend.ended.acquire(timeout=patience(5))

    def test_silence_ends_it(self, make_gateway, pki, upgrades, connects, edge, open_socket):
        for port, protocol in ((upgrades.port, "auto"), (connects.port, "h2")):
            gateway = make_gateway(backends=[conf.backend(pki, port, protocol=protocol, timeouts={"tunnel": "1s", "idle": "300ms"})])
            client = open_socket(edge, gateway)
            start = time.monotonic()
            for _ in range(4):
                time.sleep(0.5)
                client.send(frame(b"still here"))
                assert client.receive() == (BINARY, b"still here")
            assert client.receive() is None
            assert 2.5 < time.monotonic() - start < patience(6)

    def test_a_client_that_does_not_read_is_cut(self, make_gateway, pki, upgrades, open_socket, edge):
        gateway = make_gateway(upgrades.port, timeouts={"body": "1s"})
        before = gateway.resident
        path = f"/orders/push-{time.time_ns()}"
        open_socket(edge, gateway, path)
        assert upgrades.ended.acquire(timeout=patience(8))
        assert gateway.peak_resident - before < 24
        gateway.logged(path=path)


class TestBackends:
    def test_h2_that_takes_no_extended_connect(self, make_gateway, pki, open_socket, edge):
        backend = ConnectBackend(pki.backend, pki.mesh.certificate, offers=False)
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2")])
        for _ in range(2):
            client = open_socket(edge, gateway)
            assert client.status == 502 and json.loads(client.body)["code"] == "upstream_protocol"
        assert backend.handshakes == []
        backend.stop()

    def test_thousands_that_wait_for_h2_that_takes_none(self, make_gateway, pki):
        """Each refusal frees a place for the next, who is refused as well: in one loop, however many they are."""
        settles = threading.Event()
        backend = ConnectBackend(pki.backend, pki.mesh.certificate, offers=False, settles=settles)
        limits = {"connections": 1, "pending": 20_000, "client_share": "100%"}
        gateway = make_gateway(
            backends=[conf.backend(pki, backend.port, protocol="h2", limits=limits, timeouts={"connect": "5m"})],
            routes=[conf.route("public", "/public/**", public=True, timeout="10m")])
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "localhost"),
                  (":path", "/public/chat"), ("sec-websocket-version", "13")]
        clients, numbers = [RawHTTP2(gateway.port, gateway.ca) for _ in range(80)], range(1, 200, 2)
        try:
            for client in clients:
                client.wait_for(SettingsFrame)
                client.send(*[headers_frame(number, block(fields), end=False) for number in numbers])
            # A thousand wait on the connection, the others in line.
            eventually(lambda: gateway.metric("gatehouse_upstream_pending_requests", backend="orders") >= 7000, 60)
            settles.set()
            for client in clients:
                assert [client.status(number, 60) for number in numbers] == [502] * len(numbers)
        finally:
            for client in clients:
                client.close()
        with HTTP2Client(gateway.port, gateway.ca) as another:
            assert another.exchange("GET", "/nothing").status == 404
        backend.stop()

    def test_h2_that_declines(self, make_gateway, pki, open_socket, edge):
        backend = ConnectBackend(pki.backend, pki.mesh.certificate, answer="403")
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2")])
        assert open_socket(edge, gateway).status == 403
        backend.stop()

    def test_auto_asks_for_an_upgrade_on_a_connection_of_its_own(self, make_gateway, pki, open_socket, edge):
        """Of a backend that would choose HTTP/2 for other requests."""
        backend = UpgradeBackend(pki.backend, pki.mesh.certificate, ["h2", "http/1.1"])
        gateway = make_gateway(backend.port)
        client = open_socket(edge, gateway)
        client.send(frame(b"hello"))
        assert client.receive() == (BINARY, b"hello")
        client.close()
        backend.stop()

    def test_streams_of_one_connection(self, crossings, open_socket):
        gateway, backend = crossings["connect"]
        before = backend.connections
        for _ in range(10):
            open_socket(UpgradeSocket, gateway).send(frame(b"x"))
        assert backend.connections - before <= 1


@pytest.fixture(scope="module")
def gateway(make_gateway, pki, idp, jwks, upgrades):
    sources = [{"header": "Authorization", "scheme": "Bearer"}, {"websocket_protocol": "bearer"}]
    return make_gateway(upgrades.port, {"identity_providers": [conf.provider(idp, jwks, token_from=sources)]})


class TestTokenAmongSubprotocols:
    def test_a_browser_s_way(self, gateway, pki, token, upgrades):
        with connect(f"wss://localhost:{gateway.port}/orders/browser", ssl=tls(pki), subprotocols=["bearer", token]) as client:
            assert client.subprotocol == "bearer"
            client.send("hello")
            assert client.recv(timeout=5) == "hello"
        asked = next(one for one in upgrades.handshakes if one.path == "/orders/browser").headers
        assert "sec-websocket-protocol" not in asked and token not in str(asked)
        assert token not in gateway.output.read_text() and token not in gateway.error_text

    def test_what_else_is_offered_is_for_the_backend(self, make_gateway, pki, idp, jwks, token):
        backend = UpgradeBackend(pki.backend, pki.mesh.certificate, subprotocols=["chat"])
        gateway = make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, token_from=[{"websocket_protocol": "bearer"}])]})
        with connect(f"wss://localhost:{gateway.port}/orders/chat", ssl=tls(pki), subprotocols=["v2", "bearer", token, "chat"]) as client:
            assert client.subprotocol == "chat"
        # The server notes it once it has answered.
        [asked] = eventually(lambda: backend.handshakes)
        assert asked.headers["sec-websocket-protocol"] == "v2, chat"
        backend.stop()

    @pytest.mark.parametrize("offer, code", [
        ("bearer", "token_malformed"), ("bearer, x.y.z", "token_malformed"), ("chat", "token_missing"),
        ("bearer, {}, bearer, {}", "token_ambiguous"),
    ])
    def test_what_is_no_token(self, gateway, token, open_socket, edge, offer, code):
        client = open_socket(edge, gateway, headers={"Sec-WebSocket-Protocol": offer.replace("{}", token)})
        assert client.status == 401 and json.loads(client.body)["code"] == code

    def test_two_that_differ(self, gateway, idp, bearer, open_socket, edge):
        client = open_socket(edge, gateway, headers=bearer | {"Sec-WebSocket-Protocol": f"bearer, {idp.token(sub='bob')}"})
        assert client.status == 401 and json.loads(client.body)["code"] == "token_ambiguous"


@pytest.fixture(scope="module")
def ending(make_gateway, pki, idp, jwks, upgrades, connects):
    routes = [conf.route("orders", "/orders/**", end_at_expiry=True), conf.route("lasting", "/lasting/**")]
    provider = {"identity_providers": [conf.provider(idp, jwks, leeway="1s")]}
    return {"upgrade": make_gateway(upgrades.port, provider, routes=routes),
            "connect": make_gateway(backends=[conf.backend(pki, connects.port, protocol="h2")], changes=provider, routes=routes)}


class TestExpiry:
    @pytest.mark.parametrize("to", ["upgrade", "connect"])
    def test_it_ends_with_its_token_and_says_why(self, ending, to, edge, idp, open_socket):
        gateway = ending[to]
        path, expiry = f"/orders/ending-{time.time_ns()}", int(time.time()) + 2
        client = open_socket(edge, gateway, path, idp.bearer(exp=expiry))
        client.send(frame(b"hello"))
        assert client.receive() == (BINARY, b"hello")
        assert client.receive() == (CLOSE, (1008).to_bytes(2, "big") + b"token_expired")
        assert expiry + 0.9 < time.time() < expiry + 4
        assert client.receive() is None
        assert gateway.logged(path=path)["code"] == "token_expired"

    def test_the_backend_is_told_as_well(self, ending, edge, idp, open_socket, upgrades):
        known = len(upgrades.close_codes)
        client = open_socket(edge, ending["upgrade"], "/orders/told", idp.bearer(exp=int(time.time()) + 1))
        assert client.receive() == (CLOSE, (1008).to_bytes(2, "big") + b"token_expired")
        eventually(lambda: 1008 in upgrades.close_codes[known:])

    def test_never_in_the_middle_of_a_frame(self, ending, edge, idp, open_socket):
        """A backend streams frames of 300,000 bytes: each that begins is whole, and then comes the Close frame."""
        client = open_socket(edge, ending["upgrade"], "/orders/push", idp.bearer(exp=int(time.time()) + 1))
        frames = 0
        while (taken := client.receive())[0] != CLOSE:
            # The backend's library asks for a sign of life now and then.
            assert taken[0] == PING or taken == (BINARY, b"p" * 300_000)
            frames += 1
        assert taken == (CLOSE, (1008).to_bytes(2, "big") + b"token_expired") and frames > 0
        assert client.receive() is None

    def test_a_route_that_does_not_say_so_lets_it_live(self, ending, edge, idp, open_socket):
        expiry = int(time.time()) + 1
        client = open_socket(edge, ending["upgrade"], "/lasting/1", idp.bearer(exp=expiry))
        while time.time() < expiry + 2.5:
            client.send(frame(b"x"))
            assert client.receive() == (BINARY, b"x")
            time.sleep(0.1)


def closing(code=1000):
    return frame(code.to_bytes(2, "big"), CLOSE)


class TestClosing:
    """A client says Close and ends its side in the same breath, as browsers do over HTTP/2."""

    def test_the_backend_s_close_arrives_before_the_end(self, crossing, edge, open_socket):
        for _ in range(5):
            client = open_socket(edge, crossing[0])
            client.send(frame(b"hello"))
            assert client.receive() == (BINARY, b"hello")
            client.send(closing())
            if edge is ConnectSocket:
                client.end()
            assert client.receive() == (CLOSE, (1000).to_bytes(2, "big"))
            if edge is ConnectSocket:
                assert client.receive() is None
                assert client.http2.ended and client.http2.reset is None

    def test_a_half_closed_client_hears_it_as_well(self, make_gateway, pki, upgrades):
        """HTTP/1.1 in the clear: Close, then FIN."""
        port = free_port()
        gateway = make_gateway(upgrades.port, start=False)
        gateway.configuration["listeners"].append({"name": "inside", "address": f"127.0.0.1:{port}", "plaintext": "serve"})
        gateway.configuration["routes"].append(conf.route("chat", "/chat/**", public=True))
        gateway.start()
        with PlainClient(port) as client:
            client.send(request_bytes("GET", "/chat/1", headers=HANDSHAKE))
            assert client.reader.response_head().status == 101
            client.send(closing())
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest() == frame((1000).to_bytes(2, "big"), CLOSE, masked=False)

    @pytest.mark.parametrize("how", ["with close_notify", "without close_notify", "with a reset", "not at all"])
    def test_however_the_backend_ends_behind_its_close(self, make_gateway, pki, open_socket, how):
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            def script(connection, request):
                connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                f"Sec-WebSocket-Accept: {accept(request.get('Sec-WebSocket-Key'))}\r\n\r\n")
                while not connection.socket.recv(4096):
                    pass
                time.sleep(0.2)
                connection.send(frame((1000).to_bytes(2, "big"), CLOSE, masked=False))
                if how == "not at all":
                    connection.wait_for_end(20)
                elif how == "without close_notify":
                    socket.socket.shutdown(connection.socket, socket.SHUT_WR)
                else:
                    connection.close(how == "with close_notify")

            backend.on("/orders/ends", script)
            gateway = make_gateway(backend.port)
            client = open_socket(ConnectSocket, gateway, "/orders/ends")
            client.send(closing())
            client.end()
            assert client.receive() == (CLOSE, (1000).to_bytes(2, "big"))
            assert client.receive() is None
            assert client.http2.ended and client.http2.reset is None
            line = gateway.logged(path="/orders/ends")
            assert "code" not in line or line["code"] is None

    def test_a_backend_that_never_says_close_hears_of_the_end(self, make_gateway, pki, open_socket):
        """It has 5 s; then the end is passed on as it came."""
        ended = threading.Event()
        with Backend(pki.backend, pki.mesh.certificate) as backend:
            def script(connection, request):
                connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                f"Sec-WebSocket-Accept: {accept(request.get('Sec-WebSocket-Key'))}\r\n\r\n")
                connection.wait_for_end(20)
                ended.set()

            backend.on("/orders/silent", script)
            client = open_socket(ConnectSocket, make_gateway(backend.port), "/orders/silent")
            client.send(closing())
            client.end()
            assert not ended.wait(1)
            assert ended.wait(patience(10))
            assert client.receive() is None


CLOSING_PAGE = """<!doctype html><script>
const ask = path => new Promise(resolve => {
  const socket = new WebSocket(`wss://${location.host}${path}`);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = () => path.includes("server") ? socket.send("close") : socket.close(1000, "enough");
  socket.onclose = event => resolve([event.code, event.reason, event.wasClean]);
});
(async () => {
  const result = { closes: [] };
  for (let turn = 0; turn < 5; turn++) result.closes.push(await ask("/sockets/client"), await ask("/sockets/server"));
  result.protocol = performance.getEntriesByType("navigation")[0].nextHopProtocol;
  await fetch("/public/closed", { method: "POST", body: JSON.stringify(result) });
})();
</script>"""


@pytest.mark.parametrize("protocol,flags", [("h2", ()), ("http/1.1", ("--disable-http2",))])
def test_a_browser_sees_a_clean_close(make_gateway, pki, upgrades, protocol, flags):
    with Backend(pki.backend, pki.mesh.certificate) as pages:
        gateway = make_gateway(
            backends=[conf.backend(pki, pages.port), conf.backend(pki, upgrades.port, name="sockets")],
            routes=[conf.route("sockets", "/sockets/**", to="sockets", public=True), conf.route("public", "/public/**", public=True)])
        pages.on("/public/page", lambda connection, request: connection.answer(
            200, CLOSING_PAGE.encode(), {"Content-Type": "text/html; charset=utf-8"}))
        with browser(program("chromium"), f"{gateway.url}/public/page", *flags) as wait:
            wait(lambda: pages.requests_to("/public/closed"))
            request = pages.requests_to("/public/closed")[0]
            wait(lambda: request.body)
    result = json.loads(request.body)
    assert result == {"closes": [[1000, "enough", True], [4001, "as asked", True]] * 5, "protocol": protocol}
