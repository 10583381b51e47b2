"""gRPC through the gate: the four kinds of call, deadlines, cancellation, and refusals in gRPC's own words."""
import re
import signal
import threading
import time

import grpc
import pytest

from harness import configuration as conf
from harness.http2client import HTTP1Client, HTTP2Client
from harness.grpcserver import GRPCClient, GRPCServer
from harness.waiting import eventually, patience


@pytest.fixture(scope="module")
def server(pki):
    server = GRPCServer(pki.backend, pki.mesh.certificate)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gateway(make_gateway, pki, server):
    return make_gateway(backends=[conf.backend(pki, server.port)], routes=[
        conf.route("echo", "/test.Echo/**", authorize={"scopes": ["orders:read"]}, body={"maximum": "8MiB"}),
        conf.route("hang", "/test.Echo/Hang", timeout="700ms"),
    ])


@pytest.fixture(scope="module")
def client(gateway, pki):
    client = GRPCClient(gateway.port, pki.public.certificate)
    yield client
    client.close()


@pytest.fixture(scope="module")
def metadata(token):
    return [("authorization", f"Bearer {token}")]


def test_ten_thousand_calls_of_all_four_kinds(client, metadata, gateway, server):
    before = server.calls
    failures = []

    def work(number):
        try:
            for turn in range(625):
                message = b"%d-%d" % (number, turn)
                assert client("unary_unary", "Unary")(message, metadata=metadata, timeout=20) == message
                assert b"".join(client("unary_stream", "Split")(message, metadata=metadata, timeout=20)) == message
                assert client("stream_unary", "Join")(iter([message, b"!"]), metadata=metadata, timeout=20) == message + b"!"
                assert list(client("stream_stream", "Chat")(iter([message, b"?"]), metadata=metadata, timeout=20)) == [message, b"?"]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(80)
    assert not failures and server.calls - before == 10_000
    assert gateway.metric("gatehouse_connections", side="upstream", protocol="http2") <= 4


def test_what_the_server_sees(client, metadata, idp):
    seen = client("unary_unary", "Seen")(b"", metadata=metadata + [("x-own", "1"), ("x-own-bin", b"\0\x01")], timeout=5).decode()
    fields = dict(line.split(": ", 1) for line in seen.splitlines())
    assert "authorization" not in fields and fields["x-own"] == "1" and fields["x-own-bin"] == str(b"\0\x01")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", fields["x-internal-token"])


def test_trailers_and_binary_metadata_pass(client, metadata):
    answer, call = client("unary_unary", "Unary").with_call(b"hello", metadata=metadata, timeout=5)
    trailing = dict(call.trailing_metadata())
    assert answer == b"hello" and trailing["x-count"] == "5" and trailing["x-raw-bin"] == b"\0\xff"


def test_a_server_s_own_status_passes_as_it_is(client, metadata):
    with pytest.raises(grpc.RpcError) as caught:
        client("unary_unary", "Fail")(b"", metadata=metadata, timeout=5)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND and caught.value.details() == "nothing here: ü %"
    assert dict(caught.value.trailing_metadata())["grpc-status-details-bin"] == b"\x08\x05"


def test_four_mebibytes_both_ways(client, metadata):
    messages = [bytes([number]) * (1 << 20) for number in range(4)]
    assert list(client("stream_stream", "Chat")(iter(messages), metadata=metadata, timeout=20)) == messages


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("claims, fields, method, code, denial", [
    (None, [], "/test.Echo/Unary", grpc.StatusCode.UNAUTHENTICATED, "token_missing: An access token is required."),
    ({"exp": 1}, [], "/test.Echo/Unary", grpc.StatusCode.UNAUTHENTICATED, "token_expired: The access token has expired."),
    ({"scope": "none"}, [], "/test.Echo/Unary", grpc.StatusCode.PERMISSION_DENIED, "scope_missing: The access token lacks a required scope."),
    ({}, [], "/other.Service/Unary", grpc.StatusCode.UNIMPLEMENTED, "no_route: Nothing is served here."),
], ids=["token_missing", "token_expired", "scope_missing", "no_route"])
def test_refusals_are_grpc_statuses(client, gateway, server, idp, claims, fields, method, code, denial):
    before = server.calls
    metadata = [] if claims is None else [("authorization", f"Bearer {idp.token(**claims)}")]
    call = client.channel.unary_unary(method, lambda message: message, lambda message: message)
    assert refused(lambda: call(b"x", metadata=metadata, timeout=5)) == (code, denial)
    line = gateway.logged(code=denial.split(":")[0], path=method)
    assert line["status"] == 200 and server.calls == before


def test_too_large_a_message_is_resource_exhausted(client, metadata):
    code, details = refused(lambda: client("stream_unary", "Join")(
        (b"x" * (1 << 20) for _ in range(9)), metadata=metadata, timeout=20))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and details.startswith("body_too_large")


def test_the_route_s_timeout_is_deadline_exceeded_and_cancels(client, metadata, server, gateway):
    server.reset()
    start = time.monotonic()
    code, details = refused(lambda: client("unary_unary", "Hang")(b"", metadata=metadata, timeout=15))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED and details.startswith("upstream_timeout")
    assert 0.5 < time.monotonic() - start < patience(5)
    assert server.cancelled.wait(patience(5))
    assert gateway.logged(path="/test.Echo/Hang", code="upstream_timeout")["status"] == 200


def test_a_deadline_is_kept_by_the_gateway_itself(gateway, pki, server, token):
    """By a client that sends `grpc-timeout` and then only listens."""
    server.reset()
    with Call(gateway, pki, token, "/test.Echo/Drip", [("grpc-timeout", "600m")]) as call:
        start = time.monotonic()
        call.send_message(b"one", end=True)
        call.until_end()
        assert call.data == b"\0\0\0\0\x03one"
        # Whoever is first to say so: the server has been told of the deadline as well.
        assert call.trailers["grpc-status"] == "4"
        assert 0.5 < time.monotonic() - start < patience(5)
    assert server.cancelled.wait(patience(5))


def test_a_deadline_that_cannot_be_read_is_refused(gateway, pki, server, token):
    before = server.calls
    with Call(gateway, pki, token, "/test.Echo/Unary", [("grpc-timeout", "soon")]) as call:
        call.send_message(b"", end=True)
        call.until_end()
        assert call.headers[":status"] == "200" and call.headers["content-type"] == "application/grpc"
        assert call.headers["grpc-status"] == "13" and call.headers["grpc-message"].startswith("bad_request: ")
    assert server.calls == before


def test_a_client_s_cancellation_reaches_the_server(client, metadata, server):
    server.reset()
    call = client("unary_stream", "Drip")(b"one", metadata=metadata, timeout=20)
    assert next(call) == b"one"
    call.cancel()
    assert server.cancelled.wait(patience(5))


def test_a_server_that_dies_in_the_middle_is_unavailable(make_gateway, pki, metadata):
    server = GRPCServer(pki.backend, pki.mesh.certificate)
    gateway = make_gateway(backends=[conf.backend(pki, server.port)], routes=[conf.route("echo", "/**")])
    client = GRPCClient(gateway.port, pki.public.certificate)
    call = client("unary_stream", "Drip")(b"one", metadata=metadata, timeout=20)
    assert next(call) == b"one"
    server.server.stop(0)
    code, details = refused(lambda: next(call))
    server.stop()
    client.close()
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_a_call_ends_with_its_token(make_gateway, pki, server, idp, jwks):
    server.reset()
    gateway = make_gateway(
        backends=[conf.backend(pki, server.port)], routes=[conf.route("echo", "/**", end_at_expiry=True)],
        changes={"identity_providers": [conf.provider(idp, jwks, leeway="0s")]})
    client = GRPCClient(gateway.port, pki.public.certificate)
    expiry = int(time.time()) + 3
    metadata = [("authorization", f"Bearer {idp.token(exp=expiry)}")]
    call = client("unary_stream", "Drip")(b"one", metadata=metadata, timeout=20)
    assert next(call) == b"one"
    assert refused(lambda: next(call)) == (grpc.StatusCode.UNAUTHENTICATED, "token_expired: The access token has expired.")
    assert expiry - 0.1 < time.time() < expiry + 3
    assert server.cancelled.wait(patience(5))
    eventually(lambda: gateway.logged(code="token_expired"))
    client.close()


def test_a_call_ends_with_the_process(make_gateway, pki, server, metadata):
    server.reset()
    gateway = make_gateway(
        changes={"process": {"drain": "1s"}}, backends=[conf.backend(pki, server.port)], routes=[conf.route("echo", "/**")])
    client = GRPCClient(gateway.port, pki.public.certificate)
    call = client("unary_stream", "Drip")(b"one", metadata=metadata, timeout=20)
    waiting = client("unary_unary", "Hang").future(b"two", metadata=metadata, timeout=20)
    assert next(call) == b"one" and server.hanging.wait(patience(5))
    gateway.signal(signal.SIGTERM)
    said = (grpc.StatusCode.UNAVAILABLE, "draining: The gateway is shutting down.")
    assert refused(lambda: next(call)) == said
    assert refused(waiting.result) == said
    assert gateway.process.wait(patience(10)) == 0
    assert sorted((line["path"], line["status"], line["code"]) for line in gateway.log) == [
        ("/test.Echo/Drip", 200, "draining"), ("/test.Echo/Hang", 200, "draining")]
    client.close()


class Call:
    """One gRPC call by hand, for what a gRPC library does by itself and would hide."""

    def __init__(self, gateway, pki, token, path, fields):
        from harness.websocket import HTTP2
        self.connection = HTTP2(gateway.port, pki.public.certificate)
        self.connection.request([(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"),
                                 ("content-type", "application/grpc"), ("te", "trailers"),
                                 ("authorization", f"Bearer {token}"), *fields], end=False)

    def send_message(self, message, end):
        self.connection.send(b"\0" + len(message).to_bytes(4, "big") + message, end=end)

    def until_end(self):
        self.connection.until(lambda: self.connection.ended or self.connection.reset is not None)

    headers = property(lambda self: self.connection.headers)
    trailers = property(lambda self: self.connection.trailers)
    data = property(lambda self: bytes(self.connection.data))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


WEB = ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text", "application/grpc-web-text+proto"]


@pytest.mark.parametrize("http", ["http/1.1", "h2"])
@pytest.mark.parametrize("kind", WEB)
@pytest.mark.parametrize("body", [b"", b"\0\0\0\0\0"], ids=["empty", "a message"])
@pytest.mark.parametrize("path,status,code", [("/test.Echo/Unary", "16", "token_missing"), ("/nothing", "12", "no_route")])
def test_a_refused_web_call_gets_its_status_in_the_head(gateway, pki, server, http, kind, body, path, status, code):
    """gRPC-Web (PROTOCOL-WEB.md): trailers only are fields of the response's head, and its content is empty."""
    before = server.calls
    fields = {"Content-Type": kind, "X-Grpc-Web": "1", "Accept": kind}
    kinds = {"http/1.1": HTTP1Client, "h2": HTTP2Client}
    with kinds[http](gateway.port, pki.public.certificate) as client:
        if http == "h2":
            answer = client.exchange("POST", path, headers={name.lower(): value for name, value in fields.items()}, body=body)
        else:
            client.start("POST", path, headers=fields, body=body)
            answer = client.response()
            assert answer.get("Content-Length") == "0"
        assert (answer.status, answer.body, answer.get("content-type")) == (200, b"", kind)
        assert answer.get("grpc-status") == status and answer.get("grpc-message").startswith(code + ": ")
    assert server.calls == before
    assert gateway.logged(path=path, code=code)["status"] == 200


@pytest.mark.parametrize("sent,answered", [
    ("Application/gRPC-Web+Proto; charset=utf-8", "application/grpc-web+proto"), ("application/grpc-web+thrift", "application/grpc-web"),
    ("application/grpc-webx", "application/problem+json"), ("application/grpc", "application/problem+json")])
def test_what_is_a_web_call(gateway, sent, answered):
    """gRPC itself is no call on HTTP/1.1."""
    assert gateway.ask("POST", "/nothing", headers={"Content-Type": sent}, body=b"").get("Content-Type") == answered
