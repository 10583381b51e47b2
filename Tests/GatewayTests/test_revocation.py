"""Deny-lists: in force on every worker within a second, for tokens that are cached and for what they have let in."""
import datetime
import json
import os
import threading
import time

import grpc
import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.eventstream import HEAD, HTTP1Events, HTTP2Events, chunk
from harness.gateway import command
from harness.grpcserver import GRPCClient, GRPCServer
from harness.http2client import HTTP2Client
from harness.redisserver import PROGRAM, Redis
from harness.tokens import IdentityProvider
from harness.waiting import eventually, free_port, patience
from harness.websocket import accept, BINARY, CLOSE, ConnectSocket, UpgradeBackend, UpgradeSocket, frame

WORKERS = 3
# Seconds from the moment an entry is published to the last request that its token passes with.
BOUND = 1.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    if PROGRAM is None:
        pytest.fail("redis-server is not installed; Tests/packages.txt lists what these tests need")
    with Redis(tmp_path_factory.mktemp("redis"), persistent=True) as redis:
        yield redis


class FileFeed:
    """A deny-list in a file, replaced whole by a rename as editors and deployments do it."""

    def __init__(self, directory):
        self.path = directory / "denied.jsonl"
        self.lines = []
        self.write()

    def row(self, **more):
        return {"name": "denied", "file": str(self.path), "fail": "closed", **more}

    def write(self, text=None):
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(line + "\n" for line in self.lines) if text is None else text)
        os.rename(fresh, self.path)

    def deny(self, **entry):
        """Gives the time right before the list was there."""
        self.lines.append(json.dumps(entry))
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(line + "\n" for line in self.lines))
        now = time.time()
        os.rename(fresh, self.path)
        return now


class RedisFeed:
    def __init__(self, redis):
        self.redis = redis

    def row(self, redis={}, **more):
        return {"name": "denied", "redis": {"address": f"127.0.0.1:{self.redis.port}", **redis}, "fail": "closed", **more}

    def deny(self, **entry):
        self.redis.add(json.dumps(entry))
        now = time.time()
        self.redis.run("PUBLISH", "gatehouse:revoked", json.dumps(entry))
        return now


@pytest.fixture(params=["file", "redis"])
def feed(request, tmp_path):
    return FileFeed(tmp_path) if request.param == "file" else RedisFeed(request.getfixturevalue("redis"))


@pytest.fixture(scope="module")
def sockets(pki):
    backend = UpgradeBackend(pki.backend, pki.mesh.certificate)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def calls(pki):
    server = GRPCServer(pki.backend, pki.mesh.certificate)
    yield server
    server.stop()


@pytest.fixture
def gate(make_gateway, pki, backend, sockets, calls):
    """A gateway with several workers and every kind of backend, that follows a feed."""
    def gate(*rows, **more):
        gateway = make_gateway(
            backends=[conf.backend(pki, backend.port), conf.backend(pki, sockets.port, name="sockets"),
                      conf.backend(pki, calls.port, name="calls")],
            routes=[conf.route("orders", "/orders/**"), conf.route("public", "/public/**", public=True),
                    conf.route("sockets", "/chat/**", to="sockets"), conf.route("calls", "/test.Echo/**", to="calls")],
            workers=WORKERS, changes={"revocation": {"feeds": list(rows)}, **more})
        eventually(lambda: gateway.admin("/readyz").status_code == 200, 10, what=f"a feed that is read; {gateway.error_text}")
        return gateway
    return gate


def name():
    return f"user-{time.time_ns()}"


def ended(line):
    """When a request was over, by the gateway's own clock."""
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() + line["duration_ms"] / 1000


def began(line):
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def drip(connection, request):
    connection.send(HEAD)
    while not connection.ended.wait(0.05):
        connection.send(chunk("data: 0\n\n"))


class Crowd:
    """One user, all over the gateway: connections to every worker, and open streams of each kind."""

    def __init__(self, gateway, pki, idp, user):
        self.gateway, self.path = gateway, f"/orders/{user}"
        self.bearer = idp.bearer(sub=user)
        self.clients = [gateway.client() for _ in range(8 * WORKERS)]
        self.multiplexed = [HTTP2Client(gateway.port, pki.public.certificate) for _ in range(2 * WORKERS)]
        self.events = [kind(gateway, pki, f"{self.path}/events", self.bearer) for kind in (HTTP1Events, HTTP2Events)]
        self.sockets = [kind(gateway, pki, f"/chat/{user}", self.bearer) for kind in (UpgradeSocket, ConnectSocket)]
        self.rpc = GRPCClient(gateway.port, pki.public.certificate)
        self.call = self.rpc("unary_stream", "Drip")(
            b"one", metadata=[("authorization", self.bearer["Authorization"]), ("x-user", user)], timeout=60)

    def ask(self):
        """Each connection's answer to a request: status and denial code."""
        for client in self.clients:
            client.request("GET", self.path, headers=self.bearer)
        numbers = [client.start("GET", self.path, headers=self.bearer) for client in self.multiplexed]
        answers = [client.response() for client in self.clients]
        answers += [client.response(number) for client, number in zip(self.multiplexed, numbers)]
        return {(answer.status, json.loads(answer.body).get("code") if answer.status != 200 else None) for answer in answers}

    def is_served(self):
        assert self.ask() == {(200, None)}
        for stream in self.events:
            assert stream.next() == "data: 0\n\n"
        for socket in self.sockets:
            socket.send(frame(b"hello"))
            assert socket.receive() == (BINARY, b"hello")

    def is_cut_off(self):
        """Waits until nothing is let through any more, and everything that was open is closed with its reason."""
        eventually(lambda: self.ask() == {(401, "token_revoked")}, 15)
        for stream in self.events:
            while (event := stream.next()) == "data: 0\n\n":
                pass
            assert event is None
        for socket in self.sockets:
            assert socket.receive() == (CLOSE, (1008).to_bytes(2, "big") + b"token_revoked")
            assert socket.receive() is None
        with pytest.raises(grpc.RpcError) as caught:
            next(self.call)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert caught.value.details() == "token_revoked: The access token was revoked."

    def last_sign_of_life(self, user):
        """When the gateway let the last request begin, or ended the last stream, by its own clock."""
        def lines():
            mine = [line for line in self.gateway.log if line["sub"] == user]
            streams = [line for line in mine if line["code"] == "token_revoked" and line["status"] != 401]
            # Two of events, two WebSockets, one call.
            return mine if len(streams) == 5 else None
        mine = eventually(lines, 15)
        return max([began(line) for line in mine if line["status"] == 200 and line["code"] is None]
                   + [ended(line) for line in mine if line["code"] == "token_revoked" and line["status"] != 401])

    def close(self):
        for one in (*self.clients, *self.multiplexed, *self.events, *self.sockets, self.rpc):
            one.close()


@pytest.fixture
def crowd(pki, idp, backend, calls):
    backend.on("/orders/user", lambda connection, request:
               drip(connection, request) if request.target.endswith("/events") else connection.answer(200, b"{}"))
    open_ = []

    def crowd(gateway, user):
        calls.reset()
        open_.append(Crowd(gateway, pki, idp, user))
        assert next(open_[-1].call) == b"one"
        open_[-1].is_served()
        open_[-1].is_served()
        return open_[-1]

    yield crowd
    for one in open_:
        one.close()


def test_a_user_is_cut_off_everywhere_within_a_second_and_nobody_else(gate, feed, crowd):
    gateway = gate(feed.row())
    alice, bob = name(), name() + "-b"
    denied, spared = crowd(gateway, alice), crowd(gateway, bob)
    published = feed.deny(sub=alice)
    denied.is_cut_off()
    spared.is_served()
    last = denied.last_sign_of_life(alice)
    assert last - published <= BOUND, f"{last - published:.3f} s after the entry was published, something was still let through"
    assert gateway.metric("gatehouse_denied_total", code="token_revoked") >= 5
    assert any(line["token"] == "cached" for line in gateway.log if line["sub"] == alice)
    assert gateway.logged(path=denied.path, code="token_revoked")["status"] == 401


def test_a_frame_without_an_end_does_not_outlive_its_token_however_much_is_denied_meanwhile(gate, feed, backend, pki, idp):
    """The gateway's own Close waits for the end of the frame that is passing: once for as long as it may, and not anew with each entry."""
    def endless(connection, request):
        connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Accept: {accept(request.get('Sec-WebSocket-Key'))}\r\n\r\n")
        connection.send(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
        while not connection.ended.wait(0.05):
            connection.send(b"x" * 100)

    backend.on("/orders/endless", endless)
    gateway = gate(feed.row())
    user = name()
    client = UpgradeSocket(gateway, pki, "/orders/endless", idp.bearer(sub=user))
    assert client.opened
    feed.deny(sub=user)
    ending = threading.Event()

    def go_on():
        while not ending.wait(0.5):
            feed.deny(sub=name())

    others = threading.Thread(target=go_on, daemon=True)
    others.start()
    try:
        client.client.socket.settimeout(patience(5))
        deadline = time.monotonic() + patience(20)
        while client.client._receive():
            assert time.monotonic() < deadline, "it is still open"
    finally:
        ending.set()
        others.join()
        client.close()
    assert gateway.logged(path="/orders/endless", code="token_revoked")


def test_each_name_of_a_token_can_be_denied(gate, feed, idp):
    gateway = gate(feed.row())
    now, mark = int(time.time()), name()

    def status(**claims):
        answer = gateway.ask("GET", "/orders/1", headers=idp.bearer(**claims))
        return (answer.status, json.loads(answer.body)["code"] if answer.status != 200 else None)

    def awaits(check):
        eventually(check, 10)

    good, revoked = (200, None), (401, "token_revoked")
    assert status(jti=mark) == status(sid=mark) == status(sub=mark) == good
    feed.deny(jti=mark)
    awaits(lambda: status(jti=mark) == revoked)
    assert status(sid=mark) == status(sub=mark) == good
    feed.deny(sid=mark, iss=idp.issuer)
    awaits(lambda: status(sid=mark) == revoked)
    feed.deny(sub=mark, issued_before=now - 10)
    awaits(lambda: status(sub=mark, iat=now - 11) == revoked)
    assert status(sub=mark, iat=now - 10) == good
    assert status(sub=mark, iat=None) == revoked
    feed.deny(sub=mark, iss="https://another.example.com/")
    feed.deny(jti=mark + "-ends", until=int(time.time()) + 3)
    awaits(lambda: status(jti=mark + "-ends") == revoked)
    awaits(lambda: status(jti=mark + "-ends") == good)
    assert status(sub=mark) == good


def test_a_key_is_denied(make_gateway, backend, tmp_path, pki, jwks):
    own = IdentityProvider(prefix="denied-")
    feed = FileFeed(tmp_path)
    gateway = make_gateway(backend.port, {"revocation": {"feeds": [feed.row()]}}, keys=own.write_jwks(tmp_path / "own.json"))
    assert gateway.ask("GET", "/orders/1", headers=own.bearer("ES256")).status == 200
    feed.deny(kid="denied-es256-1")
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=own.bearer("ES256")).status == 401, 10)
    assert gateway.ask("GET", "/orders/1", headers=own.bearer("RS256")).status == 200


def test_what_was_written_while_the_gateway_and_redis_were_apart_is_not_lost(gate, redis, crowd, idp):
    feed = RedisFeed(redis)
    # Read again on each connect, and otherwise once an hour.
    gateway = gate(feed.row(redis={"read_interval": "1h"}, stale_after="1h"))
    before, during, after = name(), name() + "-d", name() + "-a"
    feed.deny(sub=before)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=before)).status == 401, 10)
    redis.kill()
    eventually(lambda: "trying again" in gateway.error_text, 10)
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=before)).status == 401
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=during)).status == 200
    denied = crowd(gateway, during)
    # The gateway cannot connect before the entry is there.
    redis.start()
    redis.suspend()
    redis.resume()
    feed.deny(sub=during)
    denied.is_cut_off()
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=before)).status == 401
    published = feed.deny(sub=after)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=after)).status == 401, 10)
    assert published <= time.time()


def test_fail_closed_refuses_everybody_while_redis_is_down(gate, redis, idp):
    feed = RedisFeed(redis)
    gateway = gate(feed.row(stale_after="2s"))
    denied = name()
    feed.deny(sub=denied)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401, 10)
    redis.kill()
    answer = eventually(lambda: (lambda got: got if got.status == 503 else None)(
        gateway.ask("GET", "/orders/1", headers=idp.bearer())), 15)
    problem(answer, 503, "revocation_unavailable")
    problem(gateway.ask("GET", "/orders/1", headers={"Authorization": "Bearer nonsense"}), 503, "revocation_unavailable")
    assert gateway.ask("GET", "/public/1").status == 200
    ready = gateway.admin("/readyz")
    assert ready.status_code == 503 and ready.text == "the revocation feed denied is out of date\n"
    assert gateway.metric("gatehouse_revocation_feed_age_seconds", feed="denied") > 2
    assert gateway.metric("gatehouse_revocation_feed_stale", feed="denied") == 1
    assert gateway.metric("gatehouse_denied_total", code="revocation_unavailable") >= 2
    eventually(lambda: "requests with tokens are refused" in gateway.error_text, 5)
    redis.start()
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200, 15)
    assert gateway.admin("/readyz").status_code == 200
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401
    assert gateway.metric("gatehouse_revocation_feed_age_seconds", feed="denied") < 3


def test_fail_open_goes_on_with_the_last_list(gate, redis, idp):
    feed = RedisFeed(redis)
    gateway = gate(feed.row(fail="open", stale_after="2s"))
    denied = name()
    feed.deny(sub=denied)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401, 10)
    redis.kill()
    try:
        eventually(lambda: gateway.metric("gatehouse_revocation_feed_stale", feed="denied") == 1, 15)
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401
        assert gateway.admin("/readyz").status_code == 200
        eventually(lambda: "the last list stays in force" in gateway.error_text, 5)
    finally:
        redis.start()
    eventually(lambda: gateway.metric("gatehouse_revocation_feed_stale", feed="denied") == 0, 15)


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_feed_that_was_never_read(make_gateway, backend, idp, fail):
    row = {"name": "denied", "redis": {"address": f"127.0.0.1:{free_port()}"}, "fail": fail}
    gateway = make_gateway(backend.port, {"revocation": {"feeds": [row]}})
    answer = gateway.ask("GET", "/orders/1", headers=idp.bearer())
    if fail == "open":
        assert answer.status == 200 and gateway.admin("/readyz").status_code == 200
    else:
        problem(answer, 503, "revocation_unavailable")
        assert gateway.admin("/readyz").status_code == 503
    assert gateway.ask("GET", "/public/1").status == 200
    assert gateway.metric("gatehouse_revocation_feed_age_seconds", feed="denied") == float("inf")


def test_a_broken_line_leaves_the_last_good_list_and_its_age_grows(gate, tmp_path, idp):
    feed = FileFeed(tmp_path)
    gateway = gate(feed.row(stale_after="2s"))
    feed.deny(sub="mallory")
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub="mallory")).status == 401, 10)
    failures = gateway.metric("gatehouse_revocation_updates_total", feed="denied", result="failure")
    feed.write('{"sub":"mallory"}\n{"sub":"eve","iat":5}\n')
    eventually(lambda: f'{feed.path}:2:1: the entry has a member "iat", which means nothing here' in gateway.error_text, 10)
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub="mallory")).status in (401, 503)
    assert gateway.metric("gatehouse_revocation_updates_total", feed="denied", result="failure") == failures + 1
    answer = eventually(lambda: (lambda got: got if got.status == 503 else None)(
        gateway.ask("GET", "/orders/1", headers=idp.bearer())), 15)
    problem(answer, 503, "revocation_unavailable")
    # A reload does not take what the feed would not.
    assert f"{feed.path}:2:1: " in gateway.reload_rejected()
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2 and f"{feed.path}:2:1: the entry has a member" in checked.stderr
    feed.write()
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200, 15)
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub="mallory")).status == 401
    feed.path.unlink()
    eventually(lambda: f"{feed.path} cannot be read" in gateway.error_text, 10)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 503, 15)
    feed.write()
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200, 15)


def test_a_start_without_its_list_is_no_start(make_gateway, backend, tmp_path):
    row = {"name": "denied", "file": str(tmp_path / "missing.jsonl"), "fail": "open"}
    gateway = make_gateway(backend.port, {"revocation": {"feeds": [row]}}, start=False)
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2 and "the deny-list" in checked.stderr and "cannot be read" in checked.stderr


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_feed_that_is_renamed_while_redis_is_down_goes_on_with_what_it_knows(gate, redis, idp, fail):
    feed = RedisFeed(redis)
    gateway = gate(feed.row(stale_after="1h") | {"fail": fail})
    denied = name()
    feed.deny(sub=denied)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401, 10)
    redis.kill()
    try:
        row = gateway.configuration["revocation"]["feeds"][0] | {"name": "renamed"}
        gateway.reload(gateway.configuration | {"revocation": {"feeds": [row]}})
        problem(gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)), 401, "token_revoked")
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=name())).status == 200
    finally:
        redis.start()


def test_reloads_leave_no_gap(gate, redis, tmp_path, idp, crowd):
    """Reloads without end, which change nothing, the routes, or a feed; and entries all the while."""
    files, published = FileFeed(tmp_path), RedisFeed(redis)
    gateway = gate({**files.row(), "name": "local"}, published.row())
    denied = name()
    published.deny(sub=denied)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401, 10)
    stop, wrong = threading.Event(), []

    def watch():
        """Whoever is denied stays denied, whoever is not is served."""
        with gateway.client() as client:
            while not stop.is_set():
                for user, expected in ((denied, 401), ("alice", 200)):
                    answer = client.exchange("GET", "/orders/1", headers=idp.bearer(sub=user))
                    if answer.status != expected:
                        wrong.append((user, answer.status, answer.body))

    watcher = threading.Thread(target=watch)
    watcher.start()
    configuration = gateway.configuration
    for turn in range(6):
        feeds = configuration["revocation"]["feeds"]
        interval = {"redis": {**feeds[1]["redis"], "read_interval": f"{turn % 2 + 3}s"}} if turn % 3 == 2 else {}
        gateway.reload({**configuration, "revocation": {"feeds": [feeds[0], {**feeds[1], **interval, "stale_after": f"{60 + turn}s"}]}})
        for feed in (files, published):
            user = f"{name()}-{turn}"
            began_at = feed.deny(sub=user)
            eventually(lambda: gateway.ask("GET", f"/orders/{user}", headers=idp.bearer(sub=user)).status == 401, 10)
            late = [line for line in gateway.log if line["sub"] == user and line["status"] == 200 and began(line) > began_at + BOUND]
            assert not late, late
    stop.set()
    watcher.join(20)
    assert wrong == []


def test_an_entry_that_is_not_understood_makes_the_list_incomplete(gate, redis, idp):
    feed = RedisFeed(redis)
    gateway = gate(feed.row(stale_after="2s", redis={"read_interval": "200ms", "channel": "other", "key": "other"}))
    denied = name()
    redis.run("ZADD", "other", 4_000_000_000, json.dumps({"sub": denied}), 4_000_000_000, '{"sbu":"x"}')
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status in (401, 503), 10)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 503, 15)
    assert 'has a member "sbu", which means nothing here' in gateway.error_text
    redis.run("ZREM", "other", '{"sbu":"x"}')
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200, 15)
    assert gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401
    redis.run("ZREM", "other", json.dumps({"sub": denied}))
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 200, 15)
    # What is not even JSON does not bring anything down.
    redis.run("PUBLISH", "other", b"\xff{\0")
    redis.run("PUBLISH", "other", "[]")
    eventually(lambda: "not UTF-8" in gateway.error_text, 10)


def test_a_password_and_a_user(gate, redis, idp):
    redis.run("ACL", "SETUSER", "gate", "on", ">open sesame", "resetchannels", "&gatehouse:revoked", "~gatehouse:revoked",
              "+subscribe", "+zrangebyscore")
    feed = RedisFeed(redis)
    gateway = gate(feed.row(redis={"username": "gate", "password": "open sesame"}))
    denied = name()
    feed.deny(sub=denied)
    eventually(lambda: gateway.ask("GET", "/orders/1", headers=idp.bearer(sub=denied)).status == 401, 10)
    assert "sesame" not in gateway.error_text
