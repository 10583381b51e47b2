"""A scriptable mTLS HTTP/1.1 backend that records every byte it is sent."""
import json
import socket
import ssl
import threading

from .message import Reader, Truncated
from .waiting import patience

RECORDED = 1 << 20


class Connection:
    """One connection to the backend, as the backend sees it."""

    def __init__(self, backend, sock, certificate):
        self.backend = backend
        self.socket = sock
        self.certificate = certificate
        self.received = bytearray()
        self.received_count = 0
        self.requests = []
        self.ended = threading.Event()
        self.ends_cleanly = True
        self.reader = Reader(self._receive)

    def _receive(self):
        try:
            data = self.socket.recv(262_144)
        except (OSError, ValueError):
            return b""
        self.received_count += len(data)
        if len(self.received) < RECORDED:
            self.received += data[:RECORDED - len(self.received)]
        return data

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def body(self, request):
        """Reads the request's content into it."""
        return self.reader.body(request, False)

    def answer(self, status=200, body=b"", headers=(), reason="OK"):
        fields = "".join(f"{name}: {value}\r\n" for name, value in (headers.items() if isinstance(headers, dict) else headers))
        self.send(f"HTTP/1.1 {status} {reason}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)

    def close(self, clean=True):
        """Ends the connection: with close_notify and FIN, or with a reset."""
        try:
            if clean and isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(1.0)
                try:
                    self.socket = self.socket.unwrap()
                except (OSError, ValueError):
                    pass
            elif not clean and self.socket.fileno() >= 0:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.socket.close()
        except OSError:
            pass

    def wait_for_end(self, timeout=5.0):
        """Whether the gateway closes this connection within `timeout` seconds. Reads and drops what still comes."""
        self.socket.settimeout(patience(timeout))
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except (OSError, ValueError):
            pass
        return True


def echo(connection, request):
    """Answers with what the backend saw of the request."""
    connection.body(request)
    seen = {"method": request.method, "target": request.target, "headers": request.fields,
            "body": request.body[:65536].decode("latin-1"), "body_bytes": len(request.body), "trailers": request.trailers}
    body = b"" if request.method == "HEAD" else json.dumps(seen).encode()
    connection.answer(200, body, {"Content-Type": "application/json"})


class Backend:
    """Listens on loopback; a thread for each connection.

    `on(prefix, script)` gives targets under `prefix` to `script(connection, request)`; the rest is echoed. A script that
    closes its connection, or raises, ends it; one that returns leaves it open for the next request.
    """

    def __init__(self, leaf=None, ca=None, *, plaintext=False, require_certificate=True, send_buffer=None):
        self.context = None
        if not plaintext:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(leaf.certificate, leaf.key)
            self.context.set_alpn_protocols(["http/1.1"])
            if require_certificate:
                self.context.verify_mode = ssl.CERT_REQUIRED
                self.context.load_verify_locations(cafile=str(ca))
        self.scripts = []
        self.connections = []
        self.accepted = 0
        # What it says before it was asked anything, in one segment with the end of the handshake.
        self.greeting = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        if send_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, prefix, script):
        self.scripts.insert(0, (prefix, script))

    @property
    def requests(self):
        return [request for connection in list(self.connections) for request in list(connection.requests)]

    def requests_to(self, prefix):
        return [request for request in self.requests if request.target.startswith(prefix)]

    def saw(self, marker):
        """Whether these bytes reached the backend on any connection."""
        marker = marker if isinstance(marker, bytes) else marker.encode()
        return any(marker in connection.received for connection in list(self.connections))

    def close_connections(self, clean=True):
        """Ends every connection, each in its own thread: what OpenSSL keeps of one is not to be shared."""
        for connection in list(self.connections):
            connection.ends_cleanly = clean
            try:
                socket.socket.shutdown(connection.socket, socket.SHUT_RD)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
        self.close_connections(clean=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        connection = Connection(self, sock, None)
        try:
            if self.context:
                sock.settimeout(patience(10))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.greeting:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                connection.socket = self.context.wrap_socket(sock, server_side=True)
                if self.greeting:
                    connection.send(self.greeting)
                    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
                connection.certificate = connection.socket.getpeercert(binary_form=True)
                connection.socket.settimeout(None)
            self.connections.append(connection)
            while (request := connection.reader.head()) is not None:
                connection.requests.append(request)
                script = next((script for prefix, script in self.scripts if request.target.startswith(prefix)), echo)
                script(connection, request)
        except (OSError, ValueError, AssertionError, Truncated):
            pass
        finally:
            connection.ended.set()
            connection.close(connection.ends_cleanly)
