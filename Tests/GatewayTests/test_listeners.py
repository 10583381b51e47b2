"""Listeners besides the usual one: without TLS, behind a balancer, on a Unix socket, on IPv6; and whose word counts for a client."""
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.gateway import command
from harness.message import Reader, Truncated
from harness.rawclient import RawClient, request_bytes
from harness.waiting import accepts, eventually, free_port, patience
from harness.websocket import HTTP2


class PlainClient(RawClient):
    """Sends exactly the bytes it is given, without TLS: to a TCP port, an (address, port) or a path."""

    def __init__(self, address, first=b"", source=None):
        if isinstance(address, int):
            address = ("127.0.0.1", address)
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(10)
        self.socket.connect(address)
        self.reader = Reader(self._receive)
        self.clean_end = None
        if first:
            self.send(first)

    def secure(self, ca):
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols(["http/1.1"])
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost", suppress_ragged_eofs=False)


class TLSAfter(PlainClient):
    """TLS behind what a balancer says first, which may come in pieces."""

    def __init__(self, address, ca, *first):
        super().__init__(address)
        for piece in first:
            self.socket.sendall(piece)
        self.secure(ca)


def v2(command, family, body):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + len(body).to_bytes(2, "big") + body


V4 = v2(1, 0x11, bytes([192, 0, 2, 7, 10, 0, 0, 1]) + (4711).to_bytes(2, "big") + (443).to_bytes(2, "big"))
V6 = v2(1, 0x21, socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + (4711).to_bytes(2, "big") + (443).to_bytes(2, "big"))


@pytest.fixture(scope="module")
def redirects(make_gateway, pki, backend):
    ports = free_port(), free_port()
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"] += [
        {"name": "http", "address": f"127.0.0.1:{ports[0]}", "plaintext": "redirect"},
        {"name": "other", "address": f"127.0.0.1:{ports[1]}", "plaintext": "redirect", "redirect_port": 8443}]
    return gateway.start(), *ports


class TestRedirect:
    @pytest.mark.parametrize("target, host, location", [
        ("/", "api.example.com", "https://api.example.com/"),
        ("/orders/1?a=b%20c&d", "api.example.com:80", "https://api.example.com/orders/1?a=b%20c&d"),
        ("/a//b/../c", "API.example.com", "https://API.example.com/a//b/../c"), ("/?", "[::1]:8080", "https://[::1]/?"),
        ("http://api.example.com/x", "api.example.com", "https://api.example.com/x"),
        ("http://api.example.com", "api.example.com", "https://api.example.com/"),
    ])
    def test_to_the_same_address_on_https(self, redirects, backend, target, host, location):
        before = len(backend.requests)
        for port, written in ((redirects[1], location), (redirects[2], location.replace("]", "]:8443") if "[" in location else
                                                         location.replace("example.com", "example.com:8443"))):
            with PlainClient(port) as client:
                answer = client.exchange("GET", target, host=host)
                assert (answer.status, answer.get("Location"), answer.get("Content-Length")) == (308, written, "0")
                assert client.exchange("GET", "/again").status == 308
        assert len(backend.requests) == before

    @pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD", "OPTIONS", "PURGE"])
    def test_whatever_is_asked(self, redirects, method):
        with PlainClient(redirects[1]) as client:
            answer = client.exchange(method, "/orders/1", body=b"x" * 100 if method == "POST" else None)
            assert (answer.status, answer.get("Location")) == (308, "https://api.example.com/orders/1")
        with PlainClient(redirects[1]) as client:
            assert client.exchange("OPTIONS", "*").get("Location") == "https://api.example.com/"

    def test_what_cannot_be_read_is_refused_as_ever(self, redirects):
        for request, code in ((b"GET / HTTP/1.1\r\n\r\n", "bad_host"), (b"GET / HTTP/1.0\r\n\r\n", "bad_host"),
                              (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "bad_host"),
                              (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad_host"), (b"nonsense\r\n\r\n", "bad_request")):
            with PlainClient(redirects[1], request) as client:
                problem(client.response(), 400, code)
                assert client.rest() == b""

    def test_the_log_has_it(self, redirects):
        with PlainClient(redirects[1]) as client:
            client.exchange("GET", "/logged", headers={"Authorization": "Bearer secret"})
        line = redirects[0].logged(path="/logged")
        assert (line["status"], line["route"], line["tls"], line["client_ip"]) == (308, None, None, "127.0.0.1")

    def test_http2_is_not_spoken_there(self, redirects):
        with PlainClient(redirects[1], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") as client:
            assert client.response().status == 505
            assert client.rest() == b""


@pytest.fixture(scope="module")
def plain(make_gateway, pki, backend):
    """A listener that serves without TLS, as its configuration says in so many words."""
    port = free_port()
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"].append({"name": "mesh", "address": f"127.0.0.1:{port}", "plaintext": "serve"})
    return gateway.start(), port


class TestPlaintext:
    def test_requests_pass_the_same_gate(self, plain, bearer):
        gateway, port = plain
        with PlainClient(port) as client:
            problem(client.exchange("GET", "/orders/1"), 401, "token_missing")
            request = seen(client.exchange("GET", "/orders/1", headers=bearer))
            assert request.get("X-Forwarded-Proto") == "http" and request.get("Forwarded").endswith(";proto=http")
            assert request.get("X-Internal-Token") and not request.all("Authorization")
        assert gateway.logged(path="/orders/1", status=200)["tls"] is None

    def test_bodies_and_the_end_of_the_connection(self, plain):
        body = bytes(range(256)) * 4096
        with PlainClient(plain[1]) as client:
            answer = client.exchange("POST", "/public/up", body=body)
            assert json.loads(answer.body)["body_bytes"] == len(body)
            answer = client.exchange("GET", "/public/last", headers={"Connection": "close"})
            assert answer.status == 200 and client.rest() == b"" and client.clean_end

    def test_http2_by_prior_knowledge(self, plain, curl, bearer):
        fields = [part for name, value in bearer.items() for part in ("-H", f"{name}: {value}")]
        out = subprocess.run([curl, "-sS", "--http2-prior-knowledge", "--max-time", "10", "-w", "%{http_version}", *fields,
                              f"http://127.0.0.1:{plain[1]}/orders/h2c"],
                             capture_output=True, text=True, timeout=20)
        assert out.returncode == 0 and out.stdout.endswith("2"), out
        assert dict(json.loads(out.stdout[:-1])["headers"])["X-Forwarded-Proto"] == "http"
        assert plain[0].logged(path="/orders/h2c")["protocol"] == "HTTP/2"
        out = subprocess.run(["h2load", "-n500", "-c2", "-m10", "-t1", *fields, f"http://127.0.0.1:{plain[1]}/orders/h2c"],
                             capture_output=True, text=True, timeout=30).stdout
        assert "500 succeeded, 0 failed" in out and "Application protocol: h2c" in out, out

    def test_the_preface_in_pieces(self, plain):
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        with PlainClient(plain[1]) as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in preface:
                client.send(bytes([byte]))
            header = client.socket.recv(9)
            assert header[3] == 4, "the server's SETTINGS"

    @pytest.mark.parametrize("request_line", ["PR /public/x", "PRI /public/x", "PUT /public/x", "P /public/x"])
    def test_what_only_begins_like_the_preface(self, plain, request_line):
        with PlainClient(plain[1], request_line.encode()) as client:
            client.send(b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert client.response().status == 200

    def test_an_upgrade_to_h2c_is_not_offered(self, plain):
        with PlainClient(plain[1]) as client:
            answer = client.exchange("GET", "/public/h2c", headers={
                "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
            assert answer.status == 200 and not seen(answer).all("Upgrade")

    def test_it_is_warned_of(self, plain, tmp_path):
        assert "without TLS" in plain[0].error_text
        result = command("check", "--config", plain[0].routes)
        assert result.returncode == 0 and "listener mesh serves without TLS: whoever can listen on its network" in result.stdout

    def test_on_a_unix_socket_it_is_warned_of_who_connects(self, plain):
        listeners = [{"name": "mesh", "address": "unix:mesh.sock", "plaintext": "serve"}]
        (plain[0].routes / "socket.yaml").write_text(json.dumps({"listeners": [dict(listeners[0], name="socket")]}))
        try:
            result = command("check", "--config", plain[0].routes)
        finally:
            (plain[0].routes / "socket.yaml").unlink()
        assert "listener socket serves without TLS: let nobody connect to its socket but what has ended TLS" in result.stdout


@pytest.fixture(scope="module")
def balanced(make_gateway, pki, backend):
    """A listener behind balancers at 127.0.0.1; the one at 10/8 is trusted for what it forwards."""
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"][0] |= {
        "proxy_protocol": True, "trusted_proxies": ["127.0.0.1/32", "10.0.0.0/8"], "limits": {"connections_per_client": 3},
        "timeouts": {"handshake": "1s"}}
    other = free_port()
    gateway.configuration["listeners"].append(
        conf.listener(pki, other, name="strangers", proxy_protocol=True, trusted_proxies=["192.0.2.0/24"]))
    return gateway.start(), other


class TestProxyProtocol:
    @pytest.mark.parametrize("header, address, forwarded", [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n", "192.0.2.7", "for=192.0.2.7;"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "2001:db8::7", 'for="[2001:db8::7]";'),
        (V4, "192.0.2.7", "for=192.0.2.7;"), (V6, "2001:db8::7", 'for="[2001:db8::7]";'),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", "for=127.0.0.1;"), (v2(0, 0, b""), "127.0.0.1", "for=127.0.0.1;"),
        (v2(1, 0x11, V4[16:] + b"\x04\0\x03abc"), "192.0.2.7", "for=192.0.2.7;"),
    ], ids=["v1-4", "v1-6", "v2-4", "v2-6", "v1-unknown", "v2-local", "v2-extensions"])
    def test_the_client_is_who_the_balancer_says(self, balanced, pki, header, address, forwarded):
        gateway, _ = balanced
        path = f"/public/{time.time_ns()}"
        with TLSAfter(gateway.port, pki.public.certificate, header) as client:
            request = seen(client.exchange("GET", path, headers={"X-Forwarded-For": "203.0.113.1"}))
        trusted = address == "127.0.0.1"
        assert request.get("X-Forwarded-For") == ("203.0.113.1, " if trusted else "") + address
        assert request.get("Forwarded").startswith(forwarded)
        assert gateway.logged(path=path)["client_ip"] == ("203.0.113.1" if trusted else address)

    def test_a_header_that_comes_byte_by_byte(self, balanced, pki):
        for header in (b"PROXY TCP4 192.0.2.8 10.0.0.1 4711 443\r\n", V4):
            with TLSAfter(balanced[0].port, pki.public.certificate, *[bytes([byte]) for byte in header]) as client:
                assert client.exchange("GET", "/public/pieces").status == 200

    def test_a_proxy_behind_the_balancer_is_believed_if_it_is_trusted(self, balanced, pki):
        with TLSAfter(balanced[0].port, pki.public.certificate, b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 443\r\n") as client:
            request = seen(client.exchange("GET", "/public/chain", headers={"X-Forwarded-For": "203.0.113.9"}))
        assert request.get("X-Forwarded-For") == "203.0.113.9, 10.1.2.3"
        assert balanced[0].logged(path="/public/chain")["client_ip"] == "203.0.113.9"

    @pytest.mark.parametrize("first", [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n", b"PROXY TCP5 a b 1 2\r\n",
        b"PROXY " + b"x" * 120, V4[:12] + b"\x11" + V4[13:], V4[:12] + b"\x2f" + V4[13:], V4[:14] + b"\xff\xff",
    ], ids=["http", "tls", "v1-short", "v1-family", "v1-long", "v2-version", "v2-command", "v2-long"])
    def test_no_header_no_service(self, balanced, first):
        with PlainClient(balanced[0].port, first) as client:
            assert client.rest() == b""

    def test_half_a_header_is_not_waited_for_beyond_the_handshake_s_time(self, balanced):
        gateway, _ = balanced
        for half in (b"PROXY TCP4 192.0", V4[:20], b""):
            with PlainClient(gateway.port, half) as client:
                before, start = gateway.cpu_seconds, time.monotonic()
                assert client.rest() == b"" and 0.5 < time.monotonic() - start < patience(4)
                assert gateway.cpu_seconds - before < 0.3, "it waits without turning"

    def test_others_are_ordinary_clients_and_have_no_say(self, balanced, pki):
        gateway, port = balanced
        with TLSAfter(port, pki.public.certificate) as client:
            assert seen(client.exchange("GET", "/public/stranger")).get("X-Forwarded-For") == "127.0.0.1"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            TLSAfter(port, pki.public.certificate, b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n")
        assert gateway.logged(path="/public/stranger")["client_ip"] == "127.0.0.1"

    def test_the_limit_for_one_client_is_the_client_s(self, balanced, pki):
        """Three connections each, whoever the balancer is."""
        gateway, _ = balanced
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 0)
        header = b"PROXY TCP4 192.0.2.%d 10.0.0.1 4711 443\r\n"
        first = [TLSAfter(gateway.port, pki.public.certificate, header % 21) for _ in range(3)]
        second = [TLSAfter(gateway.port, pki.public.certificate, header % 22) for _ in range(3)]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            TLSAfter(gateway.port, pki.public.certificate, header % 21)
        for client in first + second:
            assert client.exchange("GET", "/public/limit").status == 200
            client.close()

        def admitted():
            try:
                with TLSAfter(gateway.port, pki.public.certificate, header % 21) as client:
                    return client.exchange("GET", "/public/again").status == 200
            except (ssl.SSLError, ConnectionError):
                return False

        eventually(admitted, what="place for the client's next connection")

    @pytest.fixture
    def patient(self, make_gateway, backend):
        """The same with time for everybody."""
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"][0] |= {
            "proxy_protocol": True, "trusted_proxies": ["127.0.0.1/32"], "limits": {"connections_per_client": 3}}
        return gateway.start()

    def test_who_is_introduced_takes_no_place_of_the_balancer_s(self, patient, pki):
        """Many clients come at once: until it is said whose they are, their connections are nobody's."""
        opened = [PlainClient(patient.port) for _ in range(12)]
        eventually(lambda: patient.metric("gatehouse_connections", side="edge") == 12, what="all of them, accepted")
        for number, client in enumerate(opened):
            client.send(b"PROXY TCP4 192.0.2.%d 10.0.0.1 4711 443\r\n" % (100 + number))
            client.secure(pki.public.certificate)
            assert client.exchange("GET", "/public/introduced").status == 200
        for client in opened:
            client.close()

    def test_the_balancer_has_places_of_its_own(self, patient, pki):
        own = [TLSAfter(patient.port, pki.public.certificate, b"PROXY UNKNOWN\r\n") for _ in range(3)]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            TLSAfter(patient.port, pki.public.certificate, b"PROXY UNKNOWN\r\n")
        with TLSAfter(patient.port, pki.public.certificate, b"PROXY TCP4 192.0.2.31 10.0.0.1 4711 443\r\n") as client:
            assert client.exchange("GET", "/public/other").status == 200
        for client in own:
            client.close()


class TestOneClientsConnections:
    """`connections_per_client`, where not all that a client has is counted."""

    LIMIT = 3

    @pytest.fixture
    def mixed(self, make_gateway, pki, backend):
        """A listener that counts, and one that does not."""
        port = free_port()
        gateway = make_gateway(backend.port, start=False, limits={"connections_per_client": self.LIMIT})
        gateway.configuration["listeners"].append(conf.listener(pki, port, name="other"))
        return gateway.start(), port

    @staticmethod
    def is_let_in(gateway):
        try:
            with gateway.client() as client:
                return client.exchange("GET", "/public/one").status == 200
        except (ssl.SSLError, OSError):
            return False

    def test_what_was_not_counted_gives_no_place_back(self, mixed, pki):
        gateway, port = mixed
        kept = [gateway.client() for _ in range(self.LIMIT)]
        assert not self.is_let_in(gateway)
        for _ in range(self.LIMIT):
            with RawClient(port, pki.public.certificate) as client:
                assert client.exchange("GET", "/public/other").status == 200
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == self.LIMIT, what="the end of the others")
        assert not self.is_let_in(gateway), "a connection that was never counted has given a place back"
        for client in kept:
            client.close()
        eventually(lambda: self.is_let_in(gateway), what="a place")

    def test_nor_does_what_came_before_there_was_a_limit(self, make_gateway, backend):
        gateway = make_gateway(backend.port)
        before = [gateway.client() for _ in range(self.LIMIT)]
        gateway.reload(conf.merged(gateway.configuration, {
            "listeners": [gateway.configuration["listeners"][0] | {"limits": {"connections_per_client": self.LIMIT}}]}))
        kept = [gateway.client() for _ in range(self.LIMIT)]
        for client in before:
            client.close()
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == self.LIMIT, what="the end of the first")
        assert not self.is_let_in(gateway)
        for client in kept:
            client.close()


class TestLimits:
    """A listener's limits are its own, whatever comes in by others."""

    @pytest.fixture
    def two(self, make_gateway, backend):
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"] += [
            {"name": "tight", "address": f"127.0.0.1:{free_port()}", "plaintext": "serve"},
            {"name": "wide", "address": f"127.0.0.1:{free_port()}", "plaintext": "serve"}]
        self.open = []
        yield gateway
        for client in self.open:
            client.close()

    @staticmethod
    def limit(gateway, **limits):
        gateway.configuration["listeners"][1]["limits"] = limits

    def admits(self, gateway, name):
        """Whether the listener lets another connection in, which then stays open."""
        address = next(listener["address"] for listener in gateway.configuration["listeners"] if listener["name"] == name)
        client = PlainClient(int(address.rsplit(":", 1)[1]))
        try:
            assert client.exchange("GET", "/public/limits").status == 200
        except (Truncated, ConnectionError):
            client.close()
            return False
        self.open.append(client)
        return True

    def leave(self, gateway, count):
        """The first that are open go, and the gateway has noticed."""
        for _ in range(count):
            self.open.pop(0).close()
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == len(self.open))

    def test_connections_of_other_listeners_do_not_count(self, two):
        self.limit(two, connections=4)
        two.start()
        assert all(self.admits(two, "wide") for _ in range(6))
        assert all(self.admits(two, "tight") for _ in range(4)) and not self.admits(two, "tight")
        assert self.admits(two, "wide")
        self.leave(two, 6)
        assert not self.admits(two, "tight"), "those that went were another's"

    def test_one_that_ends_is_taken_off_where_it_was_counted(self, two):
        self.limit(two, connections_per_client=2)
        two.start()
        assert self.admits(two, "wide")
        assert all(self.admits(two, "tight") for _ in range(2))
        self.leave(two, 1)
        assert not self.admits(two, "tight")
        self.leave(two, 1)
        assert self.admits(two, "tight") and not self.admits(two, "tight")

    def test_a_limit_that_reloads_take_away_and_bring_back_leaves_no_remainder(self, two):
        self.limit(two, connections_per_client=2)
        two.start()
        assert all(self.admits(two, "tight") for _ in range(2)) and not self.admits(two, "tight")
        self.limit(two)
        two.reload(two.configuration)
        assert all(self.admits(two, "tight") for _ in range(2))
        # One of those that were counted goes; those that came without the limit never are.
        self.leave(two, 1)
        self.limit(two, connections_per_client=2)
        two.reload(two.configuration)
        assert self.admits(two, "tight") and not self.admits(two, "tight")
        self.leave(two, 3)
        assert self.admits(two, "tight") and not self.admits(two, "tight")

    def test_a_listener_that_moves_goes_on_with_its_count(self, two):
        """What came in at its old address ends within the drain; until then it counts."""
        self.limit(two, connections=2)
        two.start()
        assert all(self.admits(two, "wide") for _ in range(2))
        two.configuration["listeners"][1]["address"] = f"127.0.0.1:{free_port()}"
        two.reload(two.configuration)
        assert all(self.admits(two, "tight") for _ in range(2)) and not self.admits(two, "tight")


class TestUnixSocket:
    @pytest.fixture(scope="class")
    @staticmethod
    def sockets(make_gateway, pki, backend):
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"] += [
            {"name": "local", "address": "unix:tls.sock", "tls": {"certificates": [pki.edge.files]}},
            {"name": "bare", "address": "unix:bare.sock", "plaintext": "serve", "trusted_proxies": ["unix"]}]
        gateway.configuration["process"]["workers"] = 2
        # One that a dead process left behind.
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(gateway.routes / "tls.sock"))
        return gateway.start()

    def test_over_tls(self, sockets, pki, bearer):
        with TLSAfter(str(sockets.routes / "tls.sock"), pki.public.certificate) as client:
            request = seen(client.exchange("GET", "/orders/unix", headers=bearer | {"X-Forwarded-For": "192.0.2.1"}))
        assert request.get("X-Forwarded-For") == "unknown" and request.get("Forwarded").startswith("for=unknown;")
        assert sockets.logged(path="/orders/unix")["client_ip"] == "unix"

    def test_without_tls_behind_a_trusted_proxy(self, sockets, bearer):
        with PlainClient(str(sockets.routes / "bare.sock")) as client:
            request = seen(client.exchange("GET", "/orders/bare", headers=bearer | {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}))
        assert request.get("X-Forwarded-For") == "192.0.2.1, unknown" and request.get("X-Forwarded-Proto") == "https"
        assert sockets.logged(path="/orders/bare")["client_ip"] == "192.0.2.1"

    def test_all_workers_answer_on_it(self, sockets):
        for _ in range(50):
            with PlainClient(str(sockets.routes / "bare.sock")) as client:
                assert client.exchange("GET", "/public/many").status == 200

    def test_ready_names_it(self, sockets):
        assert "local unix:" in sockets.error_text

    def test_the_file_goes_with_the_listener(self, sockets):
        configuration = dict(sockets.configuration, listeners=sockets.configuration["listeners"][:2])
        sockets.reload(configuration)
        eventually(lambda: not (sockets.routes / "bare.sock").exists())
        assert (sockets.routes / "tls.sock").exists()
        assert sockets.stop() == 0
        assert not (sockets.routes / "tls.sock").exists()


    def test_a_successor_s_socket_outlives_a_gateway_that_drains(self, make_gateway, backend, tmp_path):
        path = tmp_path / "edge.sock"
        before, after = (make_gateway(backend.port, {"process": {"drain": "30s"}}, start=False) for _ in range(2))
        for gateway in (before, after):
            gateway.configuration["listeners"].append({"name": "local", "address": f"unix:{path}", "plaintext": "serve"})
        before.start()
        finish = threading.Event()
        backend.on("/public/handed-over", lambda connection, request: (finish.wait(30), connection.answer(200, b"finished")))
        try:
            with PlainClient(str(path)) as late:
                late.request("GET", "/public/handed-over")
                eventually(lambda: backend.requests_to("/public/handed-over"))
                before.signal(signal.SIGTERM)
                eventually(lambda: before.admin("/readyz").status_code == 503)
                eventually(lambda: not accepts(before.port))
                after.start()
                assert path.is_socket()
                finish.set()
                assert late.response().body == b"finished"
        finally:
            finish.set()
        assert before.process.wait(patience(10)) == 0
        with PlainClient(str(path)) as client:
            assert client.exchange("GET", "/public/successor").status == 200
        assert after.logged(path="/public/successor")["status"] == 200
        assert after.stop() == 0 and not path.exists()

    def test_somebody_else_s_file_stays(self, make_gateway, backend, tmp_path):
        """Whoever has put it there in place of the gateway's."""
        path = tmp_path / "edge.sock"
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"].append({"name": "local", "address": f"unix:{path}", "plaintext": "serve"})
        gateway.start()
        os.rename(path, tmp_path / "kept.sock")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            assert gateway.stop() == 0
            assert path.is_socket()

    def test_a_reload_that_is_refused_leaves_no_file(self, make_gateway, backend, tmp_path):
        gateway = make_gateway(backend.port)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            gateway.write(dict(gateway.configuration, listeners=gateway.configuration["listeners"] + [
                {"name": "local", "address": f"unix:{tmp_path}/new.sock", "plaintext": "serve"},
                {"name": "taken", "address": "127.0.0.1:%d" % taken.getsockname()[1], "plaintext": "serve"}]))
            assert "cannot listen on" in gateway.reload_rejected()
        assert not (tmp_path / "new.sock").exists()


class TestIPv6:
    @pytest.fixture(scope="class")
    @staticmethod
    def gateway(make_gateway, pki, backend):
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"].append(
            {"name": "six", "address": f"[::1]:{free_port()}", "plaintext": "serve", "trusted_proxies": ["2001:db8::/32", "10.0.0.0/8", "::1"]})
        return gateway.start()

    @pytest.fixture
    def client(self, gateway):
        with PlainClient(("::1", int(gateway.configuration["listeners"][-1]["address"].rsplit(":", 1)[1]))) as client:
            yield client

    @pytest.mark.parametrize("claimed, client_ip", [
        (None, "::1"), ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"),
        # The last one that is no proxy of ours; what stands before it anybody may have written.
        ("6.6.6.6, 192.0.2.1, 10.0.0.9, 2001:db8::5", "192.0.2.1"), ("6.6.6.6, 10.0.0.9", "6.6.6.6"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"), ("nonsense, 192.0.2.1", "192.0.2.1"), ('"[2001:db9::1]:4711"', "::1"),
        ("[2001:db9::1]:4711", "[2001:db9::1]:4711"), ("192.0.2.1:4711", "192.0.2.1:4711"),
    ])
    def test_whose_word_counts(self, gateway, client, claimed, client_ip):
        path = f"/public/{time.time_ns()}"
        request = seen(client.exchange("GET", path, headers={"X-Forwarded-For": claimed} if claimed else {}))
        assert request.get("X-Forwarded-For") == f"{claimed}, ::1" if claimed else "::1"
        assert 'for="[::1]"' in request.get("Forwarded")
        assert gateway.logged(path=path)["client_ip"] == client_ip


def test_prior_knowledge_has_the_bounds_of_http2(plain):
    """What is refused over TLS is refused here as well."""
    with PlainClient(plain[1], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as client:
        ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + bytes(8)
        try:
            for _ in range(20):
                client.send(ping * 100)
        except OSError:
            pass
        data = client.rest()
        assert b"\x00\x00\x00\x0b" in data[-8:], "GOAWAY with ENHANCE_YOUR_CALM"


def test_requests_by_h2_are_served_over_tls_as_before(plain, pki):
    connection = HTTP2(plain[0].port, pki.public.certificate)
    connection.request([(":method", "GET"), (":scheme", "https"), (":path", "/public/tls"), (":authority", "localhost")])
    connection.until(lambda: connection.ended)
    assert connection.headers[":status"] == "200"
    connection.close()




class TestPlaintextOnATLSPort:
    @pytest.fixture(scope="class")
    @classmethod
    def both(cls, make_gateway, backend, pki):
        gateway = make_gateway(backend.port, start=False)
        gateway.redirecting = free_port()
        listener = conf.listener(pki, gateway.redirecting, name="redirecting")
        listener["tls"]["plaintext"] = "redirect"
        gateway.configuration["listeners"].append(listener)
        return gateway.start()

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "OPTIONS", "BREW"])
    def test_is_told_so_in_plain_text(self, both, backend, method):
        before = len(backend.requests)
        with PlainClient(both.port) as client:
            answer = client.exchange(method, "/public/1", headers={"Content-Length": "3"} if method == "POST" else {})
            assert (answer.status, answer.body) == (400, b"This port speaks TLS: use https.\n")
            assert answer.get("Content-Type") == "text/plain" and answer.get("Connection") == "close"
            assert client.rest() == b""
        assert both.logged(code="tls_required")["status"] == 400
        assert len(backend.requests) == before

    def test_head_has_no_content(self, both):
        with PlainClient(both.port) as client:
            assert client.exchange("HEAD", "/public/1").status == 400
            assert client.rest() == b""

    def test_what_follows_is_not_served(self, both, backend):
        before = len(backend.requests)
        with PlainClient(both.port) as client:
            client.send(request_bytes("GET", "/public/1") * 3)
            assert client.response().status == 400 and client.rest() == b""
        assert len(backend.requests) == before

    def test_in_pieces(self, both):
        with PlainClient(both.port) as client:
            for byte in request_bytes("GET", "/public/1"):
                client.send(bytes([byte]))
            assert client.response().status == 400

    @pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=["no HTTP", "HTTP/2"])
    def test_other_words(self, both, data):
        with PlainClient(both.port) as client:
            client.send(data)
            assert client.response().status in (400, 505) and client.rest() == b""

    def test_a_head_that_stops(self, make_gateway, backend):
        gateway = make_gateway(backend.port, timeouts={"header": "300ms"})
        with PlainClient(gateway.port) as client:
            client.send("GET /pub")
            assert client.response().status == 408 and client.rest() == b""

    @pytest.mark.parametrize("data", [b"\0\1\2\3" * 10, b"\x16\x03\x01\0\5hello", b"\x80\x2e\x01\x03\x01", b"1234"])
    def test_what_is_neither_is_cut_off(self, both, data):
        with PlainClient(both.port) as client:
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            assert b"HTTP" not in client.rest()

    @pytest.mark.parametrize("host", ["localhost:1234", "api.example.com", "[::1]:8443"])
    def test_is_sent_to_https_where_that_is_asked_for(self, both, host):
        with PlainClient(both.redirecting) as client:
            answer = client.exchange("POST", "/public/a?x=1", host=host, body=b"abc")
            assert answer.status == 308 and answer.get("Location") == f"https://{host}/public/a?x=1"
            assert answer.get("Connection") == "close" and client.rest() == b""

    def test_is_not_sent_nowhere(self, both):
        with PlainClient(both.redirecting) as client:
            assert client.exchange("GET", "/public/1", host="a b").status == 400

    def test_tls_is_served_as_ever(self, both, pki):
        for port in (both.port, both.redirecting):
            with RawClient(port, pki.public.certificate) as client:
                assert client.exchange("GET", "/public/1").status == 200


class TestRefusedConnections:
    """Connections that carry no request are counted, by listener and by why."""

    def refused(self, gateway, reason, listener="public"):
        return gateway.metric("gatehouse_connections_refused_total", listener=listener, reason=reason)

    def test_no_place_for_anybody_or_for_one(self, make_gateway, backend):
        for limits, reason in (({"connections": 2}, "connections"), ({"connections_per_client": 2}, "connections_per_client")):
            gateway = make_gateway(backend.port, limits=limits)
            first = [gateway.client() for _ in range(2)]
            assert self.refused(gateway, reason) == 0
            with pytest.raises((ssl.SSLError, ConnectionError)):
                gateway.client()
            assert self.refused(gateway, reason) == 1 == gateway.metric("gatehouse_connections_refused_total")
            for client in first:
                client.close()

    def test_handshakes(self, make_gateway, backend):
        gateway = make_gateway(backend.port, timeouts={"handshake": "500ms"})
        silent = PlainClient(gateway.port)
        with pytest.raises(ssl.SSLError):
            RawClient(gateway.port, gateway.ca, alpn=("spdy/3",))
        eventually(lambda: self.refused(gateway, "handshake_failure") == 1)
        eventually(lambda: self.refused(gateway, "handshake_timeout") == 1)
        silent.close()
        assert gateway.metric("gatehouse_tls_handshakes_total", side="edge", result="timeout") == 1

    def test_a_balancer_that_sends_no_header(self, balanced):
        gateway, _ = balanced
        before = self.refused(gateway, "proxy_protocol")
        with PlainClient(gateway.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as client:
            client.rest()
        # And one that says nothing at all.
        with PlainClient(gateway.port) as client:
            client.rest()
        eventually(lambda: self.refused(gateway, "proxy_protocol") == before + 2)
        assert self.refused(gateway, "proxy_protocol", listener="strangers") == 0

    def test_the_name_stays_through_a_reload(self, make_gateway, backend):
        gateway = make_gateway(backend.port, limits={"connections": 1})
        with gateway.client():
            with pytest.raises((ssl.SSLError, ConnectionError)):
                gateway.client()
            gateway.reload(conf.merged(gateway.configuration, {"process": {"drain": "6s"}}))
            with pytest.raises((ssl.SSLError, ConnectionError)):
                gateway.client()
            assert self.refused(gateway, "connections") == 2
