"""Tokens that are worth nothing without a key: bound to a client certificate (RFC 8705), or shown with a DPoP proof (RFC 9449)."""
import hashlib
import http.client
import json
import ssl
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness import configuration as conf
from harness.answers import problem, seen
from harness.http2client import HTTP2Client
from harness.tokens import base64url, public_jwk, signature


def thumbprint(jwk):
    """RFC 7638."""
    members = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    return base64url(hashlib.sha256(json.dumps({name: jwk[name] for name in sorted(members)}, separators=(",", ":")).encode()).digest())


class Client:
    """Holds a key, gets tokens bound to it, and makes proofs with any defect."""

    def __init__(self, idp, algorithm="ES256"):
        self.idp, self.algorithm = idp, algorithm
        self.key = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1()), "RS256": lambda: rsa.generate_private_key(65537, 2048),
                    "EdDSA": ed25519.Ed25519PrivateKey.generate}[algorithm]()
        self.jwk = {name: value for name, value in public_jwk(self.key, "", algorithm).items() if name not in ("kid", "alg", "use")}

    def token(self, **claims):
        return self.idp.token(cnf={"jkt": thumbprint(self.jwk)}, **claims)

    def proof(self, token, method="GET", url="https://api.example.com/orders/1", *, header=None, key=None, algorithm=None, **changes):
        algorithm = algorithm or self.algorithm
        head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": self.jwk} | (header or {})
        claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time()),
                  "ath": base64url(hashlib.sha256(token.encode()).digest())} | changes
        parts = [base64url(json.dumps({name: value for name, value in part.items() if value is not None}).encode()) for part in (head, claims)]
        message = ".".join(parts)
        return f"{message}.{base64url(signature(key or self.key, algorithm, message.encode()))}"

    def headers(self, token=None, proof=None, scheme="DPoP", **more):
        token = token or self.token()
        return {"Authorization": f"{scheme} {token}", "DPoP": proof or self.proof(token, **more)}


def provider(idp, jwks, **rules):
    return {"identity_providers": [conf.provider(idp, jwks, proof_of_possession=rules, leeway="5s")]}


@pytest.fixture(scope="module")
def gateways(make_gateway, backend, idp, jwks, pki):
    client_tls = {"tls": {"certificates": [pki.edge.files], "client_ca": str(pki.mesh.certificate), "client_auth": "optional"}}
    made = {}

    def gateway(name):
        rules = {"optional": {"dpop": "optional"}, "required": {"dpop": "required"}, "nonce": {"dpop": "required", "dpop_nonce": True},
                 "none": {}, "certificate": {"certificate": "required"}}[name]
        if name not in made:
            changes = provider(idp, jwks, **rules)
            made[name] = make_gateway(backend.port, changes, workers=2, start=False)
            made[name].configuration["listeners"][0].update(client_tls)
            made[name].write()
            made[name].start()
        return made[name]

    return gateway


class TestDPoP:
    @pytest.fixture
    def gateway(self, gateways):
        return gateways("optional")

    @pytest.fixture
    def client(self, idp):
        return Client(idp)

    def ask(self, gateway, headers, method="GET", target="/orders/1"):
        return gateway.ask(method, target, headers=headers)

    @pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
    def test_a_token_with_its_proof_passes(self, gateway, idp, algorithm):
        client = Client(idp, algorithm)
        answer = self.ask(gateway, client.headers())
        assert answer.status == 200
        names = [name.lower() for name, _ in seen(answer).fields]
        assert "dpop" not in names and "authorization" not in names

    def test_each_request_has_a_proof_of_its_own_and_the_token_is_verified_once(self, gateway, client):
        token = client.token()
        for _ in range(5):
            assert self.ask(gateway, client.headers(token)).status == 200
        assert gateway.metric("gatehouse_token_cache_lookups_total", result="hit") >= 1

    def test_over_http2(self, gateway, client, pki):
        with HTTP2Client(gateway.port, pki.public.certificate) as http2:
            for _ in range(3):
                assert http2.exchange("GET", "/orders/1", headers={k.lower(): v for k, v in client.headers().items()}).status == 200

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_each_refusal_has_its_code_over_either_version(self, gateway, gateways, idp, client, pki, version):
        def code(headers, of=gateway):
            if version == "HTTP/1.1":
                answer = of.ask("GET", "/orders/1", headers=headers)
            else:
                with HTTP2Client(of.port, pki.public.certificate) as http2:
                    answer = http2.exchange("GET", "/orders/1", headers={name.lower(): value for name, value in headers.items()})
            return answer.status, json.loads(answer.body).get("code")

        token, thief = client.token(), Client(idp)
        fine = client.headers(token)
        assert code(fine) == (200, None)
        assert code(fine) == (401, "proof_replayed")
        for defect in ({"htm": "POST"}, {"htu": "https://api.example.com/orders/2"}, {"iat": int(time.time()) - 70}, {"key": thief.key},
                       {"ath": "x"}):
            assert code(client.headers(token, client.proof(token, **defect))) == (401, "proof_invalid"), defect
        assert code(client.headers(token, thief.proof(token))) == (401, "proof_invalid")
        assert code({"Authorization": f"DPoP {token}"}) == (401, "proof_missing")
        assert code(client.headers(token, scheme="Bearer")) == (401, "token_binding")
        assert code({"Authorization": f"Bearer {token}"}) == (401, "token_binding")
        assert code(client.headers(token), gateways("nonce")) == (401, "proof_nonce")
        assert code(client.headers(idp.token())) == (401, "token_binding")

    @pytest.mark.parametrize("target, url", [
        ("/orders/1?a=b", "https://api.example.com/orders/1"), ("/orders/1", "https://API.example.com:443/orders/1"),
        ("/orders/1", "HTTPS://api.example.com/orders/1?x#y"), ("/orders/%31", "https://api.example.com/orders/%31"),
        ("/orders/%31", "https://api.example.com/orders/1"),
    ])
    def test_urls_are_compared_after_normalisation(self, gateway, client, target, url):
        assert self.ask(gateway, client.headers(url=url), target=target).status == 200

    @pytest.mark.parametrize("change", [
        {"method": "POST"}, {"url": "https://api.example.com/orders/2"}, {"url": "https://evil.example.com/orders/1"},
        {"url": "http://api.example.com/orders/1"}, {"url": "https://api.example.com:444/orders/1"}, {"url": "/orders/1"}, {"url": None},
        {"iat": 1}, {"iat": int(time.time()) + 3600}, {"iat": None}, {"iat": "now"}, {"jti": None}, {"jti": ""}, {"jti": "x" * 300},
        {"ath": None}, {"ath": "x"}, {"header": {"typ": "JWT"}}, {"header": {"typ": None}}, {"header": {"jwk": None}},
        {"header": {"alg": "none"}, "algorithm": "ES256"}, {"header": {"crit": ["x"]}},
    ], ids=str)
    def test_a_proof_for_something_else_does_not(self, gateway, client, backend, change):
        before = len(backend.requests_to("/orders/1"))
        if "iat" in change and change["iat"] and not isinstance(change["iat"], str):
            change = change | {"iat": 1 if change["iat"] == 1 else int(time.time()) + 3600}
        token = client.token()
        named = {("htm" if name == "method" else "htu" if name == "url" else name): value for name, value in change.items()}
        problem(self.ask(gateway, client.headers(token, client.proof(token, **named))), 401, "proof_invalid")
        assert len(backend.requests_to("/orders/1")) == before

    def test_an_old_proof(self, gateway, client):
        token = client.token()
        assert self.ask(gateway, client.headers(token, iat=int(time.time()) - 50)).status == 200
        problem(self.ask(gateway, client.headers(token, iat=int(time.time()) - 70)), 401, "proof_invalid")

    def test_a_proof_of_another_key(self, gateway, idp, client):
        token, thief = client.token(), Client(idp)
        problem(self.ask(gateway, client.headers(token, thief.proof(token))), 401, "proof_invalid")
        # The right key in the header, another's signature.
        problem(self.ask(gateway, client.headers(token, client.proof(token, key=thief.key))), 401, "proof_invalid")

    def test_a_proof_with_its_private_key(self, gateway, client):
        private = client.key.private_numbers().private_value.to_bytes(32, "big")
        token = client.token()
        proof = client.proof(token, header={"jwk": client.jwk | {"d": base64url(private)}})
        problem(self.ask(gateway, client.headers(token, proof)), 401, "proof_invalid")

    def test_a_proof_for_another_token(self, gateway, client):
        first, second = client.token(), client.token(jti="other")
        problem(self.ask(gateway, client.headers(second, client.proof(first))), 401, "proof_invalid")

    def test_a_replay_on_whichever_worker(self, gateway, client):
        headers = client.headers()
        statuses = [self.ask(gateway, headers).status for _ in range(12)]
        assert statuses == [200] + [401] * 11
        problem(self.ask(gateway, headers), 401, "proof_replayed")

    def test_one_keys_proofs_refuse_nobody_elses(self, make_gateway, backend, idp, jwks, client):
        rules = provider(idp, jwks, dpop="required", dpop_lifetime="1h")
        gateway = make_gateway(backend.port, rules | {"process": {"proofs": 1024}}, workers=2)
        token, other = client.token(), Client(idp)
        answers = {}

        def send(raw):
            proof = client.proof(token)
            answer = raw.exchange("GET", "/orders/1", headers=client.headers(token, proof))
            answers.setdefault(answer.status, []).append((proof, answer))

        with gateway.client() as raw:
            # Two fifths of 1,024, and some more tries, since what is remembered lies in 16 parts.
            for _ in range(600):
                send(raw)
        assert set(answers) == {200, 429} and 300 < len(answers[200]) <= 409
        for proof, answer in answers[429]:
            problem(answer, 429, "proof_rate")
        assert gateway.logged(status=429)["code"] == "proof_rate"
        assert gateway.metric("gatehouse_denied_total", code="proof_rate") == len(answers[429])
        # Others have theirs, each of them once.
        for someone in (other, Client(idp), Client(idp)):
            headers = someone.headers()
            assert self.ask(gateway, headers).status == 200
            problem(self.ask(gateway, headers), 401, "proof_replayed")
        # What passed is still known; and the same key may go on once there is room.
        problem(self.ask(gateway, client.headers(token, answers[200][0][0])), 401, "proof_replayed")
        gateway.reload(conf.merged(gateway.configuration, {"process": {"proofs": 8192}}))
        assert self.ask(gateway, client.headers(token, answers[429][0][0])).status == 200
        problem(self.ask(gateway, client.headers(token, answers[200][0][0])), 401, "proof_replayed")

    def test_a_bound_token_is_never_taken_as_bearer(self, gateway, gateways, client):
        token = client.token()
        problem(self.ask(gateway, client.headers(token, scheme="Bearer")), 401, "token_binding")
        problem(self.ask(gateway, {"Authorization": f"Bearer {token}"}), 401, "token_binding")
        # Nor by a provider that knows nothing of proofs.
        problem(self.ask(gateways("none"), {"Authorization": f"Bearer {token}"}), 401, "token_binding")

    def test_without_a_proof_or_with_two(self, gateway, client):
        token = client.token()
        answer = self.ask(gateway, {"Authorization": f"DPoP {token}"})
        problem_401(answer, "proof_missing")
        with gateway.client() as raw:
            fields = [("Authorization", f"DPoP {token}"), ("DPoP", client.proof(token)), ("DPoP", client.proof(token))]
            problem_401(raw.exchange("GET", "/orders/1", headers=fields), "proof_invalid")

    def test_an_unbound_token_is_a_bearer_token_and_nothing_else(self, gateway, gateways, idp, bearer, client):
        assert self.ask(gateway, bearer).status == 200
        token = idp.token()
        problem(self.ask(gateway, client.headers(token)), 401, "token_binding")
        problem(self.ask(gateways("required"), bearer), 401, "token_binding")

    def test_clients_are_told_what_is_taken(self, gateway):
        answer = self.ask(gateway, {})
        assert [value.split()[0] for name, value in answer.fields if name.lower() == "www-authenticate"] == ["Bearer", "DPoP"]

    def test_nonces(self, gateways, client):
        gateway, token = gateways("nonce"), client.token()
        for proof in (client.proof(token), client.proof(token, nonce="made up"), client.proof(token, nonce="A" * 32)):
            answer = self.ask(gateway, client.headers(token, proof))
            problem_401(answer, "proof_nonce")
            assert 'error="use_dpop_nonce"' in answer.get("WWW-Authenticate")
        nonce = answer.get("DPoP-Nonce")
        assert self.ask(gateway, client.headers(token, nonce=nonce)).status == 200
        # Whichever worker gave it out, and however often: what is new each time is the proof.
        assert {self.ask(gateway, client.headers(token, nonce=nonce)).status for _ in range(8)} == {200}


def problem_401(answer, code):
    assert answer.status == 401 and json.loads(answer.body)["code"] == code, (answer.fields, answer.body)
    assert answer.get("WWW-Authenticate", "").startswith("DPoP")


@pytest.fixture(scope="module")
def partner(pki):
    return pki.mesh.issue("partner", dns=["partner.example"], purposes=("client",))


class TestCertificates:
    def ask(self, gateway, token, leaf=None):
        context = ssl.create_default_context(cafile=str(gateway.ca))
        if leaf:
            context.load_cert_chain(leaf.certificate, leaf.key)
        connection = http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=10)
        connection.request("GET", "/orders/1", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body.get("code")

    @pytest.mark.parametrize("name", ["none", "certificate", "optional"])
    def test_a_token_passes_over_its_certificate_s_connection_only(self, gateways, idp, pki, partner, name):
        gateway = gateways(name)
        other = pki.mesh.issue("other-partner", dns=["other.example"], purposes=("client",))
        token = idp.token(cnf={"x5t#S256": partner.thumbprint})
        assert self.ask(gateway, token, partner) == (200, None)
        assert self.ask(gateway, token, other) == (401, "token_binding")
        assert self.ask(gateway, token) == (401, "token_binding")

    def test_unbound_tokens_where_bound_ones_are_required(self, gateways, idp, partner):
        assert self.ask(gateways("certificate"), idp.token(), partner) == (401, "token_binding")
        assert self.ask(gateways("none"), idp.token(), partner) == (200, None)

    def test_both_bindings_are_held(self, gateways, idp, partner):
        client = Client(idp)
        token = idp.token(cnf={"x5t#S256": partner.thumbprint, "jkt": thumbprint(client.jwk)})
        answer = gateways("optional").ask("GET", "/orders/1", headers=client.headers(token))
        problem(answer, 401, "token_binding")

    @pytest.mark.parametrize("cnf", [{}, {"kid": "x"}, {"x5t#S256": "short"}, {"jkt": 7}, "text", {"jwk": {}}])
    def test_a_binding_that_cannot_be_checked_is_not_ignored(self, gateways, idp, cnf):
        assert self.ask(gateways("none"), idp.token(cnf=cnf)) == (401, "token_claims")
