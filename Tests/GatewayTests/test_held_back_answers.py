"""Answers that come faster than their client takes them: while the gateway reads no further, its patience with the backend stands still."""
import socket
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP1Client, HTTP2Client
from harness.message import Truncated
from harness.waiting import patience, settled

CLIENTS = {"h1": HTTP1Client, "h2": HTTP2Client}
# More than the sockets between them hold.
SIZE = 12 << 20
PIECE = b"x" * 65_536
# For how many seconds the backend may be silent: longer on a machine that is busy, where the client is late to take the last of an answer.
SILENCE = min(3.0, patience(1.0))
# Several times as long.
LONG = 3.5 * SILENCE


class Source:
    """Answers with `size` bytes of content, of which it sends `given`, and counts them."""

    def __init__(self, size, given, chunked=False):
        self.size, self.given, self.chunked, self.sent = size, given, chunked, 0

    def http1(self, connection, request):
        connection.send("HTTP/1.1 200 OK\r\n" + (
            "Transfer-Encoding: chunked\r\n\r\n" if self.chunked else f"Content-Length: {self.size}\r\n\r\n"))
        while self.sent < self.given:
            piece = PIECE[:self.given - self.sent]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)
            self.sent += len(piece)
        if self.given < self.size:
            connection.wait_for_end(60)
        elif self.chunked:
            connection.send("0\r\n\r\n")

    def http2(self, stream, go=None):
        stream.respond(200, [] if self.chunked else [("content-length", str(self.size))])
        if go:
            go.wait(patience(60))
        while self.sent < self.given:
            piece = PIECE[:self.given - self.sent]
            stream.send(piece, end=self.sent + len(piece) == self.size, timeout=60)
            self.sent += len(piece)
        if self.given < self.size:
            stream.cancelled.wait(patience(60))


@pytest.fixture(scope="module", params=["http/1.1", "h2"], ids=["from-h1", "from-h2"])
def upstream(request, pki, make_gateway):
    kind = HTTP2Backend if request.param == "h2" else Backend
    with kind(pki.backend, pki.mesh.certificate) as backend:
        silence = f"{round(SILENCE * 1000)}ms"
        timeouts = {"connect": "500ms", "response": silence, "idle": silence}
        yield make_gateway(backends=[conf.backend(pki, backend.port, protocol=request.param, timeouts=timeouts)]), backend


def serve(backend, path, source):
    backend.on(path, source.http2 if isinstance(backend, HTTP2Backend) else source.http1)


def take(client, number):
    """How much of the content came, and whether it was all."""
    try:
        answer = client.response() if number is None else client.response(number, timeout=60)
        return len(answer.body), number is None or answer.complete
    except Truncated as truncated:
        return len(truncated.partial), False


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("version", CLIENTS)
def test_a_client_that_reads_late_gets_all_of_it(upstream, version, chunked):
    gateway, backend = upstream
    source = Source(SIZE, SIZE, chunked)
    path = f"/public/late-{version}-{chunked}"
    serve(backend, path, source)
    with CLIENTS[version](gateway.port, gateway.ca, receive_buffer=4096) as client:
        number = client.start("GET", path)
        assert 0 < settled(lambda: source.sent, LONG, 60) < source.size
        assert take(client, number) == (source.size, True)


@pytest.mark.parametrize("version", CLIENTS)
def test_time_begins_anew_when_the_client_reads_on(upstream, version):
    gateway, backend = upstream
    source = Source(SIZE + 1, SIZE)
    path = f"/public/anew-{version}"
    serve(backend, path, source)
    with CLIENTS[version](gateway.port, gateway.ca, receive_buffer=4096) as client:
        number = client.start("GET", path)
        assert 0 < settled(lambda: source.sent, LONG, 60) < source.given
        assert take(client, number) == (source.given, False)
    assert gateway.logged(path=path)["code"] == "upstream_timeout"


def test_interim_heads_that_are_held_back_are_no_silence(upstream):
    gateway, backend = upstream
    pad, count, asked = "p" * 3_900, 7, 300

    def http1(connection, request):
        for _ in range(count):
            connection.send(f"HTTP/1.1 103 Early Hints\r\nX-Pad: {pad}\r\n\r\n")
        connection.answer(200, b"final")

    def http2(stream):
        for _ in range(count):
            stream.interim(103, [("x-pad", pad)])
        stream.answer(200, b"final")

    backend.on("/public/hinted", http2 if isinstance(backend, HTTP2Backend) else http1)
    with HTTP1Client(gateway.port, gateway.ca, receive_buffer=4096) as client:
        # As much of answers as the sockets hold, and then one whose interim heads the gateway reads only in part.
        for _ in range(asked):
            client.start("GET", "/public/hinted")
        assert settled(lambda: len(backend.requests_to("/public/hinted")), LONG, 60) < asked
        for _ in range(asked):
            answer = client.response()
            assert (answer.status, answer.body, len(answer.interim)) == (200, b"final", count)


@pytest.fixture
def spent(pki, make_gateway):
    """A gateway, its HTTP/2 backend, and what makes a client have 40 answers coming on one connection and read none of them: more than the
    connection's window is to hold."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        timeouts = {"connect": "1s", "response": "1s", "idle": "1s"}
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", timeouts=timeouts)])
        slow, all_asked = [Source(1 << 20, 1 << 20) for _ in range(40)], threading.Event()
        for number, source in enumerate(slow):
            backend.on(f"/public/slow-{number}/", lambda stream, source=source: source.http2(stream, all_asked))

        def spend(reader):
            reader.consumes = False
            for number in [reader.start("GET", f"/public/slow-{number}/") for number in range(len(slow))]:
                reader.head(number)
            all_asked.set()
            reader.until(lambda: reader.step(0.05) or sum(source.sent for source in slow) > 4 << 20)
            settled(lambda: reader.step(0.01) or sum(source.sent for source in slow))
        yield gateway, backend, spend


def test_whoever_waits_for_a_window_that_others_hold_is_not_cut_off(spent):
    """Streams of one connection to a backend share a window, and clients that do not read can use it up under one that came before."""
    gateway, backend, spend = spent
    good, go = Source(100_000, 100_000), threading.Event()

    def late(stream):
        stream.respond(200, [("content-length", str(good.size))])
        while not go.wait(0.3):
            # So that the backend is not silent for too long.
            stream.send(PIECE[:1])
            good.sent += 1
        while good.sent < good.size:
            piece = PIECE[:good.size - good.sent]
            stream.send(piece, end=good.sent + len(piece) == good.size, timeout=60)
            good.sent += len(piece)
    backend.on("/public/good", late)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        number = client.start("GET", "/public/good")
        client.head(number)
        with HTTP2Client(gateway.port, gateway.ca) as reader:
            spend(reader)
            go.set()
            assert settled(lambda: good.sent, LONG, 60) < good.size
        # They are gone, and what they held is everybody's again.
        answer = client.response(number)
        assert (len(answer.body), answer.complete) == (good.size, True)
    assert len(backend.connections) == 1


def test_whoever_comes_when_others_hold_the_window_goes_elsewhere(spent):
    gateway, backend, spend = spent
    good = Source(100_000, 100_000)
    serve(backend, "/public/good", good)
    with HTTP2Client(gateway.port, gateway.ca) as reader:
        spend(reader)
        with HTTP2Client(gateway.port, gateway.ca) as client:
            answer = client.response(client.start("GET", "/public/good"))
            assert (len(answer.body), answer.complete) == (good.size, True)
        assert len(backend.connections) == 2


@pytest.fixture
def single(pki, make_gateway):
    """A gateway that may have one connection to its HTTP/2 backend, and the backend."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        timeouts = {"connect": "60s", "response": "60s", "idle": "60s"}
        yield make_gateway(
            backends=[conf.backend(pki, backend.port, protocol="h2", limits={"connections": 1}, timeouts=timeouts)],
            timeouts={"body": "600s"}), backend
        assert len(backend.connections) == 1


def read_on(reader):
    """Takes what has come on all streams, and from here on what comes."""
    reader.consumes = True
    for number, stream in reader.streams.items():
        if stream.body:
            reader.h2.acknowledge_received_data(len(stream.body), number)
    reader._write()


def ask_for_many(reader, backend):
    """Eighty answers of 256 KiB, of which the reader takes nothing. Gives them, their streams, and what the backend has sent of all."""
    sources = [Source(256 << 10, 256 << 10) for _ in range(80)]
    for number, source in enumerate(sources):
        serve(backend, f"/public/slow-{number}/", source)
    reader.consumes = False
    numbers = [reader.start("GET", f"/public/slow-{number}/") for number in range(len(sources))]
    reader.until(lambda: reader.step(0.05) or sum(source.sent for source in sources) > 3 << 20)
    return sources, numbers, settled(lambda: reader.step(0.01) or sum(source.sent for source in sources), LONG, 60)


def test_answers_that_have_ended_count_until_their_client_has_taken_them(single):
    """The whole of each answer fits its stream's window, so that the backend is done with it; what waits of all is bounded all the same."""
    gateway, backend = single
    with HTTP2Client(gateway.port, gateway.ca) as reader:
        sources, numbers, sent = ask_for_many(reader, backend)
        # Of each 64 KiB and a read are on their way to the client; 4 MiB wait.
        assert sent < (4 << 20) + sum(source.sent > 0 for source in sources) * (100 << 10)
        assert any(source.sent == 0 for source in sources)
        read_on(reader)
        for number in numbers:
            answer = reader.response(number, timeout=60)
            assert (answer.status, len(answer.body), answer.complete) == (200, 256 << 10, True)


def test_answers_that_connections_leave_behind_count_for_the_next(pki, make_gateway):
    """A backend that answers, closes its connection and is connected to again has no more kept for it than one that stays."""
    batch, rounds = 12, 8
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        timeouts = {"connect": "60s", "response": "60s", "idle": "60s"}
        limits = {"connections": 1, "client_share": "100%"}
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", limits=limits, timeouts=timeouts)],
                               timeouts={"body": "600s"})
        sources, answered, closed = [], {}, []

        def answer(stream, source):
            connection = stream.connection
            source.http2(stream)
            with connection.changed:
                answered[connection] = answered.get(connection, 0) + 1
                if answered[connection] == batch:
                    connection.changed.wait_for(lambda: not connection.link.output, patience(60))
                    # All that was sent arrives before the end.
                    socket.socket.shutdown(connection.link.socket, socket.SHUT_WR)
                    closed.append(connection)
        with HTTP2Client(gateway.port, gateway.ca) as reader:
            reader.consumes = False
            numbers = []
            for _ in range(rounds):
                if len(closed) * batch < len(sources):
                    break
                for _ in range(batch):
                    sources.append(source := Source(256 << 10, 256 << 10))
                    path = f"/public/left-{len(sources)}/"
                    backend.on(path, lambda stream, source=source: answer(stream, source))
                    numbers.append(reader.start("GET", path))
                settled(lambda: reader.step(0.01) or (len(closed), sum(source.sent for source in sources)), 3.0, 60)
            sent = sum(source.sent for source in sources)
            # What one connection may leave behind, and one connection beside it; of each answer 64 KiB and a read are on their way.
            assert sent < (8 << 20) + sum(source.sent > 0 for source in sources) * (100 << 10)
            assert any(source.sent == 0 for source in sources) and len(closed) > 1
            read_on(reader)
            for number in numbers:
                got = reader.response(number, timeout=60)
                assert (got.status, len(got.body), got.complete) == (200, 256 << 10, True)


def test_answers_that_nobody_reads_any_more_free_the_window(single):
    gateway, backend = single
    with HTTP2Client(gateway.port, gateway.ca) as reader:
        ask_for_many(reader, backend)
    good = Source(SIZE, SIZE)
    serve(backend, "/public/good", good)
    with HTTP2Client(gateway.port, gateway.ca) as client:
        answer = client.response(client.start("GET", "/public/good"), timeout=60)
        assert (len(answer.body), answer.complete) == (SIZE, True)


def test_those_who_hold_more_than_half_of_the_window_leave_the_rest_to_others(single):
    gateway, backend = single
    slow, good, go = [Source(1 << 20, 256 << 10) for _ in range(22)], Source(SIZE, SIZE), threading.Event()
    for number, source in enumerate(slow):
        serve(backend, f"/public/slow-{number}/", source)

    def late(stream):
        go.wait(patience(60))
        good.http2(stream)
    backend.on("/public/good", late)
    with HTTP2Client(gateway.port, gateway.ca) as client, HTTP2Client(gateway.port, gateway.ca) as reader:
        number = client.start("GET", "/public/good")
        reader.consumes = False
        for other in range(len(slow)):
            reader.start("GET", f"/public/slow-{other}/")
        reader.until(lambda: reader.step(0.05) or sum(source.sent for source in slow) == len(slow) * (256 << 10), 60)
        go.set()
        answer = client.response(number, timeout=60)
        assert (len(answer.body), answer.complete) == (SIZE, True)
        assert not any(stream.complete for stream in reader.streams.values())


def test_whoever_comes_when_content_for_the_backend_has_used_up_its_window(pki, make_gateway):
    """A backend that takes no content keeps that of others waiting, no longer than they have time, and nothing else."""
    with HTTP2Backend(pki.backend, pki.mesh.certificate, consumes=False) as backend:
        gateway = make_gateway(
            backends=[conf.backend(pki, backend.port, protocol="h2", limits={"connections": 1},
                                   timeouts={"connect": "500ms", "response": "60s", "idle": "60s"})],
            routes=[conf.route("public", "/public/**", public=True), conf.route("brief", "/brief/**", public=True, timeout="1s")])
        with HTTP2Client(gateway.port, gateway.ca) as greedy, HTTP2Client(gateway.port, gateway.ca) as client:
            number = greedy.start("POST", "/public/greedy", body=b"x" * (1 << 20))
            greedy.until(lambda: backend.requests_to("/public/greedy"))
            stream = backend.requests_to("/public/greedy")[0]
            greedy.until(lambda: greedy.step(0.05) or len(stream.body) >= 65_535)
            assert client.exchange("GET", "/public/beside").status == 200
            problem(client.exchange("POST", "/brief/waits", body=b"0123456789"), 504, "upstream_timeout")
            waits = client.start("POST", "/public/waits", body=b"0123456789")
            client.until(lambda: backend.requests_to("/public/waits"))
            connection, = backend.connections
            connection.act(lambda h2c: h2c.increment_flow_control_window(1 << 16))
            # The greedy one has no window of its own, so that all of it is the other's.
            assert client.response(waits).status == 200
            assert not greedy.streams[number].complete and greedy.streams[number].reset_code is None
