"""Clients of HTTP/2: one that sends whatever frames it is given, and one that does everything right."""
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, PriorityFrame,
                              RstStreamFrame, SettingsFrame, WindowUpdateFrame)

from .link import Link
from .message import Message, Reader
from .waiting import patience

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(7)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(7, 12)


def head(path, method="GET", authority="api.example.com", extra=()):
    return [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), *extra]


def literal(name, value):
    """A literal field without indexing (RFC 7541 section 6.2.2): any bytes, shorter than 127 each."""
    name, value = (part if isinstance(part, bytes) else part.encode("latin-1") for part in (name, value))
    assert len(name) < 127 and len(value) < 127
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def block(fields):
    """A field section of literals only: nothing is corrected, nothing is remembered."""
    return b"".join(literal(name, value) for name, value in fields)


class RawHTTP2:
    """Sends any frames and reads the frames that come back."""

    def __init__(self, port, ca, *, settings=None, preface=True, acknowledges=True, **more):
        self.link = Link.connect(port, ca, "h2", **more)
        self.decoder = hpack.Decoder()
        self.buffer = bytearray()
        # Everything that came, in order.
        self.frames = []
        self.ended = False
        # Whether the gateway's SETTINGS are acknowledged, whatever the test is in the middle of.
        self.acknowledges = acknowledges
        if preface:
            self.link.send(PREFACE)
            self.send(SettingsFrame(0, settings=settings or {}))

    def send(self, *frames):
        self.link.send(b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames))

    def request(self, number, path, *, method="GET", extra=(), end=True):
        self.headers(number, block(head(path, method, extra=extra)), end=end)

    def headers(self, number, data, *, end=True, complete=True):
        self.send(headers_frame(number, data, end=end, complete=complete))

    def take(self, timeout):
        """Reads what has come within `timeout` seconds into `frames`."""
        data = self.link.receive(timeout)
        if data is None:
            self.ended = True
            return
        self.buffer += data
        while len(self.buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(bytes(self.buffer[:9])))
            if len(self.buffer) < 9 + length:
                return
            frame.parse_body(memoryview(bytes(self.buffer[9:9 + length])))
            del self.buffer[:9 + length]
            if isinstance(frame, HeadersFrame):
                assert "END_HEADERS" in frame.flags, "no continuation is expected of the gateway here"
                frame.fields = [(field[0], field[1]) for field in self.decoder.decode(bytes(frame.data))]
            self.frames.append(frame)
            if self.acknowledges and isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.link.send(SettingsFrame(0, flags=["ACK"]).serialize())

    def wait(self, check, timeout=10.0, what="the awaited frame"):
        """The first frame that passes `check`, come or still to come."""
        deadline, looked = time.monotonic() + patience(timeout), 0
        while True:
            while looked < len(self.frames):
                looked += 1
                if check(self.frames[looked - 1]):
                    return self.frames[looked - 1]
            left = deadline - time.monotonic()
            assert left > 0 and not self.ended, f"no {what}; closed: {self.ended}; {self.frames[-6:]}"
            self.take(left)

    def wait_for(self, kind, number=None, timeout=10.0):
        return self.wait(lambda frame: isinstance(frame, kind) and (number is None or frame.stream_id == number), timeout,
                         f"{kind.__name__} on {number}")

    def status(self, number, timeout=10.0):
        return int(dict(self.wait_for(HeadersFrame, number, timeout).fields)[":status"])

    def body(self, number, timeout=10.0):
        self.wait(lambda frame: frame.stream_id == number and "END_STREAM" in frame.flags, timeout, f"END_STREAM on {number}")
        return b"".join(frame.data for frame in self.frames if isinstance(frame, DataFrame) and frame.stream_id == number)

    def goaway(self, timeout=10.0):
        """The code of the GOAWAY that ends the connection, once the connection has ended."""
        frame = self.wait_for(GoAwayFrame, timeout=timeout)
        self.wait_for_end(timeout)
        return frame.error_code

    def wait_for_end(self, timeout=10.0):
        deadline = time.monotonic() + patience(timeout)
        while not self.ended:
            left = deadline - time.monotonic()
            assert left > 0, f"the connection is still open; the last that came: {self.frames[-6:]}"
            self.take(left)

    def reset_code(self, number, timeout=10.0):
        return self.wait_for(RstStreamFrame, number, timeout).error_code

    def ping(self, timeout=10.0):
        """Waits until everything sent before has been read."""
        self.send(PingFrame(0, opaque_data=b"probe..."))
        return self.wait(lambda frame: isinstance(frame, PingFrame) and "ACK" in frame.flags, timeout, "PING's answer")

    def flood(self, pieces, timeout=20.0, pace=None):
        """Sends the pieces until the other side has had enough of them, and reads meanwhile: all that came of them, after each
        `pace` of them. Gives how many were sent."""
        deadline, sent = time.monotonic() + patience(timeout), 0
        for sent, piece in enumerate(pieces, 1):
            self.send(piece)
            self.take(0)
            if pace and sent % pace == 0:
                self.send(PingFrame(0, opaque_data=sent.to_bytes(8, "big")))
                while not (self.ended or any(isinstance(frame, PingFrame) and frame.opaque_data == sent.to_bytes(8, "big")
                                             for frame in self.frames[-2 * pace - 8:])):
                    assert time.monotonic() < deadline, "no answer within the flood"
                    self.take(0.2)
            while len(self.link.output) > 1 << 16 and not self.ended:
                assert time.monotonic() < deadline, "the flood is neither taken nor refused"
                self.take(0.2)
            if self.ended or any(isinstance(frame, GoAwayFrame) for frame in self.frames):
                break
        return sent

    def close(self, clean=True):
        self.link.close(clean)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def headers_frame(number, data, *, end=True, complete=True):
    flags = (["END_STREAM"] if end else []) + (["END_HEADERS"] if complete else [])
    return HeadersFrame(number, data=data, flags=flags)


class Answer(Message):
    """An answer over either protocol, with how it ended."""
    complete = False
    reset_code = None
    head_came = False


class HTTP2Client:
    """Does everything right; one thread, many streams."""

    def __init__(self, port, ca, **more):
        self.link = Link.connect(port, ca, "h2", **more)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.streams = {}
        self.input = bytearray()
        self.output = {}
        self.goaways = []
        self.ended = False
        self.consumes = True
        self._write()

    def _write(self):
        self.link.send(self.h2.data_to_send())

    def start(self, method, path, *, headers=(), body=None, trailers=(), end=True, authority="api.example.com"):
        """Opens a stream; `body` is sent as windows allow, while somebody waits for something."""
        number = self.h2.get_next_available_stream_id()
        fields = head(path, method, authority, extra=headers.items() if isinstance(headers, dict) else headers)
        self.streams[number] = Answer("", [])
        self.h2.send_headers(number, fields, end_stream=end and body is None and not trailers)
        self._write()
        if body is not None or trailers:
            self.send(number, body or b"", end=end, trailers=trailers)
        return number

    def send(self, number, data=b"", *, end=False, trailers=()):
        waiting = self.output.setdefault(number, [bytearray(), False, ()])
        waiting[0] += data
        waiting[1], waiting[2] = end, trailers
        self._pump()

    def _pump(self):
        for number, (data, end, trailers) in list(self.output.items()):
            try:
                while data and len(self.link.output) < 1 << 18:
                    count = min(len(data), self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
                    if count <= 0:
                        break
                    self.h2.send_data(number, bytes(data[:count]))
                    del data[:count]
                    self._write()
                if not data:
                    if end and trailers:
                        self.h2.send_headers(number, list(trailers), end_stream=True)
                    elif end:
                        self.h2.end_stream(number)
                    del self.output[number]
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
                del self.output[number]
        self._write()

    def step(self, timeout):
        data = self.link.receive(timeout)
        if data is None:
            self.ended = True
            return
        for event in (event for frame in self._frames(data) for event in self.h2.receive_data(frame)):
            answer = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, (h2.events.ResponseReceived, h2.events.InformationalResponseReceived)):
                fields = [tuple(field) for field in event.headers]
                message = Message(f"HTTP/2 {fields[0][1]}", fields[1:])
                if isinstance(event, h2.events.ResponseReceived):
                    answer.start, answer.fields, answer.head_came = message.start, message.fields, True
                else:
                    answer.interim.append(message)
            elif isinstance(event, h2.events.DataReceived):
                answer.body += event.data
                if self.consumes and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                answer.trailers = [tuple(field) for field in event.headers]
            elif isinstance(event, h2.events.StreamEnded):
                answer.complete = True
            elif isinstance(event, h2.events.StreamReset):
                answer.reset_code = int(event.error_code)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaways.append((event.last_stream_id, int(event.error_code)))
                # A peer that goes away still answers what it has begun; the library would have none of it.
                self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        self._write()
        self._pump()

    def _frames(self, data):
        """Whole frames, one by one: the library would have none of those that follow a GOAWAY in the same bytes."""
        self.input += data
        while len(self.input) >= 9 and len(self.input) >= (size := 9 + int.from_bytes(self.input[:3], "big")):
            frame = bytes(self.input[:size])
            del self.input[:size]
            yield frame

    def until(self, check, timeout=20.0, what="the awaited"):
        deadline = time.monotonic() + patience(timeout)
        while not check():
            left = deadline - time.monotonic()
            assert left > 0 and not self.ended, f"not {what}; closed: {self.ended}"
            self.step(min(left, 1))
        return True

    def head(self, number, timeout=20.0):
        answer = self.streams[number]
        self.until(lambda: answer.head_came or answer.reset_code is not None, timeout, f"a head on {number}")
        return answer

    def response(self, number, timeout=20.0):
        """The whole answer, or what came of it before it was reset."""
        answer = self.streams[number]
        self.until(lambda: answer.complete or answer.reset_code is not None, timeout, f"an answer on {number}")
        return answer

    def exchange(self, method, path, **more):
        return self.response(self.start(method, path, **more))

    def cancel(self, number):
        self.h2.reset_stream(number, CANCEL)
        self._write()

    def close(self, clean=True):
        self.link.close(clean)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class HTTP1Client:
    """The same over HTTP/1.1: what is to be sent goes out while the answer comes in."""

    def __init__(self, port, ca, **more):
        self.link = Link.connect(port, ca, "http/1.1", **more)
        self.reader = Reader(self._receive)
        self.timeout = 20.0

    def _receive(self):
        deadline = time.monotonic() + patience(self.timeout)
        while True:
            data = self.link.receive(max(0.0, deadline - time.monotonic()))
            if data is None:
                return b""
            if data:
                return data
            assert time.monotonic() < deadline, "nothing more has come"

    def start(self, method, path, *, headers=(), body=None, trailers=(), streamed=False, end=True):
        fields = [("Host", "api.example.com"), *(headers.items() if isinstance(headers, dict) else headers)]
        if streamed:
            fields.append(("Transfer-Encoding", "chunked"))
        elif body is not None and not any(name.lower() == "content-length" for name, _ in fields):
            fields.append(("Content-Length", str(len(body))))
        self.link.send((f"{method} {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n").encode())
        if streamed:
            for start in range(0, len(body or b""), 40_000):
                part = body[start:start + 40_000]
                self.link.send(b"%x\r\n%s\r\n" % (len(part), part))
            if end:
                self.link.send(b"0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers).encode() + b"\r\n")
        elif body:
            self.link.send(body)

    def head(self):
        return self.reader.response_head()

    def response(self, method="GET"):
        return self.reader.response(method)

    def close(self, clean=True):
        self.link.close(clean)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


__all__ = ["Answer", "ContinuationFrame", "DataFrame", "GoAwayFrame", "HTTP1Client", "HTTP2Client", "HeadersFrame", "PingFrame",
           "PriorityFrame", "RawHTTP2", "RstStreamFrame", "SettingsFrame", "WindowUpdateFrame", "block", "head", "headers_frame",
           "literal"]
