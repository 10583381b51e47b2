"""What one benchmark run needs: certificates, keys, a key set, tokens, and the peers' configurations. All made anew."""

import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "GatewayTests"))

from harness import configuration as conf  # noqa: E402
from harness.pki import PKI  # noqa: E402
from harness.tokens import IdentityProvider  # noqa: E402
from harness.waiting import free_port  # noqa: E402

GATEHOUSE = Path(os.environ.get("GATEHOUSE", ROOT / ".build/release/gatehouse")).resolve()
ALGORITHMS = ("ES256", "RS256", "EdDSA")

# Valgrind makes everything fifty times slower, and a busy machine that much more: neither is to be taken for a dead peer.
PATIENT = {
    "listener": {"handshake": "60s", "header": "60s", "idle": "10m", "body": "60s"},
    "backend": {"connect": "60s", "response": "60s", "idle": "10m"},
}


def progress(text):
    """Says on a terminal what is going on, in place of what was said before."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


class Fixture:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.pki = PKI(self.directory / "pki")
        self.idp = IdentityProvider()
        self.jwks = self.idp.write_jwks(self.directory / "idp.jwks.json")
        self.backend_port, self.sink_port = free_port(), free_port()
        for algorithm in ALGORITHMS:
            (self.directory / f"idp-{algorithm}.pem").write_bytes(self.idp.public_pem(algorithm))
        for leaf in (self.pki.edge, self.pki.gateway):
            pem = self.directory / f"{leaf.certificate.stem}.pem"
            pem.write_bytes(leaf.certificate.read_bytes() + leaf.key.read_bytes())
            pem.chmod(0o600)
        self.now = int(time.time())

    @property
    def token(self):
        return self.tokens("ES256", 1).read_text().strip()

    def tokens(self, algorithm, count):
        """A file of so many different tokens, a line each, all of one length; made on all cores when asked for the first time."""
        path = self.directory / f"tokens-{algorithm}-{count}.txt"
        if not path.exists():
            progress(f"signing {count:,} {algorithm} tokens")
            shares = os.cpu_count() if count > 500 else 1
            parts = [self.directory / f"{path.name}.{share}" for share in range(shares)]
            children = [
                self._signs(part, algorithm, range(count * share // shares, count * (share + 1) // shares))
                for share, part in enumerate(parts)
            ]
            if any([os.waitpid(child, 0)[1] for child in children]):
                raise SystemExit("tokens could not be signed")
            with open(path, "wb") as file:
                for part in parts:
                    with open(part, "rb") as signed:
                        shutil.copyfileobj(signed, file)
                    part.unlink()
        return path

    def _signs(self, part, algorithm, numbers):
        """A process that signs these; forked, so that the keys are there, and without threads, which do not outlive a fork."""
        child = os.fork()
        if child:
            return child
        try:
            os.sched_setaffinity(0, range(os.cpu_count()))
            times = {"iat": self.now, "nbf": self.now - 5, "exp": self.now + 86_400}
            with open(part, "w") as file:
                for n in numbers:
                    file.write(self.idp.token(algorithm, sub=f"user-{n:07}", email=f"user{n:07}@example.com", **times) + "\n")
            os._exit(0)
        finally:
            os._exit(1)

    def render(self, template, port=0, algorithm="ES256"):
        """A peer's configuration for this run."""
        text = (HERE / "peers" / template).read_text()
        for name, value in {
            "DIRECTORY": self.directory,
            "PKI": self.pki.directory,
            "BACKEND": self.backend_port,
            "SINK": self.sink_port,
            "PORT": port,
            "ALGORITHM": algorithm,
            "USER": "user root; " if os.geteuid() == 0 else "",
        }.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.directory / template
        path.write_text(text)
        return path

    def gatehouse(self, port, *, upstream="http/1.1", routes=(), workers=1, admin=None, changes=None):
        """Gatehouse with everything on: token verified, internal token minted, identity checked, counted. As with the peers, one
        worker and no access log."""
        configuration = conf.standard(
            self.pki,
            self.idp,
            self.jwks,
            port,
            admin or free_port(),
            self.backend_port,
            workers=workers,
            backends=[
                conf.backend(self.pki, self.backend_port, protocol=upstream, timeouts=PATIENT["backend"]),
                conf.backend(self.pki, self.sink_port, name="sink", timeouts=PATIENT["backend"]),
            ],
            routes=[
                conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}),
                conf.route("upload", "/upload", to="sink", body={"maximum": "128MiB"}),
                conf.route("ticket", "/", public=True),
                *routes,
            ],
            timeouts=PATIENT["listener"],
        )
        configuration["access_log"]["path"] = "off"
        configuration = conf.merged(configuration, changes or {})
        path = self.directory / f"gatehouse-{port}.yaml"
        path.write_text(conf.as_yaml(configuration))
        return path
