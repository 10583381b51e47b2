"""Examples/: what stands there works as its README says, behind a real gateway with the development certificates."""
import base64
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness import configuration as conf
from harness.gateway import ROOT, command
from harness.nginx import PROGRAM as NGINX
from harness.pki import Leaf
from harness.rawclient import RawClient
from harness.waiting import accepts, eventually, free_port, patience

EXAMPLES = ROOT / "Examples"
SCRATCH = ROOT / ".build-examples"
COOLDOWN = 2


class DevelopmentPKI:
    """What `gatehouse certs init` makes, with the names of the tests' own PKI."""

    BACKEND_ID = "spiffe://gatehouse.internal/orders"

    def __init__(self, directory):
        self.directory = directory
        for arguments in (["init"], ["backend", "payments"]):
            made = command("certs", *arguments, "--dir", directory)
            assert made.returncode == 0, made.stderr
        self.edge, self.gateway, self.backend, self.other = map(self.leaf, ("edge", "gateway", "orders", "payments"))
        self.public = SimpleNamespace(certificate=directory / "public-ca.crt")
        self.mesh = SimpleNamespace(certificate=directory / "mesh-ca.crt")
        self.internal_token_key = directory / "internal-token.key"

    def leaf(self, name):
        path = self.directory / f"{name}.crt"
        return Leaf(path, self.directory / f"{name}.key", ssl.PEM_cert_to_DER_cert(path.read_text()))


@pytest.fixture(scope="module")
def development(tmp_path_factory):
    return DevelopmentPKI(tmp_path_factory.mktemp("development") / "Certs")


def listener_of_the_readme(development, port):
    """The listener that Examples/README.md says to add."""
    [block] = re.findall(r"```yaml\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.S)
    [listener] = yaml.safe_load(block)["listeners"]
    assert listener["serve"] == "jwks"
    listener["address"] = f"127.0.0.1:{port}"
    for files in listener["tls"]["certificates"]:
        files.update({name: str(development.directory / path.removeprefix("../Certs/")) for name, path in files.items()})
    return listener


@pytest.fixture(scope="module")
def behind(make_gateway, development, pki):
    """Starts a gateway that publishes its keys at `keys_port`, before a backend on `backend_port`."""
    def start(backend_port, keys_port):
        gateway = make_gateway(backend_port, start=False)
        changes = {
            "listeners": [*gateway.configuration["listeners"], listener_of_the_readme(development, keys_port)],
            # The same server under another name, whose tokens are not for it.
            "backends": [conf.backend(development, backend_port), conf.backend(development, backend_port, name="users")],
            "routes": [conf.route("orders", "/orders/**"), conf.route("users", "/users/**", to="users"),
                       conf.route("public", "/public/**", public=True)],
            "internal_token": {"signing_keys": [signing_key("development", development.internal_token_key)]},
        }
        gateway.write(conf.merged(gateway.configuration, changes))
        return gateway.start()
    return start


def signing_key(kid, path, algorithm="ES256"):
    return {"kid": kid, "algorithm": algorithm, "key": str(path), "state": "active"}


class Example:
    """A backend of Examples/ as a process."""

    def __init__(self, arguments, development, log, **more):
        self.port, self.keys_port = free_port(), free_port()
        self.log = log
        arguments = [
            *arguments, "--port", self.port, "--certificate", development.backend.certificate, "--key", development.backend.key,
            "--authority", development.mesh.certificate, "--keys", f"https://localhost:{self.keys_port}/.well-known/jwks.json",
            "--keys-authority", development.public.certificate, "--cooldown", COOLDOWN]
        with open(log, "wb") as output:
            self.process = subprocess.Popen(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, **more)
        self.development = development

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    def ready(self):
        def check():
            assert self.process.poll() is None, self.output
            return f"ready: 127.0.0.1:{self.port}" in self.output
        eventually(check, 20, what=f"`ready`; {self.output}")
        return self

    def ask(self, leaf, token=None):
        """What it answers to somebody who reaches it directly."""
        with RawClient(self.port, self.development.mesh.certificate, server_name="orders.internal", certificate=leaf) as client:
            tokens = token if isinstance(token, list) else [token] if token else []
            return client.exchange("GET", "/orders/9", headers=[("X-Internal-Token", value) for value in tokens])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(patience(10))
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def swift_backend():
    """The Swift example, built; a build from nothing takes minutes."""
    built = subprocess.run(["swift", "build", "--package-path", EXAMPLES / "SwiftBackend", "--scratch-path", SCRATCH],
                           capture_output=True, text=True, timeout=1500)
    assert built.returncode == 0, (built.stdout + built.stderr)[-4000:]
    assert not re.search(r"Examples/.*warning:", built.stdout + built.stderr), built.stdout
    return SCRATCH / "debug/SwiftBackend"


@pytest.fixture(scope="module", params=["swift", "python"])
def example(request, development, tmp_path_factory):
    if request.param == "swift":
        arguments = [request.getfixturevalue("swift_backend")]
    else:
        arguments = [sys.executable, EXAMPLES / "python/backend.py"]
    example = Example(arguments, development, tmp_path_factory.mktemp("example") / "output.log")
    try:
        yield example.ready()
    finally:
        example.stop()


@pytest.fixture(scope="module")
def gateway(example, behind):
    return behind(example.port, example.keys_port)


pytestmark = pytest.mark.timeout(1800)


def minted(development, *, bound_to=None, kid="development", key=None, typ="int+jwt", algorithm="ES256", **changes):
    """A token as the gateway mints it, with its own key."""
    now = int(time.time())
    claims = {"iss": "https://gateway.internal", "aud": "orders", "sub": "alice", "iat": now, "exp": now + 60,
              "idp": "https://idp.example.com/", "cnf": {"x5t#S256": (bound_to or development.gateway).thumbprint}, **changes}
    if algorithm != "none":
        key = key or load_pem_private_key(development.internal_token_key.read_bytes(), None)
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm,
                      headers={"typ": typ, "kid": kid})


def test_the_user_is_known(gateway, bearer):
    answer = gateway.ask("GET", "/orders/7", headers=bearer)
    assert answer.status == 200, answer.body
    document = json.loads(answer.body)
    assert document["greeting"] == "hello alice"
    assert document["identity_provider"] == "https://idp.example.com/"
    assert document["path"] == "/orders/7"
    assert "orders:read" in json.dumps(document)


def test_many_users_over_the_same_connections(gateway, idp):
    with gateway.client() as client:
        for name in ("bob", "carol", "d'Artagnan", "渡辺"):
            answer = client.exchange("GET", "/orders/1", headers=idp.bearer(sub=name))
            assert json.loads(answer.body)["greeting"] == f"hello {name}"


def test_a_token_for_another_backend_is_refused(gateway, bearer):
    answer = gateway.ask("GET", "/users/7", headers=bearer)
    assert answer.status == 401 and b"aud" in answer.body.lower()


def test_without_a_user_nobody_is_greeted(gateway):
    assert gateway.ask("GET", "/public/x").status == 401


def test_a_token_counts_on_the_connection_it_was_made_for_only(gateway, example, development):
    assert example.ask(development.gateway, minted(development)).status == 200
    # Another workload of the mesh, with a certificate of its own and a token from a log.
    answer = example.ask(development.other, minted(development))
    assert answer.status == 401 and (b"binding" in answer.body or b"cnf" in answer.body)
    assert example.ask(development.other, minted(development, bound_to=development.other)).status == 200


def test_who_has_no_certificate_of_the_mesh_does_not_get_in(gateway, example, development, pki):
    for stranger in (None, pki.gateway):
        with pytest.raises((OSError, AssertionError, ValueError, EOFError)):
            answer = example.ask(stranger, minted(development))
            assert answer.status != 401


@pytest.mark.parametrize("defect", [
    {"typ": "JWT"}, {"kid": "other"}, {"iss": "https://gateway.example.com"}, {"aud": "users"}, {"aud": ["orders", "users"]},
    {"exp": int(time.time()) - 40}, {"iat": int(time.time()) + 4000}, {"exp": None}, {"iat": None}, {"sub": None}, {"cnf": None},
    {"key": "0" * 64, "algorithm": "HS256"}, {"algorithm": "none"},
], ids=lambda defect: "-".join(defect))
def test_a_token_with_a_defect_is_refused(gateway, example, development, defect):
    answer = example.ask(development.gateway, minted(development, **defect))
    assert answer.status == 401, (defect, answer.body)


def test_two_tokens_are_none(gateway, example, development):
    assert example.ask(development.gateway, [minted(development)] * 2).status == 401
    assert example.ask(development.gateway).status == 401
    assert example.ask(development.gateway, "x" * 20_000).status == 401


def test_a_new_signing_key_is_found(gateway, example, development, bearer, idp, tmp_path):
    made = command("keys", "new", "--algorithm", "EdDSA", "--out", tmp_path / "next.key")
    assert made.returncode == 0, made.stderr
    configuration = gateway.configuration
    # Those that have signed before stay published: their tokens may be alive.
    old, *others = configuration["internal_token"]["signing_keys"]
    new = signing_key(f"next-{time.time_ns()}", tmp_path / "next.key", "EdDSA")
    time.sleep(COOLDOWN)

    def signing(*keys):
        # At once, so that the example has to look for a key that it has never seen.
        return conf.merged(configuration, {"internal_token": {"publish_ahead": "0s", "signing_keys": list(keys)}})

    gateway.reload(signing(new, dict(old, state="retired"), *others))
    try:
        answer = gateway.ask("GET", "/orders/1", headers=idp.bearer(sub="erin"))
        assert answer.status == 200, (answer.body, example.output)
        assert example.ask(development.gateway, minted(development)).status == 200
    finally:
        gateway.reload(signing(old, dict(new, state="retired"), *others))
    assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200


# nginx ends TLS for an application that knows nothing of it.


@pytest.fixture(scope="module")
def application():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps(self.headers.items()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def nginx_port(development, application, tmp_path_factory):
    if NGINX is None:
        pytest.fail("nginx is not installed; Tests/packages.txt lists what these tests need")
    directory, port = tmp_path_factory.mktemp("nginx-example"), free_port()
    text = (EXAMPLES / "nginx/nginx.conf").read_text()
    for old, new in (("127.0.0.1:9443", f"127.0.0.1:{port}"), ("127.0.0.1:8000", f"127.0.0.1:{application}"),
                     ("../../Certs/", f"{development.directory}/"), ("/tmp/gatehouse-example-nginx.pid", f"{directory}/nginx.pid")):
        assert old in text
        text = text.replace(old, new)
    shutil.copy(development.backend.certificate, directory)
    (directory / "nginx.conf").write_text(text)
    with open(directory / "output.log", "wb") as output:
        process = subprocess.Popen([NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf")],
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        eventually(lambda: accepts(port), 10, what="nginx: " + (directory / "output.log").read_text())
        yield port
    finally:
        process.terminate()
        process.wait(patience(10))


@pytest.fixture(scope="module")
def gateway_before_nginx(nginx_port, behind):
    return behind(nginx_port, free_port())


def ask_nginx(port, development, leaf):
    with RawClient(port, development.mesh.certificate, server_name="orders.internal", certificate=leaf) as client:
        return client.exchange("GET", "/orders/9")


def test_the_application_behind_nginx_sees_the_token_and_the_certificate_that_it_names(gateway_before_nginx, bearer, development):
    answer = gateway_before_nginx.ask("GET", "/orders/7", headers={**bearer, "X-Client-Certificate": "forged"})
    assert answer.status == 200, answer.body
    fields = [(name.lower(), value) for name, value in json.loads(answer.body)]
    certificates = [value for name, value in fields if name == "x-client-certificate"]
    [token] = [value for name, value in fields if name == "x-internal-token"]
    assert len(certificates) == 1
    der = ssl.PEM_cert_to_DER_cert(urllib.parse.unquote(certificates[0]))
    assert der == development.gateway.der
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert claims["cnf"]["x5t#S256"] == thumbprint and claims["sub"] == "alice"


def test_nobody_else_gets_through_nginx(nginx_port, development, pki):
    assert ask_nginx(nginx_port, development, development.gateway).status == 200
    assert ask_nginx(nginx_port, development, development.other).status == 403
    assert ask_nginx(nginx_port, development, None).status == 400
    assert ask_nginx(nginx_port, development, pki.gateway).status == 400
