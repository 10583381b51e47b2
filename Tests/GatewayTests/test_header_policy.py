"""What headers reach the backend: the gateway's own are the gateway's, whatever the client wrote."""
import os
import re
from pathlib import Path

import pytest

from harness import configuration as conf
from harness.answers import UUID7, problem, seen
from harness.gateway import command
from harness.http2client import HTTP2Client
from harness.tokens import decoded
from harness.waiting import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def ask(gateway, bearer, extra, target="/orders/1", **more):
    return seen(gateway.ask("GET", target, headers=[*bearer.items(), *extra], **more))


SPOOFS = {
    "plain": [("X-Internal-Token", "forged")],
    "lower case": [("x-internal-token", "forged")],
    "upper case": [("X-INTERNAL-TOKEN", "forged")],
    "underscores": [("X_Internal_Token", "forged")],
    "mixed": [("X-Internal_Token", "forged"), ("x_internal-token", "forged")],
    "repeated": [("X-Internal-Token", "forged")] * 3,
    "nominated": [("X-Internal-Token", "forged"), ("Connection", "X-Internal-Token")],
    "nominated in lower case": [("Connection", "keep-alive, x-internal-token, x_internal_token")],
    "empty": [("X-Internal-Token", "")],
    "dots": [("X.Internal.Token", "forged")],
    "dots, twice": [("X.Internal.Token", "forged")] * 2,
    **{f"with {mark}": [(f"X{mark}Internal{mark}Token", "forged"), (f"x-internal{mark}token", "forged")] for mark in "!#$%&'*+^`|~"},
}


@pytest.mark.parametrize("extra", SPOOFS.values(), ids=SPOOFS.keys())
def test_the_internal_token_is_always_the_gateways(gateway, bearer, extra):
    request = ask(gateway, bearer, extra)
    token = request.get("X-Internal-Token")
    assert decoded(token)[1]["iss"] == "https://gateway.internal"
    assert "forged" not in str(request.fields)


@pytest.mark.parametrize("extra", SPOOFS.values(), ids=SPOOFS.keys())
def test_a_public_route_passes_no_internal_token(gateway, extra):
    request = seen(gateway.ask("GET", "/public/1", headers=extra))
    assert request.all("X-Internal-Token") == []


def test_a_renamed_internal_token_header(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port, {"internal_token": {"header": "X-User-Context"}})
    request = ask(gateway, bearer, [("X_User_Context", "forged"), ("x-user-context", "forged")])
    assert decoded(request.get("X-User-Context"))[0]["typ"] == "int+jwt"


OWN = ["X-Request-Id", "Traceparent", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via"]


@pytest.mark.parametrize("name", OWN)
def test_connection_cannot_remove_what_the_gateway_adds(gateway, bearer, name):
    request = ask(gateway, bearer, [("Connection", name), ("Connection", f"close, {name.lower()}")])
    assert len(request.all(name)) == 1
    assert request.get("X-Internal-Token")


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper, lambda name: name.replace("-", "_"), lambda name: name.replace("-", "."),
                                      lambda name: name.replace("-", "~").lower()],
                         ids=["as is", "lower", "upper", "underscores", "dots", "tildes"])
@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "X-Request-Id"])
def test_forwarding_headers_are_not_believed(gateway, bearer, name, spelling):
    request = ask(gateway, bearer, [(spelling(name), "203.0.113.66")] * 2)
    assert "203.0.113.66" not in str(request.fields)


def test_what_the_gateway_says_about_the_client(gateway, bearer):
    request = ask(gateway, bearer, [])
    assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "https"
    assert request.get("X-Forwarded-Host") == "api.example.com"
    forwarded = dict(part.strip().split("=", 1) for part in request.get("Forwarded").lower().split(";"))
    assert forwarded["for"].strip('"') == "127.0.0.1" and forwarded["proto"] == "https"
    assert forwarded["host"].strip('"') == "api.example.com"
    assert re.search(r"(^|, )(HTTP/)?1\.1 \S+", request.get("Via"))
    assert UUID7.fullmatch(request.get("X-Request-Id"))
    assert request.get("Host") in ("api.example.com", "orders.internal")


def test_every_request_has_its_own_id(gateway, bearer):
    with gateway.client() as client:
        ids = [seen(client.exchange("GET", "/orders/1", headers=bearer)).get("X-Request-Id") for _ in range(20)]
    assert len(set(ids)) == 20 and ids == sorted(ids), "UUIDv7 values made by one worker rise"


def test_a_trusted_proxys_word_is_believed(make_gateway, backend, bearer):
    gateway = make_gateway(backend.port)
    configuration = gateway.configuration
    configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8"]
    gateway.reload(configuration)
    request = ask(gateway, bearer, [("X-Forwarded-For", "198.51.100.1, 203.0.113.7")], target="/orders/trusted")
    assert "203.0.113.7" in request.get("X-Forwarded-For")
    assert gateway.logged(path="/orders/trusted")["client_ip"] == "203.0.113.7", "the last address that no trusted proxy has"


class TestTraces:
    def test_a_trace_is_continued(self, gateway, bearer):
        request = ask(gateway, bearer, [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "vendor=1")], target="/orders/trace")
        version, trace, span, flags = request.get("Traceparent").split("-")
        assert (version, trace, flags) == ("00", TRACE, "01") and span != SPAN
        assert request.get("Tracestate") == "vendor=1"
        assert gateway.logged(path="/orders/trace")["trace_id"] == TRACE

    def test_a_trace_is_begun(self, gateway, bearer):
        request = ask(gateway, bearer, [])
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]", request.get("Traceparent"))

    @pytest.mark.parametrize("value", [
        f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-extra", "rubbish"])
    def test_an_unreadable_trace_is_replaced(self, gateway, bearer, value):
        request = ask(gateway, bearer, [("traceparent", value), ("tracestate", "vendor=1")])
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", request.get("Traceparent"))
        assert request.get("Traceparent").split("-")[1] != TRACE
        assert request.all("Tracestate") == []


HOP_BY_HOP = [("Connection", "X-Private, keep-alive"), ("X-Private", "secret"), ("Keep-Alive", "timeout=5"),
              ("Proxy-Connection", "keep-alive"), ("TE", "trailers, gzip"), ("Upgrade", "foo"),
              ("Proxy-Authorization", "Basic YTpi"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]


def test_hop_by_hop_fields_stay_here(gateway, bearer):
    request = ask(gateway, bearer, HOP_BY_HOP)
    for name in ("X-Private", "Keep-Alive", "Proxy-Connection", "Upgrade", "Proxy-Authorization", "HTTP2-Settings"):
        assert request.all(name) == [], name
    assert "gzip" not in (request.get("TE") or "")
    assert "x-private" not in (request.get("Connection") or "").lower()


def process_time(gateway):
    """Seconds that the gateway has computed."""
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class TestManyConnectionOptions:
    """A list of options and a list of fields are not held against each other one by one."""
    KEPT, NOMINATED = [f"h{number}" for number in range(80)], ["n", "o1", "p22"]

    def fields(self, kept):
        """As many options as a head has room for, of which three name a field; and so many fields that none names."""
        some = "abcdefghijklm"
        value = ",".join([*self.NOMINATED, *(some[number % len(some)] for number in range(14_000))])
        return [("Connection", value), *((name, "1") for name in self.KEPT[:kept] + self.NOMINATED)]

    def check(self, message, kept):
        names = [name for name, _ in message.fields]
        assert [name for name in names if name in self.KEPT] == self.KEPT[:kept] and not set(names) & set(self.NOMINATED)

    def cost(self, gateway, client, send, count):
        """Seconds for each of `count` exchanges."""
        send(client)
        before = process_time(gateway)
        for _ in range(count):
            send(client)
        return (process_time(gateway) - before) / count

    def test_requests(self, gateway, bearer):
        def send(client, kept):
            self.check(seen(client.exchange("GET", "/orders/1", headers=[*bearer.items(), *self.fields(kept)])), kept)

        with gateway.client() as client:
            few, many = (self.cost(gateway, client, lambda client: send(client, kept), 100) for kept in (4, 80))
            assert many < 3 * few, (few, many)

    def test_responses(self, gateway, backend):
        def script(connection, request):
            connection.answer(200, b"ok", self.fields(int(request.target.rsplit("/", 1)[1])))
        backend.on("/public/options/", script)

        def send(client, kept):
            answer = client.exchange("GET", f"/public/options/{kept}")
            assert answer.status == 200
            self.check(answer, kept)

        with gateway.client() as client:
            few, many = (self.cost(gateway, client, lambda client: send(client, kept), 100) for kept in (4, 80))
            assert many < 3 * few, (few, many)


def test_a_nominated_end_to_end_field_is_removed_and_host_is_not(gateway, bearer):
    request = ask(gateway, bearer, [("Connection", "Accept, Host"), ("Accept", "text/plain")])
    assert request.all("Accept") == [] and len(request.all("Host")) == 1


def test_a_backends_hop_by_hop_fields_stay_there(gateway, backend):
    def script(connection, request):
        connection.answer(200, b"ok", [("Connection", "X-Private"), ("X-Private", "secret"), ("Keep-Alive", "timeout=5"),
                                       ("X-Kept", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Upgrade", "h2c")])
    backend.on("/public/hop", script)
    with gateway.client() as client:
        answer = client.exchange("GET", "/public/hop")
        assert answer.all("X-Private") == answer.all("Keep-Alive") == answer.all("Upgrade") == []
        assert answer.get("X-Kept") == "1" and answer.all("Set-Cookie") == ["a=1", "b=2"]
        assert client.exchange("GET", "/public/hop").status == 200


def test_end_to_end_fields_travel_as_sent(gateway, bearer):
    extra = [("Accept", "a"), ("Accept", "b"), ("X-Custom", "v\xe9"), ("User-Agent", "test/1"), ("If-None-Match", 'W/"1"'),
             ("X-Empty", ""), ("Content-Language", "de")]
    request = ask(gateway, bearer, extra)
    assert [pair for pair in request.fields if pair[0].lower() in {name.lower() for name, _ in extra}] == extra


class TestAccessToken:
    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend, idp, jwks):
        sources = [{"header": "Authorization", "scheme": "Bearer"}, {"cookie": "access_token"}]
        return make_gateway(backend.port, {"identity_providers": [conf.provider(idp, jwks, token_from=sources)]}, routes=[
            conf.route("orders", "/orders/**"), conf.route("forwarding", "/forwarding/**", forward_access_token=True),
            conf.route("public", "/public/**", public=True)])

    def test_authorization_is_removed(self, gateway, backend, bearer, token):
        assert ask(gateway, bearer, []).all("Authorization") == []
        assert token not in str(backend.requests_to("/orders"))

    def test_the_tokens_cookie_is_removed_and_the_others_are_kept(self, gateway, token):
        request = seen(gateway.ask("GET", "/orders/1", headers={"Cookie": f"a=b; access_token={token}; c=d"}))
        assert request.get("Cookie") == "a=b; c=d"

    def test_a_cookie_field_that_holds_nothing_else_goes_altogether(self, gateway, token):
        assert seen(gateway.ask("GET", "/orders/1", headers={"Cookie": f"access_token={token}"})).all("Cookie") == []

    def test_cookies_with_like_names_are_kept(self, gateway, token):
        cookies = f"xaccess_token=1; access_token={token}; access_token2=2; Access_Token=3"
        request = seen(gateway.ask("GET", "/orders/1", headers={"Cookie": cookies}))
        assert request.get("Cookie") == "xaccess_token=1; access_token2=2; Access_Token=3"

    def test_forwarded_where_the_route_says_so(self, gateway, token):
        header = seen(gateway.ask("GET", "/forwarding/1", headers={"Authorization": f"Bearer {token}"}))
        assert header.get("Authorization") == f"Bearer {token}"
        cookie = seen(gateway.ask("GET", "/forwarding/1", headers={"Cookie": f"a=b; access_token={token}"}))
        assert cookie.get("Cookie") == f"a=b; access_token={token}"

    def test_a_public_route_forwards_no_access_token_either(self, gateway, bearer, token):
        request = seen(gateway.ask("GET", "/public/1", headers={**bearer, "Cookie": f"a=b; access_token={token}"}))
        assert token not in str(request.fields)


def test_framing_fields_spelled_with_underscores_are_refused(gateway, bearer):
    for name in ("Content_Length", "Transfer_Encoding"):
        problem(gateway.ask("GET", "/orders/1", headers={**bearer, name: "5"}), 400, ("bad_framing", "bad_request"))


# What makes of a request another one passes from nobody, what says who the client is from trusted proxies.
OVERRIDING = ["X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Proxy", "X-Host", "X-Script-Name"]
BELIEVED = ["X-Forwarded-Client-Cert", "X-Forwarded-User", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Anything",
            "True-Client-IP", "X-Client-IP", "CF-Connecting-IP", "Client-Cert", "Client-Cert-Chain", "X-SSL-Client-Cert", "Remote-User", "X-Remote-User"]
NEVER = ["X-Real-IP", "X-Forwarded-Port", "X-Forwarded-Prefix", "SCRIPT_NAME", "X_Original_URL", "X.Forwarded.User", "client_cert",
         "Content_Type", "Sec_Fetch_Site", "Keep.Alive"]
HARMLESS = ["X-Client-Version", "X-Requested-With", "X-Forwarder", "Proxy-Hint", "X_Underscored", "X.Dotted"]


class TestBelievedFields:
    @pytest.fixture(scope="class")
    @classmethod
    def gateway(cls, make_gateway, backend):
        return make_gateway(backend.port, routes=[
            conf.route("plain", "/plain/**", public=True),
            conf.route("through", "/through/**", public=True, forward=["x-original-url", "X-Forwarded-User", "X-Real-IP"])])

    @pytest.fixture(scope="class")
    @classmethod
    def trusting(cls, make_gateway, backend):
        gateway = make_gateway(backend.port, start=False, routes=[conf.route("plain", "/plain/**", public=True)])
        gateway.configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8"]
        return gateway.start()

    def passed(self, gateway, names, version="HTTP/1.1", target="/plain/1"):
        """Those of `names` that reach the backend."""
        fields = [(name, "forged") for name in names]
        if version == "HTTP/1.1":
            request = seen(gateway.ask("GET", target, headers=fields))
        else:
            with HTTP2Client(gateway.port, gateway.ca) as client:
                request = seen(client.exchange("GET", target, headers=[(name.lower(), value) for name, value in fields]))
        assert str(request.fields).count("forged") == sum(value == "forged" for _, value in request.fields)
        arrived = {name.lower() for name, value in request.fields if value == "forged"}
        return [name for name in names if name.lower() in arrived]

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_nothing_that_frameworks_believe_passes(self, gateway, version):
        assert self.passed(gateway, OVERRIDING + BELIEVED + NEVER + HARMLESS, version) == HARMLESS

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
    def test_a_route_lets_through_what_it_names(self, gateway, version):
        passed = self.passed(gateway, OVERRIDING + BELIEVED + NEVER, version, "/through/1")
        assert sorted(passed) == ["X-Forwarded-User", "X-Original-URL", "X-Real-IP"]

    def test_a_trusted_proxy_says_who_the_client_is_and_nothing_else(self, trusting):
        assert self.passed(trusting, OVERRIDING + BELIEVED + NEVER) == BELIEVED

    def test_an_address_behind_a_trusted_proxy_is_not_taken_from_a_look_alike(self, trusting):
        fields = [("X-Forwarded-For", "198.51.100.1"), ("X_Forwarded_For", "203.0.113.7"), ("x.forwarded.for", "203.0.113.8")]
        request = seen(trusting.ask("GET", "/plain/look-alike", headers=fields))
        assert request.get("X-Forwarded-For") == "198.51.100.1, 127.0.0.1" and "203.0.113" not in str(request.fields)
        assert trusting.logged(path="/plain/look-alike")["client_ip"] == "198.51.100.1"

    @pytest.mark.parametrize("name", ["X-Original-URL", "X_Request_Id", "X.Internal.Token", "x-forwarded-user", "Proxy"])
    def test_not_as_trailers_either(self, gateway, backend, name):
        with gateway.client() as client:
            client.send("POST /plain/trailers HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
                        f"1\r\nx\r\n0\r\n{name}: forged-trailer\r\n\r\n")
            client.response("POST")
        assert not backend.saw("forged-trailer")

    @pytest.mark.parametrize("names, says", [(["X-Custom"], "without being named"), (["Host"], "for the gateway"), (["X-Forwarded-For"], "for the gateway"),
                                             (["X_Original_URL"], "for the gateway"), (["a b"], "no header name"), (["Proxy", "proxy"], "twice"), ([], "empty")])
    def test_what_cannot_be_let_through_is_told(self, tmp_path, pki, idp, jwks, names, says):
        file = tmp_path / "gateway.yaml"
        file.write_text(conf.as_yaml(conf.standard(pki, idp, jwks, free_port(), free_port(), 9, routes=[
            conf.route("plain", "/plain/**", public=True, forward=names)])))
        result = command("check", "--config", file)
        assert result.returncode == 2 and says in result.stderr and re.search(r"gateway\.yaml:\d+:\d+: ", result.stderr), result
