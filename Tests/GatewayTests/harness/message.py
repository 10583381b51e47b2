"""HTTP/1.1 messages as these tests read them: nothing lenient, nothing hidden."""
import re
from dataclasses import dataclass, field


class Truncated(Exception):
    """The peer closed before the message was complete; `partial` is what had come of its content."""

    def __init__(self, what, partial=b""):
        super().__init__(what)
        self.partial = partial


@dataclass
class Message:
    start: str
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)
    raw_head: bytes = b""

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    def all(self, name):
        """Values of every field whose name is `name`, case and `_` for `-` disregarded."""
        wanted = name.lower().replace("_", "-")
        return [value for key, value in self.fields if key.lower().replace("_", "-") == wanted]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times: {values}"
        return values[0] if values else default


def parse_head(head):
    """A message head, `head` ending in its empty line."""
    lines = head.decode("latin-1").split("\r\n")
    assert lines[-2:] == ["", ""] and "\n" not in "".join(lines), f"not CRLF lines: {head!r}"
    fields = []
    for line in lines[1:-2]:
        match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", line)
        assert match, f"not a field line: {line!r}"
        fields.append((match.group(1), match.group(2)))
    return Message(lines[0], fields, raw_head=head)


class Reader:
    """Takes messages off a stream; `receive()` gives the next bytes, or b'' at the end of it."""

    def __init__(self, receive):
        self.receive = receive
        self.buffer = bytearray()

    def _more(self, what, partial=b""):
        data = self.receive()
        if not data:
            raise Truncated(f"closed in {what}", partial)
        self.buffer += data

    def head(self):
        """The next head, or None when the stream ends cleanly before it."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.receive()
            if not data:
                if self.buffer:
                    raise Truncated(f"closed in a head: {bytes(self.buffer)!r}")
                return None
            self.buffer += data
        end = self.buffer.index(b"\r\n\r\n") + 4
        head = bytes(self.buffer[:end])
        del self.buffer[:end]
        return parse_head(head)

    def line(self):
        while b"\r\n" not in self.buffer:
            self._more("a line")
        end = self.buffer.index(b"\r\n")
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def blocks(self, message, is_response, request_method="GET"):
        """The message's content, block by block; trailers are put into the message at its end."""
        coding, length = message.get("Transfer-Encoding"), message.get("Content-Length")
        if is_response and (request_method == "HEAD" or message.status in (204, 304) or message.status < 200):
            return
        assert not (coding and length), "both Content-Length and Transfer-Encoding"
        if coding:
            assert coding.lower() == "chunked", coding
            while True:
                size = int(self.line().split(b";")[0], 16)
                if size == 0:
                    break
                yield from self._exactly(size)
                assert self.line() == b"", "no CRLF after a chunk"
            while line := self.line():
                name, _, value = line.decode("latin-1").partition(":")
                message.trailers.append((name, value.strip()))
        elif length is not None:
            yield from self._exactly(int(length))
        elif is_response:
            while True:
                if self.buffer:
                    yield bytes(self.buffer)
                    self.buffer.clear()
                data = self.receive()
                if not data:
                    return
                self.buffer += data

    def _exactly(self, count):
        while count:
            if not self.buffer:
                self._more(f"content, {count} bytes short")
            block = bytes(self.buffer[:count])
            del self.buffer[:len(block)]
            count -= len(block)
            yield block

    def body(self, message, is_response, request_method="GET"):
        parts = []
        try:
            for block in self.blocks(message, is_response, request_method):
                parts.append(block)
        except Truncated as error:
            raise Truncated(str(error), b"".join(parts)) from None
        message.body = b"".join(parts)
        return message

    def response(self, request_method="GET"):
        """The next final response with its content; interim ones are in its `interim`."""
        message = self.response_head()
        return self.body(message, True, request_method)

    def response_head(self):
        interim = []
        while True:
            message = self.head()
            if message is None:
                raise Truncated("closed before an answer")
            if message.status >= 200 or message.status == 101:
                message.interim = interim
                return message
            interim.append(message)
