"""The works: what is done to a proxy in one round, and what is measured. `WORKS` is all of them, in the order in which they run."""

from dataclasses import dataclass, field

import works_scale as scale
from loads import handshakes, h2load, wrk
from peers import started
from process import spent

from harness.waiting import settled


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    # measure(peer, variant, fixture, seconds): a dictionary of numbers, for one round.
    measure: object
    peers: tuple = ("nginx", "nghttpx", "haproxy", "envoy", "gatehouse")
    variants: tuple = ("",)
    # Where a peer cannot do a variant.
    cannot: dict = field(default_factory=dict)
    # At most so many rounds: the points of a curve differ by more than noise.
    rounds: int = 99


def hot(peer, variant, fixture, seconds):
    tokens = fixture.tokens("ES256", 1)
    with started(peer, fixture) as proxy:
        rest = settled(lambda: proxy.resident)
        wrk(proxy.port, 1, TOKENS=tokens)
        result = spent(proxy, lambda: wrk(proxy.port, seconds, TOKENS=tokens))
        return {**result, "rest": rest, "resident": proxy.resident}


def cold(peer, algorithm, fixture, seconds):
    """Every token once, so nothing is found in a cache. When they run out before the time does, there is no rate."""
    count = 8_000 * seconds
    tokens = fixture.tokens(algorithm, count)
    with started(peer, fixture, algorithm=algorithm) as proxy:
        wrk(proxy.port, 1, TOKENS=fixture.tokens(algorithm, 1))
        result = spent(proxy, lambda: wrk(proxy.port, seconds, TOKENS=tokens, ORDER="once"))
        return {**result, "rate": float("nan"), "resident": proxy.resident}


def h2(peer, upstream, fixture, seconds):
    with started(peer, fixture, upstream=upstream) as proxy:
        rate = h2load(proxy.port, 4_096, fixture.token).rate
        requests = max(1_024, int(rate * seconds) // 128 * 128)
        return {**spent(proxy, lambda: h2load(proxy.port, requests, fixture.token)), "resident": proxy.resident}


def handshake(peer, kind, fixture, seconds):
    with started(peer, fixture) as proxy:
        handshakes(proxy.port, 0.3, resumed=False)
        return {**spent(proxy, lambda: handshakes(proxy.port, seconds, resumed=kind == "resumed")), "resident": proxy.resident}


WORKS = (
    Work("hot", "HTTP/1.1, 32 connections, one token again and again", hot),
    Work(
        "cold",
        "HTTP/1.1, 32 connections, every token once",
        cold,
        peers=("nginx", "haproxy", "envoy", "gatehouse"),
        variants=("ES256", "RS256", "EdDSA"),
        cannot={"haproxy": ("EdDSA",), "nginx": ("RS256", "EdDSA")},
    ),
    Work(
        "h2",
        "HTTP/2, 8 connections of 16 streams, one token",
        h2,
        variants=("http/1.1", "h2"),
        cannot={"nginx": ("h2",), "haproxy": ("h2",), "envoy": ("h2",)},
    ),
    Work("handshake", "TLS 1.3 handshakes, nothing sent on them", handshake, variants=("full", "resumed")),
    Work("idle", "TLS connections that have had an answer and are silent", scale.idle, rounds=2),
    Work(
        "routes", "HTTP/1.1, one token, a route each request", scale.routes, peers=("gatehouse",), variants=scale.ROUTES, rounds=3
    ),
    Work(
        "tokens",
        "HTTP/1.1, tokens drawn at random from so many",
        scale.tokens,
        peers=("gatehouse",),
        variants=scale.TOKENS,
        rounds=2,
    ),
    Work(
        "bodies",
        "content through the proxy, in one or eight streams",
        scale.bodies,
        peers=("nginx", "gatehouse"),
        variants=scale.BODIES,
        rounds=3,
    ),
    Work("workers", "`hot`, with so many workers", scale.workers, peers=("gatehouse",), variants=scale.WORKERS, rounds=3),
    Work(
        "reload",
        "`hot` on 10,000 routes, undisturbed and reloaded every second",
        scale.reload,
        peers=("gatehouse",),
        variants=("undisturbed", "reloaded"),
        rounds=3,
    ),
)
