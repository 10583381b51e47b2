"""Rotating the keys of internal tokens: no backend ever meets a token that it cannot verify.

The backend here does what many do: it keeps the key set for a fixed time and never looks again because of an unknown key. Times are
scaled down: a key set is kept for three seconds where it would be a minute; `KeyScheduleTests` does the same at full scale.
"""
import datetime
import itertools
import json
import os
import random
import re
import signal
import threading
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from harness import configuration as conf
from harness.answers import seen
from harness.backend import Backend
from harness.gateway import command
from harness.message import Truncated
from harness.pki import private_pem, write_private
from harness.tokens import decoded
from harness.waiting import eventually, patience

KEPT = 3.0
PUBLISH_AHEAD = 6


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def manifest(directory):
    return json.loads((directory / "manifest.json").read_text())["keys"]


def kids(gateway):
    return [key["kid"] for key in gateway.internal_keys["keys"]]


def states(gateway):
    return {key["kid"]: key["state"] for key in gateway.admin("/config").json()["signing_keys"]}


class VerifyingBackend(Backend):
    """Verifies every token, as PyJWT does, with a key set that it keeps for `KEPT` seconds whatever comes."""

    def __init__(self, pki):
        super().__init__(pki.backend, pki.mesh.certificate)
        self.places = []
        self.failures = []
        self.verified = []
        self.keys, self.fetched = {}, 0.0
        self.lock = threading.Lock()
        self.on("/orders/", self.check)

    def current_keys(self):
        with self.lock:
            if time.monotonic() - self.fetched >= KEPT:
                # Any of the gateways will do: they are to be alike.
                for place in random.sample(self.places, len(self.places)):
                    try:
                        began = time.monotonic()
                        self.keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(requests.get(place, timeout=patience(5)).json()).keys}
                        self.fetched = began
                        break
                    except requests.RequestException:
                        continue
            return self.keys

    def check(self, connection, request):
        connection.body(request)
        token = request.get("X-Internal-Token")
        kid = jwt.get_unverified_header(token)["kid"]
        try:
            claims = jwt.decode(token, self.current_keys()[kid], algorithms=["ES256"], audience="orders",
                                issuer="https://gateway.internal", leeway=30)
            self.verified.append((kid, claims["iat"]))
            connection.answer(200, b"good")
        except (jwt.InvalidTokenError, KeyError) as error:
            self.failures.append((time.time(), kid, repr(error), sorted(self.keys)))
            connection.answer(200, b"bad")


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def rotating(make_gateway, keys):
    """A gateway with a key directory whose first key is there; not started."""

    def make(port, **internal_token):
        gateway = make_gateway(port, {"internal_token": {
            "signing_keys": {"directory": str(keys)}, "publish_ahead": f"{PUBLISH_AHEAD}s", "leeway": "1s", "ttl": f"{round(patience(5))}s",
            **internal_token}}, start=False)
        gateway.write()
        return gateway

    return make


def rotate(gateway, *arguments):
    done = command("keys", "rotate", "--config", gateway.routes, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.load
@pytest.mark.timeout(600)
def test_no_token_fails_to_verify_through_a_rotation_with_reloads_and_restarts(rotating, pki, idp, keys):
    with VerifyingBackend(pki) as backend:
        gateways = [rotating(backend.port), rotating(backend.port)]
        rotate(gateways[0])
        first = manifest(keys)[0]["kid"]
        for gateway in gateways:
            gateway.start()
        backend.places = [f"http://{g.configuration['admin']['address']}/.well-known/jwks.json" for g in gateways]
        over = threading.Event()
        refused, asked = [], itertools.count()
        # Some users come again and have their tokens used again, some are new.
        usual = [idp.bearer(sub=f"user-{number}") for number in range(4)]

        def ask(gateway):
            while not over.is_set():
                try:
                    with gateway.client() as client:
                        for _ in range(50):
                            number = next(asked)
                            headers = usual[number % 4] if number % 5 else idp.bearer(sub=f"new-{number}")
                            answer = client.exchange("GET", f"/orders/{number}", headers=headers)
                            if answer.status != 200:
                                refused.append((answer.status, answer.body))
                            if over.wait(0.002):
                                return
                except (OSError, Truncated):
                    # The gateway is being started again: what was answered counts, and nothing else.
                    if over.wait(0.05):
                        return

        askers = [threading.Thread(target=ask, args=(gateway,)) for gateway in gateways for _ in range(2)]
        for asker in askers:
            asker.start()
        try:
            eventually(lambda: len(backend.verified) > 50, 20)
            rotate(gateways[0])
            second = manifest(keys)[1]["kid"]
            # Next: both publish it, one is reloaded, the other is started again.
            eventually(lambda: all(second in kids(gateway) for gateway in gateways), 20)
            gateways[0].reload(timeout=20)
            assert gateways[1].stop() == 0
            gateways[1].start()
            signs_from = seconds(manifest(keys)[1]["signs_from"])
            assert signs_from >= seconds(manifest(keys)[1]["published_at"]) + PUBLISH_AHEAD
            # Active, without anybody doing anything.
            eventually(lambda: all(states(gateway)[second] == "active" for gateway in gateways), 30)
            assert all(sorted(kids(gateway)) == sorted([first, second]) for gateway in gateways), "the old one stays published"
            # Retired: the other way round.
            gateways[1].reload(timeout=20)
            assert gateways[0].stop() == 0
            gateways[0].start()
            # Gone.
            eventually(lambda: all(kids(gateway) == [second] for gateway in gateways), 60)
            before = len(backend.verified)
            eventually(lambda: len(backend.verified) > before + 50, 20)
        finally:
            over.set()
            for asker in askers:
                asker.join(20)
        assert backend.failures == [], backend.failures[:5]
        assert refused == [], refused[:5]
        assert {kid for kid, _ in backend.verified} == {first, second}
        assert min(issued for kid, issued in backend.verified if kid == second) >= int(signs_from)
        # The old key's tokens were not used on: each was made before the turn, give or take what clocks and timers do.
        assert max(issued for kid, issued in backend.verified if kid == first) <= signs_from + patience(5)
        assert not any("stay in force" in gateway.error_text for gateway in gateways)


def test_rotation_is_said_before_it_happens_and_while_it_does(rotating, backend, bearer, keys):
    gateway = rotating(backend.port)
    assert "the first key, signs at once" in rotate(gateway, "--dry-run") and not keys.exists()
    rotate(gateway)
    assert keys.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys.glob("*.key"))
    first = manifest(keys)[0]["kid"]
    gateway.start()
    signed = decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]
    assert signed["kid"] == first
    eventually(lambda: manifest(keys)[0]["published_at"])
    before = (keys / "manifest.json").read_text()
    assert rotate(gateway, "--dry-run").startswith("would be: ") and (keys / "manifest.json").read_text() == before
    assert "running gateways publish it within a second, and sign with it 8 s later" in rotate(gateway)
    second = manifest(keys)[1]["kid"]
    eventually(lambda: second in kids(gateway), 20)
    eventually(lambda: manifest(keys)[1]["signs_from"], 20)
    text = manifest(keys)[1]["signs_from"]

    def told():
        rows = {key["kid"]: key for key in gateway.admin("/config").json()["signing_keys"]}
        return rows if "signs_from" in rows[second] else None

    row = eventually(told, 20)
    assert row[second]["state"] == "next" and row[second]["signs_from"] == text
    assert row[first]["state"] == "active" and row[first]["signs_until"] == text
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 0 and f"signing key {second} (ES256): next, signs from {text}" in checked.stdout
    status = command("keys", "status", "--config", gateway.routes).stdout
    assert f"{first} (ES256): active, signs until {text}" in status
    again = command("keys", "rotate", "--config", gateway.routes)
    assert again.returncode == 1 and f"{second} is on its way already, and signs from {text} on" in again.stderr
    eventually(lambda: f"signing key {second}: signs from now on" in gateway.error_text, 30)
    signed = decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]
    assert signed["kid"] == second, "what the old key made is not used again"


def test_a_key_that_no_gateway_has_published_is_not_said_to_be(rotating, backend):
    gateway = rotating(backend.port)
    rotate(gateway)
    rotate(gateway)
    for arguments in (["check"], ["keys", "status"]):
        told = command(*arguments, "--config", gateway.routes)
        assert told.returncode == 0 and "(ES256): next, waits for a gateway to publish it" in told.stdout, told.stdout


def test_a_key_that_signs_already_is_taken_over(rotating, backend, bearer, pki, keys):
    gateway = rotating(backend.port)
    done = rotate(gateway, "--import", pki.internal_token_key, "--kid", "test-1")
    assert "test-1 (ES256): the first key" in done
    list_configuration = conf.merged(gateway.configuration, {})
    list_configuration["internal_token"]["signing_keys"] = [
        {"kid": "test-1", "algorithm": "ES256", "key": str(pki.internal_token_key)}]
    directory_configuration = gateway.configuration
    gateway.write(list_configuration)
    gateway.start()
    gateway.reload(directory_configuration)
    assert kids(gateway) == ["test-1"]
    again = command("keys", "rotate", "--config", gateway.routes, "--import", pki.internal_token_key, "--kid", "other")
    assert again.returncode == 1 and "is taken over as the first one only" in again.stderr


def test_a_key_that_cannot_be_recorded_does_not_sign(rotating, backend, bearer, keys):
    gateway = rotating(backend.port)
    rotate(gateway)
    gateway.start()
    eventually(lambda: manifest(keys)[0]["published_at"])
    rotate(gateway)
    # Whoever reads this as root may write anywhere, but not a directory as if it were a file.
    os.unlink(keys / "manifest.lock")
    os.mkdir(keys / "manifest.lock")
    second = manifest(keys)[1]["kid"]
    if manifest(keys)[1]["signs_from"] is None:
        eventually(lambda: f"{second} does not sign before" in gateway.error_text, 20)
        assert states(gateway)[second] == "next"
    os.rmdir(keys / "manifest.lock")
    eventually(lambda: manifest(keys)[1]["signs_from"], 20)


@pytest.mark.parametrize("text, message", [
    (None, "`gatehouse keys rotate` makes the first key and the manifest"),
    ("{", "manifest.json: it is no JSON"),
    ('{"keys":[]}', "the manifest has no key"),
    ('{"keys":[{"kid":"a","algorithm":"none"}]}', 'the key "a" has no `algorithm` that is ES256 or EdDSA'),
    ('{"keys":[{"kid":"a","algorithm":"ES256","file":"../a"}]}', 'the key "a" has no `file` in the directory'),
    ('{"keys":[{"kid":"a","algorithm":"ES256","file":"a.key","created_at":"today"}]}', "`created_at` of the key \"a\" is no time"),
    ('{"keys":[{"kid":"a","algorithm":"ES256","file":"a.key","created_at":"2026-11-25T03:00:00Z","token_life_seconds":9,'
     '"signs_from":"2026-11-25T03:00:00Z"}]}', "a.key cannot be read: no such file"),
])
def test_a_manifest_that_makes_no_sense_refuses_a_start_with_its_place(rotating, keys, text, message):
    gateway = rotating(9)
    keys.mkdir()
    if text is not None:
        (keys / "manifest.json").write_text(text)
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2
    assert re.search(rf"{re.escape(str(gateway.file))}:\d+:\d+: .*{re.escape(message)}", checked.stderr), checked.stderr


def test_a_manifest_that_breaks_while_it_is_used_changes_nothing(rotating, backend, bearer, keys):
    gateway = rotating(backend.port)
    rotate(gateway)
    gateway.start()
    eventually(lambda: manifest(keys)[0]["published_at"])
    good = (keys / "manifest.json").read_text()
    (keys / "manifest.json").write_text("{")
    eventually(lambda: "the signing keys that were read before stay in force" in gateway.error_text, 20)
    assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200
    (keys / "manifest.json").write_text(good)
    rotate(gateway)
    eventually(lambda: len(kids(gateway)) == 2, 20)


class TestLists:
    """Keys that are listed in the configuration, and moved by its editor."""

    @pytest.fixture
    def listed(self, make_gateway, backend, pki, tmp_path):
        other = tmp_path / "other.key"
        write_private(other, private_pem(ec.generate_private_key(ec.SECP256R1())))
        gateway = make_gateway(backend.port, {"internal_token": {"ttl": "5s", "leeway": "1s", "publish_ahead": "3s"}})

        def write(**rows):
            paths = {"one": pki.internal_token_key, "two": other}
            changed = conf.merged(gateway.configuration, {})
            changed["internal_token"]["signing_keys"] = [
                {"kid": "test-1" if name == "one" else name, "algorithm": "ES256", "key": str(paths[name]), **row}
                for name, row in rows.items()]
            gateway.write(changed)

        return gateway, write

    def test_a_key_is_not_activated_before_backends_know_it(self, listed, bearer):
        gateway, write = listed
        write(two={"state": "active"}, one={"state": "retired"})
        reported = gateway.reload_rejected()
        assert re.search(r"gateway\.yaml:\d+:\d+: the signing key `two` would sign before backends know it: it can be `active` from "
                         r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ on", reported), reported
        write(one={"state": "active"}, two={"state": "next"})
        gateway.reload()
        write(two={"state": "active"}, one={"state": "retired"})

        def accepted():
            before = gateway.generation
            gateway.signal(signal.SIGHUP)
            time.sleep(0.3)
            return gateway.generation > before

        eventually(accepted, 30, what="the reload that activates the key")
        assert decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]["kid"] == "two"

    def test_a_key_is_not_removed_while_its_tokens_live(self, listed, bearer):
        gateway, write = listed
        assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200
        write(two={"state": "active", "published_since": "2026-01-01T00:00:00Z"})
        reported = gateway.reload_rejected()
        assert re.search(r"gateway\.yaml:\d+:\d+: the signing key `test-1` is gone, but tokens that it signed may be alive until "
                         r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: keep it as `retired` until then", reported), reported
        write(two={"state": "active", "published_since": "2026-01-01T00:00:00Z"}, one={"state": "retired"})
        gateway.reload()
        assert kids(gateway) == ["two", "test-1"]
        write(two={"state": "active"})

        def accepted():
            before = gateway.generation
            gateway.signal(signal.SIGHUP)
            time.sleep(0.3)
            return gateway.generation > before

        eventually(accepted, 60, what="the reload that removes the key")
        assert kids(gateway) == ["two"]

    def test_a_key_is_activated_at_its_time_without_a_reload(self, listed, bearer):
        gateway, write = listed
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=round(patience(7)))
        text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        write(one={"state": "active"}, two={"state": "next", "activate_at": text})
        checked = command("check", "--config", gateway.routes).stdout
        assert f"signing key two (ES256): next, signs from {text}" in checked
        gateway.reload()
        assert decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]["kid"] == "test-1"
        eventually(lambda: "signing key two: signs from now on" in gateway.error_text, 30)
        assert decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]["kid"] == "two"
        assert kids(gateway) == ["test-1", "two"] and states(gateway) == {"test-1": "retired", "two": "active"}
