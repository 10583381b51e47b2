"""The proxies that take part: how each is started, and what it can do."""

import os
import subprocess

from fixture import GATEHOUSE
from loads import LOAD_CORE, program
from process import Pinned

from harness.waiting import free_port

PROXY_CORE = min(os.sched_getaffinity(0))

# What a peer does to a request, as the report says it.
DOES = {
    "nginx": "no authentication",
    "nghttpx": "no authentication",
    "haproxy": "verifies the token",
    "envoy": "verifies the token, keeps verdicts",
    "gatehouse": "verifies the token, keeps verdicts, authorizes, mints an internal token",
}
ALL = ("nginx", "nghttpx", "haproxy", "envoy", "gatehouse")


def default_peers():
    return [peer for peer in ALL if peer != "envoy" or os.environ.get("ENVOY")]


def _command(peer, fixture, port, algorithm, upstream, more):
    if peer == "nginx":
        return [program("nginx"), "-p", fixture.directory, "-c", fixture.render("nginx.conf", port)]
    if peer == "haproxy":
        return [program("haproxy"), "-db", "-f", fixture.render("haproxy.cfg", port, algorithm)]
    if peer == "envoy":
        return [
            os.environ["ENVOY"],
            "-c",
            fixture.render("envoy.yaml", port),
            "--concurrency",
            "1",
            "--log-level",
            "error",
            "--base-id",
            "77",
        ]
    if peer == "nghttpx":
        pki = fixture.pki
        proto = ";proto=h2" if upstream == "h2" else ""
        return [
            program("nghttpx"),
            f"--frontend=127.0.0.1,{port}",
            f"--backend=127.0.0.1,{fixture.backend_port};;tls;sni=orders.internal{proto}",
            f"--client-cert-file={pki.gateway.certificate}",
            f"--client-private-key-file={pki.gateway.key}",
            f"--cacert={pki.mesh.certificate}",
            "--single-process",
            "--workers=1",
            "--conf=/dev/null",
            "--accesslog-file=/dev/null",
            "--frontend-read-timeout=10m",
            "--frontend-keep-alive-timeout=10m",
            "--backend-read-timeout=10m",
            "--backend-keep-alive-timeout=10m",
            pki.edge.key,
            pki.edge.certificate,
        ]
    return [GATEHOUSE, "run", "--config", fixture.gatehouse(port, upstream=upstream, **more)]


def started(peer, fixture, *, algorithm="ES256", upstream="http/1.1", cores=(PROXY_CORE,), **more):
    """The peer as a process on its core, at a free port. What else is given is for Gatehouse's configuration."""
    port = free_port()
    command = _command(peer, fixture, port, algorithm, upstream, more)
    return Pinned(command, port, cores, fixture.directory / f"{peer}.log", ready=r"\bready\b" if peer == "gatehouse" else None)


def backend(fixture):
    """Debian's nginx, asking for a client certificate, on the load's core."""
    return Pinned(
        [program("nginx"), "-p", fixture.directory, "-c", fixture.render("backend.conf")],
        fixture.backend_port,
        (LOAD_CORE,),
        fixture.directory / "backend.log",
    )


def version(peer):
    command = {"nginx": ["nginx", "-v"], "nghttpx": ["nghttpx", "--version"], "haproxy": ["haproxy", "-v"]}.get(peer)
    if peer == "envoy":
        command = [os.environ.get("ENVOY", "envoy"), "--version"]
    elif peer == "gatehouse":
        command = [str(GATEHOUSE), "--version"]
    else:
        command[0] = program(command[0])
    out = subprocess.run(command, capture_output=True, text=True)
    return next((line.strip() for line in (out.stdout + out.stderr).splitlines() if line.strip()), "?")
