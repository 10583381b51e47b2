"""The admin listener: health, readiness, metrics, the configuration's identity, the published keys."""
import re
import socket

import pytest
import requests
import yaml

from harness import configuration as conf
from harness.gateway import ROOT
from harness.prometheus import family, parse
from harness.rawclient import RawClient
from harness.waiting import eventually, free_port

FAMILIES = {
    "gatehouse_requests_total": ("counter", {"route", "method", "status"}),
    "gatehouse_denied_total": ("counter", {"route", "code"}),
    "gatehouse_request_duration_seconds": ("histogram", {"route"}),
    "gatehouse_tls_handshakes_total": ("counter", {"side", "result"}),
    "gatehouse_connections": ("gauge", {"side", "protocol"}),
    "gatehouse_token_cache_lookups_total": ("counter", {"result"}),
    "gatehouse_internal_tokens_minted_total": ("counter", {"backend"}),
    "gatehouse_upstream_requests_total": ("counter", {"backend", "endpoint", "result"}),
    "gatehouse_config_reloads_total": ("counter", {"result"}),
    "gatehouse_config_generation": ("gauge", set()),
    "gatehouse_certificate_expiry_timestamp_seconds": ("gauge", {"name"}),
}


def test_health_and_readiness(gateway):
    assert gateway.admin("/healthz").status_code == 200
    assert gateway.admin("/readyz").status_code == 200


def test_what_is_not_there_is_404_and_nothing_can_be_changed(gateway):
    assert gateway.admin("/nothing").status_code == 404
    assert gateway.admin("/metrics", "POST").status_code == 405
    assert gateway.admin("/healthz", "DELETE").status_code == 405


def test_connections_that_ask_for_nothing_keep_nobody_out(make_gateway):
    """More than there are places for: the oldest go, and whoever asks is answered."""
    gateway = make_gateway()
    before = gateway.descriptors
    address, port = gateway.configuration["admin"]["address"].split(":")
    idle = [socket.create_connection((address, int(port)), 10) for _ in range(200)]
    assert gateway.admin("/healthz").status_code == 200
    assert gateway.descriptors - before <= 64 + 2
    assert gateway.admin("/readyz").status_code == 200
    for connection in idle:
        connection.close()


def test_the_documented_alerts_are_about_what_there_is():
    """Metrics and labels as the table has them, codes as docs/errors.md has them."""
    text = (ROOT / "docs/metrics.md").read_text()
    table = dict(re.findall(r"^\| `(gatehouse_\w+)` \| \w+ \| (.*?) \|", text, re.M))
    [block] = re.findall(r"```yaml\n(groups:.*?)```", text, re.S)
    [group] = yaml.safe_load(block)["groups"]
    codes = set(re.findall(r"^\| (?:\d{3} \| )?`([a-z_]+)` \|", (ROOT / "docs/errors.md").read_text(), re.M))
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) > 8
    for rule in group["rules"]:
        for name, selector in re.findall(r"(gatehouse_\w+)(\{.*?\})?", rule["expr"]):
            assert name in table, name
            for label, value in re.findall(r'(\w+)[!=]=?~?"(.*?)"', selector):
                assert f"`{label}`" in table[name], (name, label)
                if label == "code":
                    assert all(any(re.fullmatch(one, code) for code in codes) for one in value.split("|")), value
        for name in re.findall(r"process_\w+", rule["expr"]):
            assert f"`{name}`" in text, name


def test_every_family_of_the_contract_is_exposed(gateway, bearer):
    gateway.ask("GET", "/orders/1", headers=bearer)
    gateway.ask("GET", "/orders/1")
    gateway.reload()
    answer = gateway.admin("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    exposition = parse(answer.text)
    for name, (kind, labels) in FAMILIES.items():
        assert exposition.types.get(name) == kind, name
        assert exposition.helps.get(name), f"{name} has no HELP"
        samples = [s for s in exposition.samples if family(s.name, exposition.types) == name]
        assert samples, f"{name} has no sample"
        for sample in samples:
            assert set(sample.labels) - {"le"} == labels, sample
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
            "process_start_time_seconds"} <= set(exposition.types)


def test_requests_and_denials_are_counted_by_route(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port)
    for _ in range(3):
        gateway.ask("GET", "/orders/1", headers=bearer)
    gateway.ask("POST", "/orders/1")
    gateway.ask("GET", "/nowhere")
    eventually(lambda: gateway.metric("gatehouse_requests_total") == 5)
    assert gateway.metric("gatehouse_requests_total", route="orders", method="GET", status="200") == 3
    assert gateway.metric("gatehouse_requests_total", route="orders", method="POST", status="401") == 1
    assert gateway.metric("gatehouse_denied_total", route="orders", code="token_missing") == 1
    assert gateway.metric("gatehouse_denied_total", code="no_route") == 1
    assert gateway.metric("gatehouse_internal_tokens_minted_total", backend="orders") == 1
    assert gateway.metric("gatehouse_request_duration_seconds_count", route="orders") == 4
    assert gateway.metric("gatehouse_request_duration_seconds_bucket", route="orders", le="+Inf") == 4
    assert gateway.metric("gatehouse_upstream_requests_total", backend="orders", endpoint=f"127.0.0.1:{backend.port}") == 3
    assert gateway.metric("gatehouse_tls_handshakes_total", side="edge") == 5
    assert gateway.metric("gatehouse_token_cache_lookups_total") >= 3


def test_the_memory_of_verified_tokens_is_told(make_gateway, backend, idp):
    gateway = make_gateway(backend.port, workers=1)

    def held():
        return gateway.metric("gatehouse_token_cache_bytes")
    empty = held()
    assert empty > 0, "the table of an empty cache is memory, too"
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200
    eventually(lambda: held() > empty, what="a verified token in the gauge")
    one = held()
    for number in range(20):
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=f"user-{number}")).status == 200
    eventually(lambda: held() >= empty + 21 * (one - empty) * 0.9, what="twenty more")
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(exp=1)).status == 401
    assert held() < 64 << 20


def test_histogram_buckets_rise(gateway, bearer):
    gateway.ask("GET", "/orders/1", headers=bearer)
    samples = [s for s in parse(gateway.admin("/metrics").text).samples
               if s.name == "gatehouse_request_duration_seconds_bucket" and s.labels["route"] == "orders"]
    edges = [float(s.labels["le"]) for s in samples]
    assert edges == sorted(edges) and edges[-1] == float("inf")
    assert [s.value for s in samples] == sorted(s.value for s in samples)


def test_metrics_do_not_grow_with_what_clients_invent(make_gateway, backend):
    gateway = make_gateway(backend.port)
    for number in range(5):
        gateway.ask("GET", f"/public/{number}")
    before = len(gateway.admin("/metrics").text.splitlines())
    for number in range(60):
        gateway.ask(f"BREW{number}", f"/public/{number}", host=f"h{number}.example.com")
        gateway.ask(f"BREW{number}", f"/nowhere/{number}")
    assert len(gateway.admin("/metrics").text.splitlines()) - before < 40


def test_the_expiry_of_each_certificate_is_exposed(gateway):
    values = [s.value for s in parse(gateway.admin("/metrics").text).samples
              if s.name == "gatehouse_certificate_expiry_timestamp_seconds"]
    assert len(values) >= 2 and all(1.7e9 < value < 1e10 for value in values)


def test_the_configurations_identity(gateway):
    document = gateway.admin("/config").json()
    assert isinstance(document["generation"], int)
    assert re.fullmatch(r"[0-9a-f]{64}", document["sha256"])
    text = str(document)
    assert "gateway.yaml" in text and re.search(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", text), document


def test_the_sha256_changes_with_the_configuration(make_gateway, backend):
    gateway = make_gateway(backend.port)
    first = gateway.admin("/config").json()["sha256"]
    gateway.reload(conf.merged(gateway.configuration, {"process": {"drain": "6s"}}))
    assert gateway.admin("/config").json()["sha256"] != first


def test_the_published_key_set(gateway):
    answer = gateway.admin("/.well-known/jwks.json")
    assert answer.headers["Content-Type"].split(";")[0] in ("application/jwk-set+json", "application/json")
    (key,) = answer.json()["keys"]
    assert {name: key[name] for name in ("kty", "crv", "kid", "alg", "use")} == {
        "kty": "EC", "crv": "P-256", "kid": "test-1", "alg": "ES256", "use": "sig"}
    assert "d" not in key


def test_the_key_set_on_a_listener_of_the_operators_choice(make_gateway, backend, pki):
    gateway = make_gateway(backend.port)
    port = free_port()
    changed = conf.merged(gateway.configuration, {})
    changed["listeners"].append(conf.listener(pki, port, name="keys", serve="jwks"))
    gateway.stop()
    gateway.configuration = changed
    gateway.start()
    answer = requests.get(f"https://localhost:{port}/.well-known/jwks.json", verify=str(pki.public.certificate), timeout=5)
    assert answer.json() == gateway.internal_keys
    with RawClient(port, pki.public.certificate) as client:
        assert client.exchange("GET", "/public/1").status == 404, "and nothing else"


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"\0" * 5000, b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET /" + b"a" * 70_000], ids=["no host", "nonsense", "zeros", "framing", "endless"])
def test_hostile_bytes_do_the_admin_listener_no_harm(gateway, data):
    host, port = gateway.configuration["admin"]["address"].split(":")
    with socket.create_connection((host, int(port)), 5) as plain:
        try:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            plain.settimeout(5)
            while plain.recv(4096):
                pass
        except OSError:
            pass
    assert gateway.admin("/healthz").status_code == 200
    assert gateway.ask("GET", "/public/1").status == 200


def test_a_silent_admin_client_does_not_hold_up_the_others(gateway):
    host, port = gateway.configuration["admin"]["address"].split(":")
    silent = [socket.create_connection((host, int(port)), 5) for _ in range(20)]
    try:
        assert gateway.admin("/readyz").status_code == 200
    finally:
        for one in silent:
            one.close()


def test_an_admin_listener_on_a_unix_socket(make_gateway, backend, tmp_path):
    gateway = make_gateway(backend.port, {"admin": {"address": f"unix:{tmp_path}/admin.sock"}})
    with socket.socket(socket.AF_UNIX) as local:
        local.settimeout(5)
        local.connect(f"{tmp_path}/admin.sock")
        local.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert local.recv(4096).startswith(b"HTTP/1.1 200")
    assert gateway.ask("GET", "/public/1").status == 200


class TestHosts:
    """A page may make its own name the listener's address, and then read what the listener answers; but the request says the name."""

    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend):
        return make_gateway(backend.port, {"admin": {"hosts": ["gatehouse.internal", "*.ops.example"]}})

    def status(self, gateway, head):
        host, port = gateway.configuration["admin"]["address"].split(":")
        with socket.create_connection((host, int(port)), 5) as plain:
            plain.sendall(head.replace("\n", "\r\n").encode())
            answer = b""
            while block := plain.recv(65536):
                answer += block
        if not answer.startswith(b"HTTP/1.1 200"):
            assert b"sha256" not in answer
        return int(answer.split(b" ")[1])

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9901", "192.0.2.7:80", "[::1]", "[2001:db8::7]:9901", "localhost", "LOCALHOST:9901",
                                      "localhost.", "127.0.0.1.", "gatehouse.internal", "Gatehouse.Internal:9901", "a.ops.example", "a.b.ops.example"])
    def test_its_own_names_are_answered(self, gateway, host):
        assert self.status(gateway, f"GET /config HTTP/1.1\nHost: {host}\n\n") == 200
        assert self.status(gateway, f"GET http://{host}/config HTTP/1.1\nHost: {host}\n\n") == 200

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example", "ops.example", "xops.example",
                                      "gatehouse.internal.evil.example", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5", "1.2.3.256"])
    def test_others_are_not(self, gateway, host):
        for path in ("/config", "/metrics", "/healthz", "/nothing"):
            assert self.status(gateway, f"GET {path} HTTP/1.1\nHost: {host}\n\n") == 403
        assert self.status(gateway, f"GET http://{host}/config HTTP/1.1\nHost: {host}\n\n") == 403

    def test_a_request_that_names_nobody_is_not(self, gateway):
        assert self.status(gateway, "GET /config HTTP/1.0\n\n") == 403
        assert self.status(gateway, "GET /config HTTP/1.1\n\n") == 400
        assert self.status(gateway, "GET http://evil.example/config HTTP/1.1\nHost: localhost\n\n") == 400
        assert self.status(gateway, "GET /config HTTP/1.1\nHost: localhost\nHost: evil.example\n\n") == 400

    def test_a_reload_changes_the_names(self, make_gateway, backend):
        gateway = make_gateway(backend.port)
        assert self.status(gateway, "GET /config HTTP/1.1\nHost: later.example\n\n") == 403
        gateway.reload(conf.merged(gateway.configuration, {"admin": {"hosts": ["later.example"]}}))
        assert self.status(gateway, "GET /config HTTP/1.1\nHost: later.example\n\n") == 200

    def test_on_a_unix_socket_any_name_will_do(self, make_gateway, backend, tmp_path):
        make_gateway(backend.port, {"admin": {"address": f"unix:{tmp_path}/admin.sock"}})
        with socket.socket(socket.AF_UNIX) as local:
            local.settimeout(5)
            local.connect(f"{tmp_path}/admin.sock")
            local.sendall(b"GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n")
            assert local.recv(4096).startswith(b"HTTP/1.1 200")
