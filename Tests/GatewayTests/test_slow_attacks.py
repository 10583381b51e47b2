"""A thousand slow clients take nothing from a good one: attacked alike and at the same time, the gateway answers it as nginx does.

The attackers are Debian's slowhttptest. The good client asks both by turns, one request of each, so that a machine that is slow
is as slow for both; what counts is how many of its requests are answered, and how long it waits for that. That the
attacks do bite is shown by a gateway without its protections: they leave nothing of it for the good client.
"""
import contextlib
import resource
import subprocess
import time

import pytest

from conftest import program
from harness import configuration as conf
from harness.http2client import HTTP1Client, HTTP2Client
from harness.nginx import Nginx
from harness.waiting import eventually, free_port, patience

GOOD = "127.0.0.2"
CONNECTIONS = 1000
INTERVAL = 20
# How long an answer to the good client may take.
LIMIT = 2
# A comparison of fewer answers than these says little.
ENOUGH = 40
SHARE = 0.8
# What an answer may take, in nginx's time for one. Most of that is the client's own, and a build for debugging takes longer.
SLOWER = 4
# More than the buffers of a connection's both ends hold.
CONTENT = 1 << 20
# To the backend, of the gateway without protections.
FEW = 16

EDGE = """
{user}worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log error;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  access_log off; keepalive_requests 100000000;
  upstream orders {{ server 127.0.0.1:{backend}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 backlog=4096; server_name api.example.com;
    ssl_certificate {edge.certificate}; ssl_certificate_key {edge.key};
    location / {{
      proxy_pass https://orders; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_certificate {gateway.certificate}; proxy_ssl_certificate_key {gateway.key};
      proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_name orders.internal; proxy_ssl_server_name on;
    }}
  }}
}}
"""


@pytest.fixture(scope="module", autouse=True)
def open_files():
    """As many as may be, for whoever is started here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def backend(open_files, pki, tmp_path_factory):
    """The backend of both. What is sent to `/slow` it hands on to itself when all of it is there, and does not answer before."""
    port = free_port()
    with Nginx(tmp_path_factory.mktemp("backend"), pki.backend, pki.mesh.certificate, port=port, record=False, locations=f"""
    location /slow {{
      proxy_pass https://127.0.0.1:{port}/taken; proxy_ssl_certificate {pki.gateway.certificate}; proxy_ssl_certificate_key {pki.gateway.key};
    }}
    """) as nginx:
        (nginx.directory / "www" / "blob").write_bytes(b"x" * CONTENT)
        yield nginx


@pytest.fixture
def gateway(make_gateway, backend):
    """As it is by default."""
    return make_gateway(backend.port, routes=[conf.route("all", "/**", public=True)])


@pytest.fixture
def unprotected(make_gateway, backend, pki):
    """Passes on whatever comes as it comes, however slow it is, and gives one client all there is."""
    return make_gateway(
        backends=[conf.backend(pki, backend.port, limits={"connections": FEW, "client_share": "100%"})],
        routes=[conf.route("all", "/**", public=True, body={"gather": 0, "rate": 0, "total": 0})])


@pytest.fixture
def edge(backend, pki, tmp_path):
    """nginx in the gateway's place, as it is by default."""
    nginx = Nginx(tmp_path / "edge", pki.edge, pki.mesh.certificate, record=False)
    configuration = nginx.directory / "nginx.conf"
    configuration.write_text(EDGE.format(
        user=configuration.read_text().split("worker_processes")[0].strip() + " ", directory=nginx.directory, port=nginx.port,
        backend=backend.port, edge=pki.edge, gateway=pki.gateway, ca=pki.mesh.certificate))
    with nginx:
        yield nginx


def connections(port):
    """How many connections to the port there are from the attackers' address."""
    local, remote = f"0100007F:{port:04X}", "0100007F:"
    with open("/proc/net/tcp") as table:
        return sum(fields[1] == local and fields[2].startswith(remote) and fields[3] == "01" for fields in map(str.split, table))


class SlowHTTPTest:
    """slowhttptest against a port, begun anew whenever it has lost all of its connections."""

    def __init__(self, program, port, *arguments):
        self.command = [program, "-c", str(CONNECTIONS), "-r", "200", "-l", "60", "-p", "3", *arguments]
        self.command[-1] = f"https://127.0.0.1:{port}{self.command[-1]}"
        self.port = port
        self.most = 0
        self.looked = 0
        self.process = None
        self.step()

    def step(self):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The table is long, and to read it takes time from everybody.
        if time.monotonic() - self.looked > 1:
            self.most, self.looked = max(self.most, connections(self.port)), time.monotonic()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Streams:
    """Streams of a byte each that never end, on three connections; a hundred on each, however many are refused."""

    def __init__(self, port, ca):
        self.port, self.ca = port, ca
        self.clients = [None] * 3
        self.most = 0
        self.step()

    def step(self):
        under_way = 0
        for place, client in enumerate(self.clients):
            try:
                if client is None or client.ended:
                    client = self.clients[place] = HTTP2Client(self.port, self.ca)
                    client.step(patience(LIMIT))
                client.step(0)
                open_ones = sum(not (answer.complete or answer.reset_code is not None) for answer in client.streams.values())
                for number in [number for number, answer in client.streams.items() if answer.complete or answer.reset_code is not None]:
                    if client.h2.streams.get(number) and not client.h2.streams[number].closed:
                        client.cancel(number)
                    del client.streams[number]
                while open_ones < 100 and not client.ended and not client.goaways:
                    client.send(client.start("POST", "/slow", headers={"content-length": "100000"}, end=False), b"x")
                    open_ones += 1
                under_way += open_ones
                if client.goaways and not open_ones:
                    client.close()
            except OSError:
                self.clients[place] = None
        self.most = max(self.most, under_way)

    def close(self):
        for client in self.clients:
            if client:
                client.close()


class Good:
    """Asks one proxy, and counts what is answered with 200."""

    def __init__(self, port, ca):
        self.port, self.ca = port, ca
        self.kept = {}
        self.answers = {}
        self.longest = 0
        self.spent = 0
        self.failures = []

    def ask(self, version, keep):
        kind = (version.__name__, "kept" if keep else "fresh")
        client, began = self.kept.pop(kind, None), time.monotonic()
        self.answers.setdefault(kind, 0)
        try:
            if client is None:
                client = version(self.port, self.ca, source=GOOD, timeout=LIMIT)
            client.timeout = LIMIT
            number = client.start("GET", "/good")
            answer = client.response(number, LIMIT) if version is HTTP2Client else client.response()
            assert answer.status == 200, answer
            assert time.monotonic() - began < LIMIT, "late"
            self.answers[kind] += 1
            if keep:
                self.kept[kind] = client
                client = None
        except Exception as failure:
            self.failures.append((kind, repr(failure)[:200]))
        finally:
            taken = time.monotonic() - began
            self.longest, self.spent = max(self.longest, taken), self.spent + taken
            if client is not None:
                client.close()

    @property
    def count(self):
        return sum(self.answers.values())

    @property
    def pace(self):
        """Answers in a second of waiting."""
        return self.count / max(self.spent, 0.001)

    def close(self):
        for client in self.kept.values():
            client.close()

    def __str__(self):
        return f"{self.count} answers, {self.spent:.2f} s for all of them, {self.longest:.2f} s for the slowest: {self.answers}; {len(self.failures)} failures {self.failures[:5]}"


@contextlib.contextmanager
def under_attack(gateway, edge, attack):
    """A good client of each, and what attacks each: `attack(port)`."""
    ports = (gateway.port, edge.port)
    with contextlib.ExitStack() as stack:
        good = [stack.enter_context(contextlib.closing(Good(port, gateway.ca))) for port in ports]
        yield good, [stack.enter_context(contextlib.closing(attack(port, gateway.ca))) for port in ports]


def ask(good, kinds=(False, True)):
    """By turns, one request of each version, over a fresh connection and over one that is kept."""
    for version in (HTTP1Client, HTTP2Client):
        for keep in kinds:
            for one in good:
                one.ask(version, keep)


def is_served(gateway, nginx):
    """Whether a good client has as much of the gateway as of nginx. By the number of answers alone it would be enough to be starved now
    and then: whoever asks by turns asks nginx no more often meanwhile."""
    return gateway.count >= SHARE * nginx.count and gateway.pace * SLOWER >= nginx.pace


def describe(good, attacks):
    report = f"gateway: {good[0]}\nnginx: {good[1]}\nattackers at once: {[one.most for one in attacks]}"
    print(report)
    return report


def slow_bodies(port, _):
    return SlowHTTPTest(program("slowhttptest"), port, "-B", "-i", "10", "-s", "8192", "-t", "POST", "-x", "10", "-u", "/slow")


def slow_reads(port, _):
    return SlowHTTPTest(program("slowhttptest"), port, "-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "3", "-u", "/blob")


# And how many attackers are there at once, at the least.
ATTACKS = [pytest.param(slow_bodies, CONNECTIONS // 4, id="bodies"), pytest.param(slow_reads, CONNECTIONS // 4, id="reads"),
           pytest.param(Streams, 250, id="streams")]


@pytest.mark.load
@pytest.mark.parametrize("attack,attackers", ATTACKS)
def test_a_good_client_is_answered_as_by_nginx(gateway, edge, attack, attackers):
    with under_attack(gateway, edge, attack) as (good, attacks):
        began = time.monotonic()
        while time.monotonic() - began < INTERVAL or (
                max(one.count for one in good) < ENOUGH and time.monotonic() - began < patience(2 * INTERVAL)):
            ask(good)
            for one in attacks:
                one.step()
    report = describe(good, attacks)
    assert is_served(*good), report
    # nginx itself may be the one that suffers.
    assert max(one.count for one in good) >= ENOUGH, f"too little is answered for a comparison\n{report}"
    assert all(one.most >= attackers for one in attacks), f"no attack to speak of\n{report}"


@pytest.mark.load
@pytest.mark.parametrize("attack,attackers", ATTACKS)
def test_a_gateway_without_protections_is_taken_from_a_good_client(unprotected, edge, attack, attackers):
    """Else the other test would say nothing."""
    with under_attack(unprotected, edge, attack) as (good, attacks):
        def held():
            for one in attacks:
                one.step()
            return unprotected.metric("gatehouse_connections", side="upstream") == FEW and all(one.most >= attackers for one in attacks)

        eventually(held, 60, 0.2, "all of the gateway's connections to its backend in the attackers' hands")
        began = time.monotonic()
        # A busy machine keeps answers from both at first.
        while (good[1].count < 4 or is_served(*good)) and time.monotonic() - began < patience(INTERVAL):
            ask(good, (False,))
    report = describe(good, attacks)
    assert good[1].count >= 4, f"nginx answers too little to be compared with\n{report}"
    assert not is_served(*good), f"the attack takes nothing\n{report}"
    # It was the attack, and nothing else.
    eventually(lambda: unprotected.ask("GET", "/good").status == 200, 60)
