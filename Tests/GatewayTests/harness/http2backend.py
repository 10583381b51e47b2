"""A scriptable mTLS HTTP/2 backend that records what each stream brought."""
import json
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

from .link import Link
from .waiting import patience

REFUSED_STREAM = 7


class Gone(Exception):
    """The stream or its connection is over."""


class Stream:
    """One request to the backend, and the script's hold on its answer."""

    def __init__(self, connection, number, headers):
        self.connection = connection
        self.id = number
        self.headers = headers
        self.body = bytearray()
        self.trailers = []
        # Whether END_STREAM came, the code of an RST_STREAM that did, and either or the connection's end.
        self.complete = threading.Event()
        self.reset_code = None
        self.cancelled = threading.Event()

    @property
    def fields(self):
        return [(name, value) for name, value in self.headers if not name.startswith(":")]

    def pseudo(self, name):
        values = [value for key, value in self.headers if key == f":{name}"]
        assert len(values) <= 1, self.headers
        return values[0] if values else None

    def get(self, name):
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} stands {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def target(self):
        return self.pseudo("path")

    @property
    def method(self):
        return self.pseudo("method")

    def read(self, timeout=20):
        """The whole content; `Gone` when the request is cancelled before it is complete."""
        with self.connection.changed:
            if not self.connection.changed.wait_for(lambda: self.complete.is_set() or self.cancelled.is_set(), patience(timeout)):
                raise AssertionError(f"no END_STREAM within {timeout} s")
        if not self.complete.is_set():
            raise Gone
        return bytes(self.body)

    def wait_for_bytes(self, count, timeout=10):
        with self.connection.changed:
            assert self.connection.changed.wait_for(lambda: len(self.body) >= count, patience(timeout)), len(self.body)

    def send_headers(self, fields, end=False):
        with self.connection.changed:
            self.connection.act(lambda h2c: h2c.send_headers(self.id, fields, end_stream=end))

    def interim(self, status, fields=()):
        self.send_headers([(":status", str(status)), *fields])

    def respond(self, status=200, headers=(), end=False):
        self.send_headers([(":status", str(status)), *(headers.items() if isinstance(headers, dict) else headers)], end)

    def send(self, data, end=False, timeout=20):
        """Content, as fast as the windows let it go."""
        data = memoryview(data)
        while True:
            with self.connection.changed:
                window = lambda: self._window()
                if data and not self.connection.changed.wait_for(lambda: self.cancelled.is_set() or window() > 0, patience(timeout)):
                    raise AssertionError(f"no window within {timeout} s")
                if self.cancelled.is_set():
                    raise Gone
                count = min(len(data), window() if data else 0, self.connection.h2.max_outbound_frame_size)
                last = count == len(data)
                self.connection.act(lambda h2c: h2c.send_data(self.id, bytes(data[:count]), end_stream=end and last))
                data = data[count:]
            if last:
                return

    def _window(self):
        try:
            return self.connection.h2.local_flow_control_window(self.id)
        except h2.exceptions.H2Error:
            self.cancelled.set()
            return 0

    def send_trailers(self, fields):
        self.send_headers(list(fields), end=True)

    def answer(self, status=200, body=b"", headers=()):
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        self.respond(status, [*headers, ("content-length", str(len(body)))], end=not body)
        if body:
            self.send(body, end=True)

    def reset(self, code=2):
        with self.connection.changed:
            self.connection.act(lambda h2c: h2c.reset_stream(self.id, code))


class Connection:
    """One connection to the backend, as the backend sees it."""

    def __init__(self, backend, sock):
        self.backend = backend
        self.link = Link(sock)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.streams = []
        self.alive = {}
        # The most requests that were under way at once.
        self.most_alive = 0
        self.goaway_code = None
        self.ended = threading.Event()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False))
        settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: backend.streams,
                    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: backend.window}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.h2.initiate_connection()
        self.link.send(self.h2.data_to_send())

    def act(self, action):
        """Does something with the session and sends what comes of it."""
        with self.changed:
            try:
                action(self.h2)
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError) as error:
                raise Gone from error
            finally:
                self.link.send(self.h2.data_to_send())

    def raw(self, frame):
        """A frame that the session knows nothing of."""
        self.link.send(frame.serialize())

    def go_away(self, last_stream, code=0):
        self.raw(hyperframe.frame.GoAwayFrame(0, last_stream_id=last_stream, error_code=code))

    def raw_reset(self, stream, code):
        self.raw(hyperframe.frame.RstStreamFrame(stream, error_code=code))

    def close(self, clean=True):
        self.link.close(clean)

    def serve(self):
        try:
            while (data := self.link.receive(1)) is not None:
                if data:
                    self._take(data)
        except h2.exceptions.ProtocolError as error:
            self.backend.faults.append(error)
            self.link.send(self.h2.data_to_send())
        finally:
            with self.changed:
                for stream in list(self.alive.values()):
                    stream.cancelled.set()
                self.alive.clear()
                self.ended.set()
                self.changed.notify_all()
            self.link.close()

    def _take(self, data):
        started = []
        with self.changed:
            for event in self.h2.receive_data(data):
                stream = self._stream(getattr(event, "stream_id", None))
                if isinstance(event, h2.events.RequestReceived):
                    stream = Stream(self, event.stream_id, [tuple(field) for field in event.headers])
                    self.streams.append(stream)
                    self.alive[stream.id] = stream
                    self.most_alive = max(self.most_alive, len(self.alive))
                    started.append(stream)
                elif isinstance(event, h2.events.DataReceived):
                    stream.body += event.data
                    if event.flow_controlled_length and self.backend.consumes:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    stream.trailers = [tuple(field) for field in event.headers]
                elif isinstance(event, h2.events.StreamEnded):
                    stream.complete.set()
                elif isinstance(event, h2.events.StreamReset):
                    stream.reset_code = int(event.error_code)
                    stream.cancelled.set()
                    self.alive.pop(stream.id, None)
                elif isinstance(event, h2.events.ConnectionTerminated):
                    self.goaway_code = int(event.error_code)
            self.link.send(self.h2.data_to_send())
            self.changed.notify_all()
        for stream in started:
            threading.Thread(target=self._run, args=(stream,), daemon=True).start()

    def _stream(self, number):
        return next((stream for stream in reversed(self.streams) if stream.id == number), None)

    def _run(self, stream):
        script = next((script for prefix, script in self.backend.scripts if stream.target.startswith(prefix)), echo)
        try:
            script(stream)
        except (Gone, OSError):
            pass
        finally:
            with self.changed:
                self.alive.pop(stream.id, None)


def echo(stream):
    """Answers with what the backend saw of the request."""
    body = stream.read()
    seen = {"method": stream.method, "target": stream.target, "headers": stream.headers,
            "body": body[:65536].decode("latin-1"), "body_bytes": len(body), "trailers": stream.trailers}
    stream.answer(200, b"" if stream.method == "HEAD" else json.dumps(seen).encode(), {"content-type": "application/json"})


class HTTP2Backend:
    """Listens on loopback, ALPN h2 only; a thread for each connection and each stream.

    `on(prefix, script)` gives targets under `prefix` to `script(stream)`; the rest is echoed.
    """

    def __init__(self, leaf, ca, *, streams=100, window=65535, consumes=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(leaf.certificate, leaf.key)
        self.context.set_alpn_protocols(["h2"])
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(cafile=str(ca))
        self.streams = streams
        self.window = window
        self.consumes = consumes
        self.scripts = []
        self.connections = []
        # What a peer did that HTTP/2 does not allow.
        self.faults = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, prefix, script):
        self.scripts.insert(0, (prefix, script))

    @property
    def requests(self):
        return [stream for connection in list(self.connections) for stream in list(connection.streams)]

    def requests_to(self, prefix):
        return [stream for stream in self.requests if stream.target.startswith(prefix)]

    def stop(self):
        self.listener.close()
        for connection in list(self.connections):
            connection.close(clean=False)

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
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.settimeout(patience(10))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self.context.wrap_socket(sock, server_side=True)
            if tls.selected_alpn_protocol() != "h2":
                return tls.close()
        except OSError:
            return sock.close()
        connection = Connection(self, tls)
        self.connections.append(connection)
        connection.serve()
