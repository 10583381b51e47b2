"""A backend behind Gatehouse: greets the user whom the gateway vouches for, and nobody else.

usage: backend.py --certificate orders.crt --key orders.key --authority mesh-ca.crt --keys https://…/.well-known/jwks.json
Needs PyJWT[crypto] and nothing else.
"""
import argparse
import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt


class Keys:
    """The gateway's public keys: fetched when needed, kept when a fetch fails, and never fetched twice within `cooldown` seconds."""

    def __init__(self, url, authority, refresh=300, cooldown=30):
        self.url, self.refresh, self.cooldown = url, refresh, cooldown
        self.context = ssl.create_default_context(cafile=authority)
        self.lock = threading.Lock()
        self.keys, self.fetched, self.tried = {}, -refresh, -cooldown

    def get(self, kid):
        """The key of that name, for the algorithm it says it is for; None when the gateway publishes none."""
        with self.lock:
            now = time.monotonic()
            if (kid not in self.keys or now >= self.fetched + self.refresh) and now >= self.tried + self.cooldown:
                self.tried = now
                try:
                    with urllib.request.urlopen(self.url, timeout=5, context=self.context) as answer:
                        document = json.loads(answer.read(1 << 20))
                    self.keys, self.fetched = {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys}, now
                except (OSError, ValueError, jwt.PyJWTError) as error:
                    print(f"keys could not be fetched: {error}", flush=True)
            return self.keys.get(kid)


class Refused(Exception):
    """The token does not hold, and why."""


class Verifier:
    """The checks of docs/security.md, in their order."""

    def __init__(self, keys, issuer, audience):
        self.keys, self.issuer, self.audience = keys, issuer, audience

    def verify(self, token, certificate):
        """The claims of a token that came over a connection with this client certificate (DER)."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "int+jwt" or "crit" in header:
                raise Refused("typ is not int+jwt")
            key = self.keys.get(header.get("kid"))
            if key is None:
                raise Refused("no such key")
            # `algorithms` is what the key is for: the token has no say in it.
            claims = jwt.decode(
                token, key, algorithms=[key.algorithm_name], issuer=self.issuer, audience=self.audience, leeway=30,
                options={"require": ["iss", "aud", "sub", "iat", "exp"], "strict_aud": True})
        except jwt.PyJWTError as error:
            raise Refused(str(error)) from None
        # Last, the binding (RFC 8705 section 3.1): the token is good on the connection that it was made for, and on no other.
        shown = base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()
        bound = claims.get("cnf", {}).get("x5t#S256", "")
        if not hmac.compare_digest(shown.encode(), bound.encode()):
            raise Refused("cnf names another certificate")
        return claims


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 75
    # Head and content leave together and at once. Written apart, the content waits for an acknowledgement, 40 ms as a rule.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self):
        try:
            self.connection.do_handshake()
            super().handle()
        except OSError:
            pass  # A client without a certificate of the mesh, or one that went away.

    def do_GET(self):
        tokens = self.headers.get_all("X-Internal-Token", [])
        try:
            if len(tokens) != 1:
                raise Refused(f"{len(tokens)} tokens")
            claims = self.server.verifier.verify(tokens[0], self.connection.getpeercert(binary_form=True))
            self.answer(200, {"greeting": f"hello {claims['sub']}", "identity_provider": claims.get("idp"),
                              "scope": claims.get("scope"), "path": self.path})
        except Refused as refusal:
            self.answer(401, {"error": str(refusal)})

    def answer(self, status, document):
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, tls, verifier):
        super().__init__(address, Handler)
        self.tls, self.verifier = tls, verifier

    def get_request(self):
        connection, address = super().get_request()
        # The handshake is left to the connection's own thread, so that a slow client holds up nobody.
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9443)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--authority", required=True, help="vouches for the gateway's client certificate")
    parser.add_argument("--keys", required=True, help="where the gateway publishes its keys")
    parser.add_argument("--keys-authority", help="vouches for that listener; default: --authority")
    parser.add_argument("--cooldown", type=float, default=30, help="seconds between two fetches of the keys, at least")
    parser.add_argument("--issuer", default="https://gateway.internal")
    parser.add_argument("--audience", default="orders", help="this backend's name in the gateway's configuration")
    options = parser.parse_args()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)
    tls.load_verify_locations(options.authority)
    tls.verify_mode = ssl.CERT_REQUIRED
    keys = Keys(options.keys, options.keys_authority or options.authority, cooldown=options.cooldown)
    server = Server(("127.0.0.1", options.port), tls, Verifier(keys, options.issuer, options.audience))
    print(f"ready: 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
