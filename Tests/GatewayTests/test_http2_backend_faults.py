"""Backends that break the rules of HTTP/2: what is wrong with the connection ends at once for all that are on it."""
import json
import threading

import pytest
from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, PriorityFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame,
                              WindowUpdateFrame)

from harness import configuration as conf
from harness.answers import problem
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP2Client, block
from harness.waiting import patience
from harness.websocket import ConnectSocket, UpgradeSocket

BYSTANDERS = 5


def section(*fields):
    return block(fields)


def headers(number, data, *flags):
    return HeadersFrame(number, data=data, flags=["END_HEADERS", *flags]).serialize()


# By what it is about: all of the connection, or the one stream.
CONNECTION_FAULTS = {
    "data before the head": lambda number: DataFrame(number, data=b"x", flags=["END_STREAM"]).serialize(),
    "a pushed response": lambda number: PushPromiseFrame(
        number, promised_stream_id=2, data=section((":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "a")),
        flags=["END_HEADERS"]).serialize(),
    "data on a stream that is not open": lambda number: DataFrame(number + 1000, data=b"x").serialize(),
    "an answer on a stream that is not open": lambda number: headers(number + 1000, section((":status", "200"))),
    "an answer on a stream of the backend's own": lambda number: headers(2, section((":status", "200"))),
    "a window for a stream that is not open": lambda number: WindowUpdateFrame(number + 1000, window_increment=1).serialize(),
    "a reset of a stream that is not open": lambda number: RstStreamFrame(number + 1000).serialize(),
    "a header block that cannot be decoded": lambda number: headers(number, b"\xff\xff\xff\xff\xff\xff"),
    "a continuation of nothing": lambda number: ContinuationFrame(number, data=b"", flags=["END_HEADERS"]).serialize(),
    "a frame within a header block": lambda number: HeadersFrame(number, data=section((":status", "200"))).serialize() + bytes(
        SettingsFrame(0).serialize()),
    "a setting out of range": lambda number: SettingsFrame(0, settings={5: 1}).serialize(),
    "a frame that is too large": lambda number: b"\x01\x00\x00\x00\x00" + number.to_bytes(4, "big") + bytes(65536),
    "HTTP/1.1": lambda number: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a flood of priorities": lambda number: PriorityFrame(number, depends_on=0, stream_weight=7).serialize() * 20_000,
    "a flood of frames that nobody knows": lambda number: (b"\0\0\0\xbb\0" + number.to_bytes(4, "big")) * 20_000,
    "a flood of origins": lambda number: b"\0\0\x0b\x0c\0\0\0\0\0\0\x09https://a" * 20_000,
    "a window that overflows": lambda number: WindowUpdateFrame(0, window_increment=0x7fffffff).serialize() * 2,
}
STREAM_FAULTS = {
    "no status": lambda number: headers(number, section(("x-a", "b"))),
    "two statuses": lambda number: headers(number, section((":status", "200"), (":status", "204"))),
    "a status of four digits": lambda number: headers(number, section((":status", "2000"))),
    "a status of 101": lambda number: headers(number, section((":status", "101"))),
    "an interim head that ends the stream": lambda number: headers(number, section((":status", "103")), "END_STREAM"),
    "more content than promised": lambda number: headers(
        number, section((":status", "200"), ("content-length", "1"))) + DataFrame(number, data=b"xyz").serialize(),
    "less content than promised": lambda number: headers(
        number, section((":status", "200"), ("content-length", "10"))) + DataFrame(number, data=b"x", flags=["END_STREAM"]).serialize(),
}


@pytest.fixture(scope="module")
def backend(pki):
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        yield backend


@pytest.fixture(scope="module")
def gateway(make_gateway, pki, backend):
    # Nobody is to be rescued by a time-out.
    timeouts = {"response": "10m", "idle": "10m"}
    return make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", timeouts=timeouts)],
                        routes=[conf.route("public", "/public/**", public=True, timeout="10m")])


def answered(client, number):
    """The answer's code, or that it was cut off."""
    answer = client.response(number)
    return "cut" if answer.head_came and not answer.complete else problem(answer, 502, "upstream_protocol")["code"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", CONNECTION_FAULTS)
def test_a_fault_of_the_connection_is_told_to_all_at_once(gateway, backend, fault, method):
    path = f"/public/{method}-{list(CONNECTION_FAULTS).index(fault)}"
    ready = threading.Event()

    def guilty(stream):
        stream.read()
        ready.wait(patience(10))
        stream.connection.link.send(CONNECTION_FAULTS[fault](stream.id))

    backend.on(path, guilty)
    backend.on(f"{path}/bystander", lambda stream: stream.cancelled.wait(patience(60)))
    backend.on(f"{path}/begun", lambda stream: (stream.respond(200), stream.send(b"part"), stream.cancelled.wait(patience(60))))
    body = {"body": b"x"} if method == "POST" else {}
    with HTTP2Client(gateway.port, gateway.ca) as client:
        bystanders = [client.start(method, f"{path}/bystander", **body) for _ in range(BYSTANDERS)]
        begun = client.start(method, f"{path}/begun", **body)
        client.head(begun)
        number = client.start(method, path, **body)
        client.until(lambda: client.step(0.05) or len(backend.requests_to(path)) == BYSTANDERS + 2, what="all at the backend")
        (connection,) = {stream.connection for stream in backend.requests_to(path)}
        ready.set()
        assert {answered(client, number) for number in [*bystanders, number]} == {"upstream_protocol"}
        assert answered(client, begun) == "cut"
        assert connection.ended.wait(patience(10)), "the gateway closes what it has given up"
        assert client.exchange("GET", "/public/echo").status == 200


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_fault_of_one_stream_is_told_to_that_one(gateway, backend, fault):
    path = f"/public/stream-{list(STREAM_FAULTS).index(fault)}"
    go = threading.Event()
    backend.on(path, lambda stream: stream.connection.link.send(STREAM_FAULTS[fault](stream.id)))
    backend.on(f"{path}/bystander", lambda stream: (go.wait(patience(30)), stream.answer(200, b"fine")))
    with HTTP2Client(gateway.port, gateway.ca) as client:
        bystander = client.start("GET", f"{path}/bystander")
        client.until(lambda: client.step(0.05) or backend.requests_to(f"{path}/bystander"), what="the bystander at the backend")
        assert answered(client, client.start("GET", path)) in ("upstream_protocol", "cut")
        go.set()
        assert client.response(bystander).body == b"fine"


@pytest.fixture(params=[b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\0" * 64, b"SSH-2.0-x\r\n", b""],
                ids=["HTTP/1.1", "zeros", "text", "nothing and the end"])
def stranger(request, make_gateway, pki, monkeypatch):
    """A gateway whose backend chooses HTTP/2 and speaks something else, and the code that this gets."""
    words = request.param
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        def serve(sock):
            try:
                tls = backend.context.wrap_socket(sock, server_side=True)
                tls.sendall(words)
                if words:
                    while tls.recv(65536):
                        pass
                tls.unwrap()
            except OSError:
                pass
            finally:
                sock.close()

        monkeypatch.setattr(backend, "_serve", serve)
        timeouts = {"connect": "10m", "response": "10m", "idle": "10m"}
        yield (make_gateway(backends=[conf.backend(pki, backend.port, protocol="h2", timeouts=timeouts)],
                            routes=[conf.route("public", "/public/**", public=True, timeout="10m")]),
               "upstream_protocol" if words else "upstream_reset")


def test_a_backend_that_does_not_speak_what_it_has_chosen(stranger):
    gateway, code = stranger
    with HTTP2Client(gateway.port, gateway.ca) as client:
        numbers = [client.start("GET", f"/public/{number}") for number in range(BYSTANDERS)]
        for number in numbers:
            problem(client.response(number), 502, code)


@pytest.mark.parametrize("kind", [UpgradeSocket, ConnectSocket], ids=["upgrade", "connect"])
def test_a_websocket_that_waits_to_hear_what_such_a_backend_takes(stranger, pki, kind):
    """Its request goes out behind the backend's SETTINGS, which never come."""
    gateway, code = stranger
    client = kind(gateway, pki, "/public/socket")
    assert client.status == 502 and json.loads(client.body)["code"] == code
    client.close()


def test_an_endpoint_that_has_lost_a_connection_is_not_thought_busy_for_ever(make_gateway, pki):
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as one, HTTP2Backend(pki.backend, pki.mesh.certificate) as other:
        both = (one, other)
        for backend in both:
            backend.on("/public/held", lambda stream: stream.cancelled.wait(patience(30)))
        gateway = make_gateway(backends=[conf.backend(pki, one.port, other.port, protocol="h2")])
        with HTTP2Client(gateway.port, gateway.ca) as client:
            # Once both have a connection, requests are dealt out evenly.
            client.until(lambda: client.exchange("GET", "/public/warm") and all(backend.requests for backend in both))
            numbers = [client.start("POST", "/public/held", body=b"x") for _ in range(20)]
            client.until(lambda: client.step(0.05) or all(len(backend.requests_to("/public/held")) == 10 for backend in both),
                         what="ten at each")
            for connection in one.connections:
                connection.close(clean=False)
            client.until(lambda: client.step(0.05) or sum(client.streams[number].complete for number in numbers) == 10, what="ten lost")
            for number in numbers:
                if not client.streams[number].complete:
                    client.cancel(number)
            for _ in range(20):
                assert client.exchange("GET", "/public/echo").status == 200
        assert all(backend.requests_to("/public/echo") for backend in both)
