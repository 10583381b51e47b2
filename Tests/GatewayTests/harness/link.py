"""A TLS connection that is written and read at the same time, without a byte of it in two threads at once."""
import select
import socket
import ssl
import threading

from .waiting import patience


class Link:
    """Queues what is sent, gives what has come. OpenSSL's state is only touched under the lock."""

    def __init__(self, sock):
        self.socket = sock
        self.socket.setblocking(False)
        self.lock = threading.RLock()
        self.output = bytearray()
        self.ended = False
        self.was_reset = False
        self._waker, self._wakened = socket.socketpair()
        self._wakened.setblocking(False)

    def send(self, data):
        """Takes all of it and sends what goes out at once; the rest follows while somebody calls `receive`."""
        with self.lock:
            self.output += data
            self._flush()
            if self.output:
                self._waker.send(b"x")

    def _flush(self):
        try:
            while self.output and not self.ended:
                # OpenSSL wants the same bytes again after it could not write them; so they stay where they are.
                count = self.socket.send(memoryview(bytes(self.output[:65536])))
                del self.output[:count]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except (OSError, ValueError) as error:
            # Many tests expect it. Whoever does not finds it beside his failure.
            print(f"not sent, {len(self.output)} bytes: {error!r}")
            self.output.clear()

    def receive(self, timeout=None):
        """What has come within `timeout` seconds: b"" when nothing has, None at the end of the connection."""
        with self.lock:
            data = self._read()
            if data or self.ended:
                return data or None
            wants = select.POLLIN | (select.POLLOUT if self.output else 0)
        try:
            # Not `select`, which knows no descriptor above 1,023.
            poll = select.poll()
            poll.register(self.socket, wants)
            poll.register(self._wakened, select.POLLIN)
            ready = dict(poll.poll(None if timeout is None else max(0, timeout) * 1000))
        except (OSError, ValueError):
            self.ended = True
            return None
        with self.lock:
            if self._wakened.fileno() in ready:
                try:
                    self._wakened.recv(4096)
                except OSError:
                    pass
            if self.output:
                self._flush()
            return self._read() or (None if self.ended else b"")

    def _read(self):
        data = bytearray()
        try:
            while len(data) < 1 << 20:
                block = self.socket.recv(65536)
                if not block:
                    self.ended = True
                    break
                data += block
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (OSError, ValueError):
            self.ended = self.was_reset = True
        return bytes(data)

    def close(self, clean=True):
        """Ends the TCP connection: with FIN, or with a reset."""
        with self.lock:
            self.ended = True
            try:
                if not clean:
                    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                self.socket.close()
                self._waker.send(b"x")
            except (OSError, ValueError):
                pass

    @classmethod
    def connect(cls, port, ca, protocol, *, server_name="api.example.com", receive_buffer=None, segment=None, timeout=10, certificate=None,
                source=None):
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols([protocol])
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        tcp = socket.socket()
        if source:
            tcp.bind((source, 0))
        if receive_buffer:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:
            # Loopback's own are of 64 KiB, and a small buffer tells of its room in steps of that.
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        tcp.settimeout(patience(timeout))
        tcp.connect(("127.0.0.1", port))
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = context.wrap_socket(tcp, server_hostname=server_name)
        assert tls.selected_alpn_protocol() == protocol, tls.selected_alpn_protocol()
        return cls(tls)
