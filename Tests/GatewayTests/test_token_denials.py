"""401: every reason for which an access token is refused, and that nothing of such a request goes further."""
import json
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import configuration as conf
from harness.answers import problem
from harness.tokens import IdentityProvider, base64url

NOW = int(time.time())


def flipped(token):
    """The token with one bit of its signature changed."""
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"


def unsigned(idp, algorithm):
    head, body, _ = idp.token(header={"alg": algorithm}).split(".")
    return f"{head}.{body}."


def duplicated(idp):
    body = b'{"iss":"%s","sub":"alice","sub":"root","aud":"api","exp":%d}' % (idp.issuer.encode(), NOW + 600)
    return idp.token(payload=body)


def payload(idp, text):
    return idp.token(payload=text if isinstance(text, bytes) else text.encode())


CASES = [
    ("expired", "token_expired", lambda i: i.token(exp=NOW - 600)),
    ("expired just beyond the leeway", "token_expired", lambda i: i.token(exp=int(time.time()) - 33)),
    ("not yet valid", "token_not_yet_valid", lambda i: i.token(nbf=NOW + 86_400)),
    ("another issuer", "token_issuer", lambda i: i.token(iss="https://evil.example.com/")),
    ("an issuer less its slash", "token_issuer", lambda i: i.token(iss=i.issuer.rstrip("/"))),
    ("no issuer", ("token_issuer", "token_claims"), lambda i: i.token(iss=None)),
    ("another audience", "token_audience", lambda i: i.token(aud="other")),
    ("no audience", ("token_audience", "token_claims"), lambda i: i.token(aud=None)),
    ("an empty list of audiences", "token_audience", lambda i: i.token(aud=[])),
    ("an audience of numbers", ("token_audience", "token_claims", "token_malformed"), lambda i: i.token(aud=[1, 2])),
    ("another type", "token_type", lambda i: i.token(header={"typ": "int+jwt"})),
    ("an identity token's type", "token_type", lambda i: i.token(header={"typ": "ID"})),
    ("no expiry", "token_claims", lambda i: i.token(exp=None)),
    ("an identifier that is a number, which no deny-list can name", "token_claims", lambda i: i.token(jti=7)),
    ("a list of sessions", "token_claims", lambda i: i.token(sid=["a", "b"])),
    ("an expiry in text", ("token_claims", "token_malformed"), lambda i: i.token(exp="tomorrow")),
    ("a changed signature", "token_signature", lambda i: flipped(i.token())),
    ("another's key under our kid", "token_signature", lambda i: i.token(key=ec.generate_private_key(ec.SECP256R1()))),
    ("an RSA signature by another's key", "token_signature",
     lambda i: i.token("RS256", key=rsa.generate_private_key(65537, 2048))),
    ("no signature", ("token_signature", "token_malformed"), lambda i: i.token().rsplit(".", 1)[0] + "."),
    ("an unknown key", "token_key_unknown", lambda i: i.token(header={"kid": "nobody"})),
    ("alg none", "token_algorithm", lambda i: i.token(header={"alg": "none"})),
    ("alg NoNe", "token_algorithm", lambda i: i.token(header={"alg": "NoNe"})),
    ("alg none and no signature", ("token_algorithm", "token_malformed"), lambda i: unsigned(i, "none")),
    ("HS256 with the public key's text", ("token_algorithm", "token_key_unknown"),
     lambda i: i.token("ES256", header={"alg": "HS256"}, signing="HS256", key=i.public_pem("ES256"))),
    ("an algorithm that is not configured", "token_algorithm", lambda i: i.token(header={"alg": "ES512"})),
    ("RS256 in the header over an ES256 key", ("token_key_unknown", "token_algorithm", "token_signature"),
     lambda i: i.token("RS256", header={"kid": "es256-1"})),
    ("no algorithm", ("token_algorithm", "token_malformed"), lambda i: i.token(header={"alg": None})),
    ("an unknown critical extension", "token_malformed", lambda i: i.token(header={"crit": ["b64"], "b64": False})),
    ("an embedded key", "token_signature",
     lambda i: (lambda o: i.token(header={"jwk": o.jwks()["keys"][0]}, key=o.keys["ES256"]))(IdentityProvider())),
    ("not a token", "token_malformed", lambda i: "hello"),
    ("two parts", "token_malformed", lambda i: "a.b"),
    ("four parts", "token_malformed", lambda i: i.token() + ".x"),
    ("five parts", "token_malformed", lambda i: "a.b.c.d.e"),
    ("padding", "token_malformed", lambda i: i.token().replace(".", "=.", 1)),
    ("the standard alphabet", "token_malformed", lambda i: i.token() + "+/"),
    ("a header that is no object", "token_malformed",
     lambda i: base64url(b'["ES256"]') + "." + ".".join(i.token().split(".")[1:])),
    ("a payload that is no JSON", "token_malformed", lambda i: payload(i, "hello")),
    ("a payload that is an array", "token_malformed", lambda i: payload(i, "[]")),
    ("a member twice", "token_malformed", duplicated),
    ("a number beyond all bounds", "token_malformed",
     lambda i: payload(i, json.dumps(i.claims())[:-1] + ',"n":1e1000000}')),
    ("nested too deep", "token_malformed",
     lambda i: payload(i, json.dumps(i.claims())[:-1] + ',"n":' + "[" * 40 + "]" * 40 + "}")),
    ("bytes that are no UTF-8", "token_malformed", lambda i: payload(i, json.dumps(i.claims())[:-1].encode() + b',"n":"\xff"}')),
    ("too large", "token_too_large", lambda i: i.token(padding="x" * 9000)),
]


@pytest.mark.parametrize("what,code,make", CASES, ids=[case[0] for case in CASES])
def test_a_refused_token(gateway, backend, idp, what, code, make):
    marker = f"/orders/{uuid.uuid4()}"
    answer = gateway.ask("GET", marker, headers={"Authorization": f"Bearer {make(idp)}"})
    document = problem(answer, 401, code)
    assert 'error="invalid_token"' in answer.get("WWW-Authenticate")
    assert not backend.saw(marker), "a refused request must not reach the backend"
    line = gateway.logged(path=marker)
    assert (line["status"], line["code"], line["request_id"]) == (401, document["code"], document["request_id"])


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": "Basic YTpi"}, {"Cookie": "access_token=abc"}, {"X-Access-Token": "abc"}], ids=str)
def test_no_token(gateway, headers):
    answer = gateway.ask("GET", "/orders/1", headers=headers)
    problem(answer, 401, "token_missing")
    assert "error=" not in answer.get("WWW-Authenticate"), "RFC 6750 section 3.1: no error code when nothing was shown"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer  ", "Bearertoken"])
def test_an_empty_credential(gateway, value):
    problem(gateway.ask("GET", "/orders/1", headers={"Authorization": value}), 401, ("token_missing", "token_malformed"))


def test_the_leeway_covers_clocks_that_differ(gateway, idp):
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(nbf=int(time.time()) + 5)).status == 200
    assert gateway.ask("GET", "/public/1", headers=idp.bearer(exp=int(time.time()) - 5)).status == 200
    answer = gateway.ask("GET", "/orders/1", headers=idp.bearer(exp=int(time.time()) - 5))
    if answer.status != 200:
        # No internal token may outlive the access token, so none can be minted for one that is over.
        problem(answer, 401, "token_expired")


def test_a_cached_token_expires(make_gateway, backend, idp, pki, jwks):
    gateway = make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, leeway="1s")]})
    with gateway.client() as client:
        mine = idp.bearer(exp=int(time.time()) + 1)
        assert client.exchange("GET", "/orders/1", headers=mine).status == 200
        time.sleep(3.2)
        problem(client.exchange("GET", "/orders/1", headers=mine), 401, "token_expired")


def test_the_query_is_no_place_for_a_token(gateway, token):
    problem(gateway.ask("GET", f"/orders/1?access_token={token}"), 401, "token_missing")


class TestAmbiguity:
    """Two tokens in one request are none."""

    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend, idp, jwks):
        sources = [{"header": "Authorization", "scheme": "Bearer"}, {"cookie": "access_token"}]
        return make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, token_from=sources)]})

    def test_two_authorization_fields(self, gateway, backend, token, idp):
        pairs = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {idp.token(sub='mallory')}")]
        problem(gateway.ask("GET", "/orders/two-fields", headers=pairs), 401, "token_ambiguous")
        assert not backend.saw("/orders/two-fields")

    def test_two_equal_authorization_fields(self, gateway, token):
        pairs = [("Authorization", f"Bearer {token}")] * 2
        problem(gateway.ask("GET", "/orders/1", headers=pairs), 401, "token_ambiguous")

    def test_a_second_authorization_field_of_another_scheme(self, gateway, token):
        pairs = [("Authorization", "Basic YTpi"), ("Authorization", f"Bearer {token}")]
        problem(gateway.ask("GET", "/orders/1", headers=pairs), 401, "token_ambiguous")

    def test_header_and_cookie_that_differ(self, gateway, token, idp):
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"access_token={idp.token(sub='mallory')}"}
        problem(gateway.ask("GET", "/orders/1", headers=headers), 401, "token_ambiguous")

    def test_two_cookies_that_differ(self, gateway, token, idp):
        headers = {"Cookie": f"access_token={token}; a=b; access_token={idp.token(sub='mallory')}"}
        problem(gateway.ask("GET", "/orders/1", headers=headers), 401, "token_ambiguous")

    def test_header_and_cookie_that_agree_are_one_token(self, gateway, token):
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"access_token={token}"}
        assert gateway.ask("GET", "/orders/1", headers=headers).status == 200

    def test_the_cookie_alone_will_do(self, gateway, token):
        assert gateway.ask("GET", "/orders/1", headers={"Cookie": f"a=b; access_token={token}; c=d"}).status == 200


class TestRequiredClaims:
    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend, idp, jwks):
        rules = {"azp": ["web", "mobile"], "sid": "*"}
        return make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, required_claims=rules)]})

    @pytest.mark.parametrize("claims", [{}, {"azp": "web"}, {"azp": "desktop", "sid": "s"}, {"azp": 7, "sid": "s"}], ids=str)
    def test_missing_or_other(self, gateway, idp, claims):
        problem(gateway.ask("GET", "/orders/1", headers=idp.bearer(**claims)), 401, "token_claims")

    @pytest.mark.parametrize("claims", [{"azp": "web", "sid": "s"}, {"azp": "mobile", "sid": "s"}], ids=str)
    def test_as_asked(self, gateway, idp, claims):
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer(**claims)).status == 200


def test_a_cached_verification_does_not_pass_a_route_of_another_provider(make_gateway, backend, pki, idp, jwks, tmp_path):
    other = IdentityProvider("https://partners.example.com/", prefix="p-")
    keys = other.write_jwks(tmp_path / "partners.jwks.json")
    routes = [conf.route("orders", "/orders/**"), conf.route("partners", "/partners/**", authenticate=["partners"])]
    gateway = make_gateway(backend.port, {
        "identity_providers": [conf.provider(idp, jwks), conf.provider(other, keys, name="partners")], "routes": routes})
    with gateway.client() as client:
        mine, theirs = idp.bearer(), other.bearer()
        assert client.exchange("GET", "/orders/1", headers=mine).status == 200
        assert client.exchange("GET", "/partners/1", headers=theirs).status == 200
        problem(client.exchange("GET", "/partners/1", headers=mine), 401, "token_issuer")
        problem(client.exchange("GET", "/orders/1", headers=theirs), 401, "token_issuer")
