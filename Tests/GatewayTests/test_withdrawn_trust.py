"""A reload withdraws what let a connection in: what is in flight on it ends, nothing new is served."""
import socket
import ssl
import struct
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.http2client import GoAwayFrame, HeadersFrame, HTTP2Client, RawHTTP2
from harness.pki import Authority
from harness.rawclient import RawClient
from harness.waiting import eventually, free_port, patience
from harness.websocket import HANDSHAKE, accept
from test_listeners import PlainClient


@pytest.fixture(scope="module")
def partners(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("partners"), "partners-ca")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("others"), "others-ca")


@pytest.fixture(scope="module")
def partner(partners):
    return partners.issue("partner", uris=["spiffe://partner.example/app"], purposes=("client",))


@pytest.fixture
def release(backend):
    """Lets the backend answer what waits under /public/held; `release.arrived` counts those."""
    event = threading.Event()
    event.arrived = 0

    def held(connection, request):
        event.arrived += 1
        connection.body(request)
        event.wait(patience(20))
        connection.answer(200, b"held")

    backend.on("/public/held", held)
    yield event
    event.set()


def bundle(directory, *authorities):
    path = directory / "bundle.crt"
    path.write_bytes(b"".join(authority.certificate.read_bytes() for authority in authorities))
    return str(path)


def changed(gateway, **tls):
    configuration = conf.merged(gateway.configuration, {})
    configuration["listeners"][0]["tls"].update(tls)
    return configuration


@pytest.fixture
def own(make_gateway, backend, partners):
    """A gateway that asks its clients for certificates, whose files may change."""
    def make(mode="required", **more):
        gateway = make_gateway(backend.port, start=False, **more)
        gateway.configuration["listeners"][0]["tls"].update(client_ca=str(partners.certificate), client_auth=mode)
        return gateway.start()
    return make


WITHDRAWALS = {
    # name: (mode before, whether the client shows a certificate, what changes)
    "the authority": ("required", True, lambda others: {"client_ca": str(others.certificate)}),
    "the authority of one who need not have shown": ("optional", True, lambda others: {"client_ca": str(others.certificate)}),
    "certificates": ("required", True, lambda others: {"client_auth": "none"}),
    "leave to show none": ("optional", False, lambda others: {"client_auth": "required"}),
}


@pytest.mark.parametrize("name", WITHDRAWALS)
def test_an_idle_connection_serves_nothing_more(own, pki, others, partner, name):
    mode, shows, change = WITHDRAWALS[name]
    gateway = own(mode)
    more = {"certificate": partner} if shows else {}
    with gateway.client(**more) as one, HTTP2Client(gateway.port, pki.public.certificate, **more) as two:
        assert one.exchange("GET", "/public/1").status == 200
        assert two.exchange("GET", "/public/1").status == 200
        gateway.reload(changed(gateway, **change(others)))
        assert one.rest() == b"" and one.clean_end
        with pytest.raises(AssertionError, match="closed: True"):
            two.exchange("GET", "/public/after")
        assert [code for _, code in two.goaways] == [0]


def test_a_tls_version_that_is_no_longer_spoken(make_gateway, backend, pki):
    gateway = make_gateway(backend.port)

    def client(version):
        context = ssl.create_default_context(cafile=str(pki.public.certificate))
        context.maximum_version = version
        return context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 10), server_hostname="localhost")

    with client(ssl.TLSVersion.TLSv1_2) as old, client(ssl.TLSVersion.TLSv1_3) as new:
        request = b"GET /public/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for connection in (old, new):
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        gateway.reload(changed(gateway, minimum_version="TLSv1.3"))
        assert old.recv(65536) == b""
        new.sendall(request)
        assert new.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_in_flight_is_answered_and_nothing_behind_it(own, pki, others, partner, release, backend):
    gateway = own()
    with gateway.client(certificate=partner) as one, RawHTTP2(gateway.port, pki.public.certificate, certificate=partner) as two:
        one.request("GET", "/public/held/1")
        two.request(1, "/public/held/2")
        eventually(lambda: release.arrived == 2, what="both requests at the backend")
        one.request("GET", "/public/behind")
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        assert two.wait_for(GoAwayFrame).last_stream_id == 1
        two.request(3, "/public/behind")
        release.set()
        answer = one.response()
        assert (answer.status, answer.body) == (200, b"held")
        assert one.rest() == b""
        assert two.body(1) == b"held"
        two.wait_for_end()
        assert [frame.stream_id for frame in two.frames if isinstance(frame, HeadersFrame)] == [1]
    assert not backend.requests_to("/public/behind")


def test_a_head_that_was_begun_before_is_refused(own, others, partner, backend):
    # Two reloads come while the head does.
    gateway = own(timeouts={"header": f"{round(patience(20))}s"})
    with gateway.client(certificate=partner) as client:
        assert client.exchange("GET", "/public/1").status == 200
        client.send("GET /public/begun HTTP/1.1\r\nHost: api.exa")
        # The gateway has read it: nothing tells so, but a connection that is not idle outlives the reload.
        eventually(lambda: not gateway.reload(), what="a reload")
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        client.send("mple.com\r\n\r\n")
        answer = client.response()
        problem(answer, 421, "connection_outdated")
        assert answer.get("Connection") == "close" and client.rest() == b""
    assert not backend.requests_to("/public/begun")


def test_what_outlives_the_time_of_a_drain_is_ended(own, others, partner, release):
    gateway = own()
    gateway.configuration["process"]["drain"] = "1s"
    gateway.reload(gateway.configuration)
    with gateway.client(certificate=partner) as client:
        client.request("GET", "/public/held/long")
        eventually(lambda: release.arrived == 1)
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        problem(client.response(), 504, "upstream_timeout")
        assert client.rest() == b""


def test_a_download_that_outlives_it_is_logged_with_what_ended_it(own, pki, backend):
    """Not with a time-out, which would blame the backend."""
    def begin(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning")
        connection.wait_for_end(20)

    backend.on("/public/download", begin)
    gateway = own("optional")
    gateway.configuration["process"]["drain"] = "1s"
    gateway.reload(gateway.configuration)
    with gateway.client() as one, RawHTTP2(gateway.port, pki.public.certificate) as two:
        one.request("GET", "/public/download/1")
        assert one.reader.response_head().status == 200
        two.request(1, "/public/download/2")
        assert two.status(1) == 200
        gateway.reload(changed(gateway, client_auth="required"))
        for number in (1, 2):
            line = gateway.logged(timeout=15, path=f"/public/download/{number}")
            assert (line["status"], line["code"]) == (200, "connection_outdated")
        assert two.reset_code(1)
    assert gateway.metric("gatehouse_denied_total", code="connection_outdated") == 2
    assert gateway.metric("gatehouse_denied_total", code="upstream_timeout") == 0
    assert gateway.metric("gatehouse_upstream_requests_total", result="broken") == 0


def test_a_websocket_ends(own, others, partner, backend):
    def agree(connection, request):
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        f"Sec-WebSocket-Accept: {accept()}\r\n\r\n")
        connection.wait_for_end(20)

    backend.on("/public/socket", agree)
    gateway = own()
    with gateway.client(certificate=partner) as client:
        client.request("GET", "/public/socket", headers=HANDSHAKE)
        assert client.reader.response_head().status == 101
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        assert client.rest()[:4] == b"\x88\x15" + struct.pack("!H", 1008)


def test_an_authority_is_added_without_a_connection_s_notice(own, pki, partners, others, partner, tmp_path):
    gateway = own()
    with gateway.client(certificate=partner) as one, HTTP2Client(gateway.port, pki.public.certificate, certificate=partner) as two:
        gateway.reload(changed(gateway, client_ca=bundle(tmp_path, others, partners)))
        assert one.exchange("GET", "/public/1").status == 200 and two.exchange("GET", "/public/1").status == 200
        # The one that vouched for it goes, under the name of a file that stays.
        bundle(tmp_path, others)
        gateway.reload()
        assert one.rest() == b""
        two.until(lambda: two.goaways, what="GOAWAY")


def test_a_session_from_before_is_not_resumed(own, pki, others, partner):
    gateway = own()
    context = ssl.create_default_context(cafile=str(pki.public.certificate))
    context.load_cert_chain(partner.certificate, partner.key)

    def connection(session=None):
        return context.wrap_socket(
            socket.create_connection(("127.0.0.1", gateway.port), 5), server_hostname="api.example.com", session=session)

    def status(connection):
        connection.sendall(b"GET /public/resumed HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
        return connection.recv(65536).split(b" ")[1]

    with connection() as first:
        assert status(first) == b"200"
        session = first.session
    with connection(session) as second:
        assert second.session_reused and status(second) == b"200"
        session = second.session
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        assert second.recv(65536) == b""
    with pytest.raises((OSError, IndexError)), connection(session) as third:
        assert not third.session_reused
        status(third)


def test_a_handshake_that_began_before_ends(own, pki, others, partner):
    gateway = own("optional")
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as tcp:
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 1, what="the connection accepted")
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        assert tcp.recv(1) == b""


def two_listeners(gateway, pki):
    extra = conf.listener(pki, free_port(), name="extra")
    return conf.merged(gateway.configuration, {"listeners": [*gateway.configuration["listeners"], extra]}), extra


@pytest.mark.parametrize("change", ["gone", "elsewhere", "another purpose"])
def test_a_listener(make_gateway, backend, pki, change):
    gateway = make_gateway(backend.port)
    both, extra = two_listeners(gateway, pki)
    before = dict(gateway.configuration)
    gateway.reload(both)
    port = int(extra["address"].rsplit(":", 1)[1])
    with gateway.client() as stays, RawClient(port, pki.public.certificate) as one, HTTP2Client(port, pki.public.certificate) as two:
        for client in (stays, one, two):
            assert client.exchange("GET", "/public/1").status == 200
        if change == "gone":
            gateway.reload(before)
        else:
            moved = {"address": f"127.0.0.1:{free_port()}"} if change == "elsewhere" else {"serve": "jwks"}
            gateway.reload(conf.merged(before, {"listeners": [*before["listeners"], {**extra, **moved}]}))
        assert one.rest() == b""
        two.until(lambda: two.goaways, what="GOAWAY")
        assert stays.exchange("GET", "/public/1").status == 200


def test_leave_to_speak_in_the_clear(make_gateway, backend):
    gateway = make_gateway(backend.port)
    port = free_port()
    plain = {"name": "inside", "address": f"127.0.0.1:{port}", "plaintext": "serve"}
    base = dict(gateway.configuration)
    gateway.reload(conf.merged(base, {"listeners": [*base["listeners"], plain]}))
    with PlainClient(port) as client:
        assert client.exchange("GET", "/public/1").status == 200
        gateway.reload(conf.merged(base, {"listeners": [*base["listeners"], {**plain, "plaintext": "redirect"}]}))
        assert client.rest() == b""


def test_a_proxy_that_is_no_longer_trusted(make_gateway, backend):
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8", "10.0.0.0/8"]
    gateway.start()
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    with gateway.client() as client:
        assert client.exchange("GET", "/public/trusted", headers=forwarded).status == 200
        assert gateway.logged(path="/public/trusted")["client_ip"] == "192.0.2.7"
        gateway.configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8", "10.0.0.0/8", "192.0.2.0/24"]
        gateway.reload(gateway.configuration)
        assert client.exchange("GET", "/public/1", headers=forwarded).status == 200
        gateway.configuration["listeners"][0]["trusted_proxies"] = ["10.0.0.0/8"]
        gateway.reload(gateway.configuration)
        assert client.rest() == b""


def test_an_unfinished_answer_to_a_slow_reader_is_not_cut(own, pki, others, partner, backend):
    """The connection is idle as far as requests go, and still has an answer to deliver."""
    size = 8 << 20
    backend.on("/public/large", lambda connection, request: connection.answer(200, b"l" * size))
    gateway = own()
    with gateway.client(certificate=partner, receive_buffer=4096) as client:
        client.request("GET", "/public/large")
        assert client.reader.line().startswith(b"HTTP/1.1 200")
        gateway.reload(changed(gateway, client_ca=str(others.certificate)))
        while client.reader.line():
            pass
        count = len(client.reader.buffer)
        client.reader.buffer.clear()
        while block := client._receive():
            count += len(block)
        assert count == size and client.clean_end
