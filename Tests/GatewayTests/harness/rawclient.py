"""A TLS client that sends exactly the bytes it is given and reads exactly what comes back."""
import socket
import ssl
import time

from .message import Reader, Truncated
from .waiting import patience


class RawClient:
    def __init__(self, port, ca, *, server_name="api.example.com", timeout=10.0, receive_buffer=None, certificate=None,
                 alpn=("http/1.1",), minimum=None, session=None, source=None):
        self.tcp = socket.socket()
        if source:
            self.tcp.bind((source, 0))
        if receive_buffer:
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.tcp.settimeout(patience(timeout))
        self.tcp.connect(("127.0.0.1", port))
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.context = ssl.create_default_context(cafile=str(ca))
        self.context.set_alpn_protocols(list(alpn))
        self.context.check_hostname = server_name is not None
        if certificate:
            self.context.load_cert_chain(certificate.certificate, certificate.key)
        self.socket = self.context.wrap_socket(self.tcp, server_hostname=server_name, suppress_ragged_eofs=False)
        self.reader = Reader(self._receive)
        self.clean_end = None

    def _receive(self):
        try:
            data = self.socket.recv(65536)
            if not data:
                self.clean_end = True
            return data
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.clean_end = False
            return b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def request(self, method, target, *, host="api.example.com", headers=(), body=None, version="HTTP/1.1"):
        """Writes a plain request; `headers` is a dictionary or a list of pairs."""
        self.send(request_bytes(method, target, host=host, headers=headers, body=body, version=version))

    def exchange(self, method, target, **more):
        self.request(method, target, **more)
        return self.reader.response(method)

    def response(self, method="GET"):
        return self.reader.response(method)

    def rest(self, timeout=5.0):
        """Everything up to the end of the connection; fails if it does not end."""
        deadline = time.monotonic() + patience(timeout)
        data = bytearray(self.reader.buffer)
        self.reader.buffer.clear()
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                block = self._receive()
            except TimeoutError:
                raise AssertionError(f"the connection is still open after {timeout} s; it brought {bytes(data)!r}") from None
            if not block:
                return bytes(data)
            data += block

    def is_open(self, wait=0.3):
        """Whether the connection stays open and silent for `wait` seconds."""
        if self.reader.buffer:
            return True
        self.socket.settimeout(wait)
        try:
            data = self._receive()
            self.reader.buffer += data
            return bool(data)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10.0)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, target, *, host="api.example.com", headers=(), body=None, version="HTTP/1.1"):
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if host is not None:
        pairs.insert(0, ("Host", host))
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in pairs):
        pairs.append(("Content-Length", str(len(body))))
    head = f"{method} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    return head.encode("latin-1") + (body or b"")


__all__ = ["RawClient", "Truncated", "request_bytes"]
