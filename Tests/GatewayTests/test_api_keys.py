"""API keys of machine clients: made by `gatehouse apikey new`, kept as hashes, taken back by a reload."""
import hashlib
import json
import re
import stat
import time

import pytest
import yaml

from harness import configuration as conf
from harness.answers import problem, seen
from harness.eventstream import HEAD, chunk
from harness.gateway import command
from harness.http2client import HTTP2Client
from harness.tokens import decoded

KEY = re.compile(r"ghk_([a-z0-9-]{8,32})_[A-Za-z0-9_-]{43}")


def new(*arguments):
    """What `apikey new` prints and says."""
    return command("apikey", "new", *arguments)


def made(*arguments):
    """The key that `apikey new` makes."""
    result = new(*arguments)
    assert result.returncode == 0, result
    key = result.stdout.splitlines()[0]
    assert KEY.fullmatch(key), result
    return key


@pytest.fixture
def file(tmp_path):
    return tmp_path / "api-keys.yaml"


def configured(idp, jwks, file, *, authenticate=("machines",), **more):
    provider = {"name": "machines", "issuer": "https://gateway.internal/keys", "api_keys": {"file": str(file)}} | more
    routes = [conf.route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}) | {"authenticate": list(authenticate)},
              conf.route("open", "/open/**", forward_access_token=True) | {"authenticate": list(authenticate)},
              conf.route("signed", "/signed/**", forward_access_token=True), conf.route("public", "/public/**", public=True)]
    return {"identity_providers": [conf.provider(idp, jwks), provider], "routes": routes}


@pytest.fixture
def start(make_gateway, backend, idp, jwks, file):
    def start(**more):
        return make_gateway(backend.port, configured(idp, jwks, file, **more))
    return start


def ask(gateway, key, path="/orders/1", name="X-API-Key", **more):
    return gateway.ask("GET", path, headers={name: key} | more)


class TestRequests:
    def test_a_key_becomes_a_principal(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--scope", "orders:write", "--role", "machine", "--file", file)
        gateway = start()
        request = seen(ask(gateway, key))
        claims = decoded(request.get("X-Internal-Token"))[1]
        assert claims["sub"] == "billing" and claims["idp"] == "https://gateway.internal/keys"
        assert claims["scope"] == "orders:read orders:write" and claims["roles"] == ["machine"]
        assert not request.get("X-API-Key")
        line = gateway.logged(route="orders", status=200)
        assert line["sub"] == "billing" and line["issuer"] == "https://gateway.internal/keys"

    def test_over_http2(self, start, file, pki):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start()
        with HTTP2Client(gateway.port, pki.public.certificate) as client:
            for _ in range(3):
                assert client.exchange("GET", "/orders/1", headers={"x-api-key": key}).status == 200
            refused = client.exchange("GET", "/orders/1", headers={"x-api-key": key[:-1] + ("A" if key[-1] != "A" else "E")})
            assert refused.status == 401 and b"api_key_invalid" in refused.body
        assert gateway.metric("gatehouse_token_cache_lookups_total", result="hit") == 2

    def test_what_is_no_key_is_refused(self, start, file, idp):
        key, other = (made("--sub", name, "--scope", "orders:read", "--file", file) for name in ("one", "two"))
        gateway = start()
        identity, secret = KEY.fullmatch(key).group(1), key[-43:]
        forged = [key[:-1], key + "A", key[:-43] + other[-43:], f"ghk_unknown-id_{secret}", key.upper(), f"{identity}_{secret}", "x", "ghk__",
                  f"ghk_{identity}", idp.token(), hashlib.sha256(key.encode()).hexdigest(), "ghk_" + "a" * 4000]
        for text in forged:
            answer = ask(gateway, text)
            problem(answer, 401, "api_key_invalid")
        problem(gateway.ask("GET", "/orders/1"), 401, "token_missing")
        problem(gateway.ask("GET", "/orders/1", headers={"Authorization": f"Bearer {key}"}), 401, "token_missing")
        problem(gateway.ask("GET", "/orders/1", headers=[("X-API-Key", key), ("x_api_key", other)]), 401, "token_ambiguous")
        assert ask(gateway, key).status == ask(gateway, other).status == 200

    def test_rules_hold_for_keys_too(self, start, file):
        key = made("--sub", "billing", "--scope", "other", "--file", file)
        problem(ask(start(), key), 403, "scope_missing")

    def test_required_claims_hold_for_keys_too(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        problem(ask(start(required_claims={"roles": ["machine"]}), key), 401, "token_claims")

    def test_an_expired_key_is_refused(self, start, file, idp):
        key = made("--sub", "billing", "--scope", "orders:read", "--expires", "1d", "--file", file)
        gateway = start()
        assert ask(gateway, key).status == 200
        document = yaml.safe_load(file.read_text())
        document["keys"][0]["expires"] = "2020-01-01"
        file.write_text(yaml.safe_dump(document))
        gateway.reload()
        problem(ask(gateway, key), 401, "token_expired")
        assert "has expired" in gateway.error_text

    def test_keys_and_tokens_go_side_by_side(self, start, file, idp):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start(authenticate=("main", "machines"))
        assert ask(gateway, key).status == 200
        assert gateway.ask("GET", "/orders/1", headers=idp.bearer()).status == 200
        problem(gateway.ask("GET", "/orders/1", headers=idp.bearer(exp=1)), 401, "token_expired")
        problem(ask(gateway, "ghk_unknown-id_" + "A" * 43), 401, "api_key_invalid")
        problem(ask(gateway, key, **idp.bearer()), 401, "token_ambiguous")
        problem(gateway.ask("GET", "/signed/1", headers={"X-API-Key": key}), 401, "token_missing")

    def test_no_key_is_ever_forwarded(self, start, file, idp):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start()
        for answer in (ask(gateway, key, "/open/1"), ask(gateway, key, "/signed/1", **idp.bearer()), ask(gateway, key, "/public/1"),
                       ask(gateway, key, "/signed/1", "x_API_key", **idp.bearer())):
            request = seen(answer)
            assert not request.get("X-API-Key") and key not in str(request.fields)
        assert seen(ask(gateway, key, "/signed/1", **idp.bearer())).get("Authorization")

    def test_the_header_is_the_operator_s_choice(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start(token_from=[{"header": "X-Partner", "scheme": "Key"}])
        assert ask(gateway, f"Key {key}", name="X-Partner").status == 200
        problem(ask(gateway, key), 401, "token_missing")

    def test_no_key_stands_in_any_log(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway, wrong = start(), "ghk_unknown-id_" + "A" * 43
        assert ask(gateway, key).status == 200
        problem(ask(gateway, wrong), 401, "api_key_invalid")
        gateway.logged(status=401, code="api_key_invalid")
        text = gateway.output.read_text() + gateway.error_text + gateway.admin("/metrics").text
        assert key[-43:] not in text and wrong not in text
        assert key[-43:] not in file.read_text()


class TestReloads:
    def test_a_removed_key_is_refused_at_once_and_an_added_one_taken(self, start, file):
        gone = made("--sub", "gone", "--scope", "orders:read", "--file", file)
        stays = made("--sub", "stays", "--scope", "orders:read", "--file", file)
        gateway = start()
        with gateway.client() as client:
            for key in (gone, gone, stays, stays):
                assert client.exchange("GET", "/orders/1", headers={"X-API-Key": key}).status == 200
            document = yaml.safe_load(file.read_text())
            document["keys"] = [row for row in document["keys"] if row["sub"] != "gone"]
            file.write_text(yaml.safe_dump(document))
            added = made("--sub", "added", "--scope", "orders:read", "--file", file)
            gateway.reload()
            problem(client.exchange("GET", "/orders/1", headers={"X-API-Key": gone}), 401, "api_key_invalid")
            for key in (stays, added):
                assert client.exchange("GET", "/orders/1", headers={"X-API-Key": key}).status == 200

    def test_what_a_key_may_do_changes_with_the_reload(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start()
        assert ask(gateway, key).status == 200
        document = yaml.safe_load(file.read_text())
        document["keys"][0]["claims"] = {"scope": "nothing"}
        file.write_text(yaml.safe_dump(document))
        gateway.reload()
        problem(ask(gateway, key), 403, "scope_missing")

    def test_a_bad_file_leaves_the_keys_as_they_were(self, start, file):
        key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
        gateway = start()
        good = file.read_text()
        file.write_text(good + good.removeprefix("keys:\n"))
        gateway.reload_rejected()
        assert re.search(rf"{re.escape(str(file))}:\d+:\d+: the id `\S+` is already used at", gateway.error_text)
        assert ask(gateway, key).status == 200


def test_a_key_that_is_gone_leaves_its_streams_open_and_a_deny_list_ends_them(make_gateway, backend, idp, jwks, file, tmp_path):
    """As docs/configuration.md says under `api_keys` and `revocation`."""
    def drip(connection, request):
        connection.send(HEAD)
        while not connection.ended.wait(0.05):
            connection.send(chunk("data: 0\n\n"))

    key = made("--sub", "billing", "--scope", "orders:read", "--file", file)
    denied = tmp_path / "denied.jsonl"
    denied.write_text("")
    changes = configured(idp, jwks, file) | {"revocation": {"feeds": [{"name": "denied", "file": str(denied), "fail": "open"}]}}
    gateway = make_gateway(backend.port, changes)
    backend.on("/orders/stream", drip)
    with gateway.client() as client:
        client.request("GET", "/orders/stream", headers={"X-API-Key": key})
        assert client._receive()
        file.write_text("keys: []\n")
        gateway.reload()
        problem(ask(gateway, key), 401, "api_key_invalid")
        # More than what may have been on its way.
        assert sum(len(client._receive()) for _ in range(20)) > 0 and client.clean_end is None
        fresh = denied.with_suffix(".new")
        fresh.write_text(json.dumps({"sub": "billing", "iss": "https://gateway.internal/keys"}) + "\n")
        fresh.rename(denied)
        client.rest(20)
    assert gateway.logged(path="/orders/stream", code="token_revoked")


class TestCommand:
    def test_without_a_file_the_entry_is_printed(self, file, start):
        result = new("--sub", "billing \"x\"", "--scope", "orders:read", "--expires", "2099-12-31")
        key, _, *rest = result.stdout.splitlines()
        row, = yaml.safe_load("keys:\n" + "\n".join(rest))["keys"]
        assert row["id"] == KEY.fullmatch(key).group(1) and row["sub"] == 'billing "x"'
        assert row["claims"] == {"scope": "orders:read"} and row["expires"] == "2099-12-31T00:00:00Z"
        assert hashlib.sha256(bytes.fromhex(row["salt"]) + key.encode()).hexdigest() == row["hash"]
        assert len(bytes.fromhex(row["salt"])) == 16
        file.write_text("keys:\n" + "\n".join(rest))
        assert ask(start(), key).status == 200

    @pytest.mark.parametrize("name", ["keys.yaml", "keys.json"])
    def test_entries_are_appended(self, tmp_path, start, file, name):
        target = tmp_path / name
        keys = [made("--sub", f"client-{number}", "--scope", "orders:read", "--file", target) for number in range(3)]
        assert len(set(keys)) == 3
        document = json.loads(target.read_text()) if name.endswith("json") else yaml.safe_load(target.read_text())
        assert [row["sub"] for row in document["keys"]] == ["client-0", "client-1", "client-2"]
        assert len({row["salt"] for row in document["keys"]}) == 3
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == [name]
        file.write_text(target.read_text())
        gateway = start()
        assert all(ask(gateway, key).status == 200 for key in keys)

    def test_what_was_written_by_hand_stays(self, tmp_path):
        target = tmp_path / "keys.yaml"
        target.write_text("# ours\nkeys: []\n")
        target.chmod(0o640)
        made("--sub", "one", "--file", target)
        target.write_text(target.read_text() + "  # the next one\n")
        made("--sub", "two", "--file", target)
        text = target.read_text()
        assert text.startswith("# ours\nkeys:\n") and "# the next one" in text
        assert [row["sub"] for row in yaml.safe_load(text)["keys"]] == ["one", "two"]
        assert stat.S_IMODE(target.stat().st_mode) == 0o640

    def test_an_id_of_one_s_own(self, file):
        assert made("--sub", "billing", "--id", "billing-2026", "--file", file).startswith("ghk_billing-2026_")
        before = file.read_text()
        result = new("--sub", "other", "--id", "billing-2026", "--file", file)
        assert result.returncode == 1 and "has a key `billing-2026` already" in result.stderr and not result.stdout
        assert file.read_text() == before and len(list(file.parent.iterdir())) == 1

    @pytest.mark.parametrize("arguments, says", [
        (["--sub", "x", "--id", "short"], "too weak an id"), (["--sub", "x", "--id", "UPPERCASE-ID"], "too weak an id"),
        (["--sub", "x", "--id", "under_score"], "too weak an id"), (["--sub", ""], "--sub is empty"), ([], "--sub"),
        (["--sub", "x", "--scope", "two words"], "no scope"), (["--sub", "x", "--expires", "2020-01-01"], "is over already"),
        (["--sub", "x", "--expires", "tomorrow"], "is no time"), (["--sub", "x", "--expires", "2027-02-30"], "is no time"),
    ])
    def test_what_makes_no_sense_is_refused(self, arguments, says):
        result = new(*arguments)
        assert result.returncode == 2 and says in result.stderr and not result.stdout

    def test_a_file_that_cannot_be_read_back_is_left_alone(self, file):
        for content, says in (("keys: {}\n", "expected a list"), ("nothing: 1\n", "unknown key `nothing`"),
                              ("keys: [{ id: abcdefgh, sub: a, salt: '" + "0" * 32 + "', hash: '" + "0" * 64 + "' }]\n", "laid out so that")):
            file.write_text(content)
            result = new("--sub", "x", "--file", file)
            assert result.returncode == 1 and says in result.stderr and not result.stdout, result
            assert file.read_text() == content
        assert len(list(file.parent.iterdir())) == 1

    def test_help_says_how(self):
        result = command("apikey", "new", "--help")
        assert result.returncode == 0 and "printed" in result.stdout and "--expires" in result.stdout


@pytest.mark.parametrize("content, says", [
    ("", "the file is empty"), ("keys: [{ id: x }]", "`x` is no id of a key"), ("keys: [{ id: abcdefgh, sub: a, salt: '00', hash: '00' }]", "64 digits"),
    ("keys: [{ id: abcdefgh, sub: a, key: secret }]", "unknown key `key`")])
def test_check_says_what_is_wrong_with_a_file(make_gateway, idp, jwks, file, content, says):
    file.write_text(content)
    gateway = make_gateway(9, configured(idp, jwks, file), start=False)
    result = command("check", "--config", gateway.routes)
    assert result.returncode == 2 and says in result.stderr and f"{file}:1:" in result.stderr, result
