"""Routing through the wire: the most specific route wins, whatever the order of the file."""
import pytest

from harness import configuration as conf
from harness.answers import problem, seen

ROUTES = [
    conf.route("everything", "/**", public=True),
    conf.route("orders-below", "/orders/**", public=True),
    conf.route("order", "/orders/{id}", public=True, methods=["GET"]),
    conf.route("latest", "/orders/latest", public=True),
    conf.route("items", "/orders/{id}/items", public=True),
    conf.route("admin-host", "/orders/latest", public=True, hosts=["admin.example.com"]),
    conf.route("wildcard-host", "/orders/latest", public=True, hosts=["*.example.com"]),
    conf.route("deep", "/orders/archive/**", public=True),
    conf.route("write", "/things", public=True, methods=["PUT", "POST"]),
    conf.route("read", "/things", public=True, methods=["GET"]),
    conf.route("stripped", "/v1/users/**", public=True, rewrite={"strip_prefix": "/v1"}),
]


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    return make_gateway(backend.port, routes=list(reversed(ROUTES)))


CASES = [
    ("/", "localhost", "GET", "everything"),
    ("/ordersX", "localhost", "GET", "everything"),
    ("/orders", "localhost", "GET", "orders-below"),
    ("/orders/1", "localhost", "GET", "order"),
    ("/orders/latest", "localhost", "GET", "latest"),
    ("/orders/1/items", "localhost", "GET", "items"),
    ("/orders/1/items/2", "localhost", "GET", "orders-below"),
    ("/orders/archive/2020/1", "localhost", "GET", "deep"),
    ("/orders/latest", "admin.example.com", "GET", "admin-host"),
    ("/orders/latest", "ADMIN.EXAMPLE.COM:8443", "GET", "admin-host"),
    ("/orders/latest", "api.example.com", "GET", "wildcard-host"),
    ("/orders/latest", "example.com", "GET", "latest"),
    ("/orders/latest", "evilexample.com", "GET", "latest"),
    ("/things", "localhost", "GET", "read"),
    ("/things", "localhost", "POST", "write"),
]


@pytest.mark.parametrize("path,host,method,route", CASES, ids=str)
def test_which_route_wins(gateway, path, host, method, route):
    with gateway.client() as client:
        answer = client.exchange(method, path, host=host)
        assert answer.status == 200
    request_id = seen(answer).get("X-Request-Id")
    assert gateway.logged(request_id=request_id)["route"] == route


def test_a_stripped_prefix(gateway):
    assert seen(gateway.ask("GET", "/v1/users/7?a=b")).target == "/users/7?a=b"


def test_405_names_the_methods_of_the_routes_that_match_otherwise(make_gateway, backend):
    gateway = make_gateway(backend.port, routes=[
        conf.route("read", "/things", public=True, methods=["GET"]),
        conf.route("write", "/things", public=True, methods=["PUT", "POST"])])
    answer = gateway.ask("DELETE", "/things")
    problem(answer, 405, "method_not_allowed")
    assert sorted(name.strip() for name in answer.get("Allow").split(",")) == ["GET", "POST", "PUT"]


def test_ten_thousand_routes_are_matched_alike(make_gateway, backend):
    routes = [conf.route(f"r{n}", f"/service{n}/{{id}}/**", public=True) for n in range(10_000)]
    gateway = make_gateway(backend.port, routes=routes)
    for number in (0, 4_999, 9_999):
        answer = gateway.ask("GET", f"/service{number}/1/x")
        assert gateway.logged(request_id=seen(answer).get("X-Request-Id"))["route"] == f"r{number}"
    problem(gateway.ask("GET", "/service10000/1/x"), 404, "no_route")


def test_weights_share_a_route_among_backends(make_gateway, backend, pki):
    from harness.backend import Backend
    with Backend(pki.backend, pki.mesh.certificate) as canary:
        route = conf.route("split", "/orders/**", public=True)
        del route["backend"]
        route["backends"] = [{"name": "orders", "weight": 80}, {"name": "canary", "weight": 20}]
        gateway = make_gateway(backend.port, routes=[route], backends=[
            conf.backend(pki, backend.port), conf.backend(pki, canary.port, name="canary")])
        with gateway.client() as client:
            for _ in range(300):
                assert client.exchange("GET", "/orders/split").status == 200
        assert 20 <= len(canary.requests_to("/orders/split")) <= 120


def test_two_endpoints_share_the_load(make_gateway, pki):
    from harness.backend import Backend
    with Backend(pki.backend, pki.mesh.certificate) as one, Backend(pki.backend, pki.mesh.certificate) as two:
        gateway = make_gateway(backends=[conf.backend(pki, one.port, two.port, balance="round_robin")])
        with gateway.client() as client:
            for _ in range(20):
                assert client.exchange("GET", "/public/shared").status == 200
        counts = [len(backend.requests) for backend in (one, two)]
        assert sum(counts) == 20 and min(counts) >= 8, counts
