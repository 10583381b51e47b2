"""HTTP/2 on either side: the four crossings, many streams on one connection, reload and drain under them."""
import hashlib
import json
import re
import shutil
import subprocess
import time

import jwt
import pytest

from harness import configuration as conf
from harness.answers import seen
from harness.http2client import HTTP2Client
from harness.nginx import Nginx
from harness.tokens import decoded
from harness.waiting import eventually, patience

EDGES = ["--http1.1", "--http2"]
BACKENDS = ["http/1.1", "h2"]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, pki):
    with Nginx(tmp_path_factory.mktemp("h2"), pki.backend, pki.mesh.certificate, http2=True) as server:
        (server.directory / "www" / "blob").write_bytes(bytes(range(256)) * (32 << 10))
        yield server


@pytest.fixture(scope="module", params=BACKENDS)
def crossing(request, make_gateway, pki, nginx):
    routes = [conf.route("orders", "/orders/**"), conf.route("public", "/**", public=True)]
    return make_gateway(backends=[conf.backend(pki, nginx.port, protocol=request.param)], routes=routes), request.param


@pytest.fixture
def fetch(curl, pki):
    def fetch(url, *arguments, data=None, headers={}):
        fields = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        result = subprocess.run(
            [curl, "-sS", "--max-time", "30", "--cacert", str(pki.public.certificate), *fields, *arguments, url],
            capture_output=True, input=data)
        assert result.returncode == 0, result.stderr
        return result.stdout
    return fetch


@pytest.mark.parametrize("edge", EDGES)
class TestCrossings:
    def test_the_main_job(self, crossing, nginx, fetch, bearer, edge):
        gateway, upstream = crossing
        target = f"/orders/{edge}-{time.time_ns()}"
        body = fetch(gateway.url + target, edge, "-w", "%{http_version}", headers=bearer)
        assert body == b'{"served_by":"nginx"}\n' + (b"2" if edge == "--http2" else b"1.1")
        # nginx writes its log when the answer is out, which may reach us first.
        [seen] = eventually(lambda: [entry for entry in nginx.seen if target in entry["request"]], what="nginx's log line")
        assert seen["protocol"] == ("HTTP/2.0" if upstream == "h2" else "HTTP/1.1")
        assert seen["authorization"] == ""
        keys = jwt.PyJWKSet.from_dict(gateway.internal_keys)
        claims = jwt.decode(seen["token"], keys[jwt.get_unverified_header(seen["token"])["kid"]].key, algorithms=["ES256"],
                            audience="orders", issuer="https://gateway.internal")
        assert claims["cnf"]["x5t#S256"] == seen["thumbprint"]

    def test_a_refusal_is_the_same_document(self, crossing, fetch, edge):
        gateway, _ = crossing
        head, body = fetch(f"{gateway.url}/orders/1", edge, "-i").decode().split("\r\n\r\n", 1)
        assert " 401" in head.splitlines()[0] and "www-authenticate: bearer" in head.lower()
        assert json.loads(body)["code"] == "token_missing"

    def test_a_download(self, crossing, nginx, fetch, edge):
        body = fetch(f"{crossing[0].url}/blob", edge)
        assert hashlib.sha256(body).digest() == hashlib.sha256((nginx.directory / "www" / "blob").read_bytes()).digest()

    def test_head_has_the_length_and_no_content(self, crossing, fetch, edge):
        answer = fetch(f"{crossing[0].url}/blob", edge, "-I").decode().lower()
        assert "content-length: 8388608" in answer and answer.endswith("\r\n\r\n")

    def test_several_requests_on_one_connection(self, crossing, fetch, edge):
        url = crossing[0].url
        out = fetch(f"{url}/a", edge, f"{url}/b", f"{url}/c", "-w", "%{num_connects}\n", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null")
        assert out.split() == [b"1", b"0", b"0"]


@pytest.mark.parametrize("size", [0, 1, 100_000, 8 << 20])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "streamed"])
def test_uploads_over_http2_arrive_whole(gateway, fetch, tmp_path, size, chunked):
    (tmp_path / "up").write_bytes(b"u" * size)
    source = ["-T", "-"] if chunked else ["--data-binary", f"@{tmp_path}/up"]
    body = fetch(f"{gateway.url}/public/up", "--http2", *source, "-X", "POST", data=b"u" * size if chunked else None)
    assert json.loads(body)["body_bytes"] == size


def h2load(gateway, token, *arguments):
    program = shutil.which("h2load")
    assert program, "nghttp2-client is missing"
    out = subprocess.run([program, "-t1", *arguments, "-H", f"authorization: Bearer {token}", f"{gateway.url}/orders/load"],
                         capture_output=True, text=True, timeout=60).stdout
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (succeeded|failed|errored|timeout|2xx|5xx)", out)}
    assert counts, out
    return counts


def test_many_streams_share_connections(crossing, token):
    gateway, upstream = crossing
    counts = h2load(gateway, token, "-c8", "-m16", "-n4000")
    assert counts["2xx"] == 4000 and counts["failed"] == 0
    if upstream == "h2":
        assert 1 <= gateway.metric("gatehouse_connections", side="upstream", protocol="http2") <= 8
        assert gateway.metric("gatehouse_connections", side="upstream", protocol="http1") == 0


@pytest.mark.parametrize("together", [1, 16], ids=["one-by-one", "sixteen-at-once"])
def test_users_who_share_a_connection_are_told_apart(gateway, pki, idp, together):
    """Tokens that come again, in turns and in runs, never kept by HPACK: each request is its own user's, and a token that was
    changed in its last letters is not taken for the one that came before."""
    tokens = {user: idp.token(sub=user) for user in ("anna", "bert", "cleo")}
    forged = tokens["anna"][:-6] + ("AAAAAA" if tokens["anna"][-6:] != "AAAAAA" else "BBBBBB")
    order = ["anna"] * 5 + ["anna", "bert"] * 4 + ["cleo"] * 3 + ["forged"] * 3 + ["anna", "cleo", "bert"] * 3
    with HTTP2Client(gateway.port, pki.public.certificate) as client:
        for start in range(0, len(order), together):
            users = order[start:start + together]
            numbers = [client.start("GET", "/orders/shared", headers={"authorization": f"Bearer {tokens.get(user, forged)}"})
                       for user in users]
            for user, number in zip(users, numbers):
                answer = client.response(number)
                if user == "forged":
                    assert answer.status == 401
                else:
                    assert decoded(seen(answer).get("X-Internal-Token"))[1]["sub"] == user


def test_a_reload_under_load_fails_no_request(crossing, token):
    gateway, _ = crossing
    load = subprocess.Popen([shutil.which("h2load"), "-t1", "-c8", "-m8", "-D4", "-H", f"authorization: Bearer {token}",
                             f"{gateway.url}/orders/load"], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        time.sleep(0.4)
        gateway.reload(gateway.configuration)
    out, _ = load.communicate(timeout=30)
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (failed|errored|timeout|2xx|5xx)", out)}
    assert counts["2xx"] > 100 and counts["5xx"] == counts["errored"] == counts["timeout"] == 0


@pytest.mark.parametrize("edge", EDGES)
def test_a_slow_reader_gets_everything(crossing, nginx, fetch, edge):
    body = fetch(f"{crossing[0].url}/blob", edge, "--limit-rate", "3M")
    assert hashlib.sha256(body).digest() == hashlib.sha256((nginx.directory / "www" / "blob").read_bytes()).digest()


def test_a_slow_reader_holds_a_bounded_share(make_gateway, pki, nginx, curl):
    gateway = make_gateway(backends=[conf.backend(pki, nginx.port, protocol="h2")], routes=[conf.route("public", "/**", public=True)])
    before = gateway.resident
    slow = [subprocess.Popen([curl, "-sS", "--http2", "--limit-rate", "100k", "--max-time", "4", "--cacert", str(pki.public.certificate),
                              "-o", "/dev/null", f"{gateway.url}/blob"], stderr=subprocess.DEVNULL) for _ in range(8)]
    time.sleep(2)
    held = gateway.resident - before
    for process in slow:
        process.wait(patience(10))
    assert held < 16, f"{held} MiB for eight readers"
