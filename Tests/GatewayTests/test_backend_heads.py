"""How large a backend's heads may be: bounded, and the bounds can be said."""
import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2backend import HTTP2Backend
from harness.http2client import HTTP1Client, HTTP2Client

CLIENTS = {"h1": HTTP1Client, "h2": HTTP2Client}


class Heads:
    """A backend whose answers have as many fields as `fields`, with as many bytes of values in all as `size`."""

    def __init__(self, protocol, pki):
        self.protocol = protocol
        self.backend = (HTTP2Backend if protocol == "h2" else Backend)(pki.backend, pki.mesh.certificate)

    def serve(self, path, fields, size=0, interim=False, trailers=0):
        pads = [(f"x-pad-{number}", "p" * (size // fields)) for number in range(fields)]
        behind = [(f"x-behind-{number}", "b") for number in range(trailers)]

        def http1(connection, request):
            lines = "".join(f"{name}: {value}\r\n" for name, value in pads)
            if interim:
                return connection.send(f"HTTP/1.1 103 Early Hints\r\n{lines}\r\nHTTP/1.1 204 No Content\r\n\r\n")
            connection.send(f"HTTP/1.1 204 No Content\r\n{lines}\r\n")

        def http2(stream):
            if interim:
                stream.interim(103, pads)
                return stream.respond(204, end=True)
            stream.respond(204 if not behind else 200, pads, end=not behind)
            if behind:
                stream.send_trailers(behind)

        self.backend.on(path, http2 if self.protocol == "h2" else http1)


@pytest.fixture(scope="module", params=["http/1.1", "h2"], ids=["from-h1", "from-h2"])
def heads(request, pki):
    heads = Heads(request.param, pki)
    yield heads
    heads.backend.stop()


@pytest.fixture(scope="module")
def make(make_gateway, pki, heads):
    def make(**limits):
        return make_gateway(backends=[conf.backend(
            pki, heads.backend.port, protocol=heads.protocol, **({"limits": limits} if limits else {}))])
    return make


@pytest.fixture(scope="module")
def standard(make):
    return make()


def ask(gateway, version, path):
    with CLIENTS[version](gateway.port, gateway.ca) as client:
        if version == "h2":
            client.h2.decoder.max_header_list_size = 1 << 20
        number = client.start("GET", path)
        return client.response() if number is None else client.response(number)


def pads(message):
    return [value for name, value in message.fields if name.startswith("x-pad-")]


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("interim", [False, True], ids=["final", "interim"])
def test_unless_it_is_said_there_are_128_fields(heads, standard, version, interim):
    path = f"/public/standard-{version}-{interim}"
    heads.serve(f"{path}/128", 128, interim=interim)
    heads.serve(f"{path}/129", 129, interim=interim)
    answer = ask(standard, version, f"{path}/128")
    assert answer.status == 204 and len(pads(answer.interim[0] if interim else answer)) == 128
    problem(ask(standard, version, f"{path}/129"), 502, "upstream_protocol")


@pytest.mark.parametrize("version", CLIENTS)
def test_unless_it_is_said_there_are_64_kib(heads, standard, version):
    path = f"/public/bytes-{version}"
    heads.serve(f"{path}/60", 10, 60 << 10)
    heads.serve(f"{path}/65", 10, 65 << 10)
    assert len(pads(ask(standard, version, f"{path}/60"))) == 10
    problem(ask(standard, version, f"{path}/65"), 502, "upstream_protocol")


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("fields,size", [(512, 0), (16, 126 << 10), (500, 100 << 10)], ids=["many", "large", "both"])
def test_more_when_it_is_said(heads, make, version, fields, size):
    gateway = make(header_bytes="128KiB", header_count=512)
    path = f"/public/more-{version}-{fields}-{size}"
    heads.serve(path, fields, size)
    heads.serve(f"{path}/over", 513)
    heads.serve(f"{path}/far", 16, 129 << 10)
    answer = ask(gateway, version, path)
    assert answer.status == 204 and [len(value) for value in pads(answer)] == [size // fields] * fields
    problem(ask(gateway, version, f"{path}/over"), 502, "upstream_protocol")
    problem(ask(gateway, version, f"{path}/far"), 502, "upstream_protocol")


@pytest.mark.parametrize("version", CLIENTS)
def test_less_when_it_is_said(heads, make, version):
    gateway = make(header_bytes="2KiB", header_count=5)
    path = f"/public/less-{version}"
    heads.serve(f"{path}/5", 5)
    heads.serve(f"{path}/6", 6)
    heads.serve(f"{path}/bytes", 5, 2049)
    assert len(pads(ask(gateway, version, f"{path}/5"))) == 5
    problem(ask(gateway, version, f"{path}/6"), 502, "upstream_protocol")
    problem(ask(gateway, version, f"{path}/bytes"), 502, "upstream_protocol")


def test_trailers_of_http2_have_the_same_bound(heads, make):
    if heads.protocol != "h2":
        # Bounded by themselves: 32 fields and 8 KiB.
        return
    gateway = make(header_count=20)
    heads.serve("/public/trailers/20", 1, trailers=20)
    heads.serve("/public/trailers/21", 1, trailers=21)
    assert len(ask(gateway, "h2", "/public/trailers/20").trailers) == 20
    answer = ask(gateway, "h2", "/public/trailers/21")
    assert answer.reset_code is not None and not answer.complete


def test_a_reload_is_heard_by_the_next_request(heads, make):
    gateway = make()
    heads.serve("/public/reloaded", 200)
    problem(ask(gateway, "h1", "/public/reloaded"), 502, "upstream_protocol")
    assert ask(gateway, "h1", "/public/warm").status == 200
    changed = conf.merged(gateway.configuration, {})
    changed["backends"][0]["limits"] = {"header_count": 200}
    gateway.reload(changed)
    assert len(pads(ask(gateway, "h1", "/public/reloaded"))) == 200
    changed["backends"][0]["limits"] = {"header_count": 199}
    gateway.reload(changed)
    problem(ask(gateway, "h1", "/public/reloaded"), 502, "upstream_protocol")
