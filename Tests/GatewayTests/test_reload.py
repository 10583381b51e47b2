"""SIGHUP: a new configuration takes effect at once and whole, a bad one not at all, and no client notices."""
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness import configuration as conf
from harness.answers import problem, seen
from harness.backend import Backend
from harness.pki import private_pem, write_private
from harness.prometheus import parse
from harness.tokens import IdentityProvider, decoded
from harness.waiting import SANITIZED, eventually, free_port


@pytest.fixture
def own(make_gateway, backend):
    """A gateway of the test's own, to be reloaded at will."""
    return make_gateway(backend.port)


def test_a_new_route_takes_effect(own):
    problem(own.ask("GET", "/new/1"), 404, "no_route")
    before = own.generation
    own.reload(conf.merged(own.configuration, {"routes": [*own.configuration["routes"], conf.route("new", "/new/**", public=True)]}))
    assert own.ask("GET", "/new/1").status == 200
    assert own.generation == before + 1
    assert own.metric("gatehouse_config_generation") == own.generation


def test_a_connection_that_was_open_meets_the_new_configuration(own):
    with own.client() as client:
        problem(client.exchange("GET", "/new/1"), 404, "no_route")
        own.reload(conf.merged(own.configuration, {"routes": [*own.configuration["routes"], conf.route("new", "/new/**", public=True)]}))
        assert client.exchange("GET", "/new/1").status == 200


def test_a_removed_route_is_gone(own):
    assert own.ask("GET", "/public/1").status == 200
    own.reload(conf.merged(own.configuration, {"routes": own.configuration["routes"][:1]}))
    problem(own.ask("GET", "/public/1"), 404, "no_route")


def test_a_request_in_flight_ends_in_the_configuration_it_began_in(own, backend):
    backend.on("/public/in-flight", lambda connection, request: (time.sleep(1), connection.answer(200, b"old")))
    with own.client() as client:
        client.request("GET", "/public/in-flight")
        eventually(lambda: backend.requests_to("/public/in-flight"))
        own.reload(conf.merged(own.configuration, {"routes": own.configuration["routes"][:1]}))
        assert client.response().body == b"old"


BROKEN = {
    "an unknown key": ("routes:", "rotes:"),
    "a backend that is not there": ("backend: orders", "backend: odrers"),
    "no YAML": ("routes:", "routes: ["),
    "a missing file": ("internal-token.key", "no-such.key"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_changes_nothing_and_is_reported_with_its_line(own, what):
    old, new = BROKEN[what]
    text = own.file.read_text()
    own.file.write_text(text.replace(old, new, 1))
    reported = own.reload_rejected()
    match = re.search(rf"{re.escape(own.file.name)}:(\d+):(\d+): ", reported)
    assert match, reported
    if what in ("an unknown key", "a backend that is not there", "a missing file"):
        assert new.split(":")[-1].strip() in text.replace(old, new, 1).splitlines()[int(match.group(1)) - 1]
    assert own.ask("GET", "/public/1").status == 200
    assert own.admin("/readyz").status_code == 200
    own.file.write_text(text)
    own.reload()


@pytest.mark.parametrize("what", ["ca", "certificate", "key", "jwks", "signing key"])
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(make_gateway, backend, pki, idp, tmp_path, what):
    """Whoever opens one to read it waits for a writer that never comes."""
    files = {"ca": pki.mesh.certificate, "certificate": pki.gateway.certificate, "key": pki.gateway.key, "jwks": idp.write_jwks(tmp_path / "all.json"),
             "signing key": pki.internal_token_key}
    content = files[what].read_bytes()
    own = tmp_path / "own"
    write_private(own, content)
    tls = {what: str(own)} if what in ("ca", "certificate", "key") else {}
    gateway = make_gateway(backends=[conf.backend(pki, backend.port, tls=tls)], keys=own if what == "jwks" else None, start=False)
    if what == "signing key":
        gateway.configuration["internal_token"]["signing_keys"][0]["key"] = str(own)
    gateway.start()
    own.unlink()
    os.mkfifo(own)
    assert str(own) in gateway.reload_rejected()
    assert gateway.ask("GET", "/public/1").status == 200
    own.unlink()
    write_private(own, content)
    gateway.reload()


def test_reloads_are_counted_by_result(own):
    def results():
        return {s.labels["result"]: s.value for s in parse(own.admin("/metrics").text).samples
                if s.name == "gatehouse_config_reloads_total"}
    before = results()
    own.reload()
    text = own.file.read_text()
    own.file.write_text(text.replace("routes:", "rotes:"))
    own.reload_rejected()
    after = eventually(lambda: (lambda now: now if sum(now.values()) >= sum(before.values()) + 2 else None)(results()))
    raised = [name for name in after if after[name] > before.get(name, 0)]
    assert len(raised) == 2, (before, after)


def test_a_key_that_left_the_key_set_is_refused_although_its_tokens_were_cached(make_gateway, backend, idp, tmp_path):
    keys = idp.write_jwks(tmp_path / "keys.json")
    gateway = make_gateway(backend.port, keys=keys)
    old, other = idp.bearer("ES256"), idp.bearer("EdDSA")
    with gateway.client() as client:
        for headers in (old, other, old, other):
            assert client.exchange("GET", "/orders/1", headers=headers).status == 200
        idp.write_jwks(keys, without=["ES256"])
        gateway.reload()
        problem(client.exchange("GET", "/orders/1", headers=old), 401, "token_key_unknown")
        assert client.exchange("GET", "/orders/1", headers=other).status == 200


def test_a_key_replaced_under_its_kid_ends_its_cached_tokens(make_gateway, backend, idp, tmp_path):
    keys = idp.write_jwks(tmp_path / "keys.json")
    gateway = make_gateway(backend.port, keys=keys)
    with gateway.client() as client:
        mine = idp.bearer()
        assert client.exchange("GET", "/orders/1", headers=mine).status == 200
        successor = IdentityProvider()
        successor.write_jwks(keys)
        gateway.reload()
        problem(client.exchange("GET", "/orders/1", headers=mine), 401, "token_signature")
        assert client.exchange("GET", "/orders/1", headers=successor.bearer()).status == 200


def test_stricter_rules_meet_cached_tokens(own, bearer, idp):
    with own.client() as client:
        assert client.exchange("GET", "/orders/1", headers=bearer).status == 200
        changed = conf.merged(own.configuration, {})
        changed["identity_providers"][0]["audiences"] = ["somebody-else"]
        own.reload(changed)
        problem(client.exchange("GET", "/orders/1", headers=bearer), 401, "token_audience")


def test_a_new_edge_certificate_is_presented(make_gateway, backend, pki, tmp_path):
    successor = pki.public.issue("edge-2", dns=["api.example.com", "localhost"])
    gateway = make_gateway(backend.port)
    with gateway.client() as kept:
        assert kept.exchange("GET", "/public/1").status == 200
        changed = conf.merged(gateway.configuration, {})
        changed["listeners"][0]["tls"]["certificates"] = [successor.files]
        gateway.reload(changed)
        with gateway.client() as client:
            assert client.socket.getpeercert(binary_form=True) == successor.der
        assert kept.exchange("GET", "/public/1").status == 200, "connections that are open stay"


def test_a_new_gateway_certificate_is_presented_and_named_by_new_tokens(make_gateway, pki, bearer):
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(backend.port)
        successor = pki.mesh.issue("gateway-2", dns=["gateway.internal"], uris=[pki.GATEWAY_ID])
        with gateway.client() as client:
            first = seen(client.exchange("GET", "/orders/1", headers=bearer))
            changed = conf.merged(gateway.configuration, {})
            changed["backends"][0]["tls"].update(successor.files)
            gateway.reload(changed)
            second = seen(client.exchange("GET", "/orders/2", headers=bearer))
        assert decoded(first.get("X-Internal-Token"))[1]["cnf"]["x5t#S256"] == pki.gateway.thumbprint
        assert decoded(second.get("X-Internal-Token"))[1]["cnf"]["x5t#S256"] == successor.thumbprint
        assert [c.certificate for c in backend.connections] == [pki.gateway.der, successor.der]


def test_rotation_publishes_the_next_key_before_it_signs(make_gateway, backend, pki, bearer, tmp_path):
    successor = tmp_path / "next.key"
    write_private(successor, private_pem(ec.generate_private_key(ec.SECP256R1())))
    gateway = make_gateway(backend.port)

    def keys(old, new):
        changed = conf.merged(gateway.configuration, {"internal_token": {"publish_ahead": "0s"}})
        changed["internal_token"]["signing_keys"] = [
            {"kid": "test-1", "algorithm": "ES256", "key": str(pki.internal_token_key), "state": old},
            {"kid": "test-2", "algorithm": "ES256", "key": str(successor), "state": new}]
        gateway.reload(changed)
        signed_by = decoded(seen(gateway.ask("GET", "/orders/1", headers=bearer)).get("X-Internal-Token"))[0]["kid"]
        return signed_by, sorted(key["kid"] for key in gateway.internal_keys["keys"])

    assert keys("active", "next") == ("test-1", ["test-1", "test-2"])
    assert keys("retired", "active") == ("test-2", ["test-1", "test-2"])


def test_published_keys_hold_no_private_part(own):
    for key in own.internal_keys["keys"]:
        assert "d" not in key and key["use"] == "sig" and key["alg"] == "ES256"


@pytest.mark.load
@pytest.mark.timeout(600)
def test_reloading_under_load_fails_no_request(make_gateway, nginx, wrk, token, tmp_path):
    """wrk with 32 connections while the configuration is reloaded twice a second, certificates and keys read again."""
    gateway = make_gateway(nginx.port, workers=2)
    script = tmp_path / "load.lua"
    script.write_text(f'wrk.headers["Authorization"] = "Bearer {token}"\nwrk.headers["Host"] = "api.example.com"\n')
    seconds = int(os.environ.get("GATEHOUSE_RELOAD_SECONDS", "20" if SANITIZED else "8"))
    load = subprocess.Popen([wrk, "-t1", "-c32", f"-d{seconds}s", "--timeout", "5s", "-s", str(script), f"https://127.0.0.1:{gateway.port}/orders/load"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    before, reloads = gateway.generation, 0
    time.sleep(0.5)
    extra = conf.route("extra", "/extra/**", public=True)
    routes = list(gateway.configuration["routes"])
    while load.poll() is None:
        # Each takes effect, and takes what it takes beside the load.
        gateway.reload(conf.merged(gateway.configuration, {"routes": routes + ([extra] if reloads % 2 else [])}), timeout=60)
        reloads += 1
        time.sleep(0.3)
    output = load.communicate(timeout=seconds + 20)[0]
    assert gateway.generation == before + reloads and reloads >= 2, "reloads took effect"
    assert "Non-2xx" not in output and "Socket errors" not in output, output
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    assert rate > 1000, output


@pytest.mark.load
def test_a_reload_gives_way_to_busy_neighbours_for_a_while_only(make_gateway, backend):
    """Ten thousand routes on one processor, beside six processes that want it without end."""
    processor = min(os.sched_getaffinity(0))
    gateway = make_gateway(backend.port)
    threads = Path(f"/proc/{gateway.process.pid}/task")
    others = {thread.name for thread in threads.iterdir()}
    # The thread that reads is made by this one, and has its processors.
    os.sched_setaffinity(gateway.process.pid, {processor})
    routes = [*gateway.configuration["routes"], *(conf.route(f"r{n}", f"/r{n}/{{id}}/**", public=True) for n in range(10_000))]
    gateway.write(conf.merged(gateway.configuration, {"routes": routes}))
    neighbours = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(6)]
    try:
        for one in neighbours:
            os.sched_setaffinity(one.pid, {processor})
        before = gateway.generation
        gateway.signal(signal.SIGHUP)
        seen = []

        def has_whole_turns():
            """Turns of the reading thread as long as the kernel lets them be, and not what it computes before it gives way."""
            for thread in threads.iterdir():
                if thread.name not in others:
                    ran, _, turns = map(int, (thread / "schedstat").read_text().split())
                    seen.append((ran, turns))
            if len(seen) < 2:
                return False
            (ran_then, turns_then), (ran, turns) = seen[max(0, len(seen) - 100)], seen[-1]
            return turns > turns_then + 5 and (ran - ran_then) / (turns - turns_then) > 1_000_000

        eventually(has_whole_turns, 30, what="a part of the processor for the thread that reads")
        assert gateway.generation == before
    finally:
        for one in neighbours:
            one.kill()
            one.wait()
    eventually(lambda: gateway.generation > before, 30, what="the reload")


def test_while_a_configuration_is_read_all_goes_on_and_a_second_signal_counts(own):
    """One of the files is a pipe, so that the reading takes as long as the test likes."""
    pipe, before = own.routes / "more.yaml", own.generation
    os.mkfifo(pipe)
    own.signal(signal.SIGHUP)
    writer = eventually(lambda: opened_for_writing(pipe), what="somebody who reads the file")
    assert own.generation == before, "the admin listener answers meanwhile"
    assert own.ask("GET", "/public/1").status == 200
    pipe.unlink()
    own.write(conf.merged(own.configuration, {"routes": [*own.configuration["routes"], conf.route("last", "/last/**", public=True)]}))
    own.signal(signal.SIGHUP)
    assert own.generation == before, "one after the other"
    with writer:
        writer.write(conf.as_yaml({"routes": [conf.route("more", "/more/**", public=True)]}).encode())
    eventually(lambda: own.generation == before + 2, what="both reloads")
    assert own.ask("GET", "/last/1").status == 200
    problem(own.ask("GET", "/more/1"), 404, "no_route")


def opened_for_writing(pipe):
    """Nothing as long as nobody reads it."""
    try:
        return open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


def test_a_flood_of_sighups_is_survived(own):
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            assert own.ask("GET", "/public/1").status == 200

    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(200):
        own.signal(signal.SIGHUP)
        time.sleep(0.002)
    stop.set()
    asker.join(10)
    own.reload()
    assert own.ask("GET", "/public/1").status == 200


def test_sigusr1_reopens_the_access_log(make_gateway, backend, tmp_path):
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    gateway = make_gateway(backend.port, {"access_log": {"path": str(log)}})
    assert gateway.ask("GET", "/public/first").status == 200
    eventually(lambda: log.exists() and "/public/first" in log.read_text())
    log.rename(moved)
    gateway.signal(signal.SIGUSR1)
    eventually(Path(log).exists)
    assert gateway.ask("GET", "/public/second").status == 200
    eventually(lambda: "/public/second" in log.read_text())
    assert "/public/second" not in moved.read_text()


def test_a_reload_is_doubted_by_the_workers_that_there_are(make_gateway, backend):
    """As many as are written take effect with a restart: until then a limit is divided among those that run."""
    gateway = make_gateway(backend.port)
    written = conf.merged(gateway.configuration, {"process": {"workers": 4}})
    written["listeners"][0]["limits"] = {"connections": 400, "connections_per_client": 200}
    gateway.reload(written)
    assert "process.workers has changed" in gateway.error_text
    assert "one client may have every connection" not in gateway.error_text
    written["listeners"][0]["limits"]["connections_per_client"] = 400
    gateway.reload(written)
    assert "each worker has 400 of `connections`" in gateway.error_text


@pytest.mark.parametrize("first, then", [("error", "info"), ("info", "error")])
def test_the_level_of_the_log_holds_for_what_workers_say(make_gateway, backend, pki, first, then):
    """A backend that is down is a warning of the worker that tried it."""
    gateway = make_gateway(backend.port, {"process": {"log_level": first}}, start=False)
    level = {"info": lambda name: eventually(lambda: f"backend {name} at" in gateway.error_text),
             "error": lambda name: None}
    routes = gateway.configuration["routes"]
    gateway.configuration = conf.merged(gateway.configuration, {
        "backends": [*gateway.configuration["backends"], *(conf.backend(pki, free_port(), name=name) for name in (first, then))],
        "routes": [*routes, *(conf.route(name, f"/{name}/**", to=name, public=True) for name in (first, then))]})
    gateway.start()
    assert gateway.ask("GET", f"/{first}/1").status == 502
    level[first](first)
    gateway.reload(conf.merged(gateway.configuration, {"process": {"log_level": then}}))
    assert gateway.ask("GET", f"/{then}/1").status == 502
    level[then](then)
    assert gateway.stop() == 0
    # All has been said.
    assert "backend error at" not in gateway.error_text
    assert "backend info at" in gateway.error_text
