"""SIGTERM and SIGINT: nothing new is accepted, what is in flight is finished, and the process ends with 0."""
import fcntl
import os
import signal
import socket
import struct
import threading
import time

import pytest

from harness.answers import problem
from harness.http2client import RawHTTP2
from harness.rawclient import Truncated
from harness.waiting import accepts, eventually, patience
from harness.websocket import HANDSHAKE, accept


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_request_in_flight_is_finished(make_gateway, backend, number):
    gateway = make_gateway(backend.port)
    path = f"/public/draining-{number}"
    backend.on(path, lambda connection, request: (time.sleep(1.2), connection.answer(200, b"finished")))
    with gateway.client() as client:
        client.request("GET", path)
        eventually(lambda: backend.requests_to(path))
        gateway.signal(number)
        eventually(lambda: not accepts(gateway.port), 2, what="no new connections")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"finished")
        client.rest()
    assert gateway.process.wait(patience(5)) == 0
    assert gateway.logged(path=path)["status"] == 200


def test_idle_connections_do_not_hold_the_end_up(make_gateway, backend):
    gateway = make_gateway(backend.port)
    with gateway.client() as used, gateway.client() as unused:
        assert used.exchange("GET", "/public/1").status == 200
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(5)) == 0
        assert time.monotonic() - start < patience(3)
        assert used.rest() == b"" and unused.rest() == b""


def test_what_takes_longer_than_drain_is_cut(make_gateway, backend):
    gateway = make_gateway(backend.port, {"process": {"drain": "1s"}})
    backend.on("/public/forever", lambda connection, request: connection.wait_for_end(20))
    with gateway.client() as client:
        client.request("GET", "/public/forever")
        eventually(lambda: backend.requests_to("/public/forever"))
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(6)) == 0
        assert 0.8 < time.monotonic() - start < patience(4)
        try:
            answer = client.response()
            assert answer.status in (502, 503, 504)
        except Truncated:
            pass


@pytest.fixture
def under_way(backend):
    """Requests that do not end: not answered, answered in part, and WebSockets."""
    def begin(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning")
        connection.wait_for_end(30)

    def agree(connection, request):
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        f"Sec-WebSocket-Accept: {accept()}\r\n\r\n" + early[request.target])
        connection.wait_for_end(30)

    # The second has a frame that does not come to its end.
    early = {"/public/socket": "", "/public/frame": "\x82\x7ehalf"}
    backend.on("/public/unanswered", lambda connection, request: connection.wait_for_end(30))
    backend.on("/public/begun", begin)
    backend.on("/public/socket", agree)
    backend.on("/public/frame", agree)


@pytest.mark.parametrize("again", [False, True], ids=["at the end of the time", "by a second signal"])
def test_what_is_cut_off_is_told_and_logged(make_gateway, backend, pki, under_way, again):
    gateway = make_gateway(backend.port, {"process": {"drain": "30s" if again else "1s"}})
    with gateway.client() as unanswered, gateway.client() as begun, gateway.client() as socket, gateway.client() as frame, \
            gateway.client() as uploading, gateway.client() as head, RawHTTP2(gateway.port, pki.public.certificate) as two:
        unanswered.request("GET", "/public/unanswered/1")
        begun.request("GET", "/public/begun/1")
        answer_begun = begun.reader.response_head()
        assert answer_begun.status == 200
        for client, path in ((socket, "/public/socket"), (frame, "/public/frame")):
            client.request("GET", path, headers=HANDSHAKE)
            assert client.reader.response_head().status == 101
        uploading.request("POST", "/public/unanswered/3", headers={"Content-Length": "1000"})
        uploading.send(b"a beginning")
        head.send("GET /public/head HTTP/1.1\r\n")
        two.request(1, "/public/unanswered/2")
        two.request(3, "/public/begun/2")
        assert two.status(3) == 200
        eventually(lambda: len(backend.requests_to("/public/unanswered")) >= 2)
        gateway.signal(signal.SIGTERM)
        if again:
            eventually(lambda: gateway.admin("/readyz").status_code == 503)
            gateway.signal(signal.SIGTERM)
        answer = unanswered.response()
        problem(answer, 503, "draining")
        assert answer.get("Connection") == "close" and unanswered.rest() == b""
        with pytest.raises(Truncated):
            begun.reader.body(answer_begun, True)
        assert socket.rest() == b"\x88\x0a" + struct.pack("!H", 1001) + b"draining"
        frame.rest()
        problem(uploading.response(), 503, "draining")
        assert head.rest() == b""
        assert two.status(1) == 503 and b'"draining"' in two.body(1)
        assert two.reset_code(3)
        assert gateway.process.wait(patience(10)) == 0
    for path, status in (("/public/unanswered/1", 503), ("/public/unanswered/2", 503), ("/public/unanswered/3", 503), ("/public/begun/1", 200),
                         ("/public/begun/2", 200), ("/public/socket", 101), ("/public/frame", 101)):
        lines = [line for line in gateway.log if line["path"] == path]
        assert [(line["status"], line["code"]) for line in lines] == [(status, "draining")], (path, lines)
    assert gateway.error_text.count("are cut off") == 1
    assert ("a second signal" if again else "the drain time is over") in gateway.error_text


def test_the_last_lines_reach_a_slow_reader(make_gateway, backend, under_way):
    """More of them than a pipe holds."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    gateway = make_gateway(backend.port, {"process": {"drain": "1s"}}, start=False)
    gateway.output_descriptor = writer
    gateway.start()
    os.close(writer)
    clients = [gateway.client() for _ in range(40)]
    for number, client in enumerate(clients):
        client.request("GET", f"/public/unanswered/{number}")
    eventually(lambda: backend.requests_to("/public/unanswered"))
    gateway.signal(signal.SIGTERM)
    with open(reader, "rb") as lines:
        assert sum(b'"code":"draining"' in line for line in lines) == 40
    assert gateway.process.wait(patience(10)) == 0
    for client in clients:
        client.close()


@pytest.mark.parametrize("again", [False, True], ids=["finished in time", "cut off by a second signal"])
def test_who_takes_all_descriptors_takes_nobody_s_time(make_gateway, backend, under_way, again):
    """The end needs no descriptor that it does not have already."""
    gateway = make_gateway(backend.port, {"process": {"drain": "30s"}}, open_files=64)
    finish = threading.Event()
    backend.on("/public/late", lambda connection, request: (finish.wait(30), connection.answer(200, b"finished")))
    crowd = []
    with gateway.client() as late, gateway.client() as endless:
        try:
            late.request("GET", "/public/late")
            endless.request("GET", "/public/unanswered")
            eventually(lambda: backend.requests_to("/public/late") and backend.requests_to("/public/unanswered"))
            for _ in range(100):
                crowd.append(socket.create_connection(("127.0.0.1", gateway.port), 5))
            eventually(lambda: "cannot accept connections" in gateway.error_text, 10)
            gateway.signal(signal.SIGTERM)
            eventually(lambda: "draining for at most" in gateway.error_text, 10)
            assert "are cut off" not in gateway.error_text
            finish.set()
            answer = late.response()
            assert (answer.status, answer.body) == (200, b"finished")
            if again:
                gateway.signal(signal.SIGTERM)
                problem(endless.response(), 503, "draining")
        finally:
            finish.set()
            for one in crowd:
                one.close()
        if not again:
            endless.close()
    assert gateway.process.wait(patience(20)) == 0
    assert gateway.logged(path="/public/late")["status"] == 200
    line = gateway.logged(path="/public/unanswered")
    assert (line["code"] == "draining") == again
    assert ("are cut off" in gateway.error_text) == again


def test_a_second_signal_does_not_wait(make_gateway, backend):
    gateway = make_gateway(backend.port)
    backend.on("/public/impatient", lambda connection, request: connection.wait_for_end(20))
    with gateway.client() as client:
        client.request("GET", "/public/impatient")
        eventually(lambda: backend.requests_to("/public/impatient"))
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert gateway.process.poll() is None
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(patience(2)) == 0


def test_readiness_goes_before_the_process_does(make_gateway, backend):
    gateway = make_gateway(backend.port)
    backend.on("/public/readiness", lambda connection, request: (time.sleep(1.5), connection.answer(200, b"ok")))
    with gateway.client() as client:
        client.request("GET", "/public/readiness")
        eventually(lambda: backend.requests_to("/public/readiness"))
        gateway.signal(signal.SIGTERM)
        eventually(lambda: gateway.admin("/readyz").status_code == 503, 1.2)
        assert gateway.admin("/healthz").status_code == 200
        assert client.response().status == 200
    assert gateway.process.wait(patience(5)) == 0


def test_a_request_that_has_begun_is_served_and_is_the_last_of_its_connection(make_gateway, backend):
    gateway = make_gateway(backend.port)
    with gateway.client() as client:
        assert client.exchange("GET", "/public/before").status == 200
        client.send("GET /public/during HTTP/1.1\r\n")
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        eventually(lambda: gateway.admin("/readyz").status_code == 503, 2)
        time.sleep(0.2)
        client.send("Host: api.example.com\r\n\r\n")
        answer = client.response()
        if answer.status != 200:
            problem(answer, 503, "draining")
        assert answer.get("Connection", "").lower() == "close"
        assert client.rest() == b""
    assert gateway.process.wait(patience(5)) == 0


def test_a_second_start_on_the_same_address_fails_plainly(make_gateway, backend):
    """Two gateways must not share a port by accident."""
    taken = socket.create_server(("127.0.0.1", 0))
    gateway = make_gateway(backend.port, start=False)
    gateway.configuration["listeners"][0]["address"] = f"127.0.0.1:{taken.getsockname()[1]}"
    gateway.write()
    gateway.launch()
    try:
        code = gateway.process.wait(patience(10))
        assert code in (1, 2)
        assert str(taken.getsockname()[1]) in gateway.error_text
    finally:
        gateway.process = None
        taken.close()
