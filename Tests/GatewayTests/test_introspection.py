"""Opaque tokens, about which their issuer is asked (RFC 7662): answers, caching, bounds, and issuers that are sick."""
import concurrent.futures
import json
import secrets
import time

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.http2client import HTTP2Client
from harness.introspection import IntrospectionServer
from harness.tokens import decoded
from harness.waiting import eventually, patience

ISSUER = "https://opaque.example.com/"


def opaque():
    return secrets.token_urlsafe(32)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def alice(**changes):
    answer = {"sub": "alice", "scope": "openid orders:read", "tenant": "t1", "exp": int(time.time()) + 3600} | changes
    return {name: value for name, value in answer.items() if value is not None}


@pytest.fixture
def server(pki):
    with IntrospectionServer(pki.public.issue("introspection", dns=["localhost"])) as server:
        yield server


def provider(pki, server, *, rules=None, **more):
    asked = {"url": server.introspection_url, "ca": str(pki.public.certificate), "client_id": server.client_id, "client_secret": server.secret,
             "timeout": "5s"}
    return {"name": "opaque", "issuer": ISSUER, "introspection": conf.merged(asked, more), **(rules or {})}


def configured(pki, idp, jwks, server, *, authenticate=("opaque",), rules=None, **more):
    routes = [conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}) | {"authenticate": list(authenticate)},
              conf.route("signed", "/signed/**")]
    return {"identity_providers": [conf.provider(idp, jwks), provider(pki, server, rules=rules, **more)], "routes": routes}


@pytest.fixture
def start(make_gateway, backend, pki, idp, jwks, server):
    def start(workers=1, **more):
        return make_gateway(backend.port, configured(pki, idp, jwks, server, **more), workers=workers)
    return start


def ask(gateway, token, path="/orders/1"):
    return gateway.ask("GET", path, headers=bearer(token))


def counted(gateway, result):
    return gateway.metric("gatehouse_introspections_total", provider="opaque", result=result)


def asked_many(gateway, tokens, clients=8):
    """The answers to one request for each token, from several clients at once."""
    def run(share):
        with gateway.client(timeout=30) as client:
            return [client.exchange("GET", "/orders/1", headers=bearer(token)) for token in share]
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return [answer for answers in pool.map(run, [tokens[index::clients] for index in range(clients)]) for answer in answers]


class TestAnswers:
    def test_an_active_token_becomes_a_principal(self, start, server):
        gateway, token = start(), opaque()
        server.tokens[token] = alice(roles=["customer"])
        request = seen(ask(gateway, token))
        assert not request.get("Authorization")
        claims = decoded(request.get("X-Internal-Token"))[1]
        assert claims["sub"] == "alice" and claims["idp"] == ISSUER and claims["aud"] == "orders"
        assert claims["scope"] == "openid orders:read" and claims["tenant"] == "t1" and claims["roles"] == ["customer"]
        assert server.questions == [{"token": token, "token_type_hint": "access_token"}]
        assert counted(gateway, "active") == 1
        line = gateway.logged(route="orders", status=200)
        assert line["sub"] == "alice" and line["issuer"] == ISSUER and line["token"] == "verified"

    def test_over_http2_many_streams_wait_for_one_answer(self, start, server, pki):
        gateway, token = start(), opaque()
        server.tokens[token] = alice()
        server.delay = 0.3
        with HTTP2Client(gateway.port, pki.public.certificate) as client:
            streams = [client.start("GET", "/orders/1", headers={"authorization": f"Bearer {token}"}) for _ in range(20)]
            assert {client.response(number).status for number in streams} == {200}
            bad = client.exchange("GET", "/orders/1", headers={"authorization": f"Bearer {opaque()}"})
            assert bad.status == 401 and b"token_inactive" in bad.body
        assert server.asked(token) == 1

    def test_an_inactive_token_is_refused(self, start, server):
        gateway = start()
        answer = ask(gateway, opaque())
        problem(answer, 401, "token_inactive")
        assert 'error="invalid_token"' in answer.get("WWW-Authenticate")
        assert counted(gateway, "inactive") == 1

    @pytest.mark.parametrize("change, status, code", [
        ({"iss": "https://evil.example.com/"}, 401, "token_issuer"), ({"iss": 7}, 401, "token_issuer"),
        ({"aud": None}, 401, "token_audience"), ({"aud": "other"}, 401, "token_audience"), ({"aud": ["api", 7]}, 401, "token_audience"),
        ({"exp": 1}, 401, "token_expired"), ({"exp": "soon"}, 401, "token_claims"),
        ({"nbf": int(time.time()) + 3600}, 401, "token_not_yet_valid"), ({"iat": "now"}, 401, "token_claims"),
        ({"sub": None}, 401, "token_claims"), ({"sub": ""}, 401, "token_claims"), ({"sub": 7, "username": "alice"}, 401, "token_claims"),
        ({"jti": 7}, 401, "token_claims"), ({"sid": ["a"]}, 401, "token_claims"),
        ({"azp": "other"}, 401, "token_claims"), ({"azp": None}, 401, "token_claims"), ({"cnf": {"kid": "x"}}, 401, "token_claims"),
        ({"cnf": {"x5t#S256": "A" * 43}}, 401, "token_binding"), ({"scope": "openid"}, 403, "scope_missing"), ({"scope": None}, 403, "scope_missing"),
        ({"scope": 7}, 403, "scope_missing"),
    ], ids=str)
    def test_what_does_not_fit_is_refused(self, start, server, backend, change, status, code):
        gateway, token = start(rules={"audiences": ["api"], "required_claims": {"azp": ["web"]}}), opaque()
        server.tokens[token] = alice(**{"aud": "api", "azp": "web", "iss": ISSUER} | change)
        before = len(backend.requests_to("/orders/1"))
        problem(ask(gateway, token), status, code)
        assert len(backend.requests_to("/orders/1")) == before
        good = opaque()
        server.tokens[good] = alice(aud=["other", "api"], azp="web", iss=ISSUER)
        assert ask(gateway, good).status == 200

    @pytest.mark.parametrize("answer, sub", [
        ({"username": "bob", "client_id": "app"}, "bob"), ({"client_id": "app"}, "app"), ({"sub": "carol", "username": "bob"}, "carol")])
    def test_who_it_is_stands_in_one_of_three_places(self, start, server, answer, sub):
        gateway, token = start(), opaque()
        server.tokens[token] = {"scope": "orders:read"} | answer
        claims = decoded(seen(ask(gateway, token)).get("X-Internal-Token"))[1]
        assert claims["sub"] == sub

    @pytest.mark.parametrize("token", ["ü", "a b", ""])
    def test_what_is_no_token_is_not_asked_about(self, start, server, token):
        gateway = start()
        problem(ask(gateway, token.encode().decode("latin-1")), 401, "token_malformed")
        assert not server.questions

    def test_a_token_bound_to_a_certificate_needs_it(self, make_gateway, backend, pki, idp, jwks, server):
        gateway = make_gateway(backend.port, configured(pki, idp, jwks, server), start=False)
        gateway.configuration["listeners"][0]["tls"].update(client_ca=str(pki.mesh.certificate), client_auth="optional")
        gateway.write()
        gateway.start()
        token = opaque()
        server.tokens[token] = alice(cnf={"x5t#S256": pki.backend.thumbprint})
        problem(ask(gateway, token), 401, "token_binding")
        for leaf, status in ((pki.backend, 200), (pki.gateway, 401)):
            with gateway.client(certificate=leaf) as client:
                assert client.exchange("GET", "/orders/1", headers=bearer(token)).status == status
        assert server.asked(token) == 1


class TestWhoIsAsked:
    def test_a_jwt_of_a_provider_with_keys_is_not_asked_about(self, start, server, idp):
        gateway = start(authenticate=("main", "opaque"))
        assert ask(gateway, idp.token()).status == 200
        problem(ask(gateway, idp.token(exp=1)), 401, "token_expired")
        problem(ask(gateway, idp.token(iss="https://evil.example.com/")), 401, "token_issuer")
        assert not server.questions
        token = opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        problem(ask(gateway, "a.b.c"), 401, "token_inactive")

    def test_a_jwt_of_the_introspecting_provider_is_asked_about(self, start, server, idp):
        gateway = start(authenticate=("main", "opaque"))
        token = idp.token(iss=ISSUER)
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        assert server.asked(token) == 1

    def test_where_nobody_has_keys_everything_is_asked_about(self, start, server, idp):
        gateway, token = start(), idp.token()
        problem(ask(gateway, token), 401, "token_inactive")
        assert server.asked(token) == 1

    def test_a_route_without_the_provider_does_not_take_what_the_cache_knows(self, start, server):
        gateway, token = start(), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        problem(ask(gateway, token, "/signed/1"), 401, "token_malformed")
        assert ask(gateway, token).status == 200


class TestCaching:
    def test_an_answer_is_good_for_the_configured_time(self, start, server):
        gateway, token = start(cache="2s"), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        began = time.monotonic()
        for _ in range(10):
            assert ask(gateway, token).status == 200
        if time.monotonic() - began < 0.9:
            assert server.asked(token) == 1
            assert gateway.metric("gatehouse_token_cache_lookups_total", result="hit") == 10
        del server.tokens[token]
        eventually(lambda: ask(gateway, token).status == 401, 10, what="the token's withdrawal")
        assert server.asked(token) == 2

    def test_a_token_ends_with_its_exp_whatever_the_cache_says(self, start, server):
        gateway, token = start(cache="5m", rules={"leeway": "0s"}), opaque()
        server.tokens[token] = alice(exp=int(time.time()) + 3)
        assert ask(gateway, token).status == 200
        eventually(lambda: ask(gateway, token).status == 401, 10, what="the token's end")
        problem(ask(gateway, token), 401, "token_expired")
        assert server.asked(token) == 1

    def test_without_a_cache_every_request_asks(self, start, server):
        gateway, token = start(cache="0s"), opaque()
        server.tokens[token] = alice()
        for _ in range(3):
            assert ask(gateway, token).status == 200
        assert server.asked(token) == 3

    def test_a_thousand_requests_with_one_bad_token_are_one_question(self, start, server):
        gateway, token = start(workers=2, inactive_cache="60s"), opaque()
        answers = asked_many(gateway, [token] * 1000)
        assert len(answers) == 1000 and {answer.status for answer in answers} == {401}
        assert server.asked(token) == 1

    def test_all_workers_share_one_answer(self, start, server):
        gateway, token = start(workers=4), opaque()
        server.tokens[token] = alice()
        server.delay = 0.2
        assert {answer.status for answer in asked_many(gateway, [token] * 64, clients=32)} == {200}
        assert server.asked(token) == 1

    def test_a_token_found_inactive_is_asked_about_again_after_its_time(self, start, server):
        gateway, token = start(inactive_cache="1s"), opaque()
        problem(ask(gateway, token), 401, "token_inactive")
        server.tokens[token] = alice()
        eventually(lambda: ask(gateway, token).status == 200, 10, what="the token's second chance")
        assert server.asked(token) == 2


class TestBounds:
    def test_made_up_tokens_meet_the_rate_and_hurt_nobody_else(self, start, server, idp):
        gateway, good = start(rate="20/m"), opaque()
        server.tokens[good] = alice()
        assert ask(gateway, good).status == 200
        answers = asked_many(gateway, [opaque() for _ in range(200)])
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {401, 503}
        # The bucket is filled by one token every three seconds.
        assert 19 <= len(server.questions) <= 20 + 20, len(server.questions)
        for answer in answers:
            problem(answer, *((401, "token_inactive") if answer.status == 401 else (503, "introspection_unavailable")))
        assert ask(gateway, good).status == 200
        assert ask(gateway, idp.token(), "/signed/1").status == 200
        assert counted(gateway, "refused") == statuses.count(503)

    def test_so_many_questions_at_once_and_no_more(self, start, server):
        gateway = start(concurrency=2, rate="1000/s")
        tokens = [opaque() for _ in range(12)]
        server.tokens.update((token, alice()) for token in tokens)
        server.delay = 0.1
        assert {answer.status for answer in asked_many(gateway, tokens, clients=12)} == {200}
        assert server.most == 2 and len(server.questions) == 12


class TestOneClientsMadeUpTokens:
    """What one client asks for keeps no other from its answer."""

    def flood(self, gateway, count):
        """So many tokens that nobody has given out, all at once and from one client."""
        clients = []
        for begin in range(0, count, 75):
            client = HTTP2Client(gateway.port, gateway.ca, source="127.0.0.2")
            clients.append(client)
            client.numbers = [client.start("GET", "/orders/1", headers={"authorization": f"Bearer {opaque()}"})
                              for _ in range(begin, min(begin + 75, count))]
        for client in clients:
            # Behind them on the same connection: they were all looked at.
            assert client.exchange("GET", "/nowhere").status == 404
        return clients

    def finish(self, clients):
        for client in clients:
            assert {client.response(number).status for number in client.numbers} <= {401, 503}
            client.close()

    def test_others_have_their_turn(self, start, server):
        gateway, good = start(concurrency=1, rate="10000/s"), opaque()
        server.tokens[good] = alice()
        server.delay = 0.1
        clients = self.flood(gateway, 400)
        # More wait than can be answered while the gateway waits for one: whoever comes stands behind one of them, not behind all.
        assert ask(gateway, good).status == 200
        server.delay = 0
        self.finish(clients)

    def test_others_have_their_part_of_the_rate(self, start, server):
        gateway, good = start(rate="10/m"), opaque()
        server.tokens[good] = alice()
        clients = self.flood(gateway, 100)
        assert ask(gateway, good).status == 200
        self.finish(clients)


class TestClientAuthentication:
    def test_by_secret(self, start, server):
        gateway, token = start(), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        assert server.credentials[0].startswith("Basic ")

    def test_a_wrong_secret_lets_nobody_in(self, start, server):
        gateway, token = start(client_secret="wrong"), opaque()
        server.tokens[token] = alice()
        problem(ask(gateway, token), 503, "introspection_unavailable")
        eventually(lambda: "does not take the gateway's credentials" in gateway.error_text)

    def test_by_certificate(self, make_gateway, backend, pki, idp, jwks):
        with IntrospectionServer(pki.public.issue("mutual", dns=["localhost"]), client_ca=pki.mesh.certificate) as server:
            gateway = make_gateway(backend.port, configured(pki, idp, jwks, server, client_secret=None, **pki.gateway.files))
            token = opaque()
            server.tokens[token] = alice()
            assert ask(gateway, token).status == 200
            assert server.credentials == [pki.gateway.der]
            stranger = pki.public.issue("stranger", dns=["stranger"])
            gateway = make_gateway(backend.port, configured(pki, idp, jwks, server, client_secret=None, **stranger.files))
            problem(ask(gateway, token), 503, "introspection_unavailable")

    def test_a_server_that_is_not_trusted_learns_no_token(self, start, server, pki):
        gateway = start(ca=str(pki.mesh.certificate))
        problem(ask(gateway, opaque()), 503, "introspection_unavailable")
        assert not server.questions


SICK = ["error", "garbage", "large", "redirect", "wordy", "silent", "list", "twice", "created", "slow", "dead"]


@pytest.mark.parametrize("sickness", SICK)
def test_while_the_server_is_sick_nobody_new_passes_and_others_do(start, server, idp, sickness):
    gateway, known, new = start(timeout="500ms", cache="5m"), opaque(), opaque()
    server.tokens.update({known: alice(), new: alice()})
    assert ask(gateway, known).status == 200
    if sickness == "dead":
        server.stop()
    elif sickness == "slow":
        server.delay = 8
    else:
        server.mode = sickness
    began = time.monotonic()
    problem(ask(gateway, new), 503, "introspection_unavailable")
    assert time.monotonic() - began < patience(5)
    assert ask(gateway, known).status == 200
    assert ask(gateway, idp.token(), "/signed/1").status == 200
    assert counted(gateway, "failure") == 1
    eventually(lambda: "cannot tell about tokens" in gateway.error_text)
    # 10 MiB were not read to their end.
    assert gateway.peak_resident < 80
    server.mode, server.delay = "well", 0
    if sickness == "dead":
        server.start()
    eventually(lambda: ask(gateway, new).status == 200, 10, what="an answer once the server is well")


def test_a_client_that_leaves_while_it_waits_is_forgotten(start, server):
    gateway, token = start(), opaque()
    server.tokens[token] = alice()
    server.delay = 0.5
    with gateway.client() as client:
        client.request("GET", "/orders/1", headers=bearer(token))
        eventually(lambda: server.questions)
    assert ask(gateway, token).status == 200
    assert server.asked(token) == 1


class TestReloads:
    def test_an_unchanged_provider_keeps_what_it_knows(self, start, server):
        gateway, token, bad = start(cache="5m", inactive_cache="60s"), opaque(), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        problem(ask(gateway, bad), 401, "token_inactive")
        server.stop()
        gateway.reload()
        assert ask(gateway, token).status == 200
        problem(ask(gateway, bad), 401, "token_inactive")

    @pytest.mark.parametrize("change", ["the secret", "the rules"])
    def test_a_changed_provider_knows_nothing(self, start, server, change):
        gateway, token = start(cache="5m"), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        row = gateway.configuration["identity_providers"][1]
        if change == "the secret":
            server.secret = row["introspection"]["client_secret"] = "another"
        else:
            row["audiences"] = ["api"]
        gateway.reload(gateway.configuration)
        if change == "the secret":
            assert ask(gateway, token).status == 200
            assert server.asked(token) == 2
        else:
            problem(ask(gateway, token), 401, "token_audience")

    @pytest.mark.parametrize("change", ["bounds", "name"])
    def test_other_bounds_and_another_name_keep_what_is_known(self, start, server, change):
        gateway, token, bad = start(cache="5m", inactive_cache="60s"), opaque(), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        problem(ask(gateway, bad), 401, "token_inactive")
        server.stop()
        row = gateway.configuration["identity_providers"][1]
        if change == "bounds":
            row["introspection"].update(timeout="1s", concurrency=3, rate="7/s", cache="4m", inactive_cache="50s")
        else:
            row["name"] = "renamed"
            gateway.configuration["routes"][0]["authenticate"] = ["renamed"]
        gateway.reload(gateway.configuration)
        assert ask(gateway, token).status == 200
        problem(ask(gateway, bad), 401, "token_inactive")

    def test_a_shorter_cache_holds_for_what_is_known(self, start, server):
        gateway, token = start(cache="5m"), opaque()
        server.tokens[token] = alice()
        assert ask(gateway, token).status == 200
        del server.tokens[token]
        gateway.configuration["identity_providers"][1]["introspection"]["cache"] = "0s"
        gateway.reload(gateway.configuration)
        problem(ask(gateway, token), 401, "token_inactive")

    def test_a_request_that_waits_outlives_a_reload(self, start, server):
        gateway = start()
        for attempt in range(10):
            token = opaque()
            server.tokens[token] = alice()
            server.delay = 1
            with gateway.client() as client:
                began = time.monotonic()
                client.request("GET", "/orders/1", headers=bearer(token))
                eventually(lambda: server.asked(token))
                server.delay = 0
                # Another server takes the place of the one that is being asked: it is asked too.
                gateway.configuration["identity_providers"][1]["introspection"]["client_id"] = server.client_id = f"renamed-{attempt}"
                gateway.reload(gateway.configuration)
                answer = client.response()
                # On a busy machine the reload may take longer than a request waits, which is five seconds and no more.
                if answer.status == 503 and time.monotonic() - began > 4:
                    continue
                assert answer.status == 200
            assert server.asked(token) == 2
            return
        pytest.fail("no reload in time")


def test_no_token_and_no_secret_stands_in_any_log(start, server):
    gateway, good, bad = start(), opaque(), opaque()
    server.tokens[good] = alice()
    assert ask(gateway, good).status == 200
    problem(ask(gateway, bad), 401, "token_inactive")
    server.mode = "error"
    lost = opaque()
    problem(ask(gateway, lost), 503, "introspection_unavailable")
    gateway.logged(status=503)
    text = gateway.output.read_text() + gateway.error_text + json.dumps(gateway.admin("/metrics").text)
    for secret in (good, bad, lost, server.secret):
        assert secret not in text
