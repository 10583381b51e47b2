"""What one benchmark run needs: certificates, keys, a key set, tokens, and the peers' configurations. All made anew."""
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "GatewayTests"))

from harness import configuration as conf  # noqa: E402
from harness.pki import PKI  # noqa: E402
from harness.tokens import IdentityProvider  # noqa: E402
from harness.waiting import free_port  # noqa: E402

GATEHOUSE = Path(os.environ.get("GATEHOUSE", ROOT / ".build/release/gatehouse")).resolve()

# Valgrind makes everything fifty times slower, and a busy machine that much more: neither is to be taken for a dead peer.
PATIENT = {"listener": {"handshake": "60s", "header": "60s", "idle": "10m", "body": "60s"},
           "backend": {"connect": "60s", "response": "60s", "idle": "10m"}}


class Fixture:
    def __init__(self, directory, tokens):
        self.directory = Path(directory)
        self.pki = PKI(self.directory / "pki")
        self.idp = IdentityProvider()
        self.jwks = self.idp.write_jwks(self.directory / "idp.jwks.json")
        self.backend_port = free_port()
        (self.directory / "idp.pem").write_bytes(self.idp.public_pem("ES256"))
        for leaf in (self.pki.edge, self.pki.gateway):
            pem = self.directory / f"{leaf.certificate.stem}.pem"
            pem.write_bytes(leaf.certificate.read_bytes() + leaf.key.read_bytes())
            pem.chmod(0o600)
        self.one_token = self._write_tokens("one.txt", 1)
        self.token_count = tokens
        self.many_tokens = self._write_tokens("many.txt", tokens)

    def _write_tokens(self, name, count):
        path = self.directory / name
        path.write_text("".join(self.idp.token(sub=f"user-{n:06}", email=f"user{n}@example.com") + "\n" for n in range(count)))
        return path

    def render(self, template, port=0):
        text = (HERE / "peers" / template).read_text()
        for name, value in {"DIRECTORY": self.directory, "PKI": self.pki.directory, "BACKEND": self.backend_port, "PORT": port}.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.directory / template
        path.write_text(text)
        return path

    def gatehouse(self, port, *, upstream="http/1.1", changes=None):
        """Gatehouse with everything on: token verified, internal token minted, identity checked, counted. One worker, no access log, as the peers."""
        configuration = conf.standard(
            self.pki, self.idp, self.jwks, port, free_port(), self.backend_port,
            backends=[conf.backend(self.pki, self.backend_port, protocol=upstream, timeouts=PATIENT["backend"])],
            routes=[conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}),
                    conf.route("handshake", "/", public=True)],
            timeouts=PATIENT["listener"])
        configuration["access_log"]["path"] = "off"
        configuration = conf.merged(configuration, changes or {})
        path = self.directory / f"gatehouse-{port}.yaml"
        path.write_text(conf.as_yaml(configuration))
        return path
