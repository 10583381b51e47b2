"""Where issuers differ: what says that a token is an access token, for whom it is, how long it lives, how scopes and roles are written."""
import re
import time

import pytest

from harness import configuration as conf
from harness.answers import problem, seen
from harness.gateway import command
from harness.tokens import decoded


@pytest.fixture(scope="module")
def changed(make_gateway, backend, idp, jwks):
    """A gateway whose provider has these keys besides, one for each set of keys, and routes for scopes and for roles."""
    started = {}

    def change(**provider):
        key = repr(provider)
        if key not in started:
            row = conf.merged(conf.provider(idp, jwks), provider)
            started[key] = make_gateway(backend.port, {"identity_providers": [row]}, routes=[
                conf.route("orders", "/orders/**", authorize="authenticated"),
                conf.route("scoped", "/scoped/**", authorize={"scopes": ["orders:read", "orders:write"]}),
                conf.route("admin", "/admin/**", authorize={"roles": ["admin"]}),
                conf.route("nested", "/nested/**", authorize={"roles": ["admin"], "roles_from": "realm.roles"}),
            ])
        return started[key]

    return change


def ask(gateway, target, headers):
    return gateway.ask("GET", target, headers=headers)


@pytest.mark.parametrize("claims", [
    {"typ": "ID"}, {"typ": "Refresh"}, {"typ": "Offline"}, {"typ": "Logout"}, {"token_use": "id"}, {"token_use": "refresh"}],
    ids=lambda claims: "-".join(map(str, *claims.items())))
def test_what_is_signed_for_another_use_is_refused(changed, idp, claims):
    problem(ask(changed(), "/orders/1", idp.bearer(**claims)), 401, "token_type")


@pytest.mark.parametrize("claims", [{"typ": "Bearer"}, {"token_use": "access"}, {}], ids=["bearer", "access", "nothing"])
def test_access_tokens_pass_whatever_they_call_themselves(changed, idp, claims):
    assert ask(changed(), "/orders/1", idp.bearer(**claims)).status == 200


def test_a_provider_says_what_only_its_access_tokens_have(changed, idp):
    gateway = changed(token_use={"typ": "Bearer"})
    assert ask(gateway, "/orders/1", idp.bearer(typ="Bearer")).status == 200
    for other in ({}, {"typ": "ID"}, {"typ": "bearer"}, {"typ": ["ID"]}, {"typ": None}):
        problem(ask(gateway, "/orders/1", idp.bearer(**other)), 401, "token_type")


def test_a_token_that_would_live_for_ever_is_refused_and_told_of_once(changed, idp):
    gateway = changed()
    for _ in range(3):
        problem(ask(gateway, "/orders/1", idp.bearer(exp=int(time.time() + 3600) * 1000)), 401, "token_claims")
    problem(ask(gateway, "/orders/1", idp.bearer(exp=int(time.time()) + 86_401)), 401, "token_claims")
    problem(ask(gateway, "/orders/1", idp.bearer(iat=int(time.time()) - 86_400, exp=int(time.time()) + 60)), 401, "token_claims")
    problem(ask(gateway, "/orders/1", idp.bearer(exp=2**63 - 1)), 401, "token_claims")
    assert ask(gateway, "/orders/1", idp.bearer(exp=int(time.time()) + 86_000)).status == 200
    assert len(re.findall("maximum_token_life", gateway.error_text)) == 1, gateway.error_text


def test_tokens_may_live_longer_when_the_provider_says_so(changed, idp):
    gateway = changed(maximum_token_life="720h")
    assert ask(gateway, "/orders/1", idp.bearer(exp=int(time.time()) + 86_400 * 29)).status == 200
    problem(ask(gateway, "/orders/1", idp.bearer(exp=int(time.time()) + 86_400 * 31)), 401, "token_claims")


def test_without_audiences_another_claim_says_whom_a_token_is_for(changed, idp):
    gateway = changed(audiences="none", required_claims={"client_id": ["web", "mobile"], "token_use": ["access"]})
    good = {"aud": None, "client_id": "web", "token_use": "access"}
    assert ask(gateway, "/orders/1", idp.bearer(**good)).status == 200
    problem(ask(gateway, "/orders/1", idp.bearer(**{**good, "client_id": "other"})), 401, "token_claims")
    problem(ask(gateway, "/orders/1", idp.bearer(**{**good, "client_id": None})), 401, "token_claims")


def test_the_audience_may_stand_in_another_claim(changed, idp):
    gateway = changed(audiences=["web"], audience_claim="client_id")
    assert ask(gateway, "/orders/1", idp.bearer(aud=None, client_id="web")).status == 200
    problem(ask(gateway, "/orders/1", idp.bearer(aud="web", client_id="other")), 401, "token_audience")
    problem(ask(gateway, "/orders/1", idp.bearer(aud="web")), 401, "token_audience")


def test_scopes_with_commas_are_scopes_only_when_the_provider_says_so(changed, idp):
    commas = {"scope": "orders:read,orders:write"}
    problem(ask(changed(), "/scoped/1", idp.bearer(**commas)), 403, "scope_missing")
    gateway = changed(scope_separator=",")
    for scope in ("orders:read,orders:write", "orders:write, orders:read", "x,orders:read,orders:write,"):
        assert ask(gateway, "/scoped/1", idp.bearer(scope=scope)).status == 200, scope
    # A name with a space in it must not become two.
    problem(ask(gateway, "/scoped/1", idp.bearer(scope="x orders:read,orders:write")), 401, "token_claims")
    assert ask(gateway, "/scoped/1", idp.bearer(scope=["orders:read", "orders:write"])).status == 200


def test_the_backend_reads_scopes_in_the_standard_form(changed, idp):
    answer = ask(changed(scope_separator=","), "/scoped/1", idp.bearer(scope="orders:read,orders:write"))
    token = seen(answer).get("X-Internal-Token")
    assert decoded(token)[1]["scope"] == "orders:read orders:write"


@pytest.mark.parametrize("form, roles, passes", [
    (None, "admin", False), (None, ["admin"], True),
    ("single", "admin", True), ("single", "admin user", False), ("single", ["user", "admin"], True),
    ("space", "user admin", True), ("space", "administrator", False),
    ("comma", "user,admin", True), ("comma", "user, admin", True), ("comma", "user admin", False),
])
def test_roles_in_the_form_that_the_provider_has(changed, idp, form, roles, passes):
    gateway = changed(**({"roles_format": form} if form else {}))
    for target, claims in (("/admin/1", {"roles": roles}), ("/nested/1", {"realm": {"roles": roles}})):
        answer = ask(gateway, target, idp.bearer(**claims))
        if passes:
            assert answer.status == 200, target
        else:
            problem(answer, 403, "claim_denied")


def test_two_providers_of_one_issuer_are_told_apart_by_the_audience(make_gateway, backend, idp, jwks):
    first = conf.provider(idp, jwks, name="web", required_claims={"tenant": ["t1"]})
    second = {**conf.provider(idp, jwks, name="partners"), "audiences": ["partners"], "required_claims": {"tenant": ["t2"]}}
    gateway = make_gateway(backend.port, {"identity_providers": [first, second]}, routes=[
        {**conf.route("orders", "/orders/**"), "authenticate": ["web", "partners"]}])
    assert ask(gateway, "/orders/1", idp.bearer(tenant="t1")).status == 200
    assert ask(gateway, "/orders/1", idp.bearer(aud="partners", tenant="t2")).status == 200
    problem(ask(gateway, "/orders/1", idp.bearer(aud="partners", tenant="t1")), 401, "token_claims")
    problem(ask(gateway, "/orders/1", idp.bearer(aud="others")), 401, "token_audience")
    # With an audience in common a token would not say whose it is.
    shared = {**second, "audiences": ["partners", idp.audience]}
    gateway.write(conf.merged(gateway.configuration, {"identity_providers": [first, shared]}))
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2 and "same issuer" in checked.stderr


@pytest.mark.parametrize("provider, says", [
    ({"issuer": "https://login.example.com/{tenantid}/v2.0"}, "letter for letter"),
    ({"issuer": "*"}, "letter for letter"),
    ({"audiences": ["*"]}, "letter for letter"),
    ({"audiences": "api"}, "audiences: [api]"),
    ({"audiences": "none"}, "required_claims"),
    ({"audiences": "none", "required_claims": {"a": "b"}, "audience_claim": "azp"}, "audience_claim"),
    ({"token_use": {}}, "no claim is named"),
    ({"maximum_token_life": "0s"}, "out of range"),
    ({"scope_separator": "x"}, "separator"),
    ({"roles_format": "csv"}, "`comma`"),
], ids=lambda value: str(value)[:40])
def test_check_says_what_to_write(make_gateway, idp, jwks, provider, says):
    gateway = make_gateway(9, {"identity_providers": [{**conf.provider(idp, jwks), **provider}]}, start=False)
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2
    assert re.search(rf"{re.escape(str(gateway.file))}:\d+:\d+: ", checked.stderr) and says in checked.stderr, checked.stderr
