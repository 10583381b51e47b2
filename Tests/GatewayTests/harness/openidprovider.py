"""An OpenID provider that is not ours (oidc-provider-mock), as processes behind a TLS proxy that counts and can be sick."""
import subprocess
import sys
import urllib.parse

import requests

from .keyserver import KeyServer
from .waiting import accepts, eventually, free_port, patience

CLIENT = "api"
CALLBACK = "https://client.example.com/callback"


# Its tokens do not say which key they are signed with, which OpenID Connect Core section 10.1 allows while there is only one. For a
# rotation they get the name under which the key is published.
NAMED = """
import runpy
from oidc_provider_mock._app import OpenIDCode, storage
configured = OpenIDCode.get_jwt_config
OpenIDCode.get_jwt_config = lambda *more: configured(*more) | {"kid": storage.jwk.thumbprint()}
runpy.run_module("oidc_provider_mock", run_name="__main__")
"""


class Instance:
    """One process of the provider. Its key is made at its start and dies with it."""

    def __init__(self, directory, named):
        self.port = free_port()
        self.log = directory / f"provider-{self.port}.log"
        with open(self.log, "wb") as log:
            program = ["-c", NAMED] if named else ["-m", "oidc_provider_mock"]
            self.process = subprocess.Popen([sys.executable, *program, "--port", str(self.port)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: accepts(self.port), 30, what="the OpenID provider: " + self.log.read_text(errors="replace"))

    def kill(self):
        self.process.kill()
        self.process.wait(10)


class OpenIDProvider(KeyServer):
    """What the world sees of the provider: one issuer, over TLS. `instances[-1]` issues, all of them publish their keys."""

    def __init__(self, directory, leaf, named=True):
        self.directory, self.named = directory, named
        self.instances = []
        self.forgotten = []
        super().__init__(leaf, {})
        self.etags = False
        self.add()

    def add(self):
        """A new instance takes over; the keys of those before it stay published."""
        self.instances.append(Instance(self.directory, self.named))

    def forget(self):
        """Only the newest instance's keys are published any more."""
        self.forgotten += self.instances[:-1]
        self.instances = self.instances[-1:]

    def answer(self, handler):
        path = urllib.parse.urlsplit(handler.path).path
        if path in ("/jwks", "/.well-known/openid-configuration"):
            if path == "/jwks" and self.mode == "well":
                self.document = {"keys": [key for instance in self.instances for key in self.pass_on(instance, "GET", path).json()["keys"]]}
            if path != "/jwks" and self.mode == "well":
                self.discovery = self.pass_on(self.instances[-1], "GET", path).json()
            return super().answer(handler)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        answer = self.pass_on(self.instances[-1], handler.command, handler.path, body, handler.headers)
        fields = {name: value for name, value in answer.headers.items() if name.lower() in ("location", "content-type")}
        self.send(handler, answer.status_code, answer.content, fields)

    def pass_on(self, instance, method, path, body=None, fields={}):
        kept = {name: value for name, value in fields.items() if name.lower() in ("content-type", "authorization")}
        return requests.request(method, f"http://127.0.0.1:{instance.port}{path}", data=body, allow_redirects=False, timeout=patience(10),
                                headers={**kept, "Host": f"localhost:{self.port}", "X-Forwarded-Proto": "https"})

    def grant(self, ca, subject="alice", client=CLIENT):
        """A token by the authorization code grant (RFC 6749 section 4.1), as a browser and its application would get it."""
        asked = {"client_id": client, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s"}
        with requests.Session() as session:
            session.verify = str(ca)
            consent = session.post(f"{self.url}/oauth2/authorize?{urllib.parse.urlencode(asked)}", data={"sub": subject},
                                   allow_redirects=False, timeout=patience(10))
            [code] = urllib.parse.parse_qs(urllib.parse.urlsplit(consent.headers["Location"]).query)["code"]
            answer = session.post(f"{self.url}/oauth2/token", auth=(client, "secret"), timeout=patience(10), data={
                "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK})
        assert answer.status_code == 200, answer.text
        return answer.json()["id_token"]

    def close(self):
        """Nobody listens at the issuer's address any more; the instances live on."""
        super().stop()

    def stop(self):
        self.close()
        for instance in self.instances + self.forgotten:
            instance.kill()
