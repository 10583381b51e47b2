"""Key sets that are fetched: first keys, rotation, providers that fail, tokens that name keys nobody has."""
import json
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness import configuration as conf
from harness.answers import problem
from harness.http2client import HTTP2Client
from harness.keyserver import KeyServer
from harness.tokens import IdentityProvider, public_jwk
from harness.waiting import eventually, patience


@pytest.fixture
def provider(pki):
    """A provider of the test's own, and the server of its keys."""
    idp = IdentityProvider()
    with KeyServer(pki.public.issue("idp", dns=["localhost"]), idp.jwks(without=["RS256", "PS256", "EdDSA"])) as server:
        idp.server = server
        yield idp


def remote(pki, server, **more):
    return {"url": server.jwks_url, "ca": str(pki.public.certificate), "refresh": "10m", "cooldown": "1s", **more}


def configured(pki, idp, jwks, **more):
    return {"identity_providers": [conf.merged(conf.provider(idp, "x"), {"jwks": None}) | {"jwks": jwks} | more]}


@pytest.fixture
def start(make_gateway, backend, pki, provider):
    def start(changes=None, ready=True, **jwks):
        gateway = make_gateway(backend.port, changes or configured(pki, provider, remote(pki, provider.server, **jwks)))
        if ready:
            eventually(lambda: gateway.admin("/readyz").status_code == 200, what="the first keys")
        return gateway
    return start


def rotate(idp, kid, keeps=True):
    """A new key signs from now on; the old one stays published, or not."""
    key = ec.generate_private_key(ec.SECP256R1())
    new = public_jwk(key, kid, "ES256")
    idp.server.document = {"keys": [*(idp.server.document["keys"] if keeps else []), new]}
    idp.keys["ES256"], idp.kids["ES256"] = key, kid


def ask(gateway, headers, path="/orders/1"):
    return gateway.ask("GET", path, headers=headers)


class Load(threading.Thread):
    """One client that asks again and again, each time with what `headers()` gives."""

    def __init__(self, gateway, headers):
        super().__init__(daemon=True)
        self.gateway, self.headers = gateway, headers
        self.ending = threading.Event()
        self.statuses, self.times = [], []

    def run(self):
        client = self.gateway.client()
        while not self.ending.is_set():
            began = time.monotonic()
            answer = client.exchange("GET", "/orders/1", headers=self.headers())
            self.statuses.append(answer.status)
            self.times.append(time.monotonic() - began)
        client.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(10)


def test_keys_are_fetched_and_tokens_pass(start, provider):
    gateway = start()
    assert ask(gateway, provider.bearer()).status == 200
    assert len(provider.server.fetches()) == 1
    assert gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="success") == 1


def test_without_keys_ever_nothing_passes_and_the_gateway_is_not_ready(start, provider):
    provider.server.mode = "error"
    gateway = start(ready=False)
    answer = ask(gateway, provider.bearer())
    problem(answer, 503, "keys_unavailable")
    unready = gateway.admin("/readyz")
    assert (unready.status_code, unready.text) == (503, "no keys of main\n")
    eventually(lambda: gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="failure") >= 1)
    eventually(lambda: " warning identity provider main: the key set cannot be fetched" in gateway.error_text)
    provider.server.mode = "well"
    eventually(lambda: gateway.admin("/readyz").status_code == 200, 10, what="ready once the provider is well")
    assert ask(gateway, provider.bearer()).status == 200


def test_a_rotation_under_load_refuses_no_valid_token(start, provider):
    gateway = start()
    # The cooldown that the first fetch began must be over, or the new key would not be fetched for.
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    count = iter(range(1 << 30))
    # Each request has a token of its own, so that none is answered from the cache.
    with Load(gateway, lambda: provider.bearer(jti=str(next(count)))) as one, Load(gateway, lambda: provider.bearer(jti=str(next(count)))) as two:
        eventually(lambda: len(one.statuses) > 20 and len(two.statuses) > 20)
        for generation in range(3):
            provider.server.delay = 0.3
            before = len(provider.server.fetches())
            rotate(provider, f"rotated-{generation}")
            eventually(lambda: len(provider.server.fetches()) > before, what="a fetch for the new key")
            done = len(one.statuses)
            eventually(lambda: len(one.statuses) > done + 20)
            eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.5)
        assert len(provider.server.fetches()) == 4
    assert set(one.statuses) == set(two.statuses) == {200}


def test_a_key_that_was_removed_is_refused_within_the_refresh_bound(start, provider):
    gateway = start(refresh="1s", cooldown="1s")
    old = provider.bearer()
    assert ask(gateway, old).status == 200
    rotate(provider, "next", keeps=False)
    removed = time.monotonic()
    eventually(lambda: ask(gateway, old).status == 401, 5, what="the removed key's tokens refused, cached ones too")
    assert time.monotonic() - removed < patience(3)
    problem(ask(gateway, old), 401, "token_key_unknown")
    assert ask(gateway, provider.bearer()).status == 200


@pytest.mark.parametrize("sickness", ["error", "garbage", "empty", "large", "redirect", "slow", "dead"])
def test_while_a_provider_is_sick_good_tokens_pass_and_fetches_keep_the_cooldown(start, provider, sickness):
    gateway = start(refresh="1s", cooldown="1s")
    server = provider.server
    if sickness == "dead":
        server.stop()
    elif sickness == "slow":
        server.delay = 8
    else:
        server.mode = sickness
    failed = lambda: gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="failure")
    before, count = failed(), iter(range(1 << 30))
    with Load(gateway, lambda: provider.bearer(jti=str(next(count)))) as load:
        eventually(lambda: failed() > before, 15, what="a failed fetch")
        eventually(lambda: len(load.statuses) > 50)
    assert set(load.statuses) == {200}
    times = server.fetches()
    assert all(later - earlier > 0.95 for earlier, later in zip(times, times[1:])), times
    assert "the last good one stays in force" in gateway.error_text
    # Nothing that was fetched stays in memory: 10 MiB were not read to their end.
    assert gateway.peak_resident < 80
    server.mode, server.delay = "well", 0
    if sickness == "dead":
        server.start()
    succeeded = lambda: gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="success")
    before = succeeded()
    eventually(lambda: succeeded() > before, 20, what="a fetch once the provider is well again")


def test_the_first_request_with_an_unknown_key_waits_for_it(start, provider):
    gateway = start()
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    rotate(provider, "brand-new")
    provider.server.delay = 0.4
    began = time.monotonic()
    assert ask(gateway, provider.bearer()).status == 200
    assert 0.35 < time.monotonic() - began < patience(1.2)


def test_a_request_waits_no_longer_than_a_second(start, provider):
    gateway = start()
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    rotate(provider, "late")
    provider.server.delay = 3
    began = time.monotonic()
    problem(ask(gateway, provider.bearer()), 401, "token_key_unknown")
    assert 0.9 < time.monotonic() - began < patience(1.8)


def test_made_up_keys_cost_one_fetch_a_cooldown_and_slow_nobody(start, provider):
    gateway = start(cooldown="2s")
    good = provider.bearer()
    with Load(gateway, lambda: good) as calm:
        eventually(lambda: len(calm.times) > 300)
    before = sorted(calm.times)[len(calm.times) // 2]
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 2.1)
    fetched, asked = len(provider.server.fetches()), time.monotonic()
    count = iter(range(1 << 30))
    made_up = lambda: provider.bearer(header={"kid": f"made-up-{next(count)}"}, key=provider.keys["ES256"])
    with Load(gateway, made_up) as one, Load(gateway, made_up) as two, Load(gateway, lambda: good) as others:
        eventually(lambda: len(one.statuses) + len(two.statuses) >= 1000 and time.monotonic() > asked + 4.5, 60)
    elapsed = time.monotonic() - asked
    assert set(one.statuses) == set(two.statuses) == {401}
    assert set(others.statuses) == {200}
    assert len(provider.server.fetches()) - fetched <= elapsed / 2 + 1
    # This process makes the tokens and asks at the same time, so the bound is wide: a wait for a fetch would be 100 times as long.
    assert sorted(others.times)[len(others.times) // 2] < before * 10 + 0.02


def test_one_made_up_key_is_fetched_for_once(start, provider):
    gateway = start()
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    forged = provider.bearer(header={"kid": "no such key"})
    for _ in range(3):
        problem(ask(gateway, forged), 401, "token_key_unknown")
        eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    assert len(provider.server.fetches()) == 2


class TestOneClientsMadeUpKeys:
    """What one client asks for keeps no other from its answer."""

    @pytest.fixture
    def gateway(self, make_gateway, backend, provider, pki):
        jwks = remote(pki, provider.server, cooldown="3s")
        gateway = make_gateway(backend.port, configured(pki, provider, jwks) | {"routes": [
            conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True)]}, workers=1)
        eventually(lambda: gateway.admin("/readyz").status_code == 200, what="the first keys")
        eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 3.1)
        return gateway

    def flood(self, gateway, provider, numbers):
        """So many tokens with keys that nobody has, each with its own, all at once and from one client."""
        client = HTTP2Client(gateway.port, gateway.ca, source="127.0.0.2")
        client.numbers = [client.start("GET", "/orders/1", headers={
            "authorization": provider.bearer(header={"kid": f"made-up-{number}"}, key=provider.keys["ES256"])["Authorization"]})
            for number in numbers]
        return client

    def test_others_still_wait_for_theirs(self, gateway, provider):
        rotate(provider, "brand-new")
        fetched, release = len(provider.server.fetches()), threading.Event()

        def answer(handler):
            release.wait(patience(20))
            provider.server.send(handler, 200, json.dumps(provider.server.document).encode())

        provider.server.paths["/jwks"] = answer
        # It is the fetch for the first of these that brings the key.
        clients = [self.flood(gateway, provider, range(begin, begin + 75)) for begin in (0, 75, 150, 225)]
        for client in clients:
            # Behind them on the same connection: they were all looked at.
            assert client.exchange("GET", "/public/1").status == 200
        honest = gateway.client()
        honest.request("GET", "/orders/1", headers=provider.bearer())
        assert gateway.ask("GET", "/public/1").status == 200
        release.set()
        assert honest.response().status == 200
        honest.close()
        assert len(provider.server.fetches()) == fetched + 1
        for client in clients:
            assert {client.response(number).status for number in client.numbers} == {401}
            client.close()

    def test_one_that_is_refused_ends_nobodys_waiting(self, gateway, provider):
        # Nobody has this key: it is not fetched for again for two cooldowns.
        forged = provider.bearer(header={"kid": "no such key"})
        problem(ask(gateway, forged), 401, "token_key_unknown")
        eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 3.1)
        rotate(provider, "brand-new")
        fetched = len(provider.server.fetches())
        provider.server.delay = 0.7
        with gateway.client() as honest:
            honest.request("GET", "/orders/1", headers=provider.bearer())
            eventually(lambda: len(provider.server.fetches()) > fetched, what="a fetch for the new key")
            problem(ask(gateway, forged), 401, "token_key_unknown")
            assert honest.response().status == 200


def test_unchanged_sets_are_not_sent_again(start, provider):
    gateway = start(refresh="1s")
    eventually(lambda: gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="success") >= 3, 10)
    assert gateway.error_text.count("keys from https://localhost") == 1
    assert ask(gateway, provider.bearer()).status == 200


def test_cache_control_shortens_the_time_to_the_next_fetch(start, provider):
    provider.server.cache_control = "public, max-age=1"
    start(refresh="10m", cooldown="1s")
    eventually(lambda: len(provider.server.fetches()) >= 3, 8, what="fetches a second apart")


def test_a_redirect_on_the_same_host_is_followed(start, provider):
    provider.server.mode = "moved"
    gateway = start()
    assert ask(gateway, provider.bearer()).status == 200
    assert provider.server.fetches("/new")


def test_a_reload_keeps_the_keys_and_fetches_nothing(start, provider):
    gateway = start()
    provider.server.stop()
    gateway.reload()
    assert ask(gateway, provider.bearer()).status == 200
    assert gateway.admin("/readyz").status_code == 200


def test_two_providers_that_share_a_kid_do_not_mix(start, provider, pki):
    other = IdentityProvider(issuer="https://other.example.com/")
    with KeyServer(pki.public.issue("other", dns=["localhost"]), other.jwks()) as server:
        first = configured(pki, provider, remote(pki, provider.server))["identity_providers"][0]
        second = first | {"name": "second", "issuer": other.issuer, "jwks": remote(pki, server)}
        routes = [conf.route("orders", "/orders/**", authenticate=["main", "second"], authorize="authenticated")]
        gateway = start({"identity_providers": [first, second], "routes": routes})
        assert provider.kids["ES256"] == other.kids["ES256"]
        assert ask(gateway, provider.bearer()).status == ask(gateway, other.bearer()).status == 200
        crossed = provider.token(key=other.keys["ES256"])
        problem(ask(gateway, {"Authorization": f"Bearer {crossed}"}), 401, "token_signature")


class TestDiscovery:
    def configure(self, pki, idp, server):
        idp.issuer = server.url
        server.discovery = {"issuer": server.url, "jwks_uri": server.jwks_url}
        return configured(pki, idp, {"discovery": True, "ca": str(pki.public.certificate), "cooldown": "1s"})

    def test_the_issuer_says_where_its_keys_are(self, start, provider, pki):
        gateway = start(self.configure(pki, provider, provider.server))
        assert ask(gateway, provider.bearer()).status == 200
        assert provider.server.fetches("/.well-known/openid-configuration")

    @pytest.mark.parametrize("change, said", [
        ({"issuer": "https://evil.example.com"}, "of another issuer"),
        ({"jwks_uri": "http://localhost/jwks"}, "no `jwks_uri` that is an https URL"),
        ({"jwks_uri": None}, "no `jwks_uri`"),
    ])
    def test_a_document_that_cannot_be_trusted_brings_no_keys(self, start, provider, pki, change, said):
        changes = self.configure(pki, provider, provider.server)
        provider.server.discovery.update(change)
        gateway = start(changes, ready=False)
        eventually(lambda: said in gateway.error_text, what=said)
        problem(ask(gateway, provider.bearer()), 503, "keys_unavailable")
        assert not provider.server.fetches()


    def redirect(self, server, location, path="/.well-known/openid-configuration", status=302):
        server.paths[path] = lambda handler: server.send(handler, status, b"", {"Location": location})

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_document_behind_a_redirect_on_the_same_host(self, start, provider, pki, status):
        changes, server = self.configure(pki, provider, provider.server), provider.server
        self.redirect(server, "/first", status=status)
        self.redirect(server, f"{server.url}/second", "/first")
        self.redirect(server, "/there", "/second")
        server.paths["/there"] = lambda handler: server.send(handler, 200, json.dumps(server.discovery).encode())
        gateway = start(changes)
        assert ask(gateway, provider.bearer()).status == 200
        assert len(server.fetches("/there")) == len(server.fetches()) == 1

    @pytest.mark.parametrize("location, said", [
        ("https://127.0.0.1:{port}/there", "redirects to another host"), ("//127.0.0.1:{port}/there", "redirects to another host"),
        ("http://localhost:{port}/there", "redirects to another host"), ("https://localhost:1/there", "redirects to another host"),
        ("https://x@localhost:{port}/there", "redirects to another host"), ("", "redirects to another host"),
        ("/.well-known/openid-configuration", "redirects in circles"),
    ])
    def test_other_redirects_of_the_document_are_not_followed(self, start, provider, pki, location, said):
        changes, server = self.configure(pki, provider, provider.server), provider.server
        self.redirect(server, location.format(port=server.port))
        server.paths["/there"] = lambda handler: server.send(handler, 200, json.dumps(server.discovery).encode())
        gateway = start(changes, ready=False)
        eventually(lambda: said in gateway.error_text, what=said)
        problem(ask(gateway, provider.bearer()), 503, "keys_unavailable")
        assert not server.fetches("/there") and not server.fetches()

    def test_a_redirected_document_is_still_its_issuer_s(self, start, provider, pki):
        changes, server = self.configure(pki, provider, provider.server), provider.server
        self.redirect(server, "/there")
        document = server.discovery | {"issuer": "https://evil.example.com"}
        server.paths["/there"] = lambda handler: server.send(handler, 200, json.dumps(document).encode())
        gateway = start(changes, ready=False)
        eventually(lambda: "of another issuer" in gateway.error_text)
        assert not server.fetches()

    def test_a_document_with_a_byte_order_mark(self, start, provider, pki):
        changes, server = self.configure(pki, provider, provider.server), provider.server
        server.paths["/.well-known/openid-configuration"] = lambda handler: server.send(
            handler, 200, b"\xef\xbb\xbf" + json.dumps(server.discovery).encode())
        assert ask(start(changes), provider.bearer()).status == 200


class TestKeySetsAsProvidersHaveThem:
    def elliptic(self, count):
        return [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]

    def signed(self, provider, key, kid="shared"):
        return {"Authorization": f"Bearer {provider.token(header={'kid': kid}, key=key)}"}

    def test_one_kid_for_keys_of_different_kinds(self, start, provider):
        provider.server.document = {"keys": [public_jwk(provider.keys[name], "shared", name) for name in ("RS256", "EdDSA", "ES256")]}
        provider.kids = dict.fromkeys(provider.keys, "shared")
        gateway = start()
        for name in ("ES256", "RS256", "EdDSA"):
            assert ask(gateway, provider.bearer(name)).status == 200
        problem(ask(gateway, provider.bearer("PS256")), 401, "token_algorithm")
        problem(ask(gateway, self.signed(provider, self.elliptic(1)[0])), 401, "token_signature")

    @pytest.mark.parametrize("kid", ["shared", None])
    def test_all_keys_that_fit_are_tried_and_four_at_most(self, start, provider, kid):
        keys = self.elliptic(6)
        provider.server.document = {"keys": [
            public_jwk(provider.keys["RS256"], "shared", "RS256"),
            *(public_jwk(key, kid or f"key-{number}", "ES256") for number, key in enumerate(keys))]}
        gateway = start()
        for key in keys[:4]:
            assert ask(gateway, self.signed(provider, key, kid)).status == 200
        for key in keys[4:] + self.elliptic(1):
            problem(ask(gateway, self.signed(provider, key, kid)), 401, "token_signature")

    def test_a_key_that_cannot_be_used_takes_nothing_from_the_others(self, start, provider):
        good = provider.server.document["keys"]
        rsa_key, ec_key = (public_jwk(provider.keys[name], provider.kids["ES256"], name) for name in ("RS256", "ES256"))
        provider.server.document = {"keys": [
            {"kty": "RSA", "kid": "certificate", "use": "sig", "alg": "RS256", "x5c": ["MIIC" + "A" * 4000], "x5t": "AAAA"},
            {**rsa_key, "use": "enc"}, {**ec_key, "use": "enc"}, {**rsa_key, "alg": "RSA-OAEP"}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
            {"kty": "XX", "kid": provider.kids["ES256"]}, {"kid": 7}, {}, 5, None, "key", *good, *good]}
        gateway = start()
        assert ask(gateway, provider.bearer()).status == 200
        assert "skipped" in gateway.error_text and f"{2 * len(good)} keys from" in gateway.error_text

    def test_a_byte_order_mark(self, start, provider):
        server = provider.server
        server.paths["/jwks"] = lambda handler: server.send(handler, 200, b"\xef\xbb\xbf" + json.dumps(server.document).encode())
        assert ask(start(), provider.bearer()).status == 200

    def test_a_key_set_in_a_file(self, make_gateway, backend, provider, tmp_path):
        path, keys = tmp_path / "keys.json", self.elliptic(2)
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"keys": [public_jwk(key, "shared", "ES256") for key in keys]}).encode())
        gateway = make_gateway(backend.port, {"identity_providers": [conf.provider(provider, path)]})
        for key in keys:
            assert ask(gateway, self.signed(provider, key)).status == 200

    def test_a_set_that_publishes_a_secret_is_still_refused(self, start, provider):
        provider.server.document["keys"].append({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "A" * 43})
        gateway = start(ready=False)
        eventually(lambda: "publishes secret key material" in gateway.error_text)
        problem(ask(gateway, provider.bearer()), 503, "keys_unavailable")


@pytest.mark.parametrize("what", ["another CA", "another name"])
def test_a_server_that_is_not_trusted_brings_no_keys(start, provider, pki, what):
    jwks = remote(pki, provider.server)
    if what == "another CA":
        jwks["ca"] = str(pki.mesh.certificate)
    else:
        jwks["url"] = jwks["url"].replace("localhost", "127.0.0.1")
    gateway = start(configured(pki, provider, jwks), ready=False)
    eventually(lambda: "cannot be fetched" in gateway.error_text)
    problem(ask(gateway, provider.bearer()), 503, "keys_unavailable")
    assert not provider.server.fetches()


def test_the_system_s_roots_serve_for_this_where_no_ca_is_named(make_gateway, backend, provider, pki):
    jwks = {name: value for name, value in remote(pki, provider.server).items() if name != "ca"}
    gateway = make_gateway(backend.port, configured(pki, provider, jwks), environment={"SSL_CERT_FILE": str(pki.public.certificate)})
    eventually(lambda: gateway.admin("/readyz").status_code == 200, what="keys by the system's roots")
    assert ask(gateway, provider.bearer()).status == 200


class TestReloadsThatChangeThePlace:
    """Keys belong to their issuer: what changes about where and how often they are fetched takes none away."""

    def jwks(self, gateway):
        return gateway.configuration["identity_providers"][0]["jwks"]

    def change(self, gateway, jwks=None, **provider):
        row = gateway.configuration["identity_providers"][0] | provider
        if jwks is not None:
            row["jwks"] = jwks
        routes = [route if route["authenticate"] == "none" else route | {"authenticate": [row["name"]]}
                  for route in gateway.configuration["routes"]]
        gateway.reload(gateway.configuration | {"identity_providers": [row], "routes": routes})

    @pytest.mark.parametrize("change", [{"refresh": "1s"}, {"cooldown": "3s"}, {"maximum_age": "10m"}])
    def test_other_times_keep_the_keys_while_the_provider_is_down(self, start, provider, change):
        gateway = start()
        provider.server.stop()
        for jwks in (self.jwks(gateway) | change, self.jwks(gateway)):
            self.change(gateway, jwks)
            assert ask(gateway, provider.bearer()).status == 200
            assert gateway.admin("/readyz").status_code == 200

    def test_other_times_hold_at_once(self, start, provider):
        gateway = start()
        fetched = len(provider.server.fetches())
        self.change(gateway, self.jwks(gateway) | {"refresh": "1s"})
        eventually(lambda: len(provider.server.fetches()) >= fetched + 2, 6, what="fetches a second apart")

    def test_another_url_is_down_and_then_answers(self, start, provider):
        gateway = start()
        server = provider.server
        server.paths["/other"] = lambda handler: server.send(handler, 500, b"not yet")
        self.change(gateway, self.jwks(gateway) | {"url": f"{server.url}/other"})
        assert ask(gateway, provider.bearer()).status == 200
        assert gateway.admin("/readyz").status_code == 200
        eventually(lambda: server.fetches("/other"))
        old = provider.bearer()
        rotate(provider, "elsewhere", keeps=False)
        moved = json.dumps(server.document).encode()
        server.paths["/other"] = lambda handler: server.send(handler, 200, moved)
        # The new place has answered: what it does not have is no key any more.
        eventually(lambda: ask(gateway, provider.bearer()).status == 200, 10, what="the keys of the new place")
        problem(ask(gateway, old), 401, "token_key_unknown")

    def test_another_ca_another_name_a_discovery_and_a_file_keep_the_keys(self, start, provider, pki, tmp_path):
        provider.issuer = provider.server.url
        gateway = start(configured(pki, provider, remote(pki, provider.server)))
        provider.server.stop()
        plain = self.jwks(gateway)
        file = provider.write_jwks(tmp_path / "keys.json", without=["RS256"])
        for what, jwks, more in (
            ("a CA that the server is not of", plain | {"ca": str(pki.mesh.certificate)}, {}),
            ("the provider's name", plain | {"ca": str(pki.mesh.certificate)}, {"name": "renamed"}),
            ("name and place", plain | {"url": f"{provider.server.url}/elsewhere"}, {"name": "main"}),
            ("discovery", {"discovery": True, "ca": plain["ca"]}, {}),
            ("a file", {"file": str(file)}, {}),
            ("a URL in place of a file", plain, {}),
        ):
            self.change(gateway, jwks, **more)
            assert ask(gateway, provider.bearer()).status == 200, what
            assert gateway.admin("/readyz").status_code == 200, what

    def test_another_issuer_inherits_nothing(self, start, provider):
        gateway = start()
        provider.server.stop()
        provider.issuer = "https://other.example.com/"
        self.change(gateway, self.jwks(gateway), issuer=provider.issuer)
        problem(ask(gateway, provider.bearer()), 503, "keys_unavailable")
        assert gateway.admin("/readyz").status_code == 503

    def test_a_secret_that_was_replaced_is_out_at_once(self, start, provider, pki):
        old, new = "old-secret-of-the-two-0123456789", "new-secret-of-the-two-0123456789"
        changes = configured(pki, provider, remote(pki, provider.server), algorithms=["ES256", "HS256"], secret=old)
        gateway = start(changes)
        signed = lambda secret: provider.bearer("HS256", key=secret.encode())
        assert ask(gateway, signed(old)).status == 200
        provider.server.stop()
        self.change(gateway, self.jwks(gateway), secret=new)
        assert ask(gateway, signed(old)).status == 401
        assert ask(gateway, signed(new)).status == 200
        assert ask(gateway, provider.bearer()).status == 200


def test_a_key_that_was_asked_for_before_it_was_published_is_fetched_for_again(start, provider):
    gateway = start()
    eventually(lambda: time.monotonic() > provider.server.fetches()[-1] + 1.1)
    document = provider.server.document
    rotate(provider, "early")
    published, provider.server.document = provider.server.document, document
    fetched = len(provider.server.fetches())
    problem(ask(gateway, provider.bearer()), 401, "token_key_unknown")
    assert len(provider.server.fetches()) == fetched + 1
    provider.server.document = published
    # Two cooldowns, of one second here.
    eventually(lambda: ask(gateway, provider.bearer()).status == 200, 5, what="the key that came late")
    assert len(provider.server.fetches()) == fetched + 2
