"""A gateway and an OpenID provider that was written by others: its grants, its rotations, its outages."""
import base64
import os
import subprocess
import time

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.openidprovider import CLIENT, OpenIDProvider
from harness.tokens import base64url, decoded
from harness.waiting import eventually
from test_remote_keys import Load

COOLDOWN = 1.0


@pytest.fixture
def provider(pki, tmp_path, request):
    named = getattr(request, "param", "named") == "named"
    with OpenIDProvider(tmp_path, pki.public.issue("openid", dns=["localhost"]), named) as provider:
        yield provider


@pytest.fixture
def start(make_gateway, backend, pki, provider):
    def start(**more):
        jwks = {"discovery": True, "ca": str(pki.public.certificate), "refresh": "10m", "cooldown": f"{COOLDOWN:.0f}s", **more}
        entry = {"name": "main", "issuer": provider.url, "audiences": [CLIENT], "algorithms": ["RS256"], "jwks": jwks}
        gateway = make_gateway(backend.port, {"identity_providers": [entry]}, routes=[conf.route("orders", "/orders/**")])
        eventually(lambda: gateway.admin("/readyz").status_code == 200, what="the provider's keys")
        return gateway
    return start


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def ask(gateway, token):
    return gateway.ask("GET", "/orders/1", headers=bearer(token))


def cooled_down(provider):
    eventually(lambda: time.monotonic() > provider.requests[-1][0] + COOLDOWN + 0.2)


def fetched(provider):
    """When the gateway began to fetch: discovery, or keys where it knew their address."""
    return provider.fetches("/.well-known/openid-configuration"), provider.fetches("/jwks")


def kept_the_cooldown(provider):
    # By the clock of the provider, where one fetch may be longer under way than the next.
    for times in fetched(provider):
        assert len(times) - 1 <= (times[-1] - times[0]) / COOLDOWN + 0.5, times
        assert all(later - earlier > COOLDOWN / 2 for earlier, later in zip(times, times[1:])), times


class Rotating:
    """Gives out one of its tokens after the other."""

    def __init__(self, *tokens):
        self.tokens, self.next = list(tokens), 0

    def __call__(self):
        self.next += 1
        return bearer(self.tokens[self.next % len(self.tokens)])


@pytest.mark.parametrize("provider", ["named", "nameless"], indirect=True)
def test_a_token_of_a_real_grant_passes(start, provider, pki):
    gateway = start()
    token = provider.grant(pki.public.certificate, "alice@example.com")
    assert decoded(token)[1]["iss"] == provider.url
    answer = ask(gateway, token)
    claims = decoded(seen(answer).get("X-Internal-Token"))[1]
    assert (claims["sub"], claims["idp"]) == ("alice@example.com", provider.url)
    problem(ask(gateway, provider.grant(pki.public.certificate, client="somebody-else")), 401, "token_audience")
    problem(ask(gateway, token[:-6] + "AAAAAA"), 401, "token_signature")


def test_a_rotation_under_load(start, provider, pki):
    """A new key beside the old one, then instead of it: no valid token is refused, and none of the old key's afterwards."""
    gateway = start(refresh="2s")
    old = [provider.grant(pki.public.certificate, f"user-{number}") for number in range(6)]
    old_key, new_key = Rotating(*old), None
    with Load(gateway, old_key) as olds:
        eventually(lambda: len(olds.statuses) > 20)
        provider.add()
        new = [provider.grant(pki.public.certificate, f"user-{number}") for number in range(6)]
        assert {decoded(token)[0]["kid"] for token in old} != {decoded(token)[0]["kid"] for token in new}
        cooled_down(provider)
        new_key = Rotating(*new)
        with Load(gateway, new_key) as news:
            eventually(lambda: len(news.statuses) > 50, 20)
            assert set(olds.statuses) == {200}, "the old key is still published"
            # Now the old key goes.
            provider.forget()
            gone = time.monotonic()
            eventually(lambda: olds.statuses[-1] == 401, 10, what="tokens of the removed key refused")
            within = time.monotonic() - gone
            done = len(news.statuses)
            eventually(lambda: len(news.statuses) > done + 50, 20)
        assert set(news.statuses) == {200}
    # Cached verdicts included; the bound is the refresh, and a second of grace for this machine.
    assert within < 2 + 2
    first = olds.statuses.index(401)
    assert set(olds.statuses[:first]) == {200} and set(olds.statuses[first:]) == {401}
    problem(ask(gateway, old[0]), 401, "token_key_unknown")
    kept_the_cooldown(provider)


@pytest.mark.parametrize("outage", ["killed", "stopped", "slow", "garbage", "large"])
def test_an_outage_is_not_noticed_by_who_has_a_token(start, provider, pki, outage):
    gateway = start(refresh="1s")
    tokens = [provider.grant(pki.public.certificate, f"user-{number}") for number in range(30)]
    unseen = tokens[15:]
    with Load(gateway, Rotating(*tokens[:15])) as load:
        eventually(lambda: len(load.statuses) > 20)
        if outage == "killed":
            provider.instances[0].kill()
        elif outage == "stopped":
            provider.close()
        elif outage == "slow":
            provider.delay = 8
        else:
            provider.mode = outage
        failures = lambda: gateway.metric("gatehouse_jwks_refreshes_total", provider="main", result="failure")
        before = failures()
        eventually(lambda: failures() >= before + 2, 40, what="two failed fetches")
        # Also tokens whose signature was never looked at before.
        assert [ask(gateway, token).status for token in unseen] == [200] * len(unseen)
        done = len(load.statuses)
        eventually(lambda: len(load.statuses) > done + 20)
    assert set(load.statuses) == {200}
    kept_the_cooldown(provider)
    assert gateway.peak_resident < 80
    # Back again, with another key where the process had died.
    if outage == "killed":
        provider.add()
        provider.forget()
    provider.delay, provider.mode = 0, "well"
    if outage == "stopped":
        provider.start()
    token = provider.grant(pki.public.certificate, "back")
    eventually(lambda: ask(gateway, token).status == 200, 20, what="tokens of the provider that is back")


SCRIPT = """
local tokens, next = {}, 0
for line in io.lines("%s") do tokens[#tokens + 1] = line end
request = function()
  next = next %% #tokens + 1
  return wrk.format("GET", "/orders/1", { Host = "api.example.com", Authorization = "Bearer " .. tokens[next] })
end
"""


def flood(wrk, gateway, directory, name, tokens, seconds):
    """Asks as fast as four connections can, each time with the next token; gives how many answers there were."""
    (directory / f"{name}.tokens").write_text("\n".join(tokens))
    (directory / f"{name}.lua").write_text(SCRIPT % (directory / f"{name}.tokens"))
    ended = subprocess.run([wrk, "-t", "1", "-c", "4", "-d", f"{seconds}s", "-s", str(directory / f"{name}.lua"), gateway.url],
                           capture_output=True, text=True, timeout=seconds + 30)
    lines = {line.split(":")[0].strip(): line for line in ended.stdout.splitlines()}
    total = int(next(line.split()[0] for line in ended.stdout.splitlines() if " requests in " in line))
    refused = int(lines["Non-2xx or 3xx responses"].split(":")[1])
    assert refused == total, ended.stdout
    return total


def median(times):
    return sorted(times)[len(times) // 2]


def test_a_flood_of_made_up_keys_costs_one_fetch_a_cooldown(start, provider, pki, wrk, tmp_path):
    gateway = start(cooldown="2s")
    good = provider.grant(pki.public.certificate)
    header, body, _ = good.split(".")

    def forged(kid):
        head = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT","kid":"' + kid + b'"}').rstrip(b"=").decode()
        return f"{head}.{body}.{base64url(os.urandom(256))}"

    kids = [os.urandom(9).hex().encode() for _ in range(20_000)]
    [published] = {decoded(good)[0]["kid"].encode()}
    # A flood of the same weight that asks for no key: what it does to others is the measure for what the other flood does.
    same = [forged(published) for _ in range(1000)]
    with Load(gateway, lambda: bearer(good)) as others:
        flood(wrk, gateway, tmp_path, "same", same, 4)
    measure = median(others.times)
    assert set(others.statuses) == {200}

    time.sleep(2.2)
    before, began = len(provider.fetches("/jwks")), time.monotonic()
    with Load(gateway, lambda: bearer(good)) as others:
        total = flood(wrk, gateway, tmp_path, "random", [forged(kid) for kid in kids], 6)
    elapsed = time.monotonic() - began
    assert set(others.statuses) == {200}
    assert total > 2000
    fetches = len(provider.fetches("/jwks")) - before
    assert 1 <= fetches <= elapsed / 2 + 1, (fetches, elapsed)
    times = provider.fetches("/jwks")[-fetches:]
    assert all(later - earlier > 1 for earlier, later in zip(times, times[1:])), times
    # Who waits for a fetch waits for it at most; who has a good key waits for nobody.
    assert median(others.times) < measure * 5 + 0.02, (median(others.times), measure)
    print(f"{total / 6:.0f} requests/s, {fetches} fetches; median {median(others.times) * 1000:.2f} ms against {measure * 1000:.2f} ms")
