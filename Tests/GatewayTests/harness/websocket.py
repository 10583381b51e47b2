"""WebSockets from both ends: frames, backends over HTTP/1.1 and HTTP/2, and clients that show every byte."""
import base64
import hashlib
import os
import socket
import ssl
import struct
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings
from websockets.sync.server import serve

from .waiting import patience

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}


def accept(key=KEY):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def frame(payload, opcode=BINARY, masked=True):
    """One unfragmented frame (RFC 6455 section 5.2)."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = int.from_bytes(mask * (size // 4 + 1), "big") >> (8 * (4 - size % 4)) if size else 0
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def take(buffer):
    """Takes the first frame off a bytearray: (opcode, payload), or None when it is not whole."""
    if len(buffer) < 2:
        return None
    size, start = buffer[1] & 0x7f, 2
    if size == 126:
        if len(buffer) < 4:
            return None
        size, start = struct.unpack("!H", buffer[2:4])[0], 4
    elif size == 127:
        if len(buffer) < 10:
            return None
        size, start = struct.unpack("!Q", buffer[2:10])[0], 10
    mask = None
    if buffer[1] & 0x80:
        mask, start = bytes(buffer[start:start + 4]), start + 4
    if len(buffer) < start + size:
        return None
    payload = bytes(buffer[start:start + size])
    if mask and size:
        key = int.from_bytes(mask * (size // 4 + 1), "big") >> (8 * (4 - size % 4))
        payload = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
    opcode = buffer[0] & 0x0f
    del buffer[:start + size]
    return opcode, payload


def server_context(leaf, ca, protocols=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=str(ca))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


class UpgradeBackend:
    """The `websockets` library's server behind mTLS. Echoes; under `/orders/push` it sends large frames for as long as it can."""

    def __init__(self, leaf, ca, protocols=None, subprotocols=None):
        self.handshakes = []
        self.ended = threading.Semaphore(0)
        self.close_codes = []
        self.server = serve(self._handle, "127.0.0.1", 0, ssl=server_context(leaf, ca, protocols), max_size=64 << 20,
                            subprotocols=subprotocols, compression=None)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handle(self, connection):
        self.handshakes.append(connection.request)
        try:
            if connection.request.path.startswith("/orders/push"):
                block = b"p" * 300_000
                while True:
                    connection.send(block)
            for message in connection:
                if message == "close":
                    connection.close(4001, "as asked")
                    return
                connection.send(message)
        except Exception:
            pass
        finally:
            self.close_codes.append(connection.protocol.close_rcvd.code if connection.protocol.close_rcvd else None)
            self.ended.release()

    def stop(self):
        self.server.shutdown()


class ConnectBackend:
    """Echoes frames over extended CONNECT (RFC 8441), or offers none of it."""

    def __init__(self, leaf, ca, offers=True, answer="200", settles=None):
        self.context = server_context(leaf, ca, ["h2"])
        self.offers, self.answer = offers, answer
        # An event that its SETTINGS wait for.
        self.settles = settles
        self.handshakes = []
        self.ended = threading.Semaphore(0)
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client = self.context.wrap_socket(client, server_side=True)
            state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
            state.local_settings = h2.settings.Settings(
                client=False, initial_values={h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: int(self.offers)})
            state.initiate_connection()
            if self.settles:
                self.settles.wait(patience(120))
            client.sendall(state.data_to_send())
            buffers, waiting = {}, {}
            while data := client.recv(65536):
                for event in state.receive_data(data):
                    self._event(state, event, buffers, waiting)
                for stream, rest in waiting.items():
                    while rest and (room := min(state.local_flow_control_window(stream), state.max_outbound_frame_size)) > 0:
                        state.send_data(stream, bytes(rest[:room]))
                        del rest[:room]
                client.sendall(state.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass

    def _event(self, state, event, buffers, waiting):
        if isinstance(event, h2.events.RequestReceived):
            self.handshakes.append(dict(event.headers))
            buffers[event.stream_id], waiting[event.stream_id] = bytearray(), bytearray()
            state.send_headers(event.stream_id, [(":status", self.answer)], end_stream=self.answer != "200")
        elif isinstance(event, h2.events.DataReceived):
            buffers[event.stream_id] += event.data
            state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            while taken := take(buffers[event.stream_id]):
                waiting[event.stream_id] += frame(taken[1], taken[0], masked=False)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            if isinstance(event, h2.events.StreamEnded) and self.answer == "200":
                state.end_stream(event.stream_id)
            waiting.pop(event.stream_id, None)
            self.ended.release()

    def stop(self):
        self.listener.close()


class HTTP2:
    """One request on an HTTP/2 connection of its own, by Python's `h2`."""

    def __init__(self, port, ca):
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        self.socket.settimeout(patience(10))
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.state.initiate_connection()
        self.headers, self.trailers, self.data, self.ended, self.reset, self.closed = None, None, bytearray(), False, None, False
        self.has_settings = False
        self.flush()
        self.until(lambda: self.has_settings)

    def flush(self):
        self.socket.sendall(self.state.data_to_send())

    def request(self, fields, end=True):
        self.state.send_headers(1, fields, end_stream=end)
        self.flush()

    def send(self, data, end=False):
        """Sends as much at a time as the windows allow."""
        rest = memoryview(data)
        while rest:
            room = min(self.state.local_flow_control_window(1), self.state.max_outbound_frame_size)
            if room == 0:
                self.pump()
                continue
            self.state.send_data(1, bytes(rest[:room]))
            rest = rest[room:]
            self.flush()
        if end:
            self.state.end_stream(1)
            self.flush()

    def pump(self):
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self.state.receive_data(data):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                self.has_settings = True
            elif isinstance(event, h2.events.ResponseReceived):
                self.headers = dict(event.headers)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.data += event.data
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended = True
            elif isinstance(event, h2.events.StreamReset):
                self.reset = event.error_code
        self.flush()

    def until(self, condition):
        while not condition():
            assert not self.closed, "the connection ended"
            self.pump()

    def close(self):
        self.socket.close()


class ConnectSocket:
    """A WebSocket by extended CONNECT."""

    def __init__(self, gateway, pki, path, headers={}, protocol="websocket"):
        self.http2 = HTTP2(gateway.port, pki.public.certificate)
        assert self.http2.state.remote_settings.enable_connect_protocol == 1
        self.http2.request([(":method", "CONNECT"), (":protocol", protocol), (":scheme", "https"), (":path", path),
                            (":authority", "localhost"), ("sec-websocket-version", "13"),
                            *((name.lower(), value) for name, value in headers.items())], end=False)
        self.http2.until(lambda: self.http2.headers or self.http2.reset is not None)
        self.status = int(self.http2.headers[":status"])
        self.fields = self.http2.headers
        self.opened = self.status == 200

    def send(self, data):
        self.http2.send(data)

    def receive(self):
        """The next frame; None at the end of the stream."""
        while True:
            if taken := take(self.http2.data):
                return taken
            if self.http2.ended or self.http2.reset is not None:
                return None
            self.http2.pump()

    @property
    def body(self):
        self.http2.until(lambda: self.http2.ended or self.http2.reset is not None)
        return bytes(self.http2.data)

    def end(self):
        self.http2.state.end_stream(1)
        self.http2.flush()

    def close(self):
        self.http2.close()


class UpgradeSocket:
    """A WebSocket by an HTTP/1.1 upgrade."""

    def __init__(self, gateway, pki, path, headers={}, early=b""):
        from .rawclient import request_bytes
        self.client = gateway.client(server_name="localhost")
        self.client.send(request_bytes("GET", path, host="localhost", headers=HANDSHAKE | headers) + early)
        self.answer = self.client.response()
        self.status = self.answer.status
        self.fields = {name.lower(): value for name, value in self.answer.fields}
        self.opened = self.status == 101
        self.buffer = self.client.reader.buffer
        self.is_over = False

    def send(self, data):
        self.client.send(data)

    def receive(self):
        while True:
            if taken := take(self.buffer):
                return taken
            data = self.client._receive()
            if not data:
                self.is_over = True
                return None
            self.buffer += data

    body = property(lambda self: self.answer.body)

    def end(self):
        self.client.socket.unwrap()

    def close(self):
        self.client.close()
