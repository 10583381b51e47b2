"""The three crossings that the guards watch, each with a client that sends the same bytes every time.

A guard counts what a warm request costs, so nothing may depend on how fast the machine is at the moment: one connection, the next
request only after the answer, and on HTTP/2 the requests of one round in one TLS record.
"""

from dataclasses import dataclass

import hpack
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame, WindowUpdateFrame

from harness.rawclient import RawClient, request_bytes

PATH = "/orders/list"
AUTHORITY = "api.example.com"


@dataclass(frozen=True)
class Crossing:
    name: str
    edge: str
    upstream: str
    # Requests under way at once.
    streams: int = 1

    def client(self, port, ca, token):
        return WarmHTTP2(port, ca, token, self.streams) if self.edge == "h2" else WarmHTTP1(port, ca, token)


CROSSINGS = (
    Crossing("h1-h1", "http/1.1", "http/1.1"),
    Crossing("h2-h1", "h2", "http/1.1"),
    Crossing("h2-h2", "h2", "h2"),
    Crossing("h2x16-h2", "h2", "h2", streams=16),
)


class WarmHTTP1:
    def __init__(self, port, ca, token, timeout=120):
        self.client = RawClient(port, ca, timeout=timeout)
        self.message = request_bytes("GET", PATH, host=AUTHORITY, headers={"Authorization": f"Bearer {token}"})

    def requests(self, count):
        for _ in range(count):
            self.client.send(self.message)
            answer = self.client.response()
            assert answer.status == 200, answer

    def close(self):
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class WarmHTTP2:
    """Sends a round of requests at once, and the next round when the last answer of it has ended."""

    def __init__(self, port, ca, token, streams, timeout=120):
        self.client = RawClient(port, ca, timeout=timeout, alpn=("h2",))
        assert self.client.socket.selected_alpn_protocol() == "h2"
        self.fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", AUTHORITY),
            (":path", PATH),
            # As nghttp2, curl and Firefox send it: Huffman-coded with each request, kept in no table.
            hpack.NeverIndexedHeaderTuple("authorization", f"Bearer {token}"),
        ]
        self.streams, self.next, self.buffer = streams, 1, bytearray()
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        # One window for everything that will ever come: its updates would be work that is not the requests'.
        self.client.send(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + SettingsFrame(0, settings={}).serialize()
            + WindowUpdateFrame(0, window_increment=(1 << 31) - 1 - 65_535).serialize()
        )

    def requests(self, count):
        assert count % self.streams == 0
        for _ in range(count // self.streams):
            numbers = range(self.next, self.next + 2 * self.streams, 2)
            self.next += 2 * self.streams
            self.client.send(
                b"".join(
                    HeadersFrame(number, self.encoder.encode(self.fields), flags=["END_HEADERS", "END_STREAM"]).serialize()
                    for number in numbers
                )
            )
            self._await(set(numbers))

    def _await(self, open_streams):
        while open_streams:
            frame = self._frame()
            if isinstance(frame, HeadersFrame):
                status = dict(self.decoder.decode(frame.data))[":status"]
                assert status == "200", f"{status} on {frame.stream_id}"
            if "END_STREAM" in frame.flags:
                open_streams.remove(frame.stream_id)
            elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.client.send(SettingsFrame(0, flags=["ACK"]).serialize())
            assert isinstance(frame, (HeadersFrame, DataFrame, SettingsFrame, WindowUpdateFrame)), f"unexpected {frame}"

    def _frame(self):
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            block = self.client.socket.recv(65_536)
            assert block, "the gateway ended the connection"
            self.buffer += block
        frame, length = Frame.parse_frame_header(memoryview(bytes(self.buffer[:9])))
        frame.parse_body(memoryview(bytes(self.buffer[9 : 9 + length])))
        del self.buffer[: 9 + length]
        return frame

    def close(self):
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
