"""400, 404, 405, 413, 414, 417, 431, 505: requests that are refused before anybody is asked who sent them."""
import uuid

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.http2client import DataFrame, HTTP2Client, RawHTTP2, block, head, headers_frame

KIB = 1024


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    routes = [
        conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}),
        conf.route("read-only", "/read-only", methods=["GET", "HEAD"], public=True),
        conf.route("small", "/small", public=True, body={"maximum": "1KiB"}),
        conf.route("hosted", "/hosted", hosts=["api.example.com"], public=True),
        conf.route("public", "/public/**", public=True),
    ]
    return make_gateway(backend.port, routes=routes)


@pytest.mark.parametrize("path", ["/", "/nothing", "/ordersX", "/Orders/1", "/read-only/below", "/order"])
def test_no_route(gateway, path):
    problem(gateway.ask("GET", path), 404, "no_route")


def test_another_host_has_no_route(gateway):
    problem(gateway.ask("GET", "/hosted", host="other.example.com"), 404, "no_route")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "brew"])
def test_a_method_the_route_does_not_take(gateway, method):
    answer = gateway.ask(method, "/read-only")
    problem(answer, 405, "method_not_allowed")
    assert sorted(name.strip() for name in answer.get("Allow").split(",")) == ["GET", "HEAD"]


def test_trace_and_connect_need_a_route_that_names_them(gateway):
    problem(gateway.ask("TRACE", "/public/1"), 405, "method_not_allowed")
    with gateway.client() as client:
        client.send("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n")
        answer = client.response("GET")
        assert answer.status in (400, 404, 405), answer.start


BAD_PATHS = ["/public/%", "/public/%2", "/public/%zz", "/public/a%2fb", "/public/a%2Fb", "/public/a%5cb", "/public/a\\b",
             "/public/%00", "/public/%0a", "/public/%7f", "/../etc/passwd", "/public/../../x", "/%2e%2e/x",
             "/public//x", "//public/x", "/public/..;/x", "/public/.;a=b/x", "/public/%2e%2e;/x",
             "/public/a;v=1", "/public;/x", "/public;a=b/x", "/;/public/x", "/public/x;", "/public/a%3bx", "/public%3Bx/a", "/public/;"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_with_no_single_reading(gateway, backend, path):
    marker = uuid.uuid4()
    problem(gateway.ask("GET", f"{path}?{marker}"), 400, "bad_path")
    assert not backend.saw(str(marker))


CANONICAL = [("/public/./a", "/public/a"), ("/public/b/../a", "/public/a"), ("/public/%61", "/public/a"), ("/public/a/..", "/public/"),
             ("/public/%7ea", "/public/~a"), ("/public/a%20b", "/public/a%20b"), ("/public/%2e/a", "/public/a"),
             ("/%70ublic/a", "/public/a"), ("/public/%C3%A9", "/public/%C3%A9")]


@pytest.mark.parametrize("sent,forwarded", CANONICAL)
def test_what_is_matched_is_what_is_forwarded(gateway, backend, sent, forwarded):
    marker = f"q={uuid.uuid4()}"
    assert gateway.ask("GET", f"{sent}?{marker}").status == 200
    assert [request.target for request in backend.requests if marker in request.target] == [f"{forwarded}?{marker}"]


def test_dot_segments_cannot_leave_an_authorized_prefix(gateway):
    problem(gateway.ask("GET", "/public/../orders/1"), 401, "token_missing")
    problem(gateway.ask("GET", "/public/%2e%2e/orders/1"), 401, "token_missing")


@pytest.mark.parametrize("target", ["/public/a?x=/../%2f//", "/public/a?", "/public/a?a=b&a=b", "/public/a?%zz"])
def test_the_query_travels_as_sent(gateway, backend, target):
    before = len(backend.requests)
    assert gateway.ask("GET", target).status == 200
    assert backend.requests[before].target == target


@pytest.mark.parametrize("host", [None, "", "a b", "user@api.example.com", "api.example.com:port", "api.example.com:99999",
                                  "api.example.com/x", "[::1", "a,b", "api.example.com?x"])
def test_a_host_that_is_no_authority(gateway, host):
    answer = gateway.ask("GET", "/public/a", host=host)
    problem(answer, 400, ("bad_host", "bad_request"))


def test_two_hosts(gateway):
    answer = gateway.ask("GET", "/public/a", headers=[("Host", "other.example.com")])
    problem(answer, 400, ("bad_host", "bad_request"))


@pytest.mark.parametrize("host", ["api.example.com", "API.example.COM", "api.example.com:8443", "api.example.com.", "api.example.com.:443"])
def test_host_matching_ignores_case_port_and_trailing_dot(gateway, host):
    assert gateway.ask("GET", "/hosted", host=host).status == 200


def test_absolute_form(gateway, backend):
    assert gateway.ask("GET", "https://api.example.com/public/absolute").status == 200
    assert [r.target for r in backend.requests if "absolute" in r.target] == ["/public/absolute"]
    problem(gateway.ask("GET", "https://other.example.com/public/absolute2"), 400, ("bad_host", "bad_request"))


@pytest.mark.parametrize("line", [
    "GET /public/a HTTP/2.0", "GET /public/a HTTP/1.2", "GET /public/a HTTP/0.9", "GET /public/a HTTP/3.0"])
def test_another_version(gateway, line):
    with gateway.client() as client:
        client.send(f"{line}\r\nHost: api.example.com\r\n\r\n")
        assert client.response().status == 505
        client.rest()


def test_uri_too_long(gateway):
    problem(gateway.ask("GET", "/public/" + "a" * (9 * KIB)), 414, "uri_too_long")
    assert gateway.ask("GET", "/public/" + "a" * (7 * KIB)).status == 200


def test_headers_too_large(gateway):
    problem(gateway.ask("GET", "/public/a", headers={"X-Big": "a" * (33 * KIB)}), 431, "headers_too_large")
    assert gateway.ask("GET", "/public/a", headers={"X-Big": "a" * (24 * KIB)}).status == 200


def test_too_many_headers(gateway):
    problem(gateway.ask("GET", "/public/a", headers=[(f"X-{n}", "1") for n in range(101)]), 431, "headers_too_large")
    assert gateway.ask("GET", "/public/a", headers=[(f"X-{n}", "1") for n in range(90)]).status == 200


def test_an_expectation_that_nobody_knows(gateway):
    problem(gateway.ask("POST", "/public/a", headers={"Expect": "202-accepted"}, body=b"x"), 417, "expectation_failed")


def test_a_body_that_says_it_is_too_large(gateway, backend):
    problem(gateway.ask("POST", "/small?declared", body=b"x" * 1025), 413, "body_too_large")
    assert not backend.saw("/small?declared")
    assert gateway.ask("POST", "/small", body=b"x" * 1024).status == 200


def test_a_chunked_body_that_becomes_too_large(gateway, backend):
    with gateway.client() as client:
        client.request("POST", "/small?chunked", headers={"Transfer-Encoding": "chunked"})
        client.send("400\r\n" + "x" * 1024 + "\r\n")
        client.send("1\r\nx\r\n")
        problem(client.response(), 413, "body_too_large")
        client.rest()
    bodies = [c for c in backend.connections if b"/small?chunked" in bytes(c.received)]
    assert all(b"\r\n0\r\n" not in bytes(c.received) for c in bodies), "the backend must not take it for complete"


def test_a_body_that_is_too_large_while_it_waits_for_its_backend(make_gateway, backend, pki):
    # No connection to the backend yet: the content, whose length no field tells, is kept until there is one.
    gateway = make_gateway(backend.port, routes=[conf.route("small", "/small", public=True, body={"maximum": "1KiB"})])
    with RawHTTP2(gateway.port, pki.public.certificate) as client:
        client.send(headers_frame(1, block(head("/small?waiting", "POST")), end=False), DataFrame(1, data=b"x" * 4096, flags=["END_STREAM"]))
        assert client.status(1) == 413
        client.request(3, "/small")
        assert client.status(3) == 200, "the gateway goes on"


def test_a_refusal_of_a_head_request_has_no_content(gateway):
    with gateway.client() as client:
        answer = client.exchange("HEAD", "/nothing")
        assert (answer.status, answer.body) == (404, b"")
        assert client.exchange("GET", "/public/a").status == 200, "the connection goes on"


def test_a_refusal_that_leaves_no_doubt_keeps_the_connection(gateway, bearer):
    with gateway.client() as client:
        problem(client.exchange("GET", "/nothing"), 404, "no_route")
        problem(client.exchange("GET", "/orders/1"), 401, "token_missing")
        problem(client.exchange("POST", "/orders/1", body=b"some content"), 401, "token_missing")
        assert client.exchange("GET", "/orders/1", headers=bearer).status == 200


def test_a_large_body_that_is_refused_early_never_becomes_a_request(gateway, backend):
    """The refused request's content looks like a request: it is drained or the connection closes, and never parsed."""
    inner = b"GET /public/inner-request HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
    with gateway.client() as client:
        try:
            client.request("POST", "/orders/1", body=inner * 20_000)
            problem(client.response(), 401, "token_missing")
            client.exchange("GET", "/public/afterwards")
        except (OSError, AssertionError, EOFError, Exception) as error:
            assert not isinstance(error, AssertionError), error
    assert not backend.saw("inner-request")


class TestPathParameters:
    """A servlet container cuts `;` and what follows it off a segment: to it, `/admin;x/1` is `/admin/1`."""
    ROUTES = [conf.route("everything", "/**", public=True), conf.route("admin", "/admin/**", authorize={"roles": ["admin"]})]
    PASSING_BY = ["/admin;x/1", "/admin;/1", "/admin;a=b/1", "/admin%3bx/1", "/admin%3B/1", "/;/admin/1", "/;x=y/admin/1", "/%3b/admin/1",
                  "/x/..;/admin/1", "/x/.;/../admin/1", "/admin/1;jsessionid=1"]

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_a_rule_is_not_passed_by(self, make_gateway, backend, pki, version):
        gateway = make_gateway(backend.port, routes=self.ROUTES)
        for path in self.PASSING_BY:
            marker = uuid.uuid4()
            if version == "HTTP/1.1":
                answer = gateway.ask("GET", f"{path}?{marker}")
            else:
                with HTTP2Client(gateway.port, pki.public.certificate) as client:
                    answer = client.exchange("GET", f"{path}?{marker}")
            problem(answer, 400, "bad_path")
            assert not backend.saw(str(marker)), path
        assert gateway.ask("GET", "/x?a;b=c;d").status == 200, "a query has no segments"

    def test_they_pass_where_the_operator_says_so(self, make_gateway, backend):
        gateway = make_gateway(backend.port, {"path_parameters": "allow"}, routes=[*self.ROUTES, conf.route("v", "/v;v=1/**", public=True)])
        for path in ("/x/a;v=1", "/x;/a", "/v;v=1/y", "/x/a%3bb"):
            assert gateway.ask("GET", path).status == 200
            assert path in [request.target for request in backend.requests]
        for path in ("/x/..;/admin/1", "/x/.%3b/admin/1"):
            problem(gateway.ask("GET", path), 400, "bad_path")


EARLY = {
    # name: (what is sent, the status)
    "a space before a colon": (b"HEAD /public/1 HTTP/1.1\r\nHost: api.example.com\r\nX-A : b\r\n\r\n", 400),
    "no host": (b"HEAD /public/1 HTTP/1.1\r\n\r\n", 400),
    "framing": (b"HEAD /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "behind an empty line": (b"\r\nHEAD /public/1 HTTP/1.1\r\n\r\n", 400),
    "a path": (b"HEAD /public/%zz HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 400),
    "a line that is too long": (b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 414),
    "an expectation": (b"HEAD /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: more\r\n\r\n", 417),
    "a field that is too long": (b"HEAD /public/1 HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "a version": (b"HEAD /public/1 HTTP/1.2\r\nHost: api.example.com\r\n\r\n", 505),
}


@pytest.mark.parametrize("name", EARLY)
def test_head_refused_early_has_no_content(gateway, name):
    data, status = EARLY[name]
    with gateway.client() as client:
        client.send(data)
        head = client.reader.response_head()
        assert head.status == status and int(head.get("Content-Length")) > 0
        assert client.rest() == b"" and client.clean_end


def test_head_that_does_not_come_has_no_content(make_gateway, backend):
    gateway = make_gateway(backend.port, timeouts={"header": "300ms"})
    with gateway.client() as client:
        client.send("HEAD /public/1 HTTP/1.1\r\nHost: a")
        assert client.reader.response_head().status == 408 and client.rest() == b""


@pytest.mark.parametrize("fields,status", [
    ([("x-a", "b" * 9), *(("x-b", str(number)) for number in range(101))], 431), ([("expect", "more")], 417),
    ([("host", "other.example.com")], 400)])
def test_head_refused_early_has_no_content_on_http2(gateway, pki, fields, status):
    with RawHTTP2(gateway.port, pki.public.certificate) as raw:
        raw.headers(1, block(head("/public/1", "HEAD", extra=fields)))
        assert raw.status(1) == status and raw.body(1) == b""
        assert not any(isinstance(frame, DataFrame) for frame in raw.frames)
