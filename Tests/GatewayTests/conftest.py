"""Fixtures: one PKI and identity provider for a run, a gateway for each module that does not need its own."""
import os
import shutil

import pytest

from harness import configuration as conf
from harness.backend import Backend
from harness.gateway import BINARY, Gateway
from harness.nginx import PROGRAM as NGINX, Nginx
from harness.pki import PKI
from harness.tokens import IdentityProvider
from harness.waiting import free_port

# Clients must go straight to loopback and believe the run's own authorities only, whatever the machine is set up for.
for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE",
                 *(name for scheme in ("http", "https", "all") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()))):
    os.environ.pop(variable, None)
# gRPC's own threads make a mess of a process that is being forked for a gateway, before it has become one.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


def pytest_report_header(config):
    return f"gatehouse: {BINARY}"


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"no gateway at {BINARY}: build it first (make build), or name one in GATEHOUSE", returncode=2)


def pytest_collection_modifyitems(items):
    # What looks back at the whole run comes last.
    items.sort(key=lambda item: item.path.name == "test_every_code.py")


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return PKI(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def idp():
    return IdentityProvider()


@pytest.fixture(scope="session")
def jwks(idp, tmp_path_factory):
    return idp.write_jwks(tmp_path_factory.mktemp("idp") / "idp.jwks.json")


@pytest.fixture(scope="session")
def token(idp):
    """A good token, the same one for the whole run."""
    return idp.token()


@pytest.fixture
def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def backend(pki):
    """A scriptable backend, the same one for all tests of a module: give each script a path of its own."""
    with Backend(pki.backend, pki.mesh.certificate) as backend:
        yield backend


@pytest.fixture(scope="session")
def nginx(pki, tmp_path_factory):
    if NGINX is None:
        pytest.fail("nginx is not installed; Tests/packages.txt lists what these tests need")
    with Nginx(tmp_path_factory.mktemp("nginx"), pki.backend, pki.mesh.certificate) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def make_gateway(pki, idp, jwks, tmp_path_factory, request):
    """Starts gateways: `make_gateway(backend_port, changes…, **standard's arguments)`; each is stopped with the module."""
    running = []

    def make(backend_port=9, changes=None, *, start=True, open_files=None, environment=None, keys=None, **arguments):
        configuration = conf.merged(
            conf.standard(pki, idp, keys or jwks, free_port(), free_port(), backend_port, **arguments), changes or {})
        gateway = Gateway(tmp_path_factory.mktemp("gateway"), configuration, ca=pki.public.certificate,
                          open_files=open_files, environment=environment)
        gateway.write()
        running.append(gateway)
        return gateway.start() if start else gateway

    yield make
    ends = [(gateway, gateway.end()) for gateway in running]
    for gateway, end in ends:
        assert end is None, f"{end}\n{gateway.error_text[-4000:]}"


@pytest.fixture(scope="module")
def gateway(make_gateway, backend):
    """A gateway with the standard configuration before the module's scriptable backend."""
    return make_gateway(backend.port)


@pytest.fixture
def client(gateway):
    """A raw TLS client of the module's gateway."""
    with gateway.client() as client:
        yield client


def program(name):
    """The path of a program these tests need."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed; Tests/packages.txt lists what these tests need")
    return path


@pytest.fixture(scope="session")
def curl():
    return program("curl")


@pytest.fixture(scope="session")
def wrk():
    return program("wrk")


@pytest.fixture(scope="session")
def openssl():
    return program("openssl")
