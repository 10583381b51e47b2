"""Where access tokens may stand: queries, which lose them on the way, and cookies, which need a page that may use them."""
import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.gateway import command
from harness.http2client import HTTP2Client
from harness.introspection import IntrospectionServer
from harness.tokens import base64url, decoded
from harness.websocket import HANDSHAKE

SOURCES = [{"header": "Authorization", "scheme": "Bearer"}, {"cookie": "access_token", "origins": ["https://app.example.com"]},
           {"query": "access_token"}]


@pytest.fixture(scope="module")
def gateway(make_gateway, backend, idp, jwks):
    routes = [conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True),
              conf.route("forwarding", "/forwarding/**", forward_access_token=True)]
    return make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, token_from=SOURCES)]}, routes=routes)


class TestQuery:
    @pytest.mark.parametrize("query, left", [
        ("access_token={}", ""), ("access_token={}&a=1", "?a=1"), ("a=1&access_token={}", "?a=1"), ("a=1&access_token={}&b=2", "?a=1&b=2"),
        ("a=%20&access_token={}&&b", "?a=%20&&b"), ("access%5Ftoken={}&x", "?x"), ("a;b&access_token={}&c;d=e", "?a;b&c;d=e"),
        ("xaccess_token=1&access_token={}&access_tokenx=2", "?xaccess_token=1&access_tokenx=2"),
    ])
    def test_a_token_is_taken_and_taken_out(self, gateway, token, query, left):
        answer = gateway.ask("GET", "/orders/q?" + query.format(token))
        assert seen(answer).start == f"GET /orders/q{left} HTTP/1.1"
        assert token not in str(seen(answer).fields)

    def test_it_is_in_no_log(self, gateway, token):
        gateway.ask("GET", f"/orders/unlogged?access_token={token}&other=thing")
        line = gateway.logged(path="/orders/unlogged")
        assert token not in str(line) and "thing" not in str(line)
        assert token not in gateway.error_text

    @pytest.mark.parametrize("query, code", [
        ("access_token=", "token_malformed"), ("access_token", "token_malformed"), ("access_token=x.y.z", "token_malformed"), ("a=b", "token_missing"),
        ("access_token={}&access_token={}", "token_ambiguous"), ("access_token={};access_token={}", "token_ambiguous"),
        ("access_token={}&%61ccess_token=x", "token_ambiguous"), ("access_token={}%20", "token_malformed"),
    ])
    def test_what_is_no_token(self, gateway, token, backend, query, code):
        before = len(backend.requests_to("/orders/none"))
        problem(gateway.ask("GET", "/orders/none?" + query.replace("{}", token)), 401, code)
        assert len(backend.requests_to("/orders/none")) == before

    def test_one_that_differs_from_the_header_s(self, gateway, idp, bearer):
        problem(gateway.ask("GET", f"/orders/1?access_token={idp.token(sub='bob')}", headers=bearer), 401, "token_ambiguous")

    def test_on_a_public_route_it_is_taken_out_as_well(self, gateway, token):
        assert seen(gateway.ask("GET", f"/public/x?access_token={token}&a=1")).start == "GET /public/x?a=1 HTTP/1.1"

    def test_a_route_that_forwards_tokens_leaves_it(self, gateway, token):
        assert f"access_token={token}" in seen(gateway.ask("GET", f"/forwarding/x?access_token={token}")).start


SAFE, UNSAFE = ["GET", "HEAD", "OPTIONS"], ["POST", "PUT", "PATCH", "DELETE", "PURGE"]


class TestCrossSite:
    @pytest.fixture
    def cookie(self, token):
        return {"Cookie": f"access_token={token}"}

    def send(self, gateway, method, headers, target="/orders/1"):
        fields = dict(headers)
        return gateway.ask(method, target, host=fields.pop("Host", "api.example.com"), headers=fields)

    @pytest.mark.parametrize("method", SAFE)
    def test_what_only_asks_may_come_from_anywhere(self, gateway, cookie, method):
        assert self.send(gateway, method, cookie | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}).status == 200

    @pytest.mark.parametrize("method", UNSAFE)
    @pytest.mark.parametrize("fields", [
        {}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://api.example.com"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://api.example.com"},
        {"Origin": "https://api.example.com.evil.example"}, {"Origin": "https://api.example.com:444"}, {"Origin": ""},
    ], ids=str)
    def test_what_changes_something_may_not(self, gateway, backend, cookie, method, fields):
        before = len(backend.requests_to("/orders/changed"))
        problem(self.send(gateway, method, cookie | fields, "/orders/changed"), 403, "cross_site")
        assert len(backend.requests_to("/orders/changed")) == before

    @pytest.mark.parametrize("fields", [
        {"Origin": "https://api.example.com"}, {"Origin": "https://API.example.com"}, {"Origin": "https://app.example.com"},
        {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://api.example.com"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://app.example.com"}, {"Origin": "https://api.example.com", "Host": "api.example.com:443"},
    ], ids=str)
    def test_a_page_of_the_site_s_own_or_of_one_that_is_named_may(self, gateway, cookie, fields):
        assert self.send(gateway, "POST", cookie | fields).status == 200

    def test_two_origins_are_none(self, gateway, token):
        with gateway.client() as client:
            fields = [("Cookie", f"access_token={token}"), ("Origin", "https://api.example.com"), ("Origin", "https://api.example.com")]
            problem(client.exchange("POST", "/orders/1", headers=fields), 403, "cross_site")

    def test_a_token_in_a_header_needs_no_page(self, gateway, bearer, cookie):
        assert self.send(gateway, "POST", bearer | {"Origin": "https://evil.example"}).status == 200
        assert self.send(gateway, "POST", bearer | cookie | {"Origin": "https://evil.example"}).status == 200

    def test_a_websocket_is_a_get_that_any_page_can_send(self, gateway, cookie):
        problem(self.send(gateway, "GET", cookie | HANDSHAKE | {"Origin": "https://evil.example"}), 403, "cross_site")


class TestOwnPlaces:
    """A credential counts only where its own provider looks: in another's place it is none, and travels nowhere."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, pki):
        with IntrospectionServer(pki.public.issue("introspection", dns=["localhost"])) as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def key(cls, tmp_path_factory):
        cls.file = tmp_path_factory.mktemp("keys") / "api-keys.yaml"
        result = command("apikey", "new", "--sub", "billing", "--scope", "orders:read", "--file", cls.file)
        assert result.returncode == 0, result
        return result.stdout.splitlines()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend, pki, idp, jwks, server, key):
        main = conf.provider(idp, jwks, token_from=SOURCES + [{"websocket_protocol": "bearer"}])
        opaque = {"name": "opaque", "issuer": "https://opaque.example.com/", "token_from": [
            {"header": "X-Opaque"}, {"query": "opaque"}, {"websocket_protocol": "opaque"}, {"header": "X-Own", "scheme": "Own"}, {"cookie": "opaque", "origins": ["https://partner.example.com"]}, {"header": "X-Shared"}],
            "introspection": {"url": server.introspection_url, "ca": str(pki.public.certificate), "client_id": server.client_id,
                              "client_secret": server.secret, "timeout": "5s"}}
        machines = {"name": "machines", "api_keys": {"file": str(cls.file)}, "token_from": [{"header": "X-API-Key"}, {"header": "X-Shared"}]}
        everybody = {"authenticate": ["main", "machines", "opaque"], "forward_access_token": True}
        return make_gateway(backend.port, {"identity_providers": [main, opaque, machines]}, routes=[
            conf.route("all", "/all/**") | everybody, conf.route("own", "/own/**") | {"authenticate": ["opaque"]}])

    def refused(self, gateway, backend, credential, target="/all/1", **headers):
        before = len(backend.requests)
        answer = gateway.ask("GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status == 401, (answer.start, answer.body)
        assert len(backend.requests) == before and not backend.saw(credential)
        return answer

    def test_an_api_key_is_no_access_token(self, gateway, backend, key):
        for _ in range(2):
            problem(self.refused(gateway, backend, key, Authorization=f"Bearer {key}"), 401, "token_malformed")
            problem(self.refused(gateway, backend, key, Cookie=f"access_token={key}"), 401, "token_malformed")
            problem(self.refused(gateway, backend, key, f"/all/1?access_token={key}"), 401, "token_malformed")
            self.refused(gateway, backend, key, X_Opaque=key)
            self.refused(gateway, backend, key, Cookie=f"opaque={key}")
            # The second time it is known where it belongs, which changes nothing elsewhere.
            assert gateway.ask("GET", "/all/1", headers={"X-API-Key": key}).status == 200

    @pytest.mark.parametrize("credential", ["live", "unknown", "cut", "prefix"])
    def test_what_is_written_like_an_api_key_reaches_no_issuer(self, gateway, backend, server, key, credential):
        text = {"live": key, "unknown": "ghk_unknown-id_" + "A" * 43, "cut": key[:-1], "prefix": "ghk_"}[credential]
        before = len(server.questions)
        for headers in ({"X_Opaque": text}, {"X_Own": f"Own {text}"}, {"Cookie": f"opaque={text}"}, {"Cookie": f'opaque="{text}"'}):
            problem(self.refused(gateway, backend, text, **headers), 401, "token_malformed")
        problem(self.refused(gateway, backend, text, f"/all/1?opaque={text}"), 401, "token_malformed")
        with gateway.client() as client:
            client.request("GET", "/all/socket", headers=HANDSHAKE | {"Sec-WebSocket-Protocol": f"opaque, {text}"})
            problem(client.response(), 401, "token_malformed")
        # Where keys are looked for as well, one that is not known is not a token of somebody else's.
        if credential != "live":
            problem(self.refused(gateway, backend, text, X_Shared=text), 401, "api_key_invalid")
        assert len(server.questions) == before, server.questions
        gateway.logged(code="token_malformed")
        if credential != "prefix":
            assert text not in gateway.output.read_text() + gateway.error_text

    def test_a_signed_token_reaches_no_other_issuer(self, gateway, backend, server, idp):
        token = idp.token(sub="dora")
        before = len(server.questions)
        for headers in ({"X_Opaque": token}, {"X_Own": f"Own {token}"}, {"Cookie": f"opaque={token}"}):
            problem(self.refused(gateway, backend, token, **headers), 401, "token_issuer")
        problem(self.refused(gateway, backend, token, f"/all/1?opaque={token}"), 401, "token_issuer")
        assert len(server.questions) == before, server.questions
        foreign = idp.token(iss="https://elsewhere.example.com/")
        problem(self.refused(gateway, backend, foreign, X_Opaque=foreign), 401, "token_inactive")
        assert server.asked(foreign) == 1

    @pytest.mark.parametrize("fault", ["crit", "kid", "repeated", "repeated in the header", "padded", "spaced", "no content", "no signature"])
    def test_nor_does_one_that_cannot_be_read(self, gateway, backend, server, idp, fault):
        whole = idp.token(sub="dora")
        head, claims, signature = whole.split(".")
        token = {
            "crit": lambda: idp.token(header={"crit": ["exp"]}),
            "kid": lambda: idp.token(header={"kid": 1}),
            "repeated": lambda: idp.token(payload=('{"iss":"%s","iss":"%s","sub":"dora"}' % (idp.issuer, idp.issuer)).encode()),
            "repeated in the header": lambda: base64url(b'{"alg":"ES256","alg":"ES256"}') + f".{claims}.{signature}",
            "padded": lambda: f"{head}=.{claims}.{signature}",
            "spaced": lambda: base64url(b'\n  \t {"alg":"ES256","crit":["exp"]}') + f".{claims}.{signature}",
            "no content": lambda: f"{head}..{signature}",
            "no signature": lambda: f"{head}.{claims}.",
        }[fault]()
        before = len(server.questions)
        for headers in ({"X_Opaque": token}, {"X_Own": f"Own {token}"}, {"X_Shared": token}):
            problem(self.refused(gateway, backend, token, **headers), 401, "token_malformed")
        problem(self.refused(gateway, backend, token, f"/all/1?opaque={token}"), 401, "token_malformed")
        assert len(server.questions) == before, server.questions
        # Where nobody has keys it is as opaque as any other, and what was found out there changes nothing elsewhere.
        server.tokens[token] = {"sub": "oscar"}
        assert gateway.ask("GET", "/own/1", headers={"X-Opaque": token}).status == 200
        problem(self.refused(gateway, backend, token, X_Opaque=token), 401, "token_malformed")

    def test_what_another_route_has_found_out_decides_nothing(self, gateway, server, idp):
        token = idp.token(sub="dora")
        server.tokens[token] = {"sub": "oscar"}
        for _ in range(2):
            assert gateway.ask("GET", "/own/1", headers={"X-Opaque": token}).status == 200
            problem(gateway.ask("GET", "/all/1", headers={"X-Opaque": token}), 401, "token_issuer")
            assert gateway.ask("GET", "/all/1", headers={"Authorization": f"Bearer {token}"}).status == 200

    @pytest.mark.parametrize("token", ["opaque.with.dots", "eyJ.two", "eyJhbGciOiJkaXIifQ.jwe.of.five.parts", "e.y.J"])
    def test_what_only_resembles_a_signed_token_is_asked_about(self, gateway, server, token):
        server.tokens[token] = {"sub": "oscar"}
        assert gateway.ask("GET", "/all/1", headers={"X-Opaque": token}).status == 200

    def test_over_http2(self, gateway, pki, key, token):
        with HTTP2Client(gateway.port, pki.public.certificate) as client:
            for fields in ({"authorization": f"Bearer {key}"}, {"cookie": f"access_token={key}"}, {"x-api-key": token}):
                assert client.exchange("GET", "/all/1", headers=fields).status == 401
            assert client.exchange("GET", "/all/1", headers={"x-api-key": key}).status == 200

    def test_a_signed_token_is_no_api_key(self, gateway, backend, idp):
        token = idp.token(sub="carol")
        for _ in range(2):
            problem(self.refused(gateway, backend, token, X_API_Key=token), 401, "api_key_invalid")
            self.refused(gateway, backend, token, X_Opaque=token)
        assert gateway.ask("GET", "/all/1", headers={"Authorization": f"Bearer {token}"}).status == 200

    def test_an_opaque_token_is_asked_about_only_where_it_belongs(self, gateway, backend, server):
        server.tokens["opaque-token"] = {"sub": "oscar"}
        problem(self.refused(gateway, backend, "opaque-token", Authorization="Bearer opaque-token"), 401, "token_malformed")
        problem(self.refused(gateway, backend, "opaque-token", X_API_Key="opaque-token"), 401, "api_key_invalid")
        assert server.asked("opaque-token") == 0
        for headers in ({"X-Opaque": "opaque-token"}, {"Cookie": "opaque=opaque-token"}, {"X-Shared": "opaque-token"}):
            assert gateway.ask("GET", "/all/1", headers=headers).status == 200
        server.tokens["opaque-other"] = {"sub": "oscar"}
        self.refused(gateway, backend, "opaque-other", Authorization="Bearer opaque-other", X_API_Key="opaque-other")

    def test_a_place_may_be_shared(self, gateway, key, token):
        assert gateway.ask("GET", "/all/1", headers={"X-Shared": key}).status == 200
        assert gateway.ask("GET", "/all/1", headers={"X-Shared": token}).status == 401

    def test_a_token_in_several_places_is_for_those_who_look_there(self, gateway, key, token):
        for headers in ({"Authorization": f"Bearer {token}", "X-API-Key": token}, {"Authorization": f"Bearer {key}", "X-API-Key": key}):
            request = seen(gateway.ask("GET", "/all/both", headers=headers))
            assert decoded(request.get("X-Internal-Token"))[1]["sub"] == ("billing" if key in str(headers) else "alice")
            assert key not in str(request.fields), "a key is forwarded nowhere, wherever else it stood"

    def test_another_provider_s_pages_may_not_use_a_cookie(self, gateway, server, token):
        server.tokens["cookie-token"] = {"sub": "oscar"}
        for cookie, own, other in ((f"access_token={token}", "https://app.example.com", "https://partner.example.com"),
                                   ("opaque=cookie-token", "https://partner.example.com", "https://app.example.com")):
            assert gateway.ask("POST", "/all/1", headers={"Cookie": cookie, "Origin": own}).status == 200
            problem(gateway.ask("POST", "/all/1", headers={"Cookie": cookie, "Origin": other}), 403, "cross_site")
