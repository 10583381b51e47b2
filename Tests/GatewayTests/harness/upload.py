"""Requests whose content is sent piece by piece, over either version."""
from .http2client import HTTP1Client, HTTP2Client

VERSIONS = [HTTP1Client, HTTP2Client]


class Upload:
    """A request whose content is sent piece by piece."""

    def __init__(self, client, path, *, length=None, method="POST", headers=()):
        self.client, self.path, self.method = client, path, method
        self.chunked = length is None
        self.sent = 0
        self.is_http2 = isinstance(client, HTTP2Client)
        fields = dict(headers)
        if length is not None:
            fields["content-length"] = str(length)
        if self.is_http2:
            self.number = client.start(method, path, headers=fields, end=False)
        else:
            client.start(method, path, headers=fields, streamed=self.chunked, end=False)

    def send(self, data):
        self.sent += len(data)
        if self.is_http2:
            self.client.send(self.number, data)
        else:
            self.client.link.send(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def end(self, trailers=()):
        if self.is_http2:
            self.client.send(self.number, end=True, trailers=trailers)
        elif self.chunked:
            self.client.link.send(b"0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers).encode() + b"\r\n")

    def pump(self):
        """Gives what is waiting to the other side."""
        if self.is_http2:
            self.client.step(0.05)
        else:
            self.client.link.receive(0.05)

    def answered(self):
        """Whether the other side has said something, or ended."""
        if self.is_http2:
            self.client.step(0.05)
            answer = self.client.streams[self.number]
            return answer.head_came or answer.reset_code is not None or self.client.ended
        data = self.client.link.receive(0.05)
        self.client.reader.buffer += data or b""
        return bool(self.client.reader.buffer) or data is None

    def response(self):
        return self.client.response(self.number) if self.is_http2 else self.client.response(self.method)
