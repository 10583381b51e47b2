"""Back-channel logout: an identity provider ends a session or a user, here and on every other gateway."""
import datetime
import json
import time
import urllib.parse

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.eventstream import HEAD, HTTP1Events, chunk
from harness.http2client import HTTP2Client
from harness.keyserver import KeyServer
from harness.rawclient import RawClient
from harness.redisserver import Redis
from harness.tokens import IdentityProvider
from harness.waiting import eventually, free_port

EVENT = "http://schemas.openid.net/event/backchannel-logout"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def logout_token(idp, *, algorithm="ES256", header=None, signing=None, key=None, **changes):
    now = int(time.time())
    claims = {"aud": "web", "iat": now, "nbf": None, "exp": now + 120, "jti": f"logout-{time.time_ns()}", "events": {EVENT: {}},
              "scope": None, "roles": None, "tenant": None, "sub": None, **changes}
    return idp.token(algorithm, header={"typ": "logout+jwt", **(header or {})}, signing=signing, key=key, **claims)


def began(line):
    """When a request came, by the gateway's own clock."""
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def body(token):
    return urllib.parse.urlencode({"logout_token": token}).encode()


@pytest.fixture(scope="module")
def make(make_gateway, pki, idp, jwks, backend):
    def make(*, logout=None, keys=None, provider=None, **changes):
        rules = {"client_ids": ["web", "mobile"], "keep": "1h", **(logout or {})}
        identity = provider or conf.provider(idp, keys or jwks)
        return make_gateway(backend.port, {
            "identity_providers": [{**identity, "backchannel_logout": rules}],
            "listeners": [conf.listener(pki, free_port()), conf.listener(pki, free_port(), name="logout", serve="logout")],
            **changes}, workers=3, routes=[conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True)])
    return make


@pytest.fixture(scope="module")
def gateway(make):
    return make()


def logout_port(gateway):
    return int(gateway.configuration["listeners"][1]["address"].rsplit(":", 1)[1])


@pytest.fixture
def post(pki, gateway):
    def post(token, *, to=None, content=None, headers=FORM, path="/backchannel-logout", method="POST"):
        with RawClient(logout_port(to or gateway), pki.public.certificate) as client:
            return client.exchange(method, path, headers=headers, body=body(token) if content is None else content)
    return post


def status(gateway, idp, **claims):
    answer = gateway.ask("GET", "/orders/1", headers=idp.bearer(**claims))
    return (answer.status, json.loads(answer.body)["code"] if answer.status != 200 else None)


GOOD, REVOKED = (200, None), (401, "token_revoked")


def taken(answer):
    assert (answer.status, answer.body) == (200, b""), (answer.start, answer.body)
    assert answer.get("Cache-Control") == "no-store"


def refused(answer, reason):
    assert answer.status == 400, (answer.start, answer.body)
    assert answer.get("Cache-Control") == "no-store" and answer.get("Content-Type") == "application/json"
    document = json.loads(answer.body)
    assert document == {"error": "invalid_request", "error_description": document["error_description"]}
    assert reason in document["error_description"]


def test_a_session_ends_on_every_worker_and_with_what_it_has_open(gateway, post, idp, pki, backend):
    mark = f"session-{time.time_ns()}"
    backend.on(f"/orders/{mark}/events", lambda connection, request: (
        connection.send(HEAD + chunk("data: 0\n\n")), connection.wait_for_end(20)))
    bearer = idp.bearer(sid=mark)
    clients = [gateway.client() for _ in range(24)]
    for client in clients:
        assert client.exchange("GET", f"/orders/{mark}/1", headers=bearer).status == 200
    stream = HTTP1Events(gateway, pki, f"/orders/{mark}/events", bearer)
    assert stream.next() == "data: 0\n\n"
    answered = post(logout_token(idp, sid=mark, sub="alice"))
    now = time.time()
    taken(answered)
    assert stream.next() is None
    for client in clients:
        eventually(lambda: client.exchange("GET", f"/orders/{mark}/1", headers=bearer).status == 401, 10)
        client.close()
    stream.close()
    line = gateway.logged(path=f"/orders/{mark}/events", code="token_revoked")
    assert line["status"] == 200
    assert not [line for line in gateway.log if line["path"] == f"/orders/{mark}/1" and line["status"] == 200 and began(line) > now + 1]
    # The user's other sessions go on.
    assert status(gateway, idp, sid=mark + "-other") == status(gateway, idp) == GOOD
    assert gateway.logged(path="/backchannel-logout")["method"] == "POST"


def test_a_user_is_logged_out_of_all_that_was_before(gateway, post, idp):
    user, now = f"user-{time.time_ns()}", int(time.time())
    taken(post(logout_token(idp, sub=user, iat=now - 5)))
    eventually(lambda: status(gateway, idp, sub=user, iat=now - 5) == REVOKED, 10)
    assert status(gateway, idp, sub=user, iat=now - 60) == REVOKED
    # Whoever has logged in anew is in.
    assert status(gateway, idp, sub=user, iat=now - 4) == GOOD


def test_a_provider_may_end_all_sessions_with_one(make, post, idp):
    gateway, user, now = make(logout={"ends": "user"}), f"user-{time.time_ns()}", int(time.time())
    taken(post(logout_token(idp, sub=user, sid="one"), to=gateway))
    eventually(lambda: status(gateway, idp, sub=user, sid="two", iat=now - 1) == REVOKED, 10)


HOSTILE = {
    "no jwt": (lambda idp: "x.y.z", "no signed JWT"),
    "an access token": (lambda idp: idp.token(aud="web"), "events"),
    "a signature of somebody else's": (lambda idp: logout_token(idp, sid="h", key=IdentityProvider().keys["ES256"]), "signature"),
    "none": (lambda idp: logout_token(idp, sid="h", algorithm="none"), "no signed JWT"),
    "HS256 with the public key": (lambda idp: logout_token(idp, sid="h", algorithm="HS256", header={"kid": "es256-1"},
                                                           key=idp.public_pem("ES256")), "alg"),
    "another issuer": (lambda idp: logout_token(idp, sid="h", iss="https://elsewhere.example.com/"), "iss"),
    "another audience": (lambda idp: logout_token(idp, sid="h", aud="other"), "aud"),
    "the API's audience": (lambda idp: logout_token(idp, sid="h", aud="api"), "aud"),
    "expired": (lambda idp: logout_token(idp, sid="h", exp=int(time.time()) - 60), "expired"),
    "no exp": (lambda idp: logout_token(idp, sid="h", exp=None), "exp"),
    "no iat": (lambda idp: logout_token(idp, sid="h", iat=None), "iat"),
    "from tomorrow": (lambda idp: logout_token(idp, sid="h", iat=int(time.time()) + 86_400, exp=int(time.time()) + 90_000), "future"),
    "of yesterday, still good": (lambda idp: logout_token(idp, sid="h", iat=int(time.time()) - 86_400), "old"),
    "no events": (lambda idp: logout_token(idp, sid="h", events=None), "events"),
    "other events": (lambda idp: logout_token(idp, sid="h", events={"https://e/": {}}), "events"),
    "a nonce": (lambda idp: logout_token(idp, sid="h", nonce="n"), "nonce"),
    "no jti": (lambda idp: logout_token(idp, sid="h", jti=None), "jti"),
    "nobody": (lambda idp: logout_token(idp), "sub or sid"),
    "a sid that is no text": (lambda idp: logout_token(idp, sid=7, sub="h"), "sub or sid"),
    "a type of its own": (lambda idp: logout_token(idp, sid="h", header={"typ": "at+jwt"}), "typ"),
    "an unknown key": (lambda idp: logout_token(idp, sid="h", header={"kid": "nobody's"}), "key"),
    "too large": (lambda idp: logout_token(idp, sid="h", padding="x" * 9000), "too large"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_token_that_does_not_hold_ends_nothing(gateway, post, idp, what):
    make_token, reason = HOSTILE[what]
    refused(post(make_token(idp)), reason)
    assert status(gateway, idp, sid="h") == status(gateway, idp, sub="h") == GOOD
    assert gateway.logged(path="/backchannel-logout", code="logout_refused")["status"] == 400


def test_a_token_is_taken_once(gateway, post, idp):
    token = logout_token(idp, sid=f"once-{time.time_ns()}")
    taken(post(token))
    refused(post(token), "jti was seen before")
    # On every worker.
    for _ in range(8):
        refused(post(token), "jti was seen before")


def test_the_process_log_says_why(make, post, idp):
    """For the operator: the identity provider, which is told as well, shows it to nobody. Once for each reason, whoever sends them."""
    gateway = make()
    token = logout_token(idp, sub="alice", aud="somebody else")
    for _ in range(30):
        refused(post(token, to=gateway), "aud is not ours")
    refused(post(None, to=gateway, content=b"logout_token=x"), "no signed JWT")
    eventually(lambda: "a back-channel logout was refused: no signed JWT" in gateway.error_text)
    text = gateway.error_text
    # One for each worker, in ten seconds.
    assert 1 <= text.count(" warning a back-channel logout was refused: aud is not ours") <= 3 * 4
    assert token not in text and token.split(".")[1] not in text


@pytest.mark.parametrize("content", [
    b"", b"logout_token", b"logout_token=", b"token=a.b.c", b"logout_token=%zz", b'{"logout_token":"a.b.c"}',
    b"logout_token=a.b.c&logout_token=a.b.c",
], ids=repr)
def test_what_is_no_form_is_refused(post, content):
    refused(post(None, content=content), "no form")


def test_the_listener_does_nothing_else(gateway, post, idp, bearer):
    answer = post(None, content=b"", method="GET")
    problem(answer, 405, "method_not_allowed")
    assert answer.get("Allow") == "POST"
    problem(post(logout_token(idp, sid="x"), path="/orders/1"), 404, "no_route")
    problem(post(None, content=b"", path="/orders/1", headers=bearer, method="GET"), 404, "no_route")
    problem(gateway.ask("POST", "/backchannel-logout", headers=FORM, body=b""), 404, "no_route")
    problem(post(None, content=b"x" * 70_000), 413, "body_too_large")
    assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200


def test_content_in_chunks_on_demand_and_over_http2(gateway, pki, idp):
    sessions = [f"way-{time.time_ns()}-{number}" for number in range(4)]
    with RawClient(logout_port(gateway), pki.public.certificate) as client:
        content = body(logout_token(idp, sid=sessions[0]))
        client.send("POST /backchannel-logout HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(content), 100):
            client.send(chunk(content[start:start + 100].decode()))
        client.send("0\r\n\r\n")
        taken(client.response())
        content = body(logout_token(idp, sid=sessions[1]))
        client.send(f"POST /backchannel-logout HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(content)}\r\n\r\n")
        assert client.reader.head().start == "HTTP/1.1 100 Continue"
        client.send(content)
        taken(client.response())
        # A token that was refused leaves the connection in order.
        refused(client.exchange("POST", "/backchannel-logout", headers=FORM, body=b"x"), "no form")
        taken(client.exchange("POST", "/backchannel-logout", headers=FORM, body=body(logout_token(idp, sid=sessions[2]))))
    with HTTP2Client(logout_port(gateway), pki.public.certificate) as client:
        taken(client.exchange("POST", "/backchannel-logout", headers=FORM, body=body(logout_token(idp, sid=sessions[3]))))
        too_large = client.exchange("POST", "/backchannel-logout", headers=FORM, body=b"x" * 70_000)
        problem(too_large, 413, "body_too_large")
    for session in sessions:
        eventually(lambda: status(gateway, idp, sid=session) == REVOKED, 10)


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path, persistent=True) as redis:
        yield redis


def test_other_gateways_and_later_lives_hear_of_it(make, post, idp, redis):
    revocation = {"revocation": {"feeds": [{"name": "shared", "redis": {"address": f"127.0.0.1:{redis.port}"}, "fail": "closed"}],
                                 "store_logouts": "shared"}}
    first, second = make(**revocation), make(**revocation)
    for gateway in (first, second):
        eventually(lambda: gateway.admin("/readyz").status_code == 200, 10)
    session = f"shared-{time.time_ns()}"
    taken(post(logout_token(idp, sid=session), to=first))
    sent = time.monotonic()
    eventually(lambda: status(second, idp, sid=session) == REVOKED, 10)
    assert status(first, idp, sid=session) == REVOKED
    # It stands in the set until the last token of the session has expired.
    (entry, score), = zip(*[iter(redis.run("ZRANGE", "gatehouse:revoked", 0, -1, "WITHSCORES"))] * 2)
    assert json.loads(entry) == {"sid": session, "iss": idp.issuer, "until": int(score)}
    assert 3600 <= int(score) - time.time() + (time.monotonic() - sent) <= 3700
    assert first.end() is None
    first.start()
    eventually(lambda: status(first, idp, sid=session) == REVOKED, 10)

    # While Redis is away: in force here, not kept, so the provider is to call again.
    redis.kill()
    eventually(lambda: "trying again" in first.error_text, 10)
    alone, token = f"alone-{time.time_ns()}", None
    token = logout_token(idp, sid=alone)
    refused(post(token, to=first), "could not be kept")
    assert status(first, idp, sid=alone) == REVOKED and status(second, idp, sid=alone) == GOOD
    redis.start()
    # What could not be written is written as soon as can be, and a second call is heard.
    eventually(lambda: status(second, idp, sid=alone) == REVOKED, 20)
    taken(post(token, to=first))


def test_a_key_that_is_new_is_fetched(make, post, pki):
    own = IdentityProvider(issuer="https://new.example.com/")
    with KeyServer(pki.public.issue("idp", dns=["localhost"]), own.jwks(without=["EdDSA"])) as server:
        gateway = make(provider={**conf.provider(own, "x"), "jwks": {
            "url": server.jwks_url, "ca": str(pki.public.certificate), "cooldown": "1s", "refresh": "10m"}})
        eventually(lambda: gateway.admin("/readyz").status_code == 200, 10)
        server.document = own.jwks()
        # The cooldown is over at some time from now on; until then the key is unknown.
        eventually(lambda: post(logout_token(own, algorithm="EdDSA", sid="new"), to=gateway).status == 200, 10, interval=0.2)
        eventually(lambda: status(gateway, own, sid="new") == REVOKED, 10)
