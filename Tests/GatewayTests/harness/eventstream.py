"""Server-sent events over both versions, as a client reads them one by one."""
from .websocket import HTTP2

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n"


class HTTP1Events:
    """A stream of events over HTTP/1.1."""

    def __init__(self, gateway, pki, path, headers):
        self.client = gateway.client(server_name="localhost")
        self.client.request("GET", path, headers=headers)
        self.buffer = self.client.reader.buffer
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.client._receive()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"transfer-encoding: chunked" in head.lower()
        self.buffer[:] = rest

    def next(self):
        """The next event; None when the response was cut off, "end" when it is whole."""
        while True:
            size, _, rest = bytes(self.buffer).partition(b"\r\n")
            if _ and size == b"0":
                return "end"
            if _ and len(rest) >= int(size, 16) + 2:
                event = rest[:int(size, 16)].decode()
                self.buffer[:] = rest[int(size, 16) + 2:]
                return event
            data = self.client._receive()
            if not data:
                return None
            self.buffer += data

    def close(self):
        self.client.close()


class HTTP2Events:
    def __init__(self, gateway, pki, path, headers):
        self.http2 = HTTP2(gateway.port, pki.public.certificate)
        self.http2.request([(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", "localhost"),
                            *((name.lower(), value) for name, value in headers.items())])
        self.http2.until(lambda: self.http2.headers)
        assert self.http2.headers[":status"] == "200"

    def next(self):
        data = self.http2.data
        self.http2.until(lambda: b"\n\n" in data or self.http2.ended or self.http2.reset is not None)
        if b"\n\n" in data:
            event, _, rest = bytes(data).partition(b"\n\n")
            data[:] = rest
            return (event + b"\n\n").decode()
        return "end" if self.http2.ended else None

    def close(self):
        self.http2.close()
