"""Answers that their client takes too slowly end, and give back what they held; whoever pauses, or waits for the backend, is left alone."""
import ssl
import threading
import time

import pytest

from harness import configuration as conf
from harness.backend import Backend
from harness.eventstream import HEAD, HTTP1Events, HTTP2Events, chunk
from harness.http2backend import HTTP2Backend
from harness.http2client import (CANCEL, ENHANCE_YOUR_CALM, DataFrame, GoAwayFrame, HTTP1Client, RawHTTP2, RstStreamFrame, SettingsFrame,
                                 WindowUpdateFrame)
from harness.link import Link
from harness.message import Truncated
from harness.waiting import eventually, patience

# For how long a client may take nothing, in seconds, and what it has to take on average, in bytes a second.
PAUSE, RATE = 5, 16 << 10
PIECE = b"x" * 65_536
# More than the sockets between them hold.
SIZE = 12 << 20
# What is left of the widest window beside the one that a connection begins with.
WIDE = (1 << 31) - 1 - 65_535
EVERYTHING = 1 << 40


@pytest.fixture(scope="module", params=["http/1.1", "h2"], ids=["from-h1", "from-h2"])
def upstream(request, pki, make_gateway):
    """A backend that serves one request at a time: others wait."""
    backend = HTTP2Backend(pki.backend, pki.mesh.certificate, streams=1) if request.param == "h2" else Backend(pki.backend, pki.mesh.certificate)
    with backend:
        side = conf.backend(pki, backend.port, protocol=request.param, limits={"connections": 1, "client_share": "100%"},
                            timeouts={"response": "5m"})
        yield make_gateway(
            backends=[side], timeouts={"body": f"{PAUSE}s", "body_rate": f"{RATE >> 10}KiB/s", "body_total": "10m"},
            routes=[conf.route("public", "/public/**", public=True),
                    conf.route("patient", "/patient/**", public=True, body={"rate": 0, "total": 0}),
                    conf.route("brief", "/brief/**", public=True, body={"rate": "1KiB/s", "total": "3s"})]), backend


def serve(backend, path, size=SIZE):
    """Answers with so many bytes, as fast as they are taken."""
    def http1(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        for start in range(0, size, len(PIECE)):
            connection.send(PIECE[:size - start])

    def http2(stream):
        stream.respond(200, [("content-length", str(size))])
        for start in range(0, size, len(PIECE)):
            piece = PIECE[:size - start]
            stream.send(piece, end=start + len(piece) == size, timeout=600)

    backend.on(path, http2 if isinstance(backend, HTTP2Backend) else http1)


class ThinLink(Link):
    """Gives no more than it is told to."""
    budget = 0

    def _read(self):
        data = bytearray()
        try:
            while self.budget > 0:
                block = self.socket.recv(min(self.budget, 16_384))
                if not block:
                    self.ended = True
                    break
                data += block
                self.budget -= len(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (OSError, ValueError):
            self.ended = True
        return bytes(data)


class HTTP1Slow:
    """Reads slowly."""

    def __init__(self, gateway, path):
        self.client = HTTP1Client(gateway.port, gateway.ca, receive_buffer=16_384, segment=1400)
        self.link = self.client.link
        self.link.__class__ = ThinLink
        self.client.start("GET", path)

    def allow(self, count):
        self.link.budget += count
        self.client.reader.buffer += self.link.receive(0) or b""

    def rest(self):
        """How much of the content comes when all of it is taken, and whether it is whole."""
        self.link.budget = EVERYTHING
        try:
            return len(self.client.response().body), True
        except Truncated as truncated:
            return len(truncated.partial), False

    def close(self):
        self.client.close()


class HTTP2Slow:
    """Reads slowly, with windows that are as wide as they can be."""

    def __init__(self, gateway, path, window=(1 << 31) - 1, **more):
        self.raw = RawHTTP2(gateway.port, gateway.ca, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window}, **more)
        self.raw.send(WindowUpdateFrame(0, window_increment=WIDE))
        self.raw.request(1, path)
        self.link = self.raw.link

    def allow(self, count):
        self.link.budget += count
        self.raw.take(0)

    def rest(self):
        self.link.budget = EVERYTHING
        deadline = time.monotonic() + patience(60)
        over = lambda frame: isinstance(frame, RstStreamFrame) or isinstance(frame, DataFrame) and "END_STREAM" in frame.flags
        while not self.raw.ended and not any(over(frame) for frame in self.raw.frames):
            assert time.monotonic() < deadline, "neither the end nor a reset"
            self.raw.take(1)
        frames = [frame for frame in self.raw.frames if isinstance(frame, DataFrame)]
        return sum(len(frame.data) for frame in frames), any("END_STREAM" in frame.flags for frame in frames)

    def close(self):
        self.raw.close()


class HTTP2Thin(HTTP2Slow):
    def __init__(self, gateway, path):
        super().__init__(gateway, path, receive_buffer=16_384, segment=1400)
        self.link.__class__ = ThinLink


class HTTP2Narrow(HTTP2Slow):
    """Reads what comes, and gives the stream little window."""

    def __init__(self, gateway, path):
        super().__init__(gateway, path, window=1024)

    def allow(self, count):
        if count > 0:
            self.raw.send(WindowUpdateFrame(1, window_increment=count))
        self.raw.take(0)

    def rest(self):
        # What it was allowed before may not have come yet, and a window has an end.
        self.raw.send(WindowUpdateFrame(1, window_increment=1 << 30))
        return super().rest()


CLIENTS = {"h1": HTTP1Slow, "h2-reading": HTTP2Thin, "h2-window": HTTP2Narrow}


@pytest.fixture(params=CLIENTS)
def ask(request, upstream):
    """Begins a large answer under a prefix, of which nothing is taken yet."""
    gateway, backend = upstream
    opened = []

    def ask(prefix):
        path = f"{prefix}{request.param}-{time.time_ns()}"
        serve(backend, path)
        client = CLIENTS[request.param](gateway, path)
        client.gateway, client.path = gateway, path
        opened.append(client)
        return client

    yield ask
    for client in opened:
        client.close()


def code(client):
    """What the log says of the answer, once it is over."""
    line = next((line for line in client.gateway.log if line["path"] == client.path), None)
    return line and (line["code"] or "none")


def take(client, pace, seconds):
    """Takes `pace` bytes a second, until the answer is over or for so long. Gives how long it was, and the longest that the client itself
    was held up by its machine."""
    start = last = time.monotonic()
    allowed = longest = 0
    while last - start < seconds and not code(client):
        time.sleep(0.1)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        client.allow(int(pace * (now - start)) - allowed)
        allowed = int(pace * (now - start))
    return last - start, longest


def take_steadily(ask, prefix, pace, seconds):
    """The same of a new answer, by a client that was not held up; it is to have all of it then."""
    for _ in range(5):
        client = ask(prefix)
        _, longest = take(client, pace, seconds)
        if longest < PAUSE / 2:
            assert code(client) is None
            assert client.rest() == (SIZE, True)
            return
        client.close()
    pytest.fail("the machine is too busy to take anything steadily")


@pytest.mark.parametrize("pace", [0, RATE // 3], ids=["nothing", "a trickle"])
def test_too_slow_is_the_end_and_the_next_is_served(upstream, ask, pace):
    gateway, backend = upstream
    before = gateway.metric("gatehouse_denied_total", code="client_too_slow")
    slow = ask("/public/slow/")
    eventually(lambda: backend.requests_to(slow.path), 20)
    with HTTP1Client(gateway.port, gateway.ca) as other:
        other.start("GET", "/public/next")
        took, _ = take(slow, pace, patience(60))
        assert code(slow) == "client_too_slow" and took > PAUSE - 0.5
        assert other.response().status == 200
    line = gateway.logged(path=slow.path)
    assert line["status"] == 200 and line["bytes_out"] < SIZE
    assert gateway.metric("gatehouse_denied_total", code="client_too_slow") == before + 1
    size, complete = slow.rest()
    assert size < SIZE and not complete


def test_a_little_above_the_rate_is_enough(ask):
    take_steadily(ask, "/public/steady/", RATE * 3 // 2, 2.5 * PAUSE)


def test_a_pause_that_is_short_enough_ends_nothing(ask):
    client = ask("/public/pausing/")
    for _ in range(3):
        time.sleep(PAUSE * 0.5)
        for _ in range(20):
            client.allow(32_768)
            time.sleep(0.05)
    assert code(client) is None
    assert client.rest() == (SIZE, True)


def test_a_route_that_asks_for_no_rate_has_none(ask):
    take_steadily(ask, "/patient/", RATE // 2, 2.5 * PAUSE)


def test_a_total_is_a_total_for_whoever_does_not_keep_up(ask):
    client = ask("/brief/")
    took, _ = take(client, 6 << 10, patience(60))
    assert code(client) == "client_too_slow" and took > 2.9


def test_whoever_keeps_up_has_no_total(ask):
    take_steadily(ask, "/brief/", 100 << 10, 7)


# Others on the same connection.

@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    return make_gateway(backend.port, timeouts={"body": "2s"})


def test_one_stream_ends_and_the_others_go_on(gateway, backend, pki):
    serve(backend, "/public/stalled", 1 << 20)
    serve(backend, "/public/good", 1 << 20)
    with RawHTTP2(gateway.port, pki.public.certificate) as raw:
        raw.send(WindowUpdateFrame(0, window_increment=WIDE))
        raw.request(1, "/public/stalled")
        raw.request(3, "/public/good")

        def ended():
            raw.send(WindowUpdateFrame(3, window_increment=4096))
            raw.take(0.2)
            return any(isinstance(frame, RstStreamFrame) for frame in raw.frames)

        eventually(ended, 40, interval=0)
        assert raw.reset_code(1) == CANCEL
        raw.send(WindowUpdateFrame(3, window_increment=WIDE))
        assert len(raw.body(3)) == 1 << 20
        raw.request(5, "/public/next")
        assert raw.status(5) == 200
        assert not any(isinstance(frame, GoAwayFrame) for frame in raw.frames)
    assert gateway.logged(path="/public/stalled")["code"] == "client_too_slow"
    assert gateway.logged(path="/public/good")["code"] is None


def test_a_connection_without_window_ends_with_all_that_waits(gateway, backend, pki):
    for number in (1, 3):
        serve(backend, f"/public/wide/{number}", 1 << 20)
    with RawHTTP2(gateway.port, pki.public.certificate, settings={SettingsFrame.INITIAL_WINDOW_SIZE: WIDE}) as raw:
        for number in (1, 3):
            raw.request(number, f"/public/wide/{number}")
        raw.wait_for_end(40)
        codes = [frame.error_code for frame in raw.frames if isinstance(frame, GoAwayFrame)]
        assert codes[-1:] == [ENHANCE_YOUR_CALM]
    for number in (1, 3):
        assert gateway.logged(path=f"/public/wide/{number}")["code"] == "client_too_slow"


# Who is not the client's to wait for.

@pytest.mark.parametrize("events", [HTTP1Events, HTTP2Events], ids=["h1", "h2"])
def test_a_stream_of_events_may_be_silent(gateway, backend, pki, events):
    def script(connection, request):
        connection.send(HEAD)
        for number in range(3):
            connection.send(chunk(f"data: {number}\n\n"))
            # Longer than a client may take nothing.
            time.sleep(3.5)
        connection.send("0\r\n\r\n")

    path = f"/public/events-{events.__name__}"
    backend.on(path, script)
    stream = events(gateway, pki, path, {})
    assert [stream.next() for _ in range(4)] == ["data: 0\n\n", "data: 1\n\n", "data: 2\n\n", "end"]
    stream.close()


@pytest.mark.parametrize("route", ["/public", "/streamed"])
def test_a_request_that_is_whole_sets_the_client_no_time(gateway, backend, route):
    """Nor does its content's, which is over."""
    def script(connection, request):
        assert b"".join(connection.reader.blocks(request, False)) == b"content"
        time.sleep(3.5)
        connection.answer(200, b"late")

    backend.on(f"{route}/late", script)
    with gateway.client() as client:
        client.request("POST", f"{route}/late", headers={"Content-Length": "7"})
        time.sleep(0.3)
        client.send("content")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"late")


def test_content_that_comes_keeps_no_answer_that_is_not_taken(gateway, backend):
    """Both ways at once: the client sends a little all the time, and takes nothing."""
    over = threading.Event()

    def script(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                connection.send(b"10000\r\n%s\r\n" % PIECE)
        finally:
            over.set()

    backend.on("/streamed/both", script)
    with HTTP1Client(gateway.port, gateway.ca, receive_buffer=16_384, segment=1400) as client:
        client.start("POST", "/streamed/both", headers={"Content-Length": "1000000"})

        def ended():
            client.link.send(b"x" * 500)
            return over.wait(0.2)

        eventually(ended, 40, interval=0)
    assert gateway.logged(path="/streamed/both")["code"] == "client_too_slow"
