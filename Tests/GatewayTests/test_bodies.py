"""Content streams both ways with bounded memory, and both ends learn when the other goes away.

GATEHOUSE_BODY_MIB (default 1024) is how much is sent each way.
"""
import os
import socket
import threading
import time
import zlib

import pytest

from harness import configuration as conf
from harness.backend import Backend
from harness.rawclient import Truncated
from harness.waiting import eventually, patience, settled

MIB = 1 << 20
TOTAL = int(os.environ.get("GATEHOUSE_BODY_MIB", "1024")) * MIB
PATTERN = os.urandom(MIB)
RESIDENT = 64  # MiB


@pytest.fixture(scope="module")
def backend(pki):
    with Backend(pki.backend, pki.mesh.certificate, send_buffer=256 * 1024) as backend:
        yield backend


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, pki):
    return make_gateway(backends=[conf.backend(pki, backend.port, timeouts={"response": "60s"})])


def checksum(total):
    value = 0
    for _ in range(total // MIB):
        value = zlib.crc32(PATTERN, value)
    return value


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_body_up(gateway, backend, chunked):
    total = TOTAL if not chunked else TOTAL // 4

    def script(connection, request):
        value = count = 0
        for block in connection.reader.blocks(request, False):
            value, count = zlib.crc32(block, value), count + len(block)
        connection.answer(200, f"{count} {value}".encode())

    path = f"/public/up-{chunked}"
    backend.on(path, script)
    with gateway.client(timeout=120) as client:
        framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(total)}
        client.request("PUT", path, headers=framing)
        for _ in range(total // MIB):
            client.send(b"%x\r\n%s\r\n" % (MIB, PATTERN) if chunked else PATTERN)
        if chunked:
            client.send(b"0\r\n\r\n")
        assert client.response().body == f"{total} {checksum(total)}".encode()
    assert gateway.peak_resident < RESIDENT


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_body_down(gateway, backend, chunked):
    total = TOTAL if not chunked else TOTAL // 4

    def script(connection, request):
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
        connection.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")
        for _ in range(total // MIB):
            connection.send(b"%x\r\n%s\r\n" % (MIB, PATTERN) if chunked else PATTERN)
        if chunked:
            connection.send(b"0\r\n\r\n")

    path = f"/public/down-{chunked}"
    backend.on(path, script)
    with gateway.client(timeout=120) as client:
        client.request("GET", path)
        head = client.reader.response_head()
        value = count = 0
        for block in client.reader.blocks(head, True):
            value, count = zlib.crc32(block, value), count + len(block)
    assert (count, value) == (total, checksum(total))
    assert gateway.peak_resident < RESIDENT


def test_a_slow_reader_holds_its_backend_back(gateway, backend):
    sent = [0]

    def script(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {256 * MIB}\r\n\r\n")
        for _ in range(256 * 16):
            connection.send(PATTERN[:MIB // 16])
            sent[0] += MIB // 16

    backend.on("/public/slow-reader", script)
    before = gateway.resident
    with gateway.client(receive_buffer=64 * 1024, timeout=60) as client:
        client.request("GET", "/public/slow-reader")
        head = client.reader.response_head()
        stalled = settled(lambda: sent[0], quiet=1.5, timeout=20)
        assert stalled < 48 * MIB, f"{stalled / MIB:.0f} MiB went out to a client that reads nothing"
        assert gateway.resident - before < 8, "what is not read stays at the backend, not in the gateway"
        assert gateway.idle_for(1) < 0.2, "waiting costs nothing"
        assert sum(len(block) for block in client.reader.blocks(head, True)) == 256 * MIB


def test_a_slow_backend_holds_its_client_back(gateway, backend):
    go = threading.Event()

    def script(connection, request):
        go.wait(patience(30))
        count = sum(len(block) for block in connection.reader.blocks(request, False))
        connection.answer(200, str(count).encode())

    backend.on("/public/slow-backend", script)
    before = gateway.resident
    with gateway.client(timeout=60) as client:
        client.request("PUT", "/public/slow-backend", headers={"Content-Length": str(256 * MIB)})
        sent = [0]

        def feed():
            for _ in range(256 * 16):
                client.send(PATTERN[:MIB // 16])
                sent[0] += MIB // 16

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        stalled = settled(lambda: sent[0], quiet=1.5, timeout=20)
        assert stalled < 48 * MIB, f"{stalled / MIB:.0f} MiB were taken for a backend that reads nothing"
        assert gateway.resident - before < 8
        assert gateway.idle_for(1) < 0.2
        go.set()
        # Two threads must not use one TLS object at a time.
        feeder.join(60)
        assert client.response().body == str(256 * MIB).encode()


def test_an_answer_while_the_body_is_still_coming(gateway, backend):
    def script(connection, request):
        connection.answer(403, b"enough", {"Connection": "close"}, "Forbidden")
        connection.wait_for_end(5)
    backend.on("/public/early", script)
    with gateway.client() as client:
        client.request("POST", "/public/early", headers={"Content-Length": str(512 * MIB)})
        client.send(PATTERN[:100_000])
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"enough")
        try:
            for _ in range(512):
                client.send(PATTERN)
            ended = False
        except OSError:
            ended = True
        assert ended or client.rest() is not None, "either drained up to a bound or closed, not taken whole"
    assert gateway.ask("GET", "/public/after").status == 200


def test_both_directions_at_once(gateway, backend):
    """A backend that answers each block as it comes."""
    def script(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for block in connection.reader.blocks(request, False):
            connection.send(b"%x\r\n%s\r\n" % (len(block), block))
        connection.send("0\r\n\r\n")
    backend.on("/streamed/duplex", script)
    with gateway.client() as client:
        client.request("POST", "/streamed/duplex", headers={"Transfer-Encoding": "chunked"})
        client.send("5\r\nhello\r\n")
        head = client.reader.response_head()
        blocks = client.reader.blocks(head, True)
        assert next(blocks) == b"hello"
        client.send("5\r\nworld\r\n0\r\n\r\n")
        assert b"".join(blocks) == b"world"


@pytest.mark.parametrize("how", ["before the answer", "in the answer", "in the request"])
def test_a_client_that_goes_away_frees_its_backend(gateway, backend, how):
    path = f"/streamed/leaver-{how.replace(' ', '-')}"
    freed = threading.Event()

    def script(connection, request):
        if how == "in the answer":
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        if how == "in the request":
            try:
                connection.body(request)
            except Truncated:
                freed.set()
            return
        if connection.wait_for_end(8):
            freed.set()

    backend.on(path, script)
    client = gateway.client()
    if how == "in the request":
        client.request("POST", path, headers={"Content-Length": "1000"})
        client.send("half")
    else:
        client.request("GET", path)
    if how == "in the answer":
        client.reader.response_head()
    eventually(lambda: backend.requests_to(path))
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\0" * 8)
    client.close()
    assert freed.wait(patience(5)), "the backend's connection is still open"
    gateway.logged(path=path)


CUT = {
    "with a length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
    "in a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    "between chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
}


@pytest.mark.parametrize("clean", [True, False], ids=["closed", "reset"])
@pytest.mark.parametrize("what", CUT)
def test_a_backend_that_goes_away_in_its_answer_cuts_the_clients_connection(gateway, backend, what, clean):
    path = f"/public/cut-{list(CUT).index(what)}-{clean}"

    def script(connection, request):
        connection.send(CUT[what])
        time.sleep(0.2)
        connection.close(clean)

    backend.on(path, script)
    with gateway.client() as client:
        client.request("GET", path)
        with pytest.raises(Truncated) as truncated:
            client.response()
        assert truncated.value.partial == b"half"
    assert gateway.logged(path=path)["code"] in ("upstream_reset", "upstream_protocol")


def test_an_answer_until_close_without_close_notify_is_cut_too(gateway, backend):
    """Anybody on the path can end a TCP connection; only the backend can say close_notify."""
    def script(connection, request):
        connection.send("HTTP/1.1 200 OK\r\n\r\nhalf")
        time.sleep(0.2)
        socket.socket.shutdown(connection.socket, socket.SHUT_WR)
        time.sleep(0.5)
        connection.close(clean=False)
    backend.on("/public/truncated", script)
    with gateway.client() as client:
        client.request("GET", "/public/truncated")
        with pytest.raises(Truncated):
            client.response()
