"""An upload that is refused: whoever sends all of it before reading comes to read why."""
import http.client
import json
import socket
import ssl
import subprocess

import pytest

from harness import configuration as conf
from harness.http2client import HTTP2Client
from harness.rawclient import request_bytes
from harness.waiting import eventually, free_port
from test_listeners import PlainClient

MIB = 1 << 20
REFUSALS = {401: "/orders/1", 404: "/nothing", 413: "/small"}


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    gateway = make_gateway(backend.port, start=False, routes=[
        conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}),
        conf.route("small", "/small", public=True, body={"maximum": "1KiB"})])
    gateway.plain = free_port()
    gateway.configuration["listeners"].append({"name": "inside", "address": f"127.0.0.1:{gateway.plain}", "plaintext": "serve"})
    return gateway.start()


@pytest.fixture(scope="module")
def upload(tmp_path_factory):
    def make(size):
        path = tmp_path_factory.getbasetemp() / f"upload-{size}"
        if not path.exists():
            with open(path, "wb") as file:
                file.truncate(size)
        return path
    return make


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("size", [3 * MIB, 50 * MIB])
def test_curl_sees_the_refusal(gateway, pki, curl, upload, version, status, size):
    for _ in range(20 if size < 10 * MIB else 5):
        result = subprocess.run(
            [curl, "-sS", version, "--cacert", pki.public.certificate, "-H", "Expect:", "--data-binary", f"@{upload(size)}",
             "-o", "-", "-w", "\n%{http_code}", f"https://localhost:{gateway.port}{REFUSALS[status]}"],
            capture_output=True, text=True, timeout=60)
        assert result.stderr == "" and result.returncode == 0, result
        document, _, code = result.stdout.rpartition("\n")
        assert int(code) == status and json.loads(document)["status"] == status


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("status", REFUSALS)
def test_a_client_that_reads_when_it_has_sent_everything(gateway, pki, status, chunked, encrypted):
    """Python's http.client does so."""
    for _ in range(5):
        if encrypted:
            connection = http.client.HTTPSConnection(
                "localhost", gateway.port, timeout=30, context=ssl.create_default_context(cafile=str(pki.public.certificate)))
        else:
            connection = http.client.HTTPConnection("localhost", gateway.plain, timeout=30)
        body = (b"b" * MIB for _ in range(20)) if chunked else b"b" * (20 * MIB)
        connection.request("POST", REFUSALS[status], body=body, encode_chunked=chunked,
                           headers={"Transfer-Encoding": "chunked"} if chunked else {})
        answer = connection.getresponse()
        assert answer.status == status and json.loads(answer.read())["status"] == status
        connection.close()


@pytest.mark.parametrize("status", REFUSALS)
def test_the_same_over_http2(gateway, pki, status):
    with HTTP2Client(gateway.port, pki.public.certificate) as client:
        number = client.start("POST", REFUSALS[status], body=b"b" * (10 * MIB))
        answer = client.response(number)
        assert (answer.status, answer.reset_code) == (status, None)
        client.until(lambda: number not in client.output or answer.reset_code is not None, 30, "the upload taken")
        assert answer.reset_code is None, "the content is taken to its end"


def test_it_is_not_read_for_ever(gateway):
    """64 MiB behind the refusal is as much as anybody is given."""
    with PlainClient(gateway.plain) as client:
        client.request("POST", "/nothing", headers={"Content-Length": str(1 << 40)})
        sent = 0
        with pytest.raises(OSError):
            while sent < 1 << 30:
                client.send(b"b" * MIB)
                sent += MIB
        assert 64 * MIB <= sent < 80 * MIB
    eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 0, what="the connection gone")


def refused(gateway, source=None):
    client = PlainClient(gateway.plain, source=source)
    client.request("POST", "/nothing", headers={"Content-Length": str(1 << 30)})
    assert client.response().status == 404
    return client


def test_nor_from_any_number_of_clients(gateway):
    clients = []

    def is_read_on(client):
        """Whether more is taken than of those who are read for a moment only."""
        try:
            for _ in range(256):
                client.send(b"b" * 65536)
            return True
        except OSError:
            return False

    def linger(count, source):
        for _ in range(count):
            clients.append(refused(gateway, source))
        return clients[-1]

    try:
        # 256 in all. One client has half of them, and is read on for a moment beyond that.
        last = linger(128, "127.0.0.2")
        assert not is_read_on(linger(1, "127.0.0.2"))
        # Others have half of the rest each, whatever that one does.
        other = linger(64, "127.0.0.3")
        assert not is_read_on(linger(1, "127.0.0.3")) and not is_read_on(linger(1, "127.0.0.2"))
        assert is_read_on(linger(1, "127.0.0.4"))
        assert is_read_on(other) and is_read_on(last)
    finally:
        for client in clients:
            client.close()
    eventually(lambda: gateway.metric("gatehouse_connections", side="edge") == 0, what="the connections gone")
    with refused(gateway) as client:
        client.send(b"b" * (10 * MIB))
