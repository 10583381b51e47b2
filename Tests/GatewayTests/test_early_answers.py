"""A backend that answers before it has the request's content: its answer arrives whole, whatever becomes of the content."""
import fcntl
import http.client
import socket
import ssl
import struct
import subprocess
import termios
import threading

import pytest

from harness import configuration as conf
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import NO_ERROR, DataFrame, HTTP2Client, RawHTTP2, RstStreamFrame, WindowUpdateFrame
from harness.waiting import eventually, patience, settled

MIB = 1 << 20
UPLOAD = 3 * MIB
ROUNDS = 5
# Several records, and no more than a socket takes at once: of a backend that resets its connection the rest would be lost on its own side.
SIZE = 40_000


def answer_of(size):
    return bytes(index % 251 for index in range(size))


def unacknowledged(sock):
    """Bytes that the other side's kernel has not taken, and may yet."""
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or struct.unpack("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0] != 1:
        return 0
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


class HTTP1Side:
    """What a backend of HTTP/1.1 may do behind its answer."""
    HOWS = ["reads on", "keeps", "ends", "resets", "ends without a length"]

    def __init__(self, pki):
        self.backend = Backend(pki.backend, pki.mesh.certificate, send_buffer=MIB)
        self.done = threading.Event()

    def on(self, path, how, status, content):
        def script(connection, request):
            if how == "ends without a length":
                connection.send(b"HTTP/1.1 %d No\r\nConnection: close\r\n\r\n" % status + content)
            else:
                # Without `close` a request that fits into the socket's buffers is sent whole, and the connection may have the next.
                connection.answer(status, content, {} if how == "reads on" else {"Connection": "close"})
            if how == "reads on":
                connection.body(request)
            elif how == "keeps":
                self.done.wait(patience(60))
                connection.close(clean=False)
            elif how == "resets":
                # What its own side still has would be lost.
                eventually(lambda: unacknowledged(connection.socket) == 0, what="the answer at the gateway")
                connection.close(clean=False)
            else:
                connection.close()
        self.backend.on(path, script)


class HTTP2Side:
    HOWS = ["reads on", "keeps", "resets", "resets at once", "ends"]

    def __init__(self, pki):
        self.backend = HTTP2Backend(pki.backend, pki.mesh.certificate)
        self.done = threading.Event()

    def on(self, path, how, status, content):
        def script(stream):
            if how == "ends":
                # First, or the next request may come on this connection, with more content than can be sent twice.
                stream.connection.go_away(stream.id)
            stream.answer(status, content)
            if how == "resets":
                stream.reset(NO_ERROR)
            elif how == "ends":
                link = stream.connection.link
                eventually(lambda: link.ended or not link.output and unacknowledged(link.socket) == 0, what="all of it at the gateway")
                stream.connection.close()
            else:
                stream.cancelled.wait(patience(60))
        self.backend.on(path, script)


SIDES = {"h1": HTTP1Side, "h2": HTTP2Side}


@pytest.fixture(scope="module", params=SIDES, ids=["from-h1", "from-h2"])
def upstream(request, pki, make_gateway):
    side = SIDES[request.param](pki)
    more = {"protocol": "h2"} if request.param == "h2" else {}
    gateway = make_gateway(backends=[conf.backend(pki, side.backend.port, **more)])
    yield gateway, side
    side.done.set()
    side.backend.stop()


@pytest.fixture(scope="module")
def upload(tmp_path_factory):
    path = tmp_path_factory.mktemp("upload") / "content"
    with open(path, "wb") as file:
        file.truncate(UPLOAD)
    return path


def each(upstream, prefix, size, status=403):
    """Paths with an answer of each kind behind them."""
    gateway, side = upstream
    for how in side.HOWS:
        path = f"{prefix}-{how.replace(' ', '-')}-{size}"
        side.on(path, how, status, answer_of(size))
        for _ in range(ROUNDS):
            yield path


@pytest.mark.parametrize("size", [30, SIZE])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl(upstream, pki, curl, upload, version, size):
    for path in each(upstream, f"/public/curl{version}", size):
        result = subprocess.run(
            [curl, "-sS", version, "--cacert", pki.public.certificate, "-H", "Expect:", "--data-binary", f"@{upload}",
             "-o", "-", "-w", "%{stderr}%{http_code}", f"https://localhost:{upstream[0].port}{path}"],
            capture_output=True, timeout=60)
        assert (result.returncode, result.stderr) == (0, b"403"), (path, result.stderr, result.stdout[:300])
        assert result.stdout == answer_of(size), path


@pytest.mark.parametrize("size", [30, SIZE])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_client_that_reads_when_it_has_sent_everything(upstream, pki, chunked, size):
    context = ssl.create_default_context(cafile=str(pki.public.certificate))
    for path in each(upstream, f"/public/late-{chunked}", size):
        connection = http.client.HTTPSConnection("localhost", upstream[0].port, timeout=30, context=context)
        body = (b"b" * MIB for _ in range(UPLOAD // MIB)) if chunked else b"b" * UPLOAD
        connection.request("POST", path, body=body, encode_chunked=chunked,
                           headers={"Transfer-Encoding": "chunked"} if chunked else {})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (403, answer_of(size)), path
        connection.close()


@pytest.mark.parametrize("size", [30, SIZE])
def test_http2(upstream, pki, size):
    for path in each(upstream, "/public/http2", size):
        with HTTP2Client(upstream[0].port, pki.public.certificate) as client:
            number = client.start("POST", path, body=b"b" * UPLOAD)
            answer = client.response(number)
            assert (answer.status, bytes(answer.body), answer.reset_code) == (403, answer_of(size), None), path
            client.until(lambda: number not in client.output or answer.reset_code is not None, 30, "the upload taken")
            assert answer.reset_code is None, "the content is taken to its end"


@pytest.mark.parametrize("when", ["before", "behind"])
def test_an_http2_client_that_stops_its_upload_short_of_its_length(pki, make_gateway, when):
    """As curl does when it has seen a refusal's head: END_STREAM, and no reset."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2")])
        stopped = threading.Event()

        def script(stream):
            stream.respond(403, [("content-length", "60000")])
            if when == "behind":
                stream.send(answer_of(60_000)[:10_000])
            stopped.wait(patience(20))
            stream.send(answer_of(60_000)[10_000 if when == "behind" else 0:], end=True)
            stream.cancelled.wait(patience(20))

        backend.on("/public/stopped", script)
        with RawHTTP2(gateway.port, gateway.ca) as client:
            client.request(1, "/public/stopped", method="POST", extra=[("content-length", "3000000")], end=False)
            client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(3)])
            client.wait_for(WindowUpdateFrame, 1)
            client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(2)])
            assert client.status(1) == 403
            if when == "behind":
                client.wait_for(DataFrame, 1)
            client.send(DataFrame(1, data=b"x" * 160, flags=["END_STREAM"]))
            client.ping()
            # Not content, whatever it is.
            client.send(DataFrame(1, data=b"y" * 160))
            client.ping()
            stopped.set()
            assert client.body(1) == answer_of(60_000)
            assert client.reset_code(1) == NO_ERROR
            assert [type(frame) for frame in client.frames if frame.stream_id == 1][-1] is RstStreamFrame
        request = backend.requests_to("/public/stopped")[0]
        assert request.cancelled.wait(patience(20)) and not request.complete.is_set() and b"y" not in request.body
        assert gateway.ask("GET", "/public/after").status == 200


@pytest.mark.parametrize("window", [20_000, 49_152])
def test_an_http2_client_with_a_small_window_that_reads_after_its_upload(upstream, pki, window):
    """More of the answer waits than there is window, when the client has been silent for as long as anybody waits for an upload."""
    gateway, side = upstream
    path = f"/public/window-{window}"
    side.on(path, "keeps", 403, answer_of(60_000))
    with RawHTTP2(gateway.port, pki.public.certificate, settings={4: window}) as client:
        client.request(1, path, method="POST", extra=[("content-length", "3000000")], end=False)
        client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(3)])
        client.wait_for(WindowUpdateFrame, 1)
        client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(2)])
        received = lambda: sum(len(frame.data) for frame in client.frames if isinstance(frame, DataFrame))
        assert client.status(1) == 403
        while received() < window:
            client.take(10)
        gateway.logged(path=path)
        # Five seconds without any of its content, and some more.
        settled(lambda: (client.take(0.1), len(client.frames))[1], quiet=7, timeout=30)
        assert received() == window
        client.send(WindowUpdateFrame(1, window_increment=60_000), WindowUpdateFrame(0, window_increment=60_000))
        assert client.body(1) == answer_of(60_000)
        assert client.reset_code(1) == NO_ERROR


def test_the_same_when_the_upload_comes_to_its_end(upstream, pki):
    gateway, side = upstream
    side.on("/public/window-ended", "keeps", 403, answer_of(60_000))
    with RawHTTP2(gateway.port, pki.public.certificate, settings={4: 49_152}) as client:
        client.request(1, "/public/window-ended", method="POST", end=False)
        client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(3)])
        client.wait_for(WindowUpdateFrame, 1)
        client.send(*[DataFrame(1, data=b"x" * 16_000) for _ in range(2)])
        assert client.status(1) == 403
        gateway.logged(path="/public/window-ended")
        client.send(DataFrame(1, data=b"x", flags=["END_STREAM"]))
        settled(lambda: (client.take(0.1), len(client.frames))[1], quiet=7, timeout=30)
        client.send(WindowUpdateFrame(1, window_increment=60_000), WindowUpdateFrame(0, window_increment=60_000))
        assert client.body(1) == answer_of(60_000)
        client.ping()
        assert not any(isinstance(frame, RstStreamFrame) for frame in client.frames), "both sides have ended"


@pytest.mark.parametrize("status,closes", [(200, False), (303, True), (403, True)])
def test_an_http11_client_is_told_that_the_connection_ends(make_gateway, pki, status, closes):
    """A refusal before the request's end; not what may be the beginning of an answer that goes along with the request."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        def script(connection, request):
            connection.send(f"HTTP/1.1 {status} X\r\nContent-Length: 6\r\n\r\nanswer")
            connection.wait_for_end(20)
        backend.on("/public/ends", script)
        gateway = make_gateway(backend.port)
        with gateway.client() as client:
            client.request("POST", "/public/ends", headers={"Content-Length": "3000000"})
            client.send(b"x" * 100_000)
            answer = client.response()
            assert (answer.status, answer.body) == (status, b"answer")
            assert (answer.get("Connection") == "close") is closes
        assert gateway.ask("GET", "/public/after").status == 200
        assert len(backend.connections) == 2, "a connection whose request was not sent whole is not used again"
