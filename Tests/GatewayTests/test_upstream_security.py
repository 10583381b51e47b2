"""Mutual TLS towards backends: a peer that is not exactly the one named gets not one byte of a request."""
import socket
import ssl
import uuid

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.pki import Authority, PKI
from harness.waiting import eventually


def leafs(pki, directory):
    """Every backend certificate that must be refused, and the denial code."""
    mesh, other = pki.mesh, Authority(directory, "other-ca")
    good = {"dns": ["orders.internal"], "uris": [PKI.BACKEND_ID]}
    identity, chain = "upstream_identity", "upstream_tls"
    return {
        "another identity": (mesh.issue("other", dns=["other.internal"], uris=["spiffe://example.internal/other"]), identity),
        "an identity that continues ours": (mesh.issue("longer", dns=["orders.internal"], uris=[PKI.BACKEND_ID + "/x"]), identity),
        "an identity in other case": (mesh.issue("case", dns=["orders.internal"], uris=[PKI.BACKEND_ID.upper()]), identity),
        "the right DNS name without the identity": (mesh.issue("dns-only", dns=["orders.internal"]), identity),
        "its name in the CN only": (mesh.issue("orders.internal"), identity),
        "another CA": (other.issue("stranger", **good), chain),
        "the public CA": (pki.public.issue("public-orders", **good), chain),
        "expired": (mesh.issue("expired", valid_from=-3, valid_for=1, **good), chain),
        "not yet valid": (mesh.issue("early", valid_from=2, **good), chain),
        "a client's certificate": (mesh.issue("client-only", purposes=("client",), **good), chain),
    }


CASES = ["another identity", "an identity that continues ours", "an identity in other case",
         "the right DNS name without the identity", "its name in the CN only", "another CA", "the public CA", "expired",
         "not yet valid", "a client's certificate"]


@pytest.fixture(scope="module")
def bad_leafs(pki, tmp_path_factory):
    return leafs(pki, tmp_path_factory.mktemp("bad-pki"))


@pytest.mark.parametrize("what", CASES)
def test_a_backend_that_is_not_who_it_should_be(make_gateway, pki, bad_leafs, bearer, what):
    leaf, code = bad_leafs[what]
    with Backend(leaf, pki.mesh.certificate) as impostor:
        gateway = make_gateway(impostor.port)
        for attempt in range(2):
            marker = f"/orders/{uuid.uuid4()}"
            answer = gateway.ask("POST", marker, headers=bearer, body=b"the body is secret too")
            problem(answer, 502, code)
            assert gateway.logged(path=marker)["code"] == code
        assert impostor.accepted >= 1
        assert sum(len(connection.received) for connection in impostor.connections) == 0, "not one byte"


def test_a_plaintext_backend(make_gateway, bearer):
    with Backend(plaintext=True) as plain:
        gateway = make_gateway(plain.port)
        problem(gateway.ask("GET", "/orders/secret", headers=bearer), 502, ("upstream_tls", "upstream_connect"))
        assert not plain.saw("GET ") and not plain.saw("secret")


def test_a_backend_by_dns_name_alone(make_gateway, pki, bad_leafs, bearer):
    for leaf, expected in ((pki.backend, 200), (bad_leafs["another identity"][0], 502), (bad_leafs["its name in the CN only"][0], 502)):
        with Backend(leaf, pki.mesh.certificate) as backend:
            gateway = make_gateway(backends=[conf.backend(pki, backend.port, tls={"identities": None})])
            answer = gateway.ask("GET", "/orders/1", headers=bearer)
            assert answer.status == expected, answer.body
            if expected == 502:
                problem(answer, 502, "upstream_identity")
                eventually(lambda: "identity: the" in gateway.error_text, what="the log to say so")
                assert "identity: identity:" not in gateway.error_text


ROUNDS = 50


@pytest.mark.parametrize("end", ["closed", "reset"])
@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_backend_that_refuses_our_certificate(make_gateway, pki, tmp_path, protocol, end):
    """TLS 1.3 tells of it by an alert after our side of the handshake is over: before the request, with it, or behind a failed write."""
    theirs = Authority(tmp_path, "their-ca")
    kind = HTTP2Backend if protocol == "h2" else Backend
    with kind(pki.backend, theirs.certificate) as backend:
        backend.context.minimum_version = ssl.TLSVersion.TLSv1_3
        if end == "reset":
            # Accepted sockets have it as well: closing them sends a reset behind the alert.
            backend.listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, protocol=protocol)])
        for body in (None, b"x", b"x" * 300_000):
            for path in ("/public/1", "/streamed/1"):
                for _ in range(ROUNDS // 2):
                    answer = gateway.ask("POST" if body else "GET", path, body=body or b"")
                    problem(answer, 502, "upstream_tls")


def test_nobody_listening(make_gateway, bearer):
    gateway = make_gateway(1)
    problem(gateway.ask("GET", "/orders/1", headers=bearer), 502, "upstream_connect")


def test_one_bad_endpoint_does_not_taint_the_verdict_on_a_good_one(make_gateway, pki, bad_leafs, bearer):
    """Requests reach the good endpoint or fail; none is ever sent to the bad one."""
    with Backend(pki.backend, pki.mesh.certificate) as good, Backend(bad_leafs["another CA"][0], pki.mesh.certificate) as bad:
        gateway = make_gateway(backends=[conf.backend(pki, good.port, bad.port, balance="round_robin")])
        statuses = {gateway.ask("GET", "/orders/1", headers=bearer).status for _ in range(8)}
        assert 200 in statuses and statuses <= {200, 502}
        assert sum(len(connection.received) for connection in bad.connections) == 0


def test_after_a_reload_that_changes_the_identity_pooled_connections_take_no_new_requests(make_gateway, pki, backend, bearer):
    gateway = make_gateway(backend.port)
    assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200
    before = len(backend.requests)
    configuration = gateway.configuration
    configuration["backends"][0]["tls"]["identities"] = ["spiffe://example.internal/somebody-else"]
    gateway.reload(configuration)
    problem(gateway.ask("GET", "/orders/1", headers=bearer), 502, "upstream_identity")
    assert len(backend.requests) == before


def test_the_upstream_identity_is_logged(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port)
    assert gateway.ask("GET", "/orders/identity", headers=bearer).status == 200
    assert gateway.logged(path="/orders/identity")["upstream_identity"] == PKI.BACKEND_ID


def test_a_failed_handshake_is_counted(make_gateway, pki, bad_leafs, bearer):
    with Backend(bad_leafs["expired"][0], pki.mesh.certificate) as impostor:
        gateway = make_gateway(impostor.port)
        gateway.ask("GET", "/orders/1", headers=bearer)
        eventually(lambda: gateway.metric("gatehouse_denied_total", code="upstream_tls") == 1)
        assert gateway.metric("gatehouse_tls_handshakes_total", side="upstream") >= 1
