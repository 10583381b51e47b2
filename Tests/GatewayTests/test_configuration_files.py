"""How the files of a configuration are read: byte order marks, defaults within defaults, directories that are exchanged, authorities
that are none."""
import os
import threading

import pytest

from harness import configuration as conf
from harness.gateway import command
from harness.waiting import free_port


@pytest.fixture
def directory(pki, idp, jwks, tmp_path):
    routes = tmp_path / "Routes"
    routes.mkdir()
    (routes / "gateway.yaml").write_text(conf.as_yaml(conf.standard(pki, idp, jwks, free_port(), free_port(), 9)))
    return routes


def check(directory, **environment):
    return command("check", "--config", directory, env={**os.environ, **environment})


def test_a_byte_order_mark_is_no_part_of_a_file(directory):
    file = directory / "gateway.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert check(directory).returncode == 0
    # Places are counted as an editor counts them.
    file.write_bytes(b"\xef\xbb\xbfproces: {}\n" + file.read_bytes()[3:])
    assert f"{file}:1:1: unknown key `proces`" in check(directory).stderr


@pytest.mark.parametrize("environment, level", [
    ({}, "debug"), ({"INNER": "notice"}, "notice"), ({"OUTER": "error", "INNER": "notice"}, "error")])
def test_a_default_may_have_a_default(directory, environment, level):
    file = directory / "gateway.yaml"
    file.write_text(file.read_text().replace("log_level: info", "log_level: ${OUTER:-${INNER:-debug}}"))
    assert check(directory, **environment).returncode == 0
    file.write_text(file.read_text().replace("-debug}", "-nothing}"))
    refused = check(directory, **environment)
    assert refused.returncode == (0 if environment else 2)
    if not environment:
        assert "`nothing`" in refused.stderr


def test_a_default_that_is_not_closed_is_refused_where_it_stands(directory):
    file = directory / "gateway.yaml"
    file.write_text(file.read_text().replace("log_level: info", 'log_level: "${OUTER:-${INNER:-debug}"'))
    refused = check(directory)
    assert refused.returncode == 2 and "not closed" in refused.stderr and f"{file}:" in refused.stderr


@pytest.mark.parametrize("layout", ["..data", "a link"])
def test_files_that_are_exchanged_are_of_one_version(directory, tmp_path, layout):
    """Two files agree in each version; a reader that saw one of each would find a route's backend missing."""
    text = (directory / "gateway.yaml").read_text()
    (directory / "gateway.yaml").unlink()

    def version(number):
        folder = (directory if layout == "..data" else tmp_path) / f"..{number}"
        folder.mkdir()
        (folder / "a copy.yaml").write_text(text.replace("name: orders\n  endpoints", f"name: backend-{number}\n  endpoints")
                                            .split("routes:")[0])
        (folder / "routes.yaml").write_text("routes:" + text.split("routes:")[1].replace("backend: orders", f"backend: backend-{number}"))
        return folder.name

    link = directory / "..data" if layout == "..data" else tmp_path / "current"
    versions = [version(number) for number in (1, 2)]
    link.symlink_to(versions[0])
    if layout == "..data":
        for name in ("a copy.yaml", "routes.yaml"):
            (directory / name).symlink_to(f"..data/{name}")
    path = directory if layout == "..data" else link
    assert check(path).returncode == 0, check(path).stderr
    over = threading.Event()

    def exchange():
        turn = 0
        while not over.is_set():
            turn += 1
            fresh = link.with_name("fresh")
            fresh.symlink_to(versions[turn % 2])
            fresh.rename(link)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(60):
            checked = check(path)
            assert checked.returncode == 0, checked.stderr
    finally:
        over.set()
        thread.join()


def test_an_authority_that_is_none_or_is_over_is_told_of(directory, pki, tmp_path):
    file = directory / "gateway.yaml"
    text = file.read_text()
    leaf = pki.edge.files["certificate"]

    def checked(authority):
        listener = text.replace("  tls:\n    certificates:", f"  tls:\n    client_ca: {authority}\n    client_auth: optional\n    certificates:", 1)
        assert listener != text
        file.write_text(listener)
        return check(directory)

    # By itself it could verify nobody; beside its authority it is only of no use.
    alone = checked(leaf)
    assert alone.returncode == 2 and "no certificate that signed itself" in alone.stderr + alone.stdout, alone.stderr
    both = tmp_path / "both.crt"
    both.write_bytes(pki.public.certificate.read_bytes() + pki.edge.certificate.read_bytes())
    beside = checked(both)
    assert beside.returncode == 0 and "certificate 2 of" in beside.stdout and "no authority's" in beside.stdout, beside.stderr


def test_an_algorithm_that_no_key_of_the_file_has_is_warned_of(directory, pki, idp, jwks):
    configuration = conf.standard(pki, idp, jwks, free_port(), free_port(), 9)
    configuration["identity_providers"][0]["algorithms"] = ["ES256", "ES512", "RS256"]
    file = directory / "gateway.yaml"
    file.write_text(conf.as_yaml(configuration))
    checked = check(directory)
    assert checked.returncode == 0
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "ES512" in text)
    assert f"{file}:{line}:" in checked.stdout and checked.stdout.count("so every such token is refused") == 1
    assert f": warning: no key in {jwks} can be used with `ES512`" in checked.stdout


def test_every_wrong_file_of_a_tls_section_is_told_of_at_once(directory, pki, idp, jwks, tmp_path):
    """Each where it is written: a certificate, its key, another certificate's key, an authority; of listeners, backends and providers."""
    missing = {name: tmp_path / f"{name}.pem" for name in (
        "certificate", "key", "second-key", "client-ca", "mesh-ca", "gateway-certificate", "gateway-key", "idp-ca", "own", "own-key")}
    configuration = conf.standard(pki, idp, jwks, free_port(), free_port(), 9)
    configuration["listeners"][0]["tls"] = {
        "certificates": [{"certificate": str(missing["certificate"]), "key": str(missing["key"])},
                         {**pki.edge.files, "key": str(missing["second-key"])}],
        "client_ca": str(missing["client-ca"]), "client_auth": "required"}
    configuration["backends"][0]["tls"].update(
        ca=str(missing["mesh-ca"]), certificate=str(missing["gateway-certificate"]), key=str(missing["gateway-key"]))
    configuration["identity_providers"].append(
        {"name": "opaque", "issuer": "https://opaque.example.com", "introspection": {
            "url": "https://opaque.example.com/introspect", "ca": str(missing["idp-ca"]), "client_id": "gatehouse",
            "certificate": str(missing["own"]), "key": str(missing["own-key"])}})
    file = directory / "gateway.yaml"
    file.write_text(conf.as_yaml(configuration))
    refused = check(directory)
    assert refused.returncode == 2
    lines = file.read_text().splitlines()
    for path in missing.values():
        number, column = next((number, line.index(str(path)) + 1) for number, line in enumerate(lines, 1) if str(path) in line)
        assert f"{file}:{number}:{column}: {path}: No such file or directory" in refused.stderr, (path, refused.stderr)
    assert f"{len(missing)} errors" in refused.stderr
