"""Internal tokens in both profiles, with claims that are renamed, looked up and made up, and otherwise for each backend."""
import jwt
import pytest

from cryptography.hazmat.primitives.asymmetric import ed25519

from harness import configuration as conf
from harness.answers import problem, seen
from harness.backend import Backend
from harness.pki import private_pem, write_private
from harness.tokens import decoded
from harness.waiting import eventually

DOMAIN = "example.internal"


def verified(gateway, token, audience, typ, algorithm="ES256"):
    """The claims, verified as a backend does: with PyJWT and the published key set."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == typ and header["alg"] == algorithm
    key = jwt.PyJWKSet.from_dict(gateway.internal_keys)[header["kid"]]
    return jwt.decode(token, key.key, algorithms=[algorithm], audience=audience, issuer="https://gateway.internal",
                      options={"require": ["iss", "aud", "sub", "iat", "exp"]})


@pytest.fixture(scope="module")
def edwards_key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "edwards.key"
    write_private(path, private_pem(ed25519.Ed25519PrivateKey.generate()))
    return path


@pytest.fixture(scope="module")
def own(make_gateway, pki, backend, edwards_key):
    """Three backends behind one socket: one as for all, one with transaction tokens, one with everything of its own."""
    changes = {
        "internal_token": {
            "claims": {"uid": "sub", "roles": "realm_access.roles", "org": "tenant.id", "env": {"value": "production"},
                       "limits": {"value": {"max": 5, "tags": ["a", True]}}},
            "maximum_bytes": 1500,
            "signing_keys": [
                {"kid": "test-1", "algorithm": "ES256", "key": str(pki.internal_token_key), "state": "active"},
                {"kid": "test-ed", "algorithm": "EdDSA", "key": str(edwards_key), "state": "active"}]},
        "backends": [
            conf.backend(pki, backend.port),
            conf.backend(pki, backend.port, name="ledger", internal_token={
                "profile": "transaction", "trust_domain": DOMAIN, "header": "Txn-Token", "claims": ["tenant"]}),
            conf.backend(pki, backend.port, name="edwards", internal_token={
                "algorithm": "EdDSA", "ttl": "10s", "claims": [], "header": "X-Who", "maximum_bytes": "8KiB"})],
        "routes": [
            conf.route("orders", "/orders/**"),
            conf.route("ledger-read", "/ledger/{account}", authorize={"scopes": ["orders:read"]}, to="ledger"),
            conf.route("edwards", "/edwards/**", to="edwards")]}
    return make_gateway(backend.port, changes)


def test_claims_are_renamed_looked_up_and_made_up(own, idp):
    headers = idp.bearer(realm_access={"roles": ["a", "b"]}, tenant={"id": "acme"}, azp="web", client_id="web")
    claims = verified(own, seen(own.ask("GET", "/orders/1", headers=headers)).get("X-Internal-Token"), "orders", "int+jwt")
    assert claims["uid"] == claims["sub"] == "alice"
    assert claims["roles"] == ["a", "b"] and claims["org"] == "acme"
    assert claims["env"] == "production" and claims["limits"] == {"max": 5, "tags": ["a", True]}
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "uid", "roles", "org", "env", "limits", "idp", "cnf"}


def test_an_actor_is_passed_on_and_one_that_makes_no_sense_is_refused(own, idp):
    actor = {"sub": "service-a", "act": {"sub": "service-b"}}
    token = seen(own.ask("GET", "/orders/1", headers=idp.bearer(act=actor))).get("X-Internal-Token")
    assert verified(own, token, "orders", "int+jwt")["act"] == actor
    problem(own.ask("GET", "/orders/1", headers=idp.bearer(act="service-a")), 401, "token_claims")


def test_a_transaction_token_says_what_this_request_is(own, pki, bearer):
    response = own.ask("GET", "/ledger/acme?secret=1", headers={**bearer, "txn": "mine", "Txn-Token": "forged", "txn_token": "forged"})
    request = seen(response)
    assert request.all("X-Internal-Token") == [] and len(request.all("Txn-Token")) == 1
    claims = verified(own, request.get("Txn-Token"), DOMAIN, "txntoken+jwt")
    assert claims["txn"] == request.get("X-Request-Id")
    assert claims["scope"] == "orders:read", "what the route asks for, not all that the token has"
    assert claims["req_wl"] == pki.GATEWAY_ID
    assert claims["rctx"] == {"req_ip": "127.0.0.1", "authn": "urn:ietf:rfc:6750"}
    assert claims["tctx"] == {"method": "GET", "route": "ledger-read", "path": "/ledger/{account}"}
    assert claims["tenant"] == "t1"
    assert claims["cnf"] == {"x5t#S256": pki.gateway.thumbprint}


def test_transaction_tokens_are_made_for_one_request(own, bearer):
    with own.client() as client:
        tokens = [seen(client.exchange("GET", "/ledger/x", headers=bearer)).get("Txn-Token") for _ in range(5)]
    assert len({verified(own, token, DOMAIN, "txntoken+jwt")["txn"] for token in tokens}) == 5


def test_a_backend_has_a_header_a_key_and_a_lifetime_of_its_own(own, bearer):
    request = seen(own.ask("GET", "/edwards/1", headers={**bearer, "X-Internal-Token": "forged", "x_who": "forged"}))
    assert request.all("X-Internal-Token") == [] and len(request.all("X-Who")) == 1
    claims = verified(own, request.get("X-Who"), "edwards", "int+jwt", "EdDSA")
    assert claims["exp"] - claims["iat"] == 10
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "idp", "cnf"}


def test_no_backend_gets_a_clients_copy_of_anothers_header(own, bearer, backend):
    own.ask("GET", "/orders/copies", headers={**bearer, "Txn-Token": "forged-1", "X_Who": "forged-2"})
    request = backend.requests_to("/orders/copies")[-1]
    assert request.all("Txn-Token") == [] and request.all("X_Who") == []


def test_claims_that_do_not_fit_refuse_the_request(own, idp, backend):
    big = idp.bearer(realm_access={"roles": ["r" * 40 for _ in range(30)]})
    problem(own.ask("GET", "/orders/too-much", headers=big), 500, "internal_token_too_large")
    assert backend.requests_to("/orders/too-much") == []
    assert own.logged(path="/orders/too-much")["code"] == "internal_token_too_large"
    eventually(lambda: "an internal token for orders is above internal_token.maximum_bytes" in own.error_text, what="the log to say so")
    # Only where they would have to fit.
    assert own.ask("GET", "/edwards/fits", headers=big).status == 200


def test_transaction_tokens_reach_backends_over_http2(make_gateway, pki, bearer):
    from harness.http2backend import HTTP2Backend
    with HTTP2Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(backend.port, {"internal_token": {"profile": "transaction"}, "backends": [
            conf.backend(pki, backend.port, protocol="h2")]})
        with gateway.client() as client:
            tokens = [seen(client.exchange("GET", "/orders/1", headers=bearer)).get("X-Internal-Token") for _ in range(3)]
        assert len({verified(gateway, token, "orders", "txntoken+jwt")["txn"] for token in tokens}) == 3
