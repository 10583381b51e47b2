"""Every state of a connection has a deadline, and a flood of connections or descriptors stops nobody else."""
import socket
import time

import pytest

from harness.answers import problem
from harness.http2client import PREFACE, ContinuationFrame, GoAwayFrame, PingFrame, RawHTTP2, SettingsFrame, block, head, headers_frame, literal
from harness.rawclient import Truncated
from harness.waiting import eventually, patience


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    return make_gateway(backend.port, timeouts={"handshake": "1s", "header": "1s", "idle": "2s", "body": "1s"})


def test_a_head_that_stops_gets_408(gateway):
    with gateway.client() as client:
        start = time.monotonic()
        client.send("GET /public/1 HTTP/1.1\r\nHost: api.exa")
        problem(client.response(), 408, "request_timeout")
        assert 0.8 < time.monotonic() - start < patience(2.5)
        assert client.rest() == b""


def test_a_head_that_drips_gets_408_all_the_same(gateway):
    with gateway.client() as client:
        start = time.monotonic()
        client.send("GET /public/1 HTTP/1.1\r\n")
        try:
            for letter in "X-Slow: " + "a" * 40:
                client.send(letter)
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - start < patience(5)
        try:
            problem(client.response(), 408, "request_timeout")
        except Truncated:
            pass  # The writes after the answer may have drawn a reset that overtook it.
    assert gateway.logged(code="request_timeout")["status"] == 408


def test_a_slow_head_on_a_used_connection_gets_408(gateway):
    with gateway.client() as client:
        assert client.exchange("GET", "/public/1").status == 200
        client.send("GET /pub")
        problem(client.response(), 408, "request_timeout")


UNFINISHED = {
    "no preface": b"",
    "half a preface": PREFACE[:12],
    "a preface without SETTINGS": PREFACE,
    "a frame that is cut": PREFACE + SettingsFrame(0).serialize() + PingFrame(0, opaque_data=b"12345678").serialize()[:12],
    "a frame's header that is cut": PREFACE + SettingsFrame(0).serialize() + b"\0\0\1",
    "HEADERS that are cut": PREFACE + SettingsFrame(0).serialize() + headers_frame(1, block(head("/public/1"))).serialize()[:-1],
    "HEADERS without their CONTINUATION": PREFACE + SettingsFrame(0).serialize() + headers_frame(
        1, block(head("/public/1")), complete=False).serialize(),
    "CONTINUATION that is cut": PREFACE + SettingsFrame(0).serialize() + headers_frame(
        1, block(head("/public/1")), complete=False).serialize() + ContinuationFrame(1, data=literal("x-a", "b")).serialize()[:-1],
}


@pytest.fixture(scope="module")
def patient(make_gateway, backend):
    """Waits for heads for a second, and for everything else much longer than a test lasts."""
    return make_gateway(backend.port, timeouts={"header": "1s", "idle": "75s", "body": "60s"})


# Nothing can be under way before the preface is whole.
BUSY = [name for name, data in UNFINISHED.items() if data.startswith(PREFACE + b"\0")]


@pytest.mark.parametrize("name,busy", [*((name, False) for name in UNFINISHED), *((name, True) for name in BUSY)])
def test_a_head_that_stops_on_http2_ends_the_connection(patient, backend, pki, name, busy):
    """Also while another request of the connection is under way."""
    if busy:
        backend.on("/public/busy", lambda connection, request: connection.wait_for_end(30))
    with RawHTTP2(patient.port, pki.public.certificate, preface=False, acknowledges=False) as raw:
        began = time.monotonic()
        data = UNFINISHED[name]
        if busy:
            start = len(PREFACE + SettingsFrame(0).serialize())
            data = data[:start] + headers_frame(1, block(head("/public/busy"))).serialize() + data[start:].replace(b"\0\0\0\1", b"\0\0\0\3")
        for byte in data if len(data) < 40 else [data]:
            raw.send(bytes([byte]) if isinstance(byte, int) else byte)
        raw.wait_for_end(8)
        assert 0.9 < time.monotonic() - began
        assert any(isinstance(frame, GoAwayFrame) for frame in raw.frames)
    if busy:
        eventually(lambda: patient.metric("gatehouse_requests_in_flight") == 0, what="the other request gone")


def test_heads_that_come_in_pieces_are_given_time_each(patient, pki):
    """Each is whole within its time, and the next has begun meanwhile: nothing is ever owed for long."""
    with RawHTTP2(patient.port, pki.public.certificate, acknowledges=False) as raw:
        rest = b""
        for number in range(1, 9, 2):
            frame = headers_frame(number, block(head("/public/pieces"))).serialize()
            raw.send(rest + frame[:20])
            rest = frame[20:]
            raw.take(0.6)
        raw.send(rest)
        for number in range(1, 9, 2):
            assert raw.status(number) == 200


def test_an_idle_connection_is_closed_without_a_word(gateway):
    with gateway.client() as client:
        assert client.exchange("GET", "/public/1").status == 200
        start = time.monotonic()
        assert client.rest(6) == b"" and client.clean_end
        assert 1.5 < time.monotonic() - start < patience(4)


def test_a_connection_that_never_asks_is_closed(gateway):
    with gateway.client() as client:
        data = client.rest(6)
        assert data == b"" or b"408" in data


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
def test_a_handshake_that_stops_is_closed(gateway, data):
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as plain:
        start = time.monotonic()
        plain.sendall(data)
        plain.settimeout(5)
        try:
            while plain.recv(100):
                pass
        except ConnectionError:
            pass
        assert 0.7 < time.monotonic() - start < patience(3)


def test_a_body_that_stops_is_cut(gateway, backend):
    with gateway.client() as client:
        client.request("POST", "/streamed/stopped", headers={"Content-Length": "1000"})
        client.send("half")
        start = time.monotonic()
        try:
            problem(client.response(), 408, "request_timeout")
        except Truncated:
            pass
        client.rest()
        assert 0.7 < time.monotonic() - start < patience(4)
    connection = next(c for c in backend.connections if any(r.target == "/streamed/stopped" for r in c.requests))
    assert connection.ended.wait(patience(3)), "the backend is not left waiting"


def test_a_slow_but_steady_body_is_served(gateway):
    with gateway.client() as client:
        client.request("POST", "/public/steady", headers={"Content-Length": "8"})
        for letter in "steadily":
            client.send(letter)
            time.sleep(0.3)
        assert client.response().status == 200


def test_others_are_served_while_slow_clients_hang_on(gateway, bearer):
    slow = [gateway.client() for _ in range(100)]
    try:
        for client in slow:
            client.send("GET /public/1 HTTP/1.1\r\nX-A: ")
        start = time.monotonic()
        assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200
        assert time.monotonic() - start < patience(1)
    finally:
        for client in slow:
            client.close()


def handshakes(gateway, count):
    """Opens connections with a handshake each, as many as succeed."""
    opened = []
    for _ in range(count):
        try:
            opened.append(gateway.client(timeout=2))
        except OSError:
            pass
    return opened


def test_connections_beyond_the_limit_are_refused_not_queued(make_gateway, backend):
    gateway = make_gateway(backend.port, limits={"connections": 8})
    clients = handshakes(gateway, 12)
    try:
        assert len(clients) == 8
        assert clients[0].exchange("GET", "/public/1").status == 200
        clients.pop().close()
        eventually(lambda: clients.extend(handshakes(gateway, 1)) or len(clients) == 8, 3)
        assert clients[-1].exchange("GET", "/public/1").status == 200
    finally:
        for client in clients:
            client.close()


def test_running_out_of_descriptors_is_survived_and_logged_once(make_gateway, backend):
    gateway = make_gateway(backend.port, open_files=64)
    with gateway.client() as kept:
        assert kept.exchange("GET", "/public/1").status == 200
        sockets = []
        try:
            for _ in range(200):
                sockets.append(socket.create_connection(("127.0.0.1", gateway.port), 2))
            time.sleep(1)
            assert kept.exchange("GET", "/public/2").status == 200, "those who are in are served"
            spent = gateway.idle_for(1)
            assert spent < 0.3, f"{spent:.2f} s of CPU in a second of waiting"
        finally:
            for one in sockets:
                one.close()
        assert gateway.process.poll() is None
        eventually(lambda: handshakes(gateway, 1), 10)[0].close()
        assert gateway.ask("GET", "/public/3").status == 200
    # Counted for as long as it lasts, so that a rate shows it.
    assert gateway.metric("gatehouse_connections_refused_total", reason="descriptors") > 4
    complaints = [line for line in gateway.error_text.splitlines() if "descriptor" in line.lower() or "EMFILE" in line or "too many open" in line.lower()]
    assert 1 <= len(complaints) <= 4, complaints
