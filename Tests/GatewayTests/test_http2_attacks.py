"""HTTP/2 from clients that mean harm: what each gets, and that nobody else notices."""
import itertools
import struct
import threading
import time

import pytest

from harness import configuration as conf
from harness.http2client import (COMPRESSION_ERROR, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR,
                                 REFUSED_STREAM, STREAM_CLOSED, CANCEL, ContinuationFrame, DataFrame, GoAwayFrame, HeadersFrame,
                                 HTTP2Client, PingFrame, PriorityFrame, RawHTTP2, RstStreamFrame, SettingsFrame,
                                 WindowUpdateFrame, block, head, headers_frame, literal)
from harness.waiting import eventually, patience, settled

BURST, STREAMS, FIELDS = 1000, 100, 100


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, nginx, pki):
    def hold(connection, request):
        connection.wait_for_end(30)

    backend.on("/public/hold", hold)
    # What others sent may come to the backend long after they have ended, so who counts has a path for himself.
    backend.on("/whole/hold", hold)
    backend.on("/whole/counted", hold)
    backend.on("/public/table", lambda connection, request: connection.answer(204))
    done = threading.Event()
    backend.on("/public/deaf", lambda connection, request: done.wait(patience(60)))
    backend.on("/public/large", lambda connection, request: connection.answer(200, b"l" * (1 << 20)))
    # The bystander has a backend to itself: the other, which shares its process with the attacks, may well be short of time.
    yield make_gateway(
        limits={"header_count": FIELDS}, timeouts={"body": "2s"},
        backends=[conf.backend(pki, backend.port), conf.backend(pki, nginx.port, name="calm"),
                  conf.backend(pki, backend.port, name="whole", limits={"client_share": "100%"})],
        routes=[conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True),
                conf.route("calm", "/calm/**", public=True, to="calm"), conf.route("whole", "/whole/**", public=True, to="whole")])
    done.set()


class Bystander(threading.Thread):
    """Somebody else, who asks one thing after another on a connection of their own."""

    def __init__(self, port, ca):
        super().__init__(daemon=True)
        self.client = HTTP2Client(port, ca)
        self.ending = threading.Event()
        self.answered, self.slowest, self.failures = 0, 0.0, []

    def run(self):
        try:
            while not self.ending.is_set():
                began = time.monotonic()
                answer = self.client.exchange("GET", "/calm/other")
                if answer.status != 200:
                    self.failures.append((answer.start, answer.body))
                self.answered += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.ending.wait(0.005)
        except AssertionError as failure:
            self.failures.append(str(failure))

    def __enter__(self):
        self.start()
        eventually(lambda: self.answered or self.failures, what="the bystander's first answer")
        return self

    def __exit__(self, *_):
        before = self.answered
        eventually(lambda: self.answered > before or self.failures, what="an answer for the bystander after the attack")
        self.ending.set()
        self.join(30)
        self.client.close()
        assert self.failures == [] and self.slowest < 5


@pytest.fixture(scope="module")
def bystander(gateway, pki):
    with Bystander(gateway.port, pki.public.certificate) as bystander:
        yield bystander


@pytest.fixture
def raw(gateway, pki, bystander):
    """An attacker's connection; meanwhile somebody else is served."""
    assert bystander.failures == []
    before = bystander.answered
    with RawHTTP2(gateway.port, pki.public.certificate) as raw:
        yield raw
    eventually(lambda: bystander.answered > before or bystander.failures, what="an answer for the bystander")
    assert bystander.failures == []


def odd():
    return itertools.count(1, 2)


def opened(number, path="/public/hold", method="GET", extra=(), end=True):
    return headers_frame(number, block(head(path, method, extra=extra)), end=end).serialize()


# Floods: endless pieces, one after the other.

def rapid_reset():
    for number in odd():
        yield opened(number) + RstStreamFrame(number, error_code=CANCEL).serialize()


def rapid_reset_of_nothing():
    """The request would be refused, so the backend never hears of it; the reset counts all the same."""
    for number in odd():
        yield opened(number, "/orders/1") + RstStreamFrame(number, error_code=CANCEL).serialize()


def reset_by_window():
    for number in odd():
        yield opened(number) + WindowUpdateFrame(number, window_increment=0x7fffffff).serialize()


def reset_by_length():
    for number in odd():
        yield opened(number, method="POST", extra=[("content-length", "1")], end=False) + DataFrame(number, data=b"two").serialize()


def reset_by_trailers():
    for number in odd():
        yield (opened(number, method="POST", end=False)
               + headers_frame(number, block([(":path", "/other")])).serialize())


def continuations(part):
    def pieces():
        yield headers_frame(1, block(head("/public/a")), complete=False)
        while True:
            yield ContinuationFrame(1, data=part)
    return pieces


def pings():
    while True:
        yield PingFrame(0, opaque_data=b"12345678").serialize() * 8


def settings():
    while True:
        yield SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65535})


def empty_data(**padding):
    def pieces():
        yield opened(1, method="POST", end=False)
        while True:
            yield DataFrame(1, **padding)
    return pieces


def window_updates():
    yield opened(1)
    for _ in range(1 << 20):
        yield WindowUpdateFrame(0, window_increment=1).serialize() * 4


def priorities():
    for number in odd():
        yield PriorityFrame(number, depends_on=0, stream_weight=7).serialize() * 4


def of_no_use(kind, number=0, payload=b""):
    def pieces():
        while True:
            yield broken_frame(kind, 0, number, payload) * 4
    return pieces


def over_the_limit():
    """The connection's streams stay open, and more are asked for."""
    for number in itertools.islice(odd(), STREAMS):
        yield opened(number)
    for number in itertools.count(2 * STREAMS + 1, 2):
        yield opened(number)


def late_content():
    yield opened(1, method="POST", extra=[("content-length", "1")], end=False) + DataFrame(1, data=b"two").serialize()
    while True:
        yield DataFrame(1, data=b"x")


def goaways():
    yield opened(1)
    while True:
        yield GoAwayFrame(0)


PACE = {True: 50, False: None}
FLOODS = {
    # name: (pieces, at least so many are taken, at most so many); of those that open streams, so many streams. Resets that the
    # gateway is made to send are waited for now and then: until they have come, their streams count as open.
    "rapid reset": (rapid_reset, BURST, 2 * BURST),
    "rapid reset of refused requests": (rapid_reset_of_nothing, BURST, 2 * BURST),
    "made you reset, window": (reset_by_window, BURST, 2 * BURST),
    "made you reset, length": (reset_by_length, BURST, 2 * BURST),
    "made you reset, trailers": (reset_by_trailers, BURST, 2 * BURST),
    "continuations": (continuations(literal("x-a", "b")), 9, 1 << 16),
    "empty continuations": (continuations(b""), 9, 1 << 16),
    "pings": (pings, 20, 1 << 16),
    "settings": (settings, 40, 1 << 16),
    "empty data": (empty_data(), 200, 1 << 16),
    "padded empty data": (empty_data(flags=["PADDED"], pad_length=200), 200, 1 << 16),
    "window updates": (window_updates, 400, 1 << 16),
    "priorities": (priorities, 100, 1 << 16),
    "priority updates": (of_no_use(0x10, 0, b"\0\0\0\1u=0"), 100, 1 << 16),
    "alternative services": (of_no_use(0xa, 0, b"\0\1ah2=\":1\""), 100, 1 << 16),
    "frames that nobody knows": (of_no_use(0xbb, 1), 100, 1 << 16),
    "made you reset, streams over the limit": (over_the_limit, BURST, 2 * BURST),
    "late content": (late_content, BURST, 1 << 16),
    "goaways": (goaways, 40, 1 << 16),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection(raw, gateway, name):
    pieces, least, most = FLOODS[name]
    before = gateway.metric("gatehouse_connections", side="upstream", protocol="http1")
    raw.ping()
    taken = raw.flood(pieces(), pace=PACE[name.startswith("made you reset")])
    assert raw.goaway() == ENHANCE_YOUR_CALM
    if "reset" in name:
        # What the gateway acted on. How much more was sent meanwhile depends on the kernel's buffers and on who is faster.
        taken = (raw.wait_for(GoAwayFrame).last_stream_id + 1) // 2
    assert least <= taken <= most
    # However fast streams came and went, never more were alive than the limit says.
    assert gateway.metric("gatehouse_connections", side="upstream", protocol="http1") <= before + STREAMS
    eventually(lambda: gateway.metric("gatehouse_requests_in_flight") <= 1, what="the attack's requests gone")


def test_what_browsers_say_beside_their_requests_is_no_flood(raw):
    """Chromium sends a frame of a reserved type with each request, others an update of its priority before and behind it."""
    for number in itertools.islice(odd(), 600):
        update = broken_frame(0x10, 0, 0, struct.pack("!I", number) + b"u=3, i")
        raw.send(update, opened(number, "/public/table"), update, broken_frame(0x2a, 0, number, b"grease"))
        assert raw.status(number) == 204
    assert not any(isinstance(frame, GoAwayFrame) for frame in raw.frames)


# Fields: compression, counts, sizes.

HPACK = {
    "index 0": b"\x80",
    "an index past the tables": b"\xff\x40",
    "an index without an end": b"\xff" + b"\xff" * 12,
    "a table larger than allowed": b"\x3f\xe2\xff\x03",
    "a table resized behind a field": b"\x82\x3f\x01",
    "padding of a string that is no padding": literal("x", "y")[:2] + b"\x81\x00" + b"\x00",
    "EOS within a string": b"\x00\x84\xff\xff\xff\xff\x00",
    "a string longer than the block": b"\x00\x7f\x80\x80\x01abc",
}


@pytest.mark.parametrize("name", HPACK)
def test_a_block_that_cannot_be_read_ends_the_connection(raw, backend, name):
    marker = f"/public/hpack-{abs(hash(name))}"
    raw.headers(1, block(head(marker)) + HPACK[name] if not name.startswith("a table larger") else HPACK[name] + block(head(marker)))
    assert raw.goaway() == COMPRESSION_ERROR
    assert not backend.requests_to(marker)


def bomb(count, size=1):
    """One field in the table, and a byte for each time it is named: 1,000 bytes become 1,000 fields."""
    return block(head("/public/bomb")) + b"\x40\x03x-a" + bytes([size]) + b"b" * size + b"\xbe" * (count - 1)


@pytest.mark.parametrize("count", [FIELDS + 1, 3 * FIELDS])
def test_too_many_fields_are_refused(raw, backend, count):
    raw.headers(1, bomb(count))
    assert raw.status(1) == 431
    assert b"headers_too_large" in raw.body(1)
    assert not backend.requests_to("/public/bomb")
    raw.request(3, "/public/after")
    assert raw.status(3) == 200


@pytest.mark.parametrize("count,size", [(10_000, 1), (2000, 100), (450, 126)])
def test_a_bomb_of_fields_ends_the_connection(raw, backend, count, size):
    raw.headers(1, bomb(count, size))
    assert raw.goaway() == ENHANCE_YOUR_CALM
    assert not backend.requests_to("/public/bomb")


def test_a_table_filled_again_and_again_answers_and_holds_nothing(raw):
    for index, number in enumerate(itertools.islice(odd(), 200)):
        part = b"".join(b"\x40\x0ax-%08d\x7e" % (index * 20 + at) + b"v" * 126 for at in range(20))
        raw.headers(number, block(head("/public/table")) + part)
        assert raw.status(number) == 204


# Heads with two readings.

MALFORMED = {
    "an upper-case name": [*head("/public/bad"), ("X-A", "b")],
    "no :path": head("/public/bad")[:3],
    "no :method": head("/public/bad")[1:],
    "an empty :path": [*head("/public/bad")[:3], (":path", "")],
    "two :path": [*head("/public/bad"), (":path", "/public/bad")],
    "an unknown pseudo-header": [*head("/public/bad"), (":version", "1.1")],
    "a response's pseudo-header": [*head("/public/bad"), (":status", "200")],
    "a pseudo-header behind a field": [*head("/public/bad")[:3], ("x-a", "b"), (":path", "/public/bad")],
    "connection": [*head("/public/bad"), ("connection", "close")],
    "keep-alive": [*head("/public/bad"), ("keep-alive", "1")],
    "transfer-encoding": [*head("/public/bad", "POST"), ("transfer-encoding", "chunked")],
    "upgrade": [*head("/public/bad"), ("upgrade", "websocket")],
    "te other than trailers": [*head("/public/bad"), ("te", "gzip")],
    "CR and LF in a value": [*head("/public/bad"), ("x-a", "b\r\nx-user: admin")],
    "NUL in a value": [*head("/public/bad"), ("x-a", "b\0c")],
    "LF in a name": [*head("/public/bad"), ("x\na", "b")],
    "a colon in a name": [*head("/public/bad"), ("x:a", "b")],
    "an empty name": [*head("/public/bad"), ("", "b")],
    "a space in :path": [*head("/public/bad")[:3], (":path", "/public/bad HTTP/1.1")],
    "CR and LF in :path": [*head("/public/bad")[:3], (":path", "/public/bad HTTP/1.1\r\nhost: x\r\n\r\n")],
    "a space in :method": [(":method", "GET /public/bad"), *head("/public/bad")[1:]],
    "LF in :authority": head("/public/bad", authority="api.example.com\nx"),
    "userinfo in :authority": head("/public/bad", authority="me@api.example.com"),
    "host and :authority differ": [*head("/public/bad"), ("host", "other.example.com")],
    "two content-length": [*head("/public/bad", "POST"), ("content-length", "0"), ("content-length", "0")],
    "a list as content-length": [*head("/public/bad", "POST"), ("content-length", "0, 0")],
    "content-length without content": [*head("/public/bad", "POST"), ("content-length", "5")],
    "no absolute path": [*head("/public/bad")[:3], (":path", "public/bad")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_refused_before_the_backend(raw, backend, name):
    raw.headers(1, block(MALFORMED[name]))
    raw.wait(lambda frame: frame.stream_id == 1 and isinstance(frame, (HeadersFrame, RstStreamFrame)), what="a refusal")
    refusal = next(frame for frame in raw.frames if frame.stream_id == 1)
    if isinstance(refusal, RstStreamFrame):
        assert refusal.error_code == PROTOCOL_ERROR
    else:
        assert raw.status(1) == 400
    assert not backend.requests_to("/public/bad")
    # It was the request that was wrong; the connection still serves.
    raw.request(3, "/public/after")
    assert raw.status(3) == 200


# Frames where they must not be.

def broken_frame(kind, flags, number, payload):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", number) + payload


BROKEN = {
    "HEADERS on stream 0": (broken_frame(1, 5, 0, block(head("/public/bad"))), PROTOCOL_ERROR),
    "an even stream": (headers_frame(2, block(head("/public/bad"))), PROTOCOL_ERROR),
    "DATA on stream 0": (broken_frame(0, 0, 0, b"x"), PROTOCOL_ERROR),
    "DATA on an idle stream": (DataFrame(5, data=b"x"), PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (RstStreamFrame(5), PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (WindowUpdateFrame(5, window_increment=1), PROTOCOL_ERROR),
    "WINDOW_UPDATE of 0": (broken_frame(8, 0, 0, b"\0\0\0\0"), PROTOCOL_ERROR),
    "PRIORITY on stream 0": (broken_frame(2, 0, 0, b"\0\0\0\0\7"), PROTOCOL_ERROR),
    "the connection's window overflows": (WindowUpdateFrame(0, window_increment=0x7fffffff), FLOW_CONTROL_ERROR),
    "PUSH_PROMISE": (broken_frame(5, 4, 1, b"\0\0\0\2" + block(head("/public/bad"))), PROTOCOL_ERROR),
    "CONTINUATION without HEADERS": (broken_frame(9, 4, 1, b""), PROTOCOL_ERROR),
    "SETTINGS with an odd length": (broken_frame(4, 0, 0, b"\0"), FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (broken_frame(4, 0, 1, b""), PROTOCOL_ERROR),
    "SETTINGS with a window over the bound": (broken_frame(4, 0, 0, b"\0\4\xff\xff\xff\xff"), FLOW_CONTROL_ERROR),
    "PING of 7 bytes": (broken_frame(6, 0, 0, b"1234567"), FRAME_SIZE_ERROR),
    "a frame over the bound": (broken_frame(0, 0, 1, b"x" * 16385), FRAME_SIZE_ERROR),
    "padding longer than its frame": (broken_frame(1, 0x0d, 1, b"\xff" + block(head("/public/bad"))), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_ends_the_connection(raw, backend, name):
    frame, code = BROKEN[name]
    raw.send(frame)
    assert raw.goaway() == code
    assert not backend.requests_to("/public/bad")


def test_a_frame_within_a_field_section_ends_the_connection(raw, backend):
    raw.headers(1, block(head("/public/bad")), complete=False)
    raw.send(PingFrame(0, opaque_data=b"12345678"))
    assert raw.goaway() == PROTOCOL_ERROR
    assert not backend.requests_to("/public/bad")


def test_settings_with_a_thousand_entries_end_the_connection(raw):
    raw.send(broken_frame(4, 0, 0, b"\0\4\0\0\xff\xff" * 1000))
    assert raw.goaway() == ENHANCE_YOUR_CALM


def test_streams_over_the_limit_are_refused_and_the_backend_never_hears_of_them(raw, backend, gateway):
    numbers = list(itertools.islice(odd(), STREAMS + 20))
    raw.send(*(opened(number, "/whole/counted") for number in numbers))
    raw.ping()
    refused = [frame for frame in raw.frames if isinstance(frame, RstStreamFrame)]
    assert {frame.stream_id for frame in refused} == set(numbers[STREAMS:])
    assert {frame.error_code for frame in refused} == {REFUSED_STREAM}
    eventually(lambda: len(backend.requests_to("/whole/counted")) == STREAMS, what="the backend asked 100 times")
    assert gateway.metric("gatehouse_requests_in_flight") <= STREAMS + 1


def test_one_stream_over_the_limit_is_refused_and_the_connection_goes_on(raw, backend, gateway):
    """The client has acknowledged the limit, and miscounts."""
    raw.ping()
    numbers = list(itertools.islice(odd(), STREAMS + 1))
    raw.send(*(opened(number, "/whole/hold") for number in numbers))
    assert raw.reset_code(numbers[-1]) == REFUSED_STREAM
    raw.send(RstStreamFrame(1, error_code=CANCEL))
    raw.request(numbers[-1] + 2, "/whole/after-the-limit")
    assert raw.status(numbers[-1] + 2) == 200
    assert not any(isinstance(frame, GoAwayFrame) for frame in raw.frames)


STRAYS = {
    # name: (the streams that are opened and answered, what follows, the error)
    "HEADERS on a stream that has ended": ((1,), lambda: opened(1, "/public/stray"), STREAM_CLOSED),
    "HEADERS on a lower stream": ((5,), lambda: opened(3, "/public/stray"), PROTOCOL_ERROR),
    "HEADERS on a lower stream, again and again": ((100_001,), lambda: b"".join(
        opened(number, "/public/stray") for number in range(1, 100_000, 2)), PROTOCOL_ERROR),
    "DATA on a stream that has ended": ((1,), lambda: DataFrame(1, data=b"x").serialize(), STREAM_CLOSED),
    "DATA on a lower stream": ((5,), lambda: DataFrame(3, data=b"x").serialize(), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_frame_for_a_stream_that_is_gone_ends_the_connection(raw, backend, name):
    numbers, stray, code = STRAYS[name]
    for number in numbers:
        raw.request(number, "/public/table")
        assert raw.status(number) == 204
    raw.send(stray())
    assert raw.goaway() == code
    assert not backend.requests_to("/public/stray")


def test_content_past_the_window_is_refused(raw):
    """The backend takes nothing: once the kernel's buffers are full, so is the stream's window."""
    raw.send(opened(1, "/public/deaf", "POST", end=False))
    raw.ping()
    window, counted, quiet_since = 65536, 0, time.monotonic()
    while time.monotonic() - quiet_since < 0.5:
        if window >= 16384:
            raw.send(DataFrame(1, data=b"x" * 16384))
            window, quiet_since = window - 16384, time.monotonic()
        raw.take(0.05)
        updates = [frame for frame in raw.frames if isinstance(frame, WindowUpdateFrame) and frame.stream_id == 1]
        window += sum(frame.window_increment for frame in updates[counted:])
        counted = len(updates)
    raw.send(*(DataFrame(1, data=b"x" * 16384) for _ in range(window // 16384 + 2)))
    assert raw.reset_code(1) == FLOW_CONTROL_ERROR


def test_content_on_an_ended_stream_is_refused(raw, backend):
    raw.send(opened(1), DataFrame(1, data=b"x"))
    frame = raw.wait(lambda frame: isinstance(frame, (RstStreamFrame, GoAwayFrame)), what="a refusal")
    assert frame.error_code == STREAM_CLOSED


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\1\5\0\0\0\1"],
                         ids=["nothing", "HTTP/1.1", "a wrong preface", "no SETTINGS"])
def test_a_connection_without_its_preface_is_closed(make_gateway, gateway, pki, start):
    with RawHTTP2(gateway.port, pki.public.certificate, preface=False) as raw:
        if start:
            raw.send(start)
            raw.wait_for_end()
        else:
            assert gateway.configuration["listeners"][0].get("timeouts", {}).get("request_header") is None
            raw.take(0.3)
            assert not raw.ended


# Windows that never open.

def test_a_client_that_never_opens_its_window_is_given_up(gateway, pki, bystander):
    with RawHTTP2(gateway.port, pki.public.certificate, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as raw:
        began = time.monotonic()
        for number in itertools.islice(odd(), 50):
            raw.request(number, "/public/large")
        for number in itertools.islice(odd(), 50):
            assert raw.status(number) == 200
        raw.wait(lambda frame: isinstance(frame, (RstStreamFrame, GoAwayFrame)), 20, "an end")
        assert 1.5 < time.monotonic() - began < patience(15)
        eventually(lambda: gateway.metric("gatehouse_requests_in_flight") <= 1, 20, what="the stalled requests gone")
    assert bystander.failures == []


def test_a_client_that_takes_nothing_is_given_up(gateway, pki, backend, bystander):
    """Its windows are as wide as they can be. What tells is what stays in the connection."""
    backend.on("/public/unread", lambda connection, request: connection.answer(200, b"l" * (64 << 20)))
    with RawHTTP2(gateway.port, pki.public.certificate, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0x7fffffff}) as raw:
        raw.send(WindowUpdateFrame(0, window_increment=0x7fffffff - 65535))
        began = time.monotonic()
        raw.request(1, "/public/unread")
        assert raw.status(1) == 200
        # From here on nothing is read.
        line = gateway.logged(30, path="/public/unread")
        assert 1.5 < time.monotonic() - began and line["bytes_out"] < 64 << 20
    assert bystander.failures == []


def test_a_window_opened_byte_by_byte_is_given_up(gateway, pki, bystander):
    """Each frame of one byte costs more than it carries: the updates are what is counted."""
    with RawHTTP2(gateway.port, pki.public.certificate, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as raw:
        raw.request(1, "/public/large")
        assert raw.status(1) == 200

        def drip():
            while True:
                yield WindowUpdateFrame(1, window_increment=1).serialize() * 4

        raw.flood(drip(), timeout=60)
        assert raw.goaway() == ENHANCE_YOUR_CALM
        assert sum(len(frame.data) for frame in raw.frames if isinstance(frame, DataFrame)) < 1 << 16
    assert bystander.failures == []


# What is left behind.

def rounds(gateway, ca, count):
    for name, (pieces, _, _) in FLOODS.items():
        for _ in range(count):
            with RawHTTP2(gateway.port, ca) as raw:
                raw.ping()
                raw.flood(pieces(), pace=PACE[name.startswith("made you reset")])
                assert raw.goaway() == ENHANCE_YOUR_CALM, name
    for _ in range(count):
        with RawHTTP2(gateway.port, ca) as raw:
            raw.headers(1, bomb(10_000))
            raw.goaway()
        # Gone in the middle of everything, without a word.
        raw = RawHTTP2(gateway.port, ca, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
        for number in itertools.islice(odd(), STREAMS):
            raw.request(number, "/public/large")
        raw.status(1)
        raw.close(clean=False)
    eventually(lambda: gateway.metric("gatehouse_requests_in_flight") <= 1, 20, what="every request gone")


def test_attacks_leave_no_memory_and_no_descriptors_behind(gateway, pki, bystander):
    ca = pki.public.certificate
    rounds(gateway, ca, 2)
    connections = lambda: gateway.metric("gatehouse_connections", side="downstream")
    settled(connections, timeout=30)
    resident, descriptors = gateway.resident, gateway.descriptors
    rounds(gateway, ca, 6)
    eventually(lambda: connections() <= 2, 20, what="the attackers' connections gone")
    eventually(lambda: gateway.descriptors <= descriptors + 8, 20, what=f"descriptors back at {descriptors}")
    eventually(lambda: gateway.resident <= resident + 6, 20, what=f"memory back at {resident} MiB")
    assert bystander.failures == []
