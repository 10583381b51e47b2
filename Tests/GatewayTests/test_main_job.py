"""The main job: a good token goes in, a request with an internal token comes out over mutual TLS."""
import time

import jwt
import pytest

from harness.answers import seen
from harness.tokens import decoded


def verified(gateway, token, audience="orders"):
    """The claims of an internal token, verified as a backend would: with PyJWT and the published key set."""
    keys = jwt.PyJWKSet.from_dict(gateway.internal_keys)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key.key, algorithms=["ES256"], audience=audience, issuer="https://gateway.internal",
                      options={"require": ["iss", "aud", "sub", "iat", "exp"]})


def test_a_backend_verifies_the_internal_token_with_the_published_keys(gateway, idp):
    access = idp.token(sub="bob", tenant="t7", roles=["customer", "beta"], scope="orders:read", email="bob@example.com")
    request = seen(gateway.ask("GET", "/orders/1", headers={"Authorization": f"Bearer {access}"}))
    token = request.get("X-Internal-Token")
    claims = verified(gateway, token)
    assert claims["sub"] == "bob"
    assert claims["tenant"] == "t7"
    assert claims["roles"] == ["customer", "beta"]
    assert claims["scope"] == "orders:read"
    assert claims["idp"] == idp.issuer
    assert "email" not in claims, "only the claims that the configuration picks"
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "idp", "cnf", "scope", "roles", "tenant"}


def test_the_header_says_type_algorithm_and_key(gateway, bearer):
    header, _ = decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))
    assert header == {"alg": "ES256", "typ": "int+jwt", "kid": "test-1"}


def test_cnf_is_the_thumbprint_of_the_certificate_the_backend_saw(gateway, backend, pki, bearer):
    import base64
    import hashlib
    request = seen(gateway.ask("GET", "/orders/cnf", headers=bearer))
    claims = verified(gateway, request.get("X-Internal-Token"))
    connection = next(c for c in backend.connections if any(r.target == "/orders/cnf" for r in c.requests))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(connection.certificate).digest()).rstrip(b"=").decode()
    assert claims["cnf"] == {"x5t#S256": thumbprint}
    assert thumbprint == pki.gateway.thumbprint


def test_the_internal_token_lives_sixty_seconds(gateway, bearer):
    claims = verified(gateway, seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))
    assert claims["exp"] - claims["iat"] == 60
    assert abs(claims["iat"] - time.time()) < 60


def test_the_internal_token_never_outlives_the_access_token(gateway, idp):
    expiry = int(time.time()) + 20
    request = seen(gateway.ask("GET", "/orders/1", headers=idp.bearer(exp=expiry)))
    assert verified(gateway, request.get("X-Internal-Token"))["exp"] <= expiry


def test_a_minted_token_is_reused_for_the_same_principal_and_backend(gateway, client, bearer, idp):
    first, second = [seen(client.exchange("GET", "/orders/1", headers=bearer)).get("X-Internal-Token") for _ in range(2)]
    assert first == second
    other = seen(client.exchange("GET", "/orders/1", headers=idp.bearer(sub="carol"))).get("X-Internal-Token")
    assert other != first and verified(gateway, other)["sub"] == "carol"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_each_configured_algorithm_is_accepted(gateway, idp, algorithm):
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(algorithm)).status == 200


@pytest.mark.parametrize("claims", [
    {"aud": ["other", "api"]}, {"nbf": None}, {"iat": None}, {"exp": int(time.time()) + 36_000.5}, {"aud": "api"}],
    ids=lambda claims: "-".join(claims) + str(list(claims.values())[0])[:12])
def test_legal_variants_of_claims_are_accepted(gateway, idp, claims):
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(**claims)).status == 200


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "at+jwt"}, {"typ": "application/at+jwt"}, {"typ": "jwt"}], ids=str)
def test_configured_and_absent_types_are_accepted(gateway, idp, header):
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(header=header)).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_matched_without_regard_to_case(gateway, token, scheme):
    assert gateway.ask("GET", "/orders/1", headers={"Authorization": f"{scheme} {token}"}).status == 200


def test_a_public_route_needs_no_token_and_gets_no_internal_one(gateway):
    request = seen(gateway.ask("GET", "/public/hello"))
    assert request.all("X-Internal-Token") == []


def test_a_token_seen_before_is_looked_up(gateway, client, idp):
    mine = idp.bearer(sub="cached")
    for path in ("/orders/first", "/orders/second"):
        client.exchange("GET", path, headers=mine)
    assert gateway.logged(path="/orders/first")["token"] == "verified"
    assert gateway.logged(path="/orders/second")["token"] == "cached"


def test_nginx_as_a_backend_sees_the_token_and_the_certificate_it_names(make_gateway, nginx, pki, bearer):
    gateway = make_gateway(nginx.port)
    answer = gateway.ask("GET", "/orders/through-nginx", headers=bearer)
    assert (answer.status, answer.body) == (200, b'{"served_by":"nginx"}\n')
    from harness.waiting import eventually
    line = eventually(lambda: next((s for s in nginx.seen if "/orders/through-nginx" in s["request"]), None))
    assert line["verified"] == "SUCCESS"
    assert verified(gateway, line["token"])["cnf"]["x5t#S256"] == line["thumbprint"] == pki.gateway.thumbprint
    assert line["authorization"] == ""
