"""403: a good token whose principal the route does not let in."""
import pytest

from harness import configuration as conf
from harness.answers import problem

ROUTES = [
    conf.route("anyone", "/anyone"),
    conf.route("scopes", "/scopes", authorize={"scopes": ["orders:read", "orders:write"]}),
    conf.route("roles", "/roles", authorize={"roles": ["admin"]}),
    conf.route("roles-from", "/roles-from", authorize={"roles": ["admin"], "roles_from": "realm_access.roles"}),
    conf.route("tenant-any", "/tenant-any", authorize={"claims": {"tenant": "*"}}),
    conf.route("tenant-one", "/tenant-one", authorize={"claims": {"tenant": ["t1", "t2"]}}),
    conf.route("either", "/either", authorize={"any": [{"roles": ["admin"]}, {"scopes": ["orders:admin"]}]}),
    conf.route("not-guest", "/not-guest", authorize={"not": {"roles": ["guest"]}}),
]
ANY = ("scope_missing", "claim_denied", "policy_denied")
RULES = ("claim_denied", "policy_denied")


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    return make_gateway(backend.port, routes=ROUTES)


ALLOWED = [
    ("/anyone", {"scope": None}),
    ("/scopes", {"scope": "orders:write orders:read"}),
    ("/scopes", {"scope": ["orders:read", "orders:write"]}),
    ("/scopes", {"scope": None, "scp": ["orders:read", "orders:write"]}),
    ("/roles", {"roles": ["user", "admin"]}),
    ("/roles-from", {"realm_access": {"roles": ["admin"]}}),
    ("/tenant-any", {"tenant": "anything"}),
    ("/tenant-one", {"tenant": "t2"}),
    ("/tenant-one", {"tenant": ["t9", "t1"]}),
    ("/either", {"roles": ["admin"]}),
    ("/either", {"scope": "orders:admin"}),
    ("/not-guest", {"roles": ["customer"]}),
]

DENIED = [
    ("/scopes", {"scope": "orders:read"}, "scope_missing"),
    ("/scopes", {"scope": None}, "scope_missing"),
    ("/scopes", {"scope": "orders:readx orders:write"}, "scope_missing"),
    ("/scopes", {"scope": "ORDERS:READ orders:write"}, "scope_missing"),
    ("/scopes", {"scope": "orders:read\torders:write"}, "scope_missing"),
    ("/scopes", {"scope": 7}, ANY),
    ("/scopes", {"scope": {"orders:read": True}}, ANY),
    ("/roles", {"roles": ["user"]}, RULES),
    ("/roles", {"roles": None}, RULES),
    ("/roles", {"roles": {"admin": True}}, RULES),
    ("/roles-from", {"roles": ["admin"]}, RULES),
    ("/tenant-any", {"tenant": None}, "claim_denied"),
    ("/tenant-one", {"tenant": "t3"}, "claim_denied"),
    ("/tenant-one", {"tenant": {"id": "t1"}}, "claim_denied"),
    ("/either", {"roles": ["user"], "scope": "orders:read"}, ANY),
    ("/not-guest", {"roles": ["guest"]}, RULES),
    ("/not-guest", {"roles": 7}, RULES),
]


@pytest.mark.parametrize("path,claims", ALLOWED, ids=str)
def test_let_in(gateway, idp, path, claims):
    assert gateway.ask("GET", path, headers=idp.bearer(**claims)).status == 200


@pytest.mark.parametrize("path,claims,code", DENIED, ids=str)
def test_denied(gateway, backend, idp, path, claims, code):
    answer = gateway.ask("GET", f"{path}?{len(backend.requests)}", headers=idp.bearer(sub=f"{path}{claims}", **claims))
    document = problem(answer, 403, code)
    if document["code"] == "scope_missing":
        challenge = answer.get("WWW-Authenticate")
        assert challenge.startswith("Bearer") and 'error="insufficient_scope"' in challenge
        assert 'scope="' not in challenge or "orders:" in challenge


def test_a_denied_request_does_not_reach_the_backend(gateway, backend, idp):
    before = len(backend.requests)
    problem(gateway.ask("POST", "/scopes", headers=idp.bearer(scope=None), body=b"secret-body"), 403, "scope_missing")
    assert len(backend.requests) == before and not backend.saw("secret-body")


def test_a_cached_token_meets_each_routes_own_rules(gateway, idp):
    mine = idp.bearer(scope="nothing", roles=["admin"])
    with gateway.client() as client:
        for _ in range(2):
            assert client.exchange("GET", "/roles", headers=mine).status == 200
            problem(client.exchange("GET", "/scopes", headers=mine), 403, "scope_missing")


def test_routes_with_one_rule_share_its_answer_and_nothing_else(make_gateway, backend, idp):
    """More rules than a token has places for answers, each of two routes, in one order and then in the other."""
    rules = 20
    routes = [conf.route(f"r{n}", f"/r{n}", authorize={"scopes": [f"s{n % rules}"]}) for n in range(2 * rules)]
    gateway = make_gateway(backend.port, routes=[*routes, conf.route("open", "/open", public=True)])
    mine = idp.bearer(scope=" ".join(f"s{n}" for n in range(0, rules, 2)))
    with gateway.client() as client:
        for n in [*range(2 * rules), *reversed(range(2 * rules))]:
            answer = client.exchange("GET", f"/r{n}", headers=mine)
            if n % 2:
                problem(answer, 403, "scope_missing")
            else:
                assert answer.status == 200, n
        problem(client.exchange("GET", "/r0"), 401, "token_missing")
        assert client.exchange("GET", "/open").status == 200
