"""Routing through the wire: the most specific route wins, whatever the order of the file."""
import re

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.gateway import command
from harness.http2client import HTTP2Client
from harness.waiting import free_port

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


def test_trace_is_for_routes_that_name_it(make_gateway, backend):
    gateway = make_gateway(backend.port, routes=[conf.route("all", "/all", public=True), conf.route("named", "/named", public=True, methods=["TRACE"])])
    problem(gateway.ask("TRACE", "/all"), 405, "method_not_allowed")
    assert gateway.ask("TRACE", "/named").status == 200


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


class TestMethods:
    """Methods are case-sensitive, and many frameworks do not care: a spelling that they would read as a method is none."""
    KNOWN = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PROPFIND", "PROPPATCH", "MKCOL",
             "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT", "PURGE", "LINK", "M-SEARCH", "VERSION-CONTROL", "FROB"]

    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend):
        return make_gateway(backend.port, routes=[
            conf.route("doc", "/doc/**", public=True), conf.route("doc-write", "/doc/**", methods=["POST", "PUT", "DELETE", "PATCH", "FROB"]),
            conf.route("odd", "/odd/**", public=True, methods=["Frobnicate"])])

    def ask(self, gateway, version, method, target):
        if version == "HTTP/1.1":
            return gateway.ask(method, target)
        with HTTP2Client(gateway.port, gateway.ca) as client:
            return client.exchange(method, target)

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    @pytest.mark.parametrize("method", KNOWN)
    def test_another_case_is_refused(self, gateway, backend, version, method):
        target = f"/doc/{version[5:]}/{method}"
        for spelling in (method.lower(), method.capitalize(), method[:-1] + method[-1].lower(), method[0].lower() + method[1:]):
            problem(self.ask(gateway, version, spelling, target), 400, "bad_request")
        assert backend.requests_to(target) == []

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_a_method_in_its_own_case_passes(self, gateway, version):
        for method in ("GET", "OPTIONS", "QUERY", "PROPFIND", "BREW", "brew", "Getaway", "m-search2"):
            assert seen(self.ask(gateway, version, method, "/doc/own")).method == method
        for method in ("POST", "DELETE", "FROB"):
            problem(self.ask(gateway, version, method, "/doc/own"), 401, "token_missing")

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_so_it_is_with_a_method_that_a_route_invents(self, gateway, version):
        assert seen(self.ask(gateway, version, "Frobnicate", "/odd/1")).method == "Frobnicate"
        for spelling in ("FROBNICATE", "frobnicate", "frobNicate"):
            problem(self.ask(gateway, version, spelling, "/odd/1"), 400, "bad_request")
            problem(self.ask(gateway, version, spelling, "/doc/1"), 400, "bad_request")

    def test_the_gateway_serves_whoever_comes_after(self, gateway):
        with gateway.client() as client:
            client.request("delete", "/doc/1")
            problem(client.response(), 400, "bad_request")
            assert client.rest() == b"", "the connection ends"
        assert gateway.ask("GET", "/doc/1").status == 200


class TestWhatFallsThrough:
    def warnings(self, tmp_path, pki, idp, jwks, *routes):
        file = tmp_path / "gateway.yaml"
        file.write_text(conf.as_yaml(conf.standard(pki, idp, jwks, free_port(), free_port(), 9, routes=list(routes))))
        result = command("check", "--config", file)
        assert result.returncode == 0 and "ok:" in result.stdout, result
        lines = [line for line in (result.stdout + result.stderr).splitlines() if ": warning: " in line]
        text = file.read_text().splitlines()
        return [(text[int(line.split(":")[1]) - 1].strip().removeprefix("- name: "), line) for line in lines]

    def test_a_public_route_under_one_for_methods_is_warned_of(self, tmp_path, pki, idp, jwks):
        (name, line), = self.warnings(tmp_path, pki, idp, jwks, conf.route("doc", "/doc/**", public=True),
                                      conf.route("doc-write", "/doc/**", methods=["POST", "PUT"]))
        assert name == "doc" and "doc-write" in line and "/doc/**" in line
        assert re.match(rf"{re.escape(str(tmp_path))}/gateway\.yaml:\d+:\d+: warning: ", line), line

    def test_so_is_one_around_it(self, tmp_path, pki, idp, jwks):
        (name, line), = self.warnings(tmp_path, pki, idp, jwks, conf.route("all", "/**", public=True),
                                      conf.route("item", "/shop/{id}/items", methods=["POST"]))
        assert name == "all" and "item" in line

    def test_what_is_meant_is_not(self, tmp_path, pki, idp, jwks):
        assert self.warnings(
            tmp_path, pki, idp, jwks, conf.route("read", "/a/**", public=True, methods=["GET", "HEAD"]),
            conf.route("write", "/a/**", methods=["POST"]), conf.route("rest", "/b/**"), conf.route("others", "/**", public=True, methods=["GET"]),
            conf.route("some", "/b/**", methods=["PUT"]), conf.route("open", "/b/open", public=True)) == []


class TestHeaders:
    """A route for a header is not passed by with a spelling or a list that the backend reads as the header."""

    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend):
        def matched(value):
            return {"match": {"path": "/v/**", "headers": {"X-Version": value}}}
        return make_gateway(backend.port, routes=[
            conf.route("two", "/v/**") | matched("2"), conf.route("one", "/v/**", public=True) | matched("1"),
            conf.route("rest", "/v/**", public=True), conf.route("else", "/else/**", public=True)])

    def ask(self, gateway, version, fields, target="/v/1"):
        if version == "HTTP/1.1":
            return gateway.ask("GET", target, headers=fields)
        with HTTP2Client(gateway.port, gateway.ca) as client:
            return client.exchange("GET", target, headers=[(name.lower(), value) for name, value in fields])

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    @pytest.mark.parametrize("values", [["2, 1"], ["1,2"], ["2,"], ["9, 2"], ["2", "1"], ["1", "2"], ["2", "2"], ["9", "2"], ["1, 9"], ["1", "9"]], ids=str)
    def test_a_list_is_refused_where_it_decides(self, gateway, backend, version, values):
        fields = [("X-Version", value) for value in values]
        before = len(backend.requests)
        problem(self.ask(gateway, version, fields), 400, "bad_request")
        assert len(backend.requests) == before
        assert self.ask(gateway, version, fields, "/else/1").status == 200

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_other_spellings_are_removed(self, gateway, version):
        for name in ("x_version", "X.Version", "x~version"):
            request = seen(self.ask(gateway, version, [(name, "2"), ("X-Versions", "2")]))
            assert "version" not in [field.lower().replace("_", "-")[2:] for field, _ in request.fields] and request.get("X-Versions") == "2"
            problem(self.ask(gateway, version, [(name, "1"), ("X-Version", "2")]), 401, "token_missing")

    def test_what_connection_takes_away_decides_nothing(self, gateway, backend):
        before = len(backend.requests)
        for value in ("1", "2"):
            problem(gateway.ask("GET", "/v/1", headers=[("Connection", "x_version"), ("X-Version", value)]), 400, "bad_request")
        assert len(backend.requests) == before

    def test_no_trailer_says_it_afterwards(self, gateway, backend):
        for name in ("X-Version", "x_version"):
            with gateway.client() as client:
                client.send("POST /v/trailers HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
                            f"1\r\nx\r\n0\r\n{name}: late-version\r\nX-Sum: kept\r\n\r\n")
                request = seen(client.response("POST"))
            assert request.trailers == [("X-Sum", "kept")] and not backend.saw("late-version")

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_what_has_one_reading_passes(self, gateway, version):
        problem(self.ask(gateway, version, [("X-Version", "2")]), 401, "token_missing")
        for fields in ([("X-Version", "1")], [("X-Version", "3, 4")], [("X-Version", "3"), ("X-Version", "4")], [], [("X-Version", "22")]):
            assert self.ask(gateway, version, fields).status == 200
