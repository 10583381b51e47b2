"""Clients that say they are done before they have read: what they asked for whole is answered, and what they cut off is not."""
import json
import socket
import ssl
import threading

import hpack
import pytest

from harness.http2client import PREFACE, DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, RawHTTP2, block, head, headers_frame
from harness.rawclient import request_bytes
from harness.waiting import eventually, free_port, patience
from test_listeners import PlainClient


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, pki):
    gateway = make_gateway(backend.port, start=False)
    gateway.plain = free_port()
    gateway.configuration["listeners"].append({"name": "inside", "address": f"127.0.0.1:{gateway.plain}", "plaintext": "serve"})
    return gateway.start()


class TLSHalf:
    """A client over memory: it says close_notify, and goes on reading."""

    def __init__(self, port, ca, protocol="http/1.1"):
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols([protocol])
        self.tcp = socket.create_connection(("127.0.0.1", port), 10)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.buffer = bytearray()
        self._until(self.tls.do_handshake)

    def _flush(self):
        if data := self.outgoing.read():
            self.tcp.sendall(data)

    def _until(self, step):
        while True:
            try:
                result = step()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.tcp.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def say(self, data, *, ends=True):
        """Sends the data, and close_notify in the same segment."""
        self.tls.write(data)
        if ends:
            try:
                self.tls.unwrap()
            except (ssl.SSLWantReadError, ssl.SSLSyscallError):
                pass
        self._flush()

    def rest(self):
        """Everything up to the end."""
        data = bytearray()
        while True:
            try:
                block = self._until(lambda: self.tls.read(65536))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return bytes(data)
            if not block:
                return bytes(data)
            data += block


@pytest.fixture(params=["FIN", "close_notify"])
def ask(request, gateway, pki):
    """Sends bytes and ends its side; gives all that comes back."""
    def plain(data):
        with PlainClient(gateway.plain) as client:
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            return client.rest(15)

    def tls(data):
        client = TLSHalf(gateway.port, pki.public.certificate)
        client.say(data)
        return client.rest()

    return plain if request.param == "FIN" else tls


def statuses(data):
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture(scope="module", autouse=True)
def slow(backend):
    """Answers when the whole request is there and the client's end has long been seen."""
    def script(connection, request):
        connection.body(request)
        threading.Event().wait(0.3)
        connection.answer(200, json.dumps({"bytes": len(request.body)}).encode())

    backend.on("/public/slow", script)


@pytest.mark.parametrize("name,data,count", [
    ("no content", request_bytes("GET", "/public/slow"), 1),
    ("content", request_bytes("POST", "/public/slow", body=b"c" * 10), 1),
    ("much content", request_bytes("POST", "/public/slow", body=b"c" * 300_000), 1),
    ("chunks", request_bytes("POST", "/public/slow", headers={"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n0\r\n\r\n", 1),
    ("many chunks", request_bytes("POST", "/public/slow", headers={"Transfer-Encoding": "chunked"})
     + b"1000\r\n%s\r\n" % (b"c" * 4096) * 60 + b"0\r\n\r\n", 1),
    ("a pipeline", request_bytes("GET", "/public/slow") * 3, 3),
    ("a pipeline with content", (request_bytes("POST", "/public/slow", body=b"c" * 100) + request_bytes("GET", "/public/slow")) * 2, 4),
    ("a refusal", request_bytes("GET", "/nothing"), 1),
    ("HTTP/1.0", request_bytes("GET", "/public/slow", version="HTTP/1.0"), 1),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_whole_request_is_answered(ask, gateway, name, data, count):
    answered = ask(data)
    assert statuses(answered) == [404 if name == "a refusal" else 200] * count, answered[:300]
    eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 0, what="the connection gone")


@pytest.mark.parametrize("name,data", [
    ("a head", b"GET /public/cut HTTP/1.1\r\nHost: api.exa"),
    ("content", request_bytes("POST", "/public/cut", headers={"Content-Length": "10"}) + b"half"),
    ("a chunk", request_bytes("POST", "/public/cut", headers={"Transfer-Encoding": "chunked"}) + b"5\r\nhel"),
    ("chunks", request_bytes("POST", "/public/cut", headers={"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_half_a_request_is_not(ask, gateway, name, data):
    assert ask(data) == b""
    assert statuses(ask(request_bytes("GET", "/public/slow") + data)) == [200], "but what came whole before it is"
    eventually(lambda: gateway.metric("gatehouse_requests_in_flight") == 0, what="nothing in flight")


def test_content_that_waits_for_its_backend_when_the_end_comes(gateway, backend):
    """More than the gateway keeps: the end is met behind it."""
    go = threading.Event()

    def script(connection, request):
        go.wait(patience(10))
        connection.body(request)
        connection.answer(200, b"%d" % len(request.body))

    backend.on("/public/late", script)
    size = 6 << 20
    with PlainClient(gateway.plain) as client:
        def send():
            client.send(request_bytes("POST", "/public/late", body=b"c" * size))
            client.socket.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        eventually(lambda: backend.requests_to("/public/late"))
        go.set()
        sender.join(20)
        assert client.response().body == b"%d" % size
        assert client.rest() == b""


@pytest.mark.parametrize("how", ["FIN", "close_notify"])
def test_a_client_that_is_gone_frees_its_backend(gateway, backend, pki, how):
    freed = threading.Event()
    path = f"/public/gone-{how}"

    def script(connection, request):
        if connection.wait_for_end(10):
            freed.set()

    backend.on(path, script)
    if how == "FIN":
        client = PlainClient(gateway.plain)
        client.send(request_bytes("GET", path))
        tcp = client.socket
        tcp.shutdown(socket.SHUT_WR)
    else:
        half = TLSHalf(gateway.port, pki.public.certificate)
        half.say(request_bytes("GET", path))
        tcp = half.tcp
    eventually(lambda: backend.requests_to(path))
    assert not freed.wait(0.3), "it may still be reading"
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    tcp.close()
    assert freed.wait(patience(8))
    assert gateway.logged(path=path)["status"] == 499


def test_waiting_for_an_answer_costs_nothing(gateway, backend):
    done = threading.Event()
    backend.on("/public/idle-half", lambda connection, request: (done.wait(patience(10)), connection.answer(200, b"done")))
    with PlainClient(gateway.plain) as client:
        client.send(request_bytes("GET", "/public/idle-half"))
        client.socket.shutdown(socket.SHUT_WR)
        eventually(lambda: backend.requests_to("/public/idle-half"))
        assert gateway.idle_for(1) < 0.3, "the end is not reported again and again"
        done.set()
        assert client.response().body == b"done"


def test_an_answer_that_is_read_slowly_is_read_to_its_end(gateway, backend):
    size = 4 << 20
    backend.on("/public/long", lambda connection, request: connection.answer(200, b"l" * size))
    with PlainClient(gateway.plain) as client:
        client.send(request_bytes("GET", "/public/long") * 2)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(2):
            assert len(client.response().body) == size
        assert client.rest() == b""


def frames_of(data):
    raw = RawHTTP2.__new__(RawHTTP2)
    raw.decoder, raw.buffer, raw.frames, raw.ended, raw.acknowledges = hpack.Decoder(), bytearray(), [], False, False
    raw.link = type("Link", (), {"receive": staticmethod(lambda timeout: data)})
    raw.take(0)
    return raw.frames


@pytest.mark.parametrize("how", ["FIN", "close_notify"])
def test_http2(gateway, backend, pki, how):
    def cut(connection, request):
        connection.body(request)

    backend.on("/public/cut2", cut)
    data = PREFACE + SettingsFrame(0).serialize() + b"".join([
        headers_frame(1, block(head("/public/slow"))).serialize(),
        headers_frame(3, block(head("/public/slow", "POST")), end=False).serialize(),
        DataFrame(3, data=b"whole", flags=["END_STREAM"]).serialize(),
        headers_frame(5, block(head("/public/cut2", "POST")), end=False).serialize(),
        DataFrame(5, data=b"half").serialize(),
        headers_frame(7, block(head("/public/never")), complete=False).serialize()])
    if how == "FIN":
        with PlainClient(gateway.plain) as client:
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            answered = client.rest(15)
    else:
        client = TLSHalf(gateway.port, pki.public.certificate, "h2")
        client.say(data)
        answered = client.rest()
    frames = frames_of(answered)
    assert {frame.stream_id for frame in frames if isinstance(frame, HeadersFrame)} == {1, 3}
    bodies = [frame.data for frame in frames if isinstance(frame, DataFrame) and frame.data]
    assert sorted(json.loads(body)["bytes"] for body in bodies) == [0, 5]
    assert {frame.stream_id for frame in frames if isinstance(frame, RstStreamFrame)} == {5, 7}
    assert [frame.error_code for frame in frames if isinstance(frame, GoAwayFrame)] == [0]
    eventually(lambda: gateway.metric("gatehouse_requests_in_flight") == 0, what="nothing in flight")
