"""Every list of the configuration, doubled from one entry to its bound and past it: checked, started with, and reloaded into a gateway
that runs. Up to the bound it works; past it `check` and the reload refuse, and say where."""
import copy

import pytest

from harness import configuration as conf
from harness.gateway import command

EACH = 4096


def providers(configuration, count):
    """The last of them vouches for who is let in, and all of them stand on one route."""
    template = configuration["identity_providers"][0]
    rows = [{**template, "name": f"idp-{index}", "issuer": f"https://idp-{index}.example.com/"} for index in range(count - 1)]
    configuration["identity_providers"] = rows + [template]
    configuration["routes"][0]["authenticate"] = [row["name"] for row in configuration["identity_providers"]]


def listeners(configuration, count):
    template = configuration["listeners"][0]
    configuration["listeners"] = [template] + [
        {**template, "name": f"listener-{index}", "address": "127.0.0.1:0"} for index in range(count - 1)]


def backends(configuration, count):
    template = configuration["backends"][0]
    configuration["backends"] = [{**template, "name": f"backend-{index}"} for index in range(count - 1)] + [template]


def routes(configuration, count):
    more = count - len(configuration["routes"])
    configuration["routes"] += [conf.route(f"route-{index}", f"/r/{index}", public=True) for index in range(more)]


def rows(*place):
    """Replaces the list at `place` by what `make` gives for each index."""
    def with_rows(make):
        def change(configuration, count):
            section = configuration
            for key in place[:-1]:
                section = section.setdefault(key, {}) if isinstance(section, dict) else section[key]
            section[place[-1]] = make(configuration, count)
        return change
    return with_rows


def texts(pattern, first=None):
    return lambda _, count: ([first] if first else []) + [pattern.format(index) for index in range(count - (first is not None))]


def mapping(pattern, value):
    return lambda _, count: {pattern.format(index): value for index in range(count)}


def feeds(configuration, count):
    configuration["revocation"] = {"feeds": [
        {"name": f"feed-{index}", "file": "../denied.jsonl", "fail": "open"} for index in range(count)]}


def signing_keys(configuration, count):
    row = configuration["internal_token"]["signing_keys"][0]
    configuration["internal_token"]["signing_keys"] = [row] + [
        {**row, "kid": f"next-{index}", "state": "next"} for index in range(count - 1)]


def weighted(configuration, count):
    backends(configuration, count)
    configuration["routes"][0]["backends"] = [{"name": row["name"], "weight": 1_000_000} for row in configuration["backends"]]
    del configuration["routes"][0]["backend"]


PROVIDER, ROUTE, BACKEND, LISTENER = ("identity_providers", 0), ("routes", 1), ("backends", 0), ("listeners", 0)

LISTS = {
    "identity_providers": (1024, providers),
    "listeners": (256, listeners),
    "backends": (4096, backends),
    "routes": (100_000, routes),
    "endpoints": (EACH, rows(*BACKEND, "endpoints")(texts("127.1.0.1:{}1"))),
    "identities": (EACH, rows(*BACKEND, "tls", "identities")(texts("spiffe://example.internal/{}"))),
    "certificates": (1024, rows(*LISTENER, "tls", "certificates")(
        lambda configuration, count: [configuration["listeners"][0]["tls"]["certificates"][0]] * count)),
    "trusted_proxies": (EACH, rows(*LISTENER, "trusted_proxies")(texts("2001:db8::{:x}"))),
    "audiences": (EACH, rows(*PROVIDER, "audiences")(texts("audience-{}", first="api"))),
    "token_types": (EACH, rows(*PROVIDER, "token_types")(texts("type-{}", first="JWT"))),
    "token_from": (64, rows(*PROVIDER, "token_from")(
        lambda _, count: [{"header": "Authorization", "scheme": "Bearer"}]
        + [{"header": f"X-Token-{index}"} for index in range(count - 1)])),
    "origins": (EACH, rows(*PROVIDER, "token_from")(
        lambda _, count: [{"header": "Authorization", "scheme": "Bearer"},
                          {"cookie": "token", "origins": [f"https://app-{index}.example.com" for index in range(count)]}])),
    "hosts": (EACH, rows(*ROUTE, "match", "hosts")(texts("host-{}.example.com", first="localhost"))),
    "methods": (EACH, rows(*ROUTE, "match", "methods")(texts("METHOD{}", first="GET"))),
    "scopes": (EACH, rows("routes", 0, "authorize", "scopes")(texts("scope-{}"))),
    "roles": (EACH, rows("routes", 0, "authorize", "roles")(texts("role-{}"))),
    "claims": (EACH, rows("routes", 0, "authorize", "claims")(mapping("claim-{}", "*"))),
    "any": (EACH, rows("routes", 0, "authorize", "any")(
        lambda _, count: [{"roles": [f"role-{index}"]} for index in range(count)])),
    "internal claims": (64, rows("internal_token", "claims")(texts("claim-{}"))),
    "signing_keys": (100, signing_keys),
    "weighted backends": (EACH, weighted),
    "feeds": (64, feeds),
}


def sizes(bound):
    """Doubled from one, and around the widths that numbers have."""
    edges = {1, 63, 64, 65, 127, 128, 129, 255, 256, 257, bound}
    return sorted(size for size in edges | {1 << power for power in range(17)} if size <= bound)


@pytest.fixture(params=LISTS)
def grown(request, make_gateway, backend):
    """A gateway that is not started, the list's bound, and what gives its configuration with so many entries."""
    bound, change = LISTS[request.param]
    gateway = make_gateway(backend.port, start=False)
    original = copy.deepcopy(gateway.configuration)
    (gateway.directory / "denied.jsonl").write_text("")

    def configuration(count):
        changed = copy.deepcopy(original)
        change(changed, count)
        return changed

    return gateway, bound, configuration


def answers(gateway, **more):
    """It lives, whether or not this list's rows let a request reach the backend."""
    return (gateway.ask("GET", "/public/x").status in (200, 404, 502)
            and gateway.ask("GET", "/orders/1", **more).status in (200, 401, 403, 404, 502))


def refuses(text, gateway):
    assert f"{gateway.file}:" in text and "at most" in text, text


@pytest.mark.timeout(1200)
def test_a_list_may_grow_to_its_bound_and_no_further(grown, bearer):
    gateway, bound, configuration = grown
    gateway.write(configuration(1))
    gateway.start()
    for size in sizes(bound):
        gateway.write(configuration(size))
        checked = command("check", "--config", gateway.routes, timeout=120)
        assert checked.returncode == 0, (size, checked.stderr[-2000:])
        gateway.reload(timeout=120)
        assert answers(gateway, headers=bearer), size
    # One too many: refused by `check` and by the reload, and what runs goes on.
    gateway.write(configuration(bound + 1))
    checked = command("check", "--config", gateway.routes, timeout=120)
    assert checked.returncode == 2
    refuses(checked.stderr, gateway)
    refuses(gateway.reload_rejected(timeout=120), gateway)
    assert answers(gateway, headers=bearer)
    assert gateway.stop() == 0
    # And a start with as many as there may be.
    gateway.write(configuration(bound))
    gateway.start(timeout=120)
    assert answers(gateway, headers=bearer)


def test_the_last_of_as_many_providers_as_there_may_be_vouches(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port)
    providers(gateway.configuration, 1024)
    gateway.reload(gateway.configuration, timeout=120)
    assert gateway.ask("GET", "/orders/1", headers=bearer).status == 200
    # A route that names the first alone does not take the last one's tokens.
    gateway.configuration["routes"][0]["authenticate"] = ["idp-0"]
    gateway.reload(gateway.configuration, timeout=120)
    answer = gateway.ask("GET", "/orders/1", headers=bearer)
    assert answer.status == 401 and b"token_issuer" in answer.body
