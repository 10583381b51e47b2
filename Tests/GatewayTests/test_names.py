"""Names whose servers hang, refuse, lie or talk nonsense: nothing waits for them but what needs them."""
import json
import re
import secrets
import signal
import threading
import time

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.gateway import command
from harness.introspection import IntrospectionServer
from harness.keyserver import KeyServer
from harness.nameserver import NameServer
from harness.rawclient import RawClient
from harness.redisserver import PROGRAM, Redis
from harness.waiting import eventually, free_port, patience

# Seconds in which the control thread does what it is asked for; generous, and far below what a name server has to answer.
PROMPT = 2.0


@pytest.fixture
def names():
    with NameServer() as server:
        yield server


def named(pki, backend, *hosts, name="named"):
    return conf.backend(pki, name=name) | {"endpoints": [f"{host}:{backend.port}" for host in hosts]}


@pytest.fixture
def start(make_gateway, backend, pki, names):
    """A gateway that asks `names`, with more backends, and a public route to each."""
    def start(*backends, changes=None, **arguments):
        rows = [conf.backend(pki, backend.port), *backends]
        routes = [conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True),
                  *(conf.route(row["name"], f"/{row['name']}/**", to=row["name"], public=True) for row in backends)]
        return make_gateway(backends=rows, routes=routes, changes=conf.merged(
            {"process": {"resolvers": [names.address]}}, changes or {}), **arguments)
    return start


class Watch(threading.Thread):
    """Asks the admin listener again and again, and keeps how long the slowest answer took."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.slowest, self.ending, self.count = gateway, 0.0, threading.Event(), 0

    def run(self):
        while not self.ending.wait(0.02):
            began = time.monotonic()
            assert self.gateway.admin("/healthz").status_code == 200
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.count += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(20)


def with_backend(gateway, row):
    """The configuration of `gateway` with one backend more, and a public route to it."""
    name = row["name"]
    return gateway.configuration | {
        "backends": [*gateway.configuration["backends"], row],
        "routes": [*gateway.configuration["routes"], conf.route(name, f"/{name}/**", to=name, public=True)]}


def test_a_name_is_resolved_by_the_servers_that_are_named(start, names, backend, pki):
    names.names["orders.test"] = ["127.0.0.1"]
    gateway = start(named(pki, backend, "orders.test"))
    assert gateway.ask("GET", "/named/1").status == 200


def test_a_reload_with_a_name_that_hangs_holds_nothing_up(start, names, backend, pki, idp, tmp_path):
    names.names["slow.test"] = "hang"
    denied, opaque = f"user-{time.time_ns()}", secrets.token_urlsafe(32)
    feed = tmp_path / "denied.jsonl"
    feed.write_text("")
    with IntrospectionServer(pki.public.issue("introspection", dns=["localhost"])) as server:
        server.tokens[opaque] = {"sub": "alice", "scope": "orders:read"}
        asked = {"url": server.introspection_url, "ca": str(pki.public.certificate), "client_id": server.client_id,
                 "client_secret": server.secret, "cache": "0s"}
        gateway = start(changes={"revocation": {"feeds": [{"name": "denied", "file": str(feed), "fail": "open"}]}})
        configuration = with_backend(gateway, named(pki, backend, "slow.test"))
        configuration["identity_providers"] = [*configuration["identity_providers"],
                                               {"name": "opaque", "issuer": "https://opaque.example.com/", "introspection": asked}]
        configuration["routes"] = [*configuration["routes"], conf.route("opaque", "/opaque/**", authenticate=["opaque"])]
        with Watch(gateway) as watch:
            began = time.monotonic()
            gateway.reload(configuration, timeout=PROMPT + 3)
            assert time.monotonic() - began < patience(PROMPT + 1)
            eventually(lambda: names.asked("slow.test") > 1)
            assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 200
            began = time.monotonic()
            feed.write_text(json.dumps({"sub": denied}) + "\n")
            eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401)
            assert time.monotonic() - began < patience(PROMPT)
            assert gateway.ask("GET", "/opaque/1", headers={"Authorization": f"Bearer {opaque}"}).status == 200
            problem(gateway.ask("GET", "/named/1"), 502, "upstream_connect")
            # And again, while it still hangs.
            gateway.reload(timeout=PROMPT + 3)
            done = watch.count
            eventually(lambda: watch.count > done + 50, 20)
        assert watch.slowest < PROMPT


def test_a_start_waits_for_a_name_that_hangs_but_not_for_long(start, names, backend, pki):
    names.names.update({"slow.test": "hang", "good.test": ["127.0.0.1"]})
    began = time.monotonic()
    gateway = start(named(pki, backend, "slow.test"), named(pki, backend, "good.test", name="good"))
    assert time.monotonic() - began < patience(10)
    assert "slow.test does not resolve" in gateway.error_text
    assert gateway.ask("GET", "/good/1").status == gateway.ask("GET", "/public/1").status == 200
    problem(gateway.ask("GET", "/named/1"), 502, "upstream_connect")
    names.names["slow.test"] = ["127.0.0.1"]
    eventually(lambda: gateway.ask("GET", "/named/1").status == 200, 30, what="the name that hung")


def test_a_name_that_hangs_does_not_keep_another_that_comes_to_exist(start, names, backend, pki):
    names.names["slow.test"] = "hang"
    gateway = start(named(pki, backend, "slow.test"), named(pki, backend, "new.test", name="new"))
    problem(gateway.ask("GET", "/new/1"), 502, "upstream_connect")
    names.names["new.test"] = ["127.0.0.1"]
    came = time.monotonic()
    eventually(lambda: gateway.ask("GET", "/new/1").status == 200, 20)
    assert time.monotonic() - came < patience(5)
    assert gateway.ask("GET", "/named/1").status == 502


@pytest.mark.parametrize("sickness", ["hang", "refuse", "fail", "garbage", "empty", "lie", "circle", None])
def test_a_sick_name_server_harms_only_its_names(start, names, backend, pki, sickness):
    names.names["good.test"] = ["127.0.0.1"]
    if sickness:
        names.names["sick.test"] = sickness
    gateway = start(named(pki, backend, "good.test", name="good"), named(pki, backend, "sick.test"))
    with Watch(gateway) as watch:
        eventually(lambda: names.asked("sick.test") >= 6, 30)
        problem(gateway.ask("GET", "/named/1"), 502, "upstream_connect")
        assert gateway.ask("GET", "/good/1").status == 200
    assert watch.slowest < PROMPT
    names.names["sick.test"] = ["127.0.0.1"]
    eventually(lambda: gateway.ask("GET", "/named/1").status == 200, 30, what="the name once its server is well")


def test_an_answer_that_comes_by_tcp_and_is_huge_is_taken_within_bounds(start, names, backend, pki):
    names.names["huge.test"] = "huge"
    gateway = start(named(pki, backend, "huge.test"))
    assert "does not resolve" not in gateway.error_text
    # Nobody listens at these.
    problem(gateway.ask("GET", "/named/1"), 502, "upstream_connect")
    assert gateway.ask("GET", "/public/1").status == 200
    # By UDP and again by TCP.
    assert names.asked("huge.test") >= 2


def test_a_last_address_stays_while_the_name_server_is_silent(start, names, backend, pki):
    names.names["orders.test"] = ["127.0.0.1"]
    gateway = start(named(pki, backend, "orders.test"))
    names.names["orders.test"] = "hang"
    for _ in range(2):
        gateway.reload()
        assert gateway.ask("GET", "/named/1").status == 200
    # The same name for another backend is known already.
    gateway.reload(with_backend(gateway, named(pki, backend, "orders.test", name="twin")))
    assert gateway.ask("GET", "/twin/1").status == 200


def test_other_servers_take_effect_with_a_reload(start, names, backend, pki):
    names.names["orders.test"] = "hang"
    gateway = start(named(pki, backend, "orders.test"))
    problem(gateway.ask("GET", "/named/1"), 502, "upstream_connect")
    with NameServer({"orders.test": ["127.0.0.1"]}) as other:
        gateway.reload(conf.merged(gateway.configuration, {"process": {"resolvers": [other.address]}}))
        eventually(lambda: gateway.ask("GET", "/named/1").status == 200)


def test_a_provider_s_name_that_hangs_keeps_no_other_waiting(start, names, pki, idp):
    names.names["idp.test"] = "hang"
    with KeyServer(pki.public.issue("idp", dns=["idp.test"]), idp.jwks()) as server:
        row = conf.provider(idp, "x") | {"jwks": {"url": f"https://idp.test:{server.port}/jwks", "ca": str(pki.public.certificate)}}
        gateway = start(changes={"identity_providers": [row]})
        with Watch(gateway) as watch:
            problem(gateway.ask("GET", "/orders/1", headers=idp.bearer()), 503, "keys_unavailable")
            eventually(lambda: "the name does not resolve" in gateway.error_text, 20)
            names.names["idp.test"] = ["127.0.0.1"]
            eventually(lambda: gateway.admin("/readyz").status_code == 200, 40, what="the keys, once the name resolves")
        assert watch.slowest < PROMPT
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200


def test_an_introspection_endpoint_s_name_that_hangs_refuses_in_time(start, names, pki, idp):
    names.names["idp.test"] = "hang"
    asked = {"url": "https://idp.test/introspect", "ca": str(pki.public.certificate), "client_id": "x", "client_secret": "y", "timeout": "1s"}
    gateway = start()
    configuration = gateway.configuration | {
        "identity_providers": [*gateway.configuration["identity_providers"],
                               {"name": "opaque", "issuer": "https://opaque.example.com/", "introspection": asked}],
        "routes": [*gateway.configuration["routes"], conf.route("opaque", "/opaque/**", authenticate=["opaque"])]}
    gateway.reload(configuration)
    began = time.monotonic()
    problem(gateway.ask("GET", "/opaque/1", headers={"Authorization": "Bearer opaque"}), 503, "introspection_unavailable")
    assert time.monotonic() - began < patience(4)
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200


def test_a_feed_by_name_is_followed_once_the_name_resolves_over_reloads(start, names, idp, tmp_path_factory):
    if PROGRAM is None:
        pytest.fail("redis-server is not installed; Tests/packages.txt lists what these tests need")
    with Redis(tmp_path_factory.mktemp("redis")) as redis:
        names.names["redis.test"] = "hang"
        row = {"name": "denied", "redis": {"address": f"redis.test:{redis.port}"}, "fail": "closed"}
        gateway = start(changes={"revocation": {"feeds": [row]}})
        problem(gateway.ask("GET", "/orders/1", headers=idp.bearer()), 503, "revocation_unavailable")
        with Watch(gateway) as watch:
            gateway.reload(timeout=PROMPT + 3)
            names.names["redis.test"] = ["127.0.0.1"]
            eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200, 30, what="the list, once the name resolves")
        assert watch.slowest < PROMPT


def test_a_listener_s_name(start, names):
    names.names["edge.test"] = ["127.0.0.1"]
    gateway = start()
    port = free_port()
    row = gateway.configuration["listeners"][0] | {"name": "second", "address": f"edge.test:{port}"}
    before = gateway.configuration
    gateway.reload(before | {"listeners": [*before["listeners"], row]})
    with RawClient(port, gateway.ca) as client:
        assert client.exchange("GET", "/public/1").status == 200
    names.names["gone.test"] = "hang"
    gateway.write(before | {"listeners": [*before["listeners"], row | {"address": f"gone.test:{port}"}]})
    with Watch(gateway) as watch:
        reported = gateway.reload_rejected(timeout=PROMPT + 3)
    assert watch.slowest < PROMPT and "gone.test" in reported
    assert gateway.ask("GET", "/public/1").status == 200


@pytest.mark.parametrize("moment", ["start", "reload", "running"])
def test_a_name_that_hangs_holds_up_no_end(start, names, backend, pki, moment):
    names.names["slow.test"] = "hang"
    if moment == "start":
        gateway = start(named(pki, backend, "slow.test"), start=False)
        gateway.launch()
        eventually(lambda: names.asked("slow.test"), 10)
    elif moment == "running":
        gateway = start(named(pki, backend, "slow.test"))
    else:
        gateway = start()
        asked = names.asked("slow.test")
        gateway.write(with_backend(gateway, named(pki, backend, "slow.test")))
        gateway.signal(signal.SIGHUP)
        eventually(lambda: names.asked("slow.test") > asked)
    began = time.monotonic()
    assert gateway.stop(timeout=20) == 0
    assert time.monotonic() - began < patience(8)


def test_check_says_what_does_not_resolve_and_waits_for_nothing_long(start, names, backend, pki):
    names.names["slow.test"] = "hang"
    gateway = start(named(pki, backend, "slow.test", "gone.test"), start=False)
    began = time.monotonic()
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 0 and time.monotonic() - began < patience(8)
    for name in ("slow.test", "gone.test"):
        assert re.search(rf"gateway\.yaml:\d+:\d+: warning: {name} does not resolve", checked.stdout), checked.stdout


@pytest.mark.parametrize("value, said", [
    (["ns.example.com:53"], "a name server is named by its address"), (["ns.example.com"], "a name server is named by its address"),
    (["127.0.0.1"], "has no port"), ("127.0.0.1:53", "expected a list"),
    ([], "the list is empty"), ([f"127.0.0.{number}:53" for number in range(1, 10)], "8")])
def test_what_is_no_name_server_is_refused(start, value, said):
    gateway = start(changes={"process": {"resolvers": value}}, start=False)
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2 and said in checked.stderr, checked.stderr
    assert re.search(r"gateway\.yaml:\d+:\d+: ", checked.stderr)
