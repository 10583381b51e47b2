"""The container files: they parse, they fit each other, and they fit the binary and the example routes."""
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from harness.gateway import BINARY, ROOT, command

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"

# The part of the Compose specification that our file uses, closed: a key that is misspelt is an error here, where Compose would
# only say so to whoever runs it.
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "services": {"type": "object", "minProperties": 1, "additionalProperties": {
            "type": "object", "additionalProperties": False, "required": ["image", "command"],
            "properties": {
                "image": {"type": "string"},
                "build": {"type": "string"},
                "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                "read_only": {"type": "boolean"},
                "cap_drop": {"type": "array", "items": {"type": "string"}},
                "security_opt": {"type": "array", "items": {"type": "string"}},
                "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:/[^:]+(:ro)?$"}},
                "command": {"type": "array", "items": {"type": "string"}},
                "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
                "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
                "depends_on": {"type": "object", "additionalProperties": {
                    "type": "object", "required": ["condition"], "additionalProperties": False,
                    "properties": {"condition": {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}}}},
            }}},
    },
}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


def instructions():
    """The Dockerfile's instructions, continued lines joined, by stage."""
    stages = []
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, rest = line.split(None, 1)
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def test_the_compose_file_fits_the_specification(compose):
    jsonschema.validate(compose, SCHEMA)


def test_every_service_that_another_waits_for_and_every_volume_exists(compose):
    for name, service in compose["services"].items():
        for other in service.get("depends_on", {}):
            assert other in compose["services"], name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name


def test_only_one_service_ends_and_the_others_wait_for_it(compose):
    services = compose["services"]
    assert services["certs"]["restart"] == "no"
    for name, service in services.items():
        if name != "certs":
            assert service["depends_on"]["certs"]["condition"] == "service_completed_successfully"
            assert all(volume.endswith(":ro") for volume in service["volumes"]), name


def test_the_binary_understands_every_command_of_the_compose_file(compose):
    for name, service in compose["services"].items():
        words = [word for word in service["command"] if not word.startswith("-")]
        result = command(*words[:2 if words[0] in ("demo", "certs") else 1], "--help")
        assert result.returncode == 0, name
        options = set(re.findall(r"--[a-z-]+", result.stdout))
        for option in (word for word in service["command"] if word.startswith("--")):
            assert option in options, (name, option)


def test_the_environment_of_the_compose_file_is_what_the_routes_read(compose):
    text = "".join(path.read_text() for path in (ROOT / "Routes").glob("*.yaml"))
    read = set(re.findall(r"\$\{([A-Z_]+)", re.sub(r"(^|\s)#.*", "", text)))
    assert set(compose["services"]["gateway"]["environment"]) == read


def test_the_compose_addresses_make_a_good_configuration(compose, tmp_path):
    """With the addresses of the containers; the names need not resolve here, so they are replaced by the loopback address."""
    shutil.copytree(ROOT / "Routes", tmp_path / "Routes")
    assert command("certs", "init", "--dir", tmp_path / "Certs").returncode == 0
    environment = {name: re.sub(r"^(orders|users):", "127.0.0.1:", value)
                   for name, value in compose["services"]["gateway"]["environment"].items()}
    result = command("check", "--config", tmp_path / "Routes", env={"PATH": "/usr/bin:/bin", **environment})
    assert result.returncode == 0, result


def test_what_the_image_copies_is_there_and_nothing_secret_is():
    for name, rest in (item for stage in instructions() for item in stage):
        if name == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "Certs/*" in ignored and ".git" in ignored


def test_the_image_runs_the_gateway_and_not_as_root():
    last = dict(instructions()[-1])
    assert last["USER"] not in ("root", "0")
    assert last["ENTRYPOINT"] == '["gatehouse"]'
    assert "run" in yaml.safe_load(last["CMD"])
    assert last["STOPSIGNAL"] == "SIGTERM", "which is what drains"


def test_the_image_listens_where_a_published_port_leads(compose):
    """The loopback interface of a container is nobody else's. The admin listener has no authentication, and stays there."""
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for name, rest in instructions()[-1] if name == "ENV")))
    assert environment == {"EDGE_ADDRESS": compose["services"]["gateway"]["environment"]["EDGE_ADDRESS"]}
    assert environment["EDGE_ADDRESS"].split(":") == ["0.0.0.0", dict(instructions()[-1])["EXPOSE"]]


def test_the_documented_deployments_fit_the_image_and_give_a_drain_its_time():
    text = (ROOT / "docs/operating.md").read_text()
    [manifest] = re.findall(r"```yaml\n(.*?)```", text, re.S)
    pod = yaml.safe_load(manifest)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    last = dict(instructions()[-1])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert str(ports["https"]) == last["EXPOSE"] == environment["EDGE_ADDRESS"].split(":")[1]
    assert str(ports["admin"]) == environment["ADMIN_ADDRESS"].split(":")[1]
    assert f"--uid {pod['securityContext']['runAsUser']} " in last["RUN"]
    assert all(mount["mountPath"].startswith(last["WORKDIR"]) for mount in container["volumeMounts"])
    wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    [[stop, limit]] = re.findall(r"^ExecStop=/bin/sh -c '(.*)'$.*?^TimeoutStopSec=(\d+)$", text, re.M | re.S)
    # Without a main process, as after a crash, nothing is waited for.
    waits = [subprocess.run(["/bin/sh", "-c", "sleep() { echo $1; }; " + stop.replace("$$", "$")], env={"MAINPID": pid}, check=True,
                            capture_output=True, text=True).stdout for pid in ("", "1")]
    assert waits[0] == ""
    for grace, before in ((pod["terminationGracePeriodSeconds"], wait), (int(limit), int(waits[1]))):
        assert grace > before + 30, "30s is the default of process.drain"


def with_dependencies(packages):
    """The packages, and those that come with them, as this machine's package manager knows them."""
    found, waiting = set(), set(packages)
    while waiting:
        name = waiting.pop()
        found.add(name)
        text = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}, ${Pre-Depends}", name], capture_output=True, text=True).stdout
        waiting |= {re.split(r"[ (:|]", item.strip())[0] for item in text.split(",") if item.strip()} - found
    return found


def package_of(path):
    """Debian knows /lib/x as /usr/lib/x or as /lib/x."""
    for name in (path, "/usr" + path, path.removeprefix("/usr")):
        owner = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
        if owner.returncode == 0:
            return owner.stdout.split(":")[0]
    raise AssertionError(f"{path} belongs to no package")


@pytest.mark.skipif(shutil.which("ldd") is None or shutil.which("dpkg") is None, reason="needs ldd and dpkg")
def test_the_image_has_the_libraries_that_the_binary_needs():
    """Swift's own are linked statically in the image, and are not looked for."""
    installed = set(re.findall(r"\blib[a-z0-9.+-]+", " ".join(rest for name, rest in instructions()[-1] if name == "RUN")))
    available = with_dependencies(installed | {"libc6", "libgcc-s1", "libstdc++6"})
    needed = subprocess.run(["ldd", str(BINARY)], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"=> (/\S+)", needed)
    assert any("libssl" in path for path in paths)
    for path in paths:
        if "/swift/" not in path:
            assert package_of(path) in available, path
