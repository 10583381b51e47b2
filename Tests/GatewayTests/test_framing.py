"""Request framing (RFC 9112): what can be read in two ways is refused, the connection closes, and nothing is forwarded."""
import json
import socket
import uuid

import pytest

from harness.answers import problem, seen
from harness.rawclient import request_bytes
from harness.waiting import patience

HOST = "Host: api.example.com\r\n"
SMUGGLED = "GET /public/smuggled HTTP/1.1\r\n" + HOST + "\r\n"

# {path} is a path of the case's own. What follows the head is meant to be taken for a second request.
HEADS = {
    "length and coding": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding and length": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two unequal lengths": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "two equal lengths": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" + SMUGGLED,
    "a list of lengths": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 1, 1\r\n\r\nx" + SMUGGLED,
    "a length with a sign": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: +1\r\n\r\nx" + SMUGGLED,
    "a negative length": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: -1\r\n\r\nx" + SMUGGLED,
    "a length with a space": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 1 0\r\n\r\nx" + SMUGGLED,
    "a length in hexadecimal": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 0x1\r\n\r\nx" + SMUGGLED,
    "an empty length": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length:\r\n\r\n" + SMUGGLED,
    "a length that overflows": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 18446744073709551617\r\n\r\nx" + SMUGGLED,
    "a length with a fraction": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length: 1.0\r\n\r\nx" + SMUGGLED,
    "an unknown coding": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "identity": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "a list of codings": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked, then another": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked and identity in two fields":
        "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked with a vertical tab": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked in quotes": "POST {path} HTTP/1.1\r\n" + HOST + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + SMUGGLED,
    "chunked with a parameter": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked in HTTP/1.0": "POST {path} HTTP/1.0\r\n" + HOST + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": "POST {path} HTTP/1.1\r\n" + HOST + "Content-Length : 1\r\n\r\nx" + SMUGGLED,
    "a tab before the colon": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "underscored length": "POST {path} HTTP/1.1\r\n" + HOST + "Content_Length: 1\r\n\r\nx" + SMUGGLED,
    "underscored coding": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a folded line": "POST {path} HTTP/1.1\r\n" + HOST + "X-A: a\r\n Content-Length: 5\r\n\r\n" + SMUGGLED,
    "a folded first line": "GET {path} HTTP/1.1\r\n X-A: a\r\n" + HOST + "\r\n" + SMUGGLED,
    "a folded coding": "POST {path} HTTP/1.1\r\n" + HOST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "bare LF after the request line": "GET {path} HTTP/1.1\n" + HOST + "\r\n" + SMUGGLED,
    "bare LF after a field": "GET {path} HTTP/1.1\r\nHost: api.example.com\nX-A: a\r\n\r\n" + SMUGGLED,
    "bare LF at the head's end": "GET {path} HTTP/1.1\r\n" + HOST + "\n" + SMUGGLED + "\r\n\r\n",
    "bare CR in a value": "GET {path} HTTP/1.1\r\n" + HOST + "X-A: a\rContent-Length: 5\r\n\r\n" + SMUGGLED,
    "NUL in a value": "GET {path} HTTP/1.1\r\n" + HOST + "X-A: a\0b\r\n\r\n" + SMUGGLED,
    "a control byte in a value": "GET {path} HTTP/1.1\r\n" + HOST + "X-A: a\x01b\r\n\r\n" + SMUGGLED,
    "an empty name": "GET {path} HTTP/1.1\r\n" + HOST + ": a\r\n\r\n" + SMUGGLED,
    "a name with a space": "GET {path} HTTP/1.1\r\n" + HOST + "X A: a\r\n\r\n" + SMUGGLED,
    "a name with a control byte": "GET {path} HTTP/1.1\r\n" + HOST + "X\x01A: a\r\n\r\n" + SMUGGLED,
    "a name with a byte over 127": "GET {path} HTTP/1.1\r\n" + HOST + "X\xe9: a\r\n\r\n" + SMUGGLED,
    "a name with a bracket": "GET {path} HTTP/1.1\r\n" + HOST + "X[a]: a\r\n\r\n" + SMUGGLED,
    "a line without a colon": "GET {path} HTTP/1.1\r\n" + HOST + "nonsense\r\n\r\n" + SMUGGLED,
    "no version": "GET {path}\r\n" + HOST + "\r\n" + SMUGGLED,
    "two spaces in the request line": "GET  {path} HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a tab in the request line": "GET\t{path} HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a space at the request line's end": "GET {path} HTTP/1.1 \r\n" + HOST + "\r\n" + SMUGGLED,
    "a version in lower case": "GET {path} http/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a version with a leading zero": "GET {path} HTTP/01.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a method that is no token": "GE(T {path} HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a byte over 127 in the target": "GET {path}\xe9 HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "a target without a slash": "GET public HTTP/1.1\r\n" + HOST + "X-Path: {path}\r\n\r\n" + SMUGGLED,
    "a fragment": "GET {path}#a HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "no Host": "GET {path} HTTP/1.1\r\n\r\n" + SMUGGLED,
    "two Hosts": "GET {path} HTTP/1.1\r\n" + HOST + HOST + "\r\n" + SMUGGLED,
    "a space before the request line": " GET {path} HTTP/1.1\r\n" + HOST + "\r\n" + SMUGGLED,
    "an asterisk with GET": "GET * HTTP/1.1\r\n" + HOST + "X-Path: {path}\r\n\r\n" + SMUGGLED,
    "a field before the request line": HOST + "GET {path} HTTP/1.1\r\n\r\n" + SMUGGLED,
}

CHUNKS = {
    "a size that is no number": "g\r\nx\r\n0\r\n\r\n",
    "a size with a sign": "+1\r\nx\r\n0\r\n\r\n",
    "a negative size": "-1\r\nx\r\n0\r\n\r\n",
    "a size with 0x": "0x1\r\nx\r\n0\r\n\r\n",
    "a size with a leading space": " 1\r\nx\r\n0\r\n\r\n",
    "a size with a trailing space": "1 \r\nx\r\n0\r\n\r\n",
    "no size": "\r\nx\r\n0\r\n\r\n",
    "a size that overflows": "ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    "a size of seventeen digits": "00000000000000001\r\nx\r\n0\r\n\r\n",
    "a bare LF after the size": "1\nx\r\n0\r\n\r\n",
    "a bare CR in the size": "1\rx\r\n0\r\n\r\n",
    "a bare LF in an extension": "1;a\nb\r\nx\r\n0\r\n\r\n",
    "an extension over 1 KiB": "1;" + "a" * 1100 + "\r\nx\r\n0\r\n\r\n",
    "more data than the size": "1\r\nxx\r\n0\r\n\r\n",
    "no CRLF after the data": "1\r\nx0\r\n\r\n",
    "a bare LF after the data": "1\r\nx\n0\r\n\r\n",
    "a length in the trailers": "1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a coding in the trailers": "1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a host in the trailers": "1\r\nx\r\n0\r\nHost: evil.example.com\r\n\r\n",
    "an authorization in the trailers": "1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    "a folded trailer": "1\r\nx\r\n0\r\nX-A: a\r\n b\r\n\r\n",
    "a trailer without a colon": "1\r\nx\r\n0\r\nnonsense\r\n\r\n",
}


@pytest.mark.parametrize("what", HEADS)
def test_a_head_with_two_readings(gateway, backend, what):
    path = f"/public/{uuid.uuid4()}"
    with gateway.client() as client:
        client.send(HEADS[what].replace("{path}", path))
        answer = client.response()
        problem(answer, 400, ("bad_framing", "bad_request", "bad_host", "bad_path"))
        assert client.rest() == b"", "nothing after the refusal"
    assert not backend.saw(path) and not backend.saw("smuggled")


@pytest.mark.parametrize("what", CHUNKS)
def test_chunks_with_two_readings(gateway, backend, what):
    """The head may have been forwarded by then; the request is never completed, and what follows is not parsed."""
    path = f"/public/{uuid.uuid4()}"
    with gateway.client() as client:
        client.send(f"POST {path} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{CHUNKS[what]}{SMUGGLED}")
        answer = client.response()
        problem(answer, 400, ("bad_framing", "bad_request"))
        assert client.rest() == b""
    assert not backend.saw("smuggled")
    for connection in backend.connections:
        received = bytes(connection.received)
        if path.encode() in received:
            tail = received[received.index(path.encode()):]
            assert b"\r\n0\r\n" not in tail, "the backend must not take the request for complete"
            assert connection.ended.wait(patience(3)), "a connection in doubt is not used again"


def test_good_requests_one_after_the_other_in_one_write_are_answered_in_order(gateway, bearer):
    with gateway.client() as client:
        client.send(b"".join(request_bytes("GET", f"/orders/{n}", headers=bearer) for n in range(10)))
        for number in range(10):
            answer = client.response()
            assert answer.status == 200
            assert json.loads(answer.body)["target"] == f"/orders/{number}"


@pytest.mark.parametrize("target,status", [("/public/many", 200), ("/nowhere", 404)])
def test_a_thousand_requests_in_one_write(gateway, target, status):
    with gateway.client() as client:
        client.send(request_bytes("GET", target) * 1000)
        assert [client.response().status for _ in range(1000)] == [status] * 1000


def test_pipelined_requests_with_content_keep_in_step(gateway):
    with gateway.client() as client:
        client.send(b"".join(request_bytes("POST", f"/public/{n}", body=b"y" * (n * 37)) for n in range(100)))
        for number in range(100):
            request = seen(client.response())
            assert (request.target, len(request.body)) == (f"/public/{number}", number * 37)


def test_the_preface_of_http2_without_alpn_is_refused(gateway):
    with gateway.client() as client:
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0" * 9)
        assert client.response().status in (400, 505)
        client.rest()


def test_pipelined_requests_around_a_refusal(gateway, bearer):
    with gateway.client() as client:
        client.send(request_bytes("GET", "/public/1") + request_bytes("GET", "/nowhere") + request_bytes("GET", "/orders/1")
                    + request_bytes("POST", "/public/2", body=b"abc") + request_bytes("GET", "/public/3"))
        assert [client.response().status for _ in range(5)] == [200, 404, 401, 200, 200]


def test_nothing_after_a_bad_request_is_read(gateway, backend):
    with gateway.client() as client:
        client.send(request_bytes("GET", "/public/before") + b"BAD\r\n\r\n" + request_bytes("GET", "/public/after-bad"))
        assert client.response().status == 200
        assert client.response().status == 400
        assert client.rest() == b""
    assert not backend.saw("after-bad")


def test_empty_lines_before_a_request_are_skipped(gateway):
    with gateway.client() as client:
        client.send("\r\nGET /public/1 HTTP/1.1\r\n" + HOST + "\r\n")
        assert client.response().status == 200


@pytest.mark.parametrize("split", [1, 2, 3, 7, 64])
def test_a_request_in_pieces_is_the_same_request(gateway, split):
    text = ("POST /public/pieces?x HTTP/1.1\r\n" + HOST + "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3;ext=1\r\nabc\r\n5\r\ndefgh\r\n0\r\nX-Trailer: t\r\n\r\n").encode()
    with gateway.client() as client:
        for start in range(0, len(text), split):
            client.send(text[start:start + split])
        request = seen(client.response())
    assert (request.target, request.body, request.get("X-A")) == ("/public/pieces?x", b"abcdefgh", "b")


def test_bytes_that_are_no_tls_do_no_harm(gateway):
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\0" * 1000, b""):
        with socket.create_connection(("127.0.0.1", gateway.port), 5) as plain:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            plain.settimeout(5)
            try:
                while plain.recv(4096):
                    pass
            except ConnectionError:
                pass
    assert gateway.ask("GET", "/public/1").status == 200
