"""The command line: what each subcommand does, prints and exits with."""
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness import configuration as conf
from harness.gateway import BINARY, ROOT, command
from harness.tokens import base64url, decoded
from harness.waiting import eventually, free_port, patience


@pytest.fixture
def directory(pki, idp, jwks, tmp_path):
    """A good configuration in a directory of the test's own."""
    routes = tmp_path / "Routes"
    routes.mkdir()
    (routes / "gateway.yaml").write_text(conf.as_yaml(conf.standard(pki, idp, jwks, free_port(), free_port(), 9)))
    return routes


def test_check_accepts_a_good_configuration(directory):
    assert command("check", "--config", directory).returncode == 0
    assert command("check", "--config", directory / "gateway.yaml").returncode == 0


FAULTS = {
    "an unknown key": ("access_log:", "acess_log:", "acess_log", "access_log"),
    "a missing certificate file": ("edge.crt", "nothing.crt", "nothing.crt", "nothing.crt"),
    "an unknown backend": ("backend: orders", "backend: odrers", "odrers", "orders"),
    "no authorize": ("  authorize:\n    scopes:\n    - orders:read\n", "", "- name: orders", "authorize"),
    "an unknown algorithm": ("- RS256", "- RS999", "RS999", "RS999"),
    "the algorithm none": ("- RS256", "- none", "- none", "none"),
    "a bad duration": ("ttl: 60s", "ttl: sixty", "sixty", ""),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("subcommand", ["check", "run"])
def test_a_bad_configuration_is_reported_by_file_line_and_column(directory, subcommand, what):
    old, new, where, says = FAULTS[what]
    file = directory / "gateway.yaml"
    text = file.read_text()
    assert old in text
    broken = text.replace(old, new, 1)
    file.write_text(broken)
    result = command(subcommand, "--config", directory)
    assert result.returncode == 2, result
    match = re.search(rf"{re.escape(str(file))}:(\d+):(\d+): (.*)", result.stderr + result.stdout)
    assert match, result
    line, column, message = int(match.group(1)), int(match.group(2)), match.group(3)
    if what != "no authorize":
        assert where in broken.splitlines()[line - 1], (line, broken.splitlines()[line - 1])
        assert 1 <= column <= len(broken.splitlines()[line - 1]) + 1
    assert says in message
    assert len(list(directory.iterdir())) == 1


def test_all_errors_come_in_one_pass(directory):
    file = directory / "gateway.yaml"
    file.write_text(file.read_text().replace("access_log:", "acess_log:").replace("ttl: 60s", "ttl: sixty").replace("- RS256", "- RS999"))
    result = command("check", "--config", directory)
    output = result.stderr + result.stdout
    assert result.returncode == 2
    assert len(set(re.findall(r"gateway\.yaml:(\d+):\d+: ", output))) >= 3, output


def test_a_name_defined_in_two_files_cites_both(directory, pki, idp, jwks):
    (directory / "more.yaml").write_text(conf.as_yaml({"routes": [conf.route("orders", "/elsewhere")]}))
    result = command("check", "--config", directory)
    assert result.returncode == 2
    output = result.stderr + result.stdout
    assert "more.yaml" in output and "gateway.yaml" in output


def test_a_directory_is_merged(directory):
    (directory / "more.yaml").write_text(conf.as_yaml({"routes": [conf.route("more", "/elsewhere")]}))
    assert command("check", "--config", directory).returncode == 0


def test_routes_that_tie_are_an_error_that_names_both(directory):
    (directory / "more.yaml").write_text(conf.as_yaml({"routes": [conf.route("rival", "/orders/**")]}))
    result = command("check", "--config", directory)
    assert result.returncode == 2
    output = result.stderr + result.stdout
    assert "rival" in output and "orders" in output


@pytest.mark.parametrize("arguments", [["run", "--config", "/nonexistent"], ["check", "--config", "/nonexistent"], ["run", "--nonsense"],
                                       ["nonsense"], ["check", "--config"]], ids=" ".join)
def test_bad_usage_exits_2(arguments):
    result = command(*arguments)
    assert result.returncode == 2 and result.stderr.strip()


def test_help_names_every_subcommand():
    result = command("--help")
    assert result.returncode == 0
    for name in ("run", "check", "certs", "keys", "token", "demo"):
        assert re.search(rf"^\s+{name}\b", result.stdout, re.M), name
    assert command("--version").returncode == 0


def test_the_version_tells_builds_and_libraries_apart(tmp_path):
    shown = command("--version")
    assert shown.returncode == 0
    version, build, openssl, nghttp2 = shown.stdout.splitlines()
    assert re.fullmatch(r"gatehouse \d+\.\d+\.\d+ \((debug|release)\)", version)
    assert re.fullmatch(r"OpenSSL: OpenSSL \d+\.\d+\.\d+.*", openssl) and re.fullmatch(r"nghttp2: \d+\.\d+\.\d+", nghttp2)
    note = subprocess.run(["readelf", "-n", str(BINARY)], capture_output=True, text=True).stdout
    assert build == "build ID: " + re.search(r"Build ID: ([0-9a-f]+)", note).group(1)
    # What strips it, as the image does, leaves the identifier.
    stripped = tmp_path / "gatehouse"
    subprocess.run(["strip", "-o", str(stripped), str(BINARY)], check=True)
    assert subprocess.run([str(stripped), "--version"], capture_output=True, text=True).stdout == shown.stdout


def test_the_environment_is_read(directory):
    file = directory / "gateway.yaml"
    file.write_text(file.read_text().replace("log_level: info", "log_level: ${TEST_LEVEL:-info}"))
    assert command("check", "--config", directory).returncode == 0
    assert command("check", "--config", directory, env={**os.environ, "TEST_LEVEL": "debug"}).returncode == 0
    assert command("check", "--config", directory, env={**os.environ, "TEST_LEVEL": "shouting"}).returncode == 2
    file.write_text(file.read_text().replace("${TEST_LEVEL:-info}", "${TEST_LEVEL}"))
    assert command("check", "--config", directory).returncode == 2


def test_run_prints_ready_with_its_listeners(make_gateway, backend):
    gateway = make_gateway(backend.port)
    ready = next(line for line in gateway.error_text.splitlines() if re.search(r"\bready\b", line))
    assert str(gateway.port) in ready


def test_certs_init_makes_a_pki_and_never_overwrites(tmp_path):
    directory = tmp_path / "Certs"
    assert command("certs", "init", "--dir", directory).returncode == 0
    for name in ("edge.crt", "edge.key", "mesh-ca.crt", "gateway.crt", "gateway.key", "internal-token.key", "idp.jwks.json"):
        assert (directory / name).exists(), sorted(p.name for p in directory.iterdir())
    for key in directory.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    gateway = x509.load_pem_x509_certificate((directory / "gateway.crt").read_bytes())
    names = gateway.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert any(uri.startswith("spiffe://") for uri in names.get_values_for_type(x509.UniformResourceIdentifier))
    for key in json.loads((directory / "idp.jwks.json").read_text())["keys"]:
        assert "d" not in key
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    command("certs", "init", "--dir", directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    (directory / "edge.key").unlink()
    assert command("certs", "init", "--dir", directory).returncode != 0
    assert not (directory / "edge.key").exists(), "a set in part is not mended by guessing"
    assert "edge.key" in (lambda r: r.stderr + r.stdout)(command("certs", "init", "--dir", directory))


def test_token_issue_makes_a_token_that_a_jwks_of_its_key_verifies(pki, tmp_path):
    result = command("token", "issue", "--key", pki.internal_token_key, "--kid", "k1", "--issuer", "https://idp.example.com/",
                     "--audience", "api", "--subject", "dave", "--scope", "orders:read", "--claim", "tenant=t1", "--expires", "10m")
    assert result.returncode == 0, result
    token = result.stdout.strip()
    header, claims = decoded(token)
    assert header["alg"] == "ES256" and header["kid"] == "k1"
    assert (claims["sub"], claims["scope"], claims["tenant"]) == ("dave", "orders:read", "t1")
    assert claims["exp"] - claims["iat"] == 600
    public = load_pem_private_key(pki.internal_token_key.read_bytes(), None).public_key()
    assert jwt.decode(token, public, algorithms=["ES256"], audience="api")["sub"] == "dave"


@pytest.mark.parametrize("expires", ["-9223372036854775808s", "9223372036854775807h", "1000001s", "-1000001m", "s", "10"])
def test_a_duration_that_is_none_is_refused_in_words(pki, expires):
    result = command("token", "issue", "--key", pki.internal_token_key, "--expires", expires)
    assert result.returncode == 2 and f"--expires {expires}: write a duration" in result.stderr, result


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_keys_new_and_keys_jwks_make_what_python_can_use(tmp_path, algorithm):
    key = tmp_path / "new.key"
    assert command("keys", "new", "--algorithm", algorithm, "--out", key).returncode == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert command("keys", "new", "--algorithm", algorithm, "--out", key).returncode != 0, "never overwrites"
    assert key.read_bytes() == before
    result = command("keys", "jwks", "--key", key, "--kid", "k1")
    assert result.returncode == 0, result
    (public,) = json.loads(result.stdout)["keys"]
    assert public["kid"] == "k1" and not {"d", "p", "q"} & set(public)
    token = jwt.encode({"sub": "x"}, load_pem_private_key(before, None), algorithm=algorithm)
    assert jwt.decode(token, jwt.PyJWK(public).key, algorithms=[algorithm]) == {"sub": "x"}


def test_the_key_identifier_is_the_keys_thumbprint_by_default(pki):
    (public,) = json.loads(command("keys", "jwks", "--key", pki.internal_token_key).stdout)["keys"]
    members = json.dumps({name: public[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert public["kid"] == base64url(hashlib.sha256(members.encode()).digest())


def test_the_example_configuration_is_sound(tmp_path):
    """`certs init` and the repository's own Routes are all a newcomer needs for `check`."""
    if not list((ROOT / "Routes").glob("*.yaml")):
        pytest.skip("no example configuration in Routes yet")
    shutil.copytree(ROOT / "Routes", tmp_path / "Routes")
    assert command("certs", "init", "--dir", tmp_path / "Certs").returncode == 0
    result = command("check", "--config", tmp_path / "Routes", cwd=tmp_path)
    assert result.returncode == 0, result


@pytest.mark.timeout(600)
def test_demo_prints_curl_lines_that_work(curl, tmp_path):
    """Pasted into a terminal that is in another directory, as they stand."""
    place, elsewhere = tmp_path / "a demo's", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    output = tmp_path / "demo.log"
    ports = [free_port() for _ in range(5)]
    options = [word for name, port in zip(("", "admin-", "orders-", "users-", "idp-"), ports) for word in (f"--{name}port", str(port))]
    with open(output, "wb") as log:
        demo = subprocess.Popen([str(BINARY), "demo", "--dir", ".", *options], stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT, cwd=place)
    try:
        def shown():
            assert demo.poll() is None, output.read_text()
            text = output.read_text()
            return text if "Ctrl-C ends it" in text else None

        lines = [line.strip() for line in eventually(shown, 30, what="the introduction").splitlines()]
        commands = [line for line in lines if line.startswith(("curl ", "TOKEN="))]
        assert len(commands) == 4, lines
        def ask(*lines):
            script = "\n".join(lines) + " -sS --max-time 10 -w '\\n%{http_code}'"
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=elsewhere)

        for status, *pasted in (("200", commands[0]), ("401", commands[1]), ("200", *commands[2:])):
            result = eventually(lambda: (lambda result: result if result.stdout.endswith(status) else None)(ask(*pasted)), 30, what=pasted)
        assert '"sub": "carol"' in result.stdout
    finally:
        demo.send_signal(signal.SIGINT)
        try:
            assert demo.wait(patience(15)) == 0
        finally:
            if demo.poll() is None:
                demo.kill()
