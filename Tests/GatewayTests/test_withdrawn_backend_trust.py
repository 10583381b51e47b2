"""A connection to a backend that is made after a reload is made by what is in force then; those that exist finish what they carry."""
import socket
import threading

import pytest

from harness import configuration as conf
from harness.answers import problem
from harness.backend import Backend
from harness.http2client import PREFACE, HeadersFrame, SettingsFrame
from harness.pki import Authority
from harness.waiting import eventually, patience
from harness.websocket import HANDSHAKE, server_context


@pytest.fixture(scope="module")
def other_mesh(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other-mesh"), "other-mesh-ca")


class SlowGreeter(Backend):
    """Takes connections, and shakes hands when it is let."""

    def __init__(self, *arguments, **more):
        self.may_greet = threading.Event()
        super().__init__(*arguments, **more)

    def _serve(self, sock):
        self.may_greet.wait(patience(20))
        super()._serve(sock)


class Held:
    """A script that keeps its requests until it is told what to do with them."""

    def __init__(self, end):
        self.arrived = 0
        self.go_on = threading.Event()
        self.end = end

    def __call__(self, connection, request):
        self.arrived += 1
        # Whoever comes behind is not kept.
        if self.arrived > 1:
            return connection.answer(200, b"again")
        self.go_on.wait(patience(20))
        self.end(connection)


def reset(connection):
    connection.close(clean=False)
    raise OSError


def answer_and_close(connection):
    connection.answer(200, b"first", {"Connection": "close"})
    connection.close()
    raise OSError


def without(gateway, what, pki, other_mesh, spare):
    """The configuration, with something changed by which connections are made or requests are let in."""
    changed = conf.merged(gateway.configuration, {})
    backend = changed["backends"][0]
    if what == "the authority":
        backend["tls"]["ca"] = str(other_mesh.certificate)
    elif what == "the identity":
        backend["tls"]["identities"] = ["spiffe://example.internal/somebody-else"]
    elif what == "our certificate":
        backend["tls"].update(pki.mesh.issue("gateway-2", dns=["gateway.internal"], uris=[pki.GATEWAY_ID]).files)
    elif what == "the endpoint":
        backend["endpoints"] = [f"127.0.0.1:{spare.port}"]
    elif what == "the route":
        changed["routes"] = [route for route in changed["routes"] if route["name"] != "public"]
    return changed


def check(response, what, backend, spare):
    """The answer to a request that needs a connection after the reload."""
    if what == "the authority":
        problem(response, 502, "upstream_tls")
    elif what == "the identity":
        problem(response, 502, "upstream_identity")
    elif what == "the route":
        problem(response, 404, "no_route")
    else:
        assert response.status == 200
        assert len(spare.requests if what == "the endpoint" else backend.requests_to("/public/held")) > 0


# A reload comes meanwhile, which takes its time on a busy machine.
PATIENT = {"connect": "100s", "response": "100s"}
CHANGES = ["the authority", "the identity", "our certificate", "the endpoint", "the route"]


@pytest.fixture
def spare(pki):
    with Backend(pki.backend, pki.mesh.certificate) as spare:
        yield spare


@pytest.fixture
def own(pki):
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        yield backend


@pytest.mark.parametrize("reloads", [1, 2])
@pytest.mark.parametrize("what", CHANGES)
def test_a_request_that_is_sent_once_more(make_gateway, pki, own, other_mesh, spare, what, reloads):
    gateway = make_gateway(backends=[conf.backend(pki, own.port, timeouts=PATIENT)])
    held = Held(reset)
    own.on("/public/held", held)
    with gateway.client() as client:
        assert client.exchange("GET", "/public/warm").status == 200
        client.request("GET", "/public/held")
        eventually(lambda: held.arrived == 1, what="the request at the backend")
        before = own.connections[0].certificate
        changed = without(gateway, what, pki, other_mesh, spare)
        if reloads == 2:
            between = conf.merged(gateway.configuration, {})
            between["backends"][0]["tls"]["server_name"] = "between.internal"
            gateway.reload(between)
        gateway.reload(changed)
        held.go_on.set()
        check(client.response(), what, own, spare)
    if what == "our certificate":
        assert len(own.connections) == 2 and own.connections[1].certificate != before
    else:
        assert len(own.requests_to("/public/held")) == 1


@pytest.mark.parametrize("what", [change for change in CHANGES if change != "the route"])
def test_those_who_wait_in_line(make_gateway, pki, own, other_mesh, spare, what):
    gateway = make_gateway(backends=[conf.backend(pki, own.port, limits={"connections": 1, "pending": 4}, timeouts=PATIENT)])
    held = Held(answer_and_close)
    own.on("/public/held", held)
    with gateway.client() as first, gateway.client() as second:
        first.request("GET", "/public/held")
        eventually(lambda: held.arrived == 1, what="the request at the backend")
        second.request("GET", "/public/held/behind")
        eventually(lambda: gateway.metric("gatehouse_connections", side="edge") >= 2, what="the second client")
        before = own.connections[0].certificate
        gateway.reload(without(gateway, what, pki, other_mesh, spare))
        # Not before the first: what is in its place is another pool.
        check(second.response(), what, own, spare)
        assert not held.go_on.is_set()
        held.go_on.set()
        answer = first.response()
        assert (answer.status, answer.body) == (200, b"first")
    if what == "our certificate":
        assert own.connections[1].certificate != before


@pytest.mark.parametrize("what", CHANGES)
def test_a_handshake_that_a_reload_overtakes(make_gateway, pki, other_mesh, spare, what):
    with SlowGreeter(pki.backend, pki.mesh.certificate) as backend:
        gateway = make_gateway(backends=[conf.backend(pki, backend.port, timeouts=PATIENT)])
        with gateway.client() as client:
            client.request("GET", "/public/held")
            eventually(lambda: backend.accepted == 1, what="the connection at the backend")
            gateway.reload(without(gateway, what, pki, other_mesh, spare))
            backend.may_greet.set()
            if what == "the route":
                # The pool is the same, and so is what the request was let in by.
                assert client.response().status == 200
            else:
                check(client.response(), what, backend, spare)
        if what == "our certificate":
            assert backend.accepted == 2 and len(backend.connections) == 1
        elif what != "the route":
            assert not backend.requests


class SlowSettings:
    """Speaks HTTP/2, and says what it takes (RFC 8441 section 3) when it is let."""

    def __init__(self, pki):
        self.context = server_context(pki.backend, pki.mesh.certificate, ["h2"])
        self.connections = 0
        # What has come on each of them.
        self.received = []
        self.may_tell = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def heads(self):
        """On which connection each HEADERS frame has come."""
        found = []
        for number, received in enumerate(self.received):
            rest = bytes(received)[len(PREFACE):]
            while len(rest) >= 9:
                if rest[3] == HeadersFrame.type:
                    found.append(number)
                rest = rest[9 + int.from_bytes(rest[:3], "big"):]
        return found

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client = self.context.wrap_socket(client, server_side=True)
            self.may_tell.wait(patience(20))
            client.sendall(SettingsFrame(0, settings={SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1}).serialize())
            own = bytearray()
            self.received.append(own)
            while data := client.recv(65536):
                own += data
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


@pytest.mark.parametrize("what", [change for change in CHANGES if change != "the route"])
def test_a_websocket_that_waits_for_its_backend_to_say_what_it_takes(make_gateway, pki, other_mesh, spare, what):
    with SlowSettings(pki) as backend:
        side = conf.backend(pki, backend.port, protocol="h2", timeouts=PATIENT)
        gateway = make_gateway(backends=[side])
        with gateway.client() as client:
            client.request("GET", "/public/held", headers=HANDSHAKE)
            eventually(lambda: gateway.metric("gatehouse_connections", side="upstream", protocol="http2"), what="the connection to the backend")
            gateway.reload(without(gateway, what, pki, other_mesh, spare))
            backend.may_tell.set()
            if what == "our certificate":
                eventually(lambda: backend.connections == 2 and len(backend.heads) == 1, 10, what="the request on another connection")
                return
            answer = client.response()
            if what == "the endpoint":
                # Which speaks no HTTP/2.
                problem(answer, 502, "upstream_protocol")
            else:
                check(answer, what, backend, spare)
            assert not backend.heads
