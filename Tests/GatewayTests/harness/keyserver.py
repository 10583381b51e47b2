"""An identity provider's HTTPS side: its key set and discovery document, in health and in every sickness."""
import hashlib
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .waiting import patience


class KeyServer:
    """Serves `/jwks` and discovery over TLS; `mode` says how well. Every request is kept in `requests` with its time."""

    def __init__(self, leaf, document, port=0, client_ca=None):
        self.document = document
        # Whose certificates clients must show, if they must.
        self.client_ca = client_ca
        self.mode = "well"
        self.delay = 0.0
        self.cache_control = None
        self.etags = True
        self.discovery = {}
        self.requests = []
        self.leaf = leaf
        self.port = port
        self.server = None
        self.sockets = []
        # Other paths: path to a function that takes the handler.
        self.paths = {}
        self.start()

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.leaf.certificate, self.leaf.key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                self.request.settimeout(patience(10))
                super().setup()

            def do_GET(self):
                owner.answer(self)

            def do_POST(self):
                owner.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128
            allow_reuse_address = True

            def get_request(self):
                client, address = super().get_request()
                owner.sockets.append(client.dup())
                return context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def jwks_url(self):
        return f"{self.url}/jwks"

    def fetches(self, path="/jwks"):
        """When the path was asked for."""
        return [at for at, asked in self.requests if asked == path]

    def answer(self, handler):
        self.requests.append((time.monotonic(), handler.path))
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if handler.path in self.paths:
            handler.content = content
            return self.paths[handler.path](handler)
        if self.delay:
            time.sleep(self.delay)
        if self.mode == "error":
            return self.send(handler, 500, b"no")
        if self.mode == "garbage":
            return self.send(handler, 200, b"\x00\xff<html>not keys</html>")
        if self.mode == "empty":
            return self.send(handler, 200, b'{"keys":[]}')
        if self.mode == "large":
            return self.send(handler, 200, json.dumps({"keys": [], "pad": "x" * (10 << 20)}).encode())
        if self.mode == "redirect":
            return self.send(handler, 302, b"", {"Location": f"https://127.0.0.1:{self.port}/jwks"})
        if self.mode == "moved" and handler.path != "/new":
            return self.send(handler, 307, b"", {"Location": "/new"})
        if handler.path.endswith("/.well-known/openid-configuration"):
            return self.send(handler, 200, json.dumps(self.discovery).encode())
        body = json.dumps(self.document).encode()
        fields = {}
        if self.cache_control:
            fields["Cache-Control"] = self.cache_control
        if self.etags:
            fields["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
            if handler.headers.get("If-None-Match") == fields["ETag"]:
                return self.send(handler, 304, None, fields)
        self.send(handler, 200, body, fields)

    @staticmethod
    def send(handler, status, body, fields={}):
        try:
            handler.send_response(status)
            for name, value in fields.items():
                handler.send_header(name, value)
            if body is not None:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if body:
                handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    def stop(self):
        """Nobody listens any more, and connections end."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for connection in self.sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.sockets.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
