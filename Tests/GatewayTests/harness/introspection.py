"""An authorization server's introspection endpoint (RFC 7662), over TLS: in health and in every sickness."""
import base64
import json
import threading
import time
import urllib.parse

from .keyserver import KeyServer


class IntrospectionServer(KeyServer):
    """Knows the tokens in `tokens`; all others are not active. What it was asked is kept in `questions`, as forms."""

    def __init__(self, leaf, *, client_id="gatehouse", secret="s3cret: /ü&=+", client_ca=None):
        self.tokens = {}
        self.client_id, self.secret = client_id, secret
        self.questions = []
        self.credentials = []
        # Answers on their way now, and the most there were.
        self.open = self.most = 0
        self.lock = threading.Lock()
        super().__init__(leaf, {}, client_ca=client_ca)
        self.paths["/introspect"] = self.introspect

    @property
    def introspection_url(self):
        return f"{self.url}/introspect"

    def asked(self, token):
        """How often."""
        return sum(form.get("token") == token for form in self.questions)

    def authenticated(self, handler, form):
        if self.client_ca:
            certificate = handler.connection.getpeercert(binary_form=True)
            self.credentials.append(certificate)
            return certificate is not None and form.get("client_id") == self.client_id and "Authorization" not in handler.headers
        self.credentials.append(handler.headers.get("Authorization"))
        pair = f"{urllib.parse.quote(self.client_id, safe='')}:{urllib.parse.quote(self.secret, safe='')}"
        return handler.headers.get("Authorization") == "Basic " + base64.b64encode(pair.encode()).decode()

    def introspect(self, handler):
        form = dict(urllib.parse.parse_qsl(handler.content.decode(), strict_parsing=True))
        with self.lock:
            self.questions.append(form)
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            if self.delay:
                time.sleep(self.delay)
            if handler.command != "POST" or handler.headers.get("Content-Type") != "application/x-www-form-urlencoded":
                return self.send(handler, 400, b"no")
            sick = {"error": (500, b"no"), "garbage": (200, b"\x00\xff<html>"), "large": (200, b'{"active":true,"x":"' + b"x" * (10 << 20) + b'"}'),
                    "redirect": (302, b""), "wordy": (200, b'{"active":"true","sub":"alice"}'), "silent": (200, b'{"sub":"alice"}'),
                    "list": (200, b'[{"active":true,"sub":"alice"}]'), "twice": (200, b'{"active":false,"active":true,"sub":"alice"}'),
                    "created": (201, b'{"active":true,"sub":"alice"}')}
            if self.mode in sick:
                return self.send(handler, *sick[self.mode], {"Location": "/introspect"})
            if not self.authenticated(handler, form):
                return self.send(handler, 401, b"{}", {"WWW-Authenticate": "Basic"})
            known = self.tokens.get(form.get("token"))
            answer = {"active": False} if known is None else {"active": True} | known
            self.send(handler, 200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        finally:
            with self.lock:
                self.open -= 1
