"""TLS towards clients: versions, ALPN, certificates by SNI, client certificates, resumption."""
import re
import socket
import ssl
import subprocess

import pytest

from harness import configuration as conf
from harness.rawclient import RawClient


def connect(gateway, ca, *, server_name="api.example.com", lowest=None, highest=None, alpn=None, certificate=None, session=None):
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = server_name is not None
    if lowest:
        context.minimum_version = lowest
    if highest:
        context.maximum_version = highest
    if alpn:
        context.set_alpn_protocols(alpn)
    if certificate:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 5), server_hostname=server_name, session=session)


def request(connection, target="/public/1"):
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n".encode())
    data = b""
    while block := connection.recv(65536):
        data += block
    return int(data.split(b" ")[1])


@pytest.mark.parametrize("version,name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_versions_that_are_spoken(gateway, pki, version, name):
    with connect(gateway, pki.public.certificate, lowest=version, highest=version) as connection:
        assert connection.version() == name and request(connection) == 200


def test_older_versions_are_refused(gateway, openssl):
    for version in ("-tls1", "-tls1_1"):
        result = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{gateway.port}", version, "-cipher", "ALL:@SECLEVEL=0"],
                                input=b"", capture_output=True, timeout=10)
        assert b"Cipher is (NONE)" in result.stdout or result.returncode != 0


def test_a_minimum_of_1_3(make_gateway, backend, pki):
    gateway = make_gateway(backend.port)
    changed = conf.merged(gateway.configuration, {})
    changed["listeners"][0]["tls"]["minimum_version"] = "TLSv1.3"
    gateway.reload(changed)
    with pytest.raises(OSError):
        connect(gateway, pki.public.certificate, highest=ssl.TLSVersion.TLSv1_2)
    with connect(gateway, pki.public.certificate) as connection:
        assert request(connection) == 200


# In TLS 1.2 the groups are also those of certificates, which are on P-256 here.
@pytest.mark.parametrize("version,offered,chosen", [
    ("-tls1_3", "X25519", "X25519"), ("-tls1_3", "P-256", "prime256v1|P-256"), ("-tls1_3", "P-384", "secp384r1|P-384"),
    ("-tls1_2", "P-384:P-256", "prime256v1|P-256"), ("-tls1_2", "P-384:P-256:X25519", "X25519")])
def test_groups(gateway, pki, openssl, version, offered, chosen):
    """In TLS 1.2 the gateway's order counts; in TLS 1.3 a client that has sent its share is not asked for another."""
    result = subprocess.run(
        [openssl, "s_client", "-connect", f"127.0.0.1:{gateway.port}", version, "-groups", offered, "-CAfile", pki.public.certificate,
         "-servername", "localhost"], input=b"", capture_output=True, timeout=20)
    text = result.stdout.decode(errors="replace")
    assert "Cipher is (NONE)" not in text, text
    assert re.search(rf"(Temp Key|group): .*({chosen})", text), text


def test_alpn(gateway, pki):
    with connect(gateway, pki.public.certificate, alpn=["http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    with connect(gateway, pki.public.certificate, alpn=["h2", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() in ("h2", "http/1.1")
    with connect(gateway, pki.public.certificate) as connection:
        assert connection.selected_alpn_protocol() is None and request(connection) == 200
    with pytest.raises(OSError):
        connect(gateway, pki.public.certificate, alpn=["smtp"])


def test_the_certificate_is_chosen_by_server_name(make_gateway, backend, pki):
    other = pki.public.issue("shop", dns=["shop.example.net", "*.shop.example.net"])
    gateway = make_gateway(backend.port)
    changed = conf.merged(gateway.configuration, {})
    changed["listeners"][0]["tls"]["certificates"] = [pki.edge.files, other.files]
    gateway.reload(changed)
    cases = {"shop.example.net": other, "SHOP.example.net": other, "a.shop.example.net": other, "api.example.com": pki.edge}
    for name, leaf in cases.items():
        with connect(gateway, pki.public.certificate, server_name=name) as connection:
            assert connection.getpeercert(binary_form=True) == leaf.der, name
    for name in ("a.b.shop.example.net", "unknown.example.org", None):
        context = ssl._create_unverified_context()
        with context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 5), server_hostname=name) as connection:
            assert connection.getpeercert(binary_form=True) == pki.edge.der, name


def test_a_session_is_resumed(gateway, pki):
    context = ssl.create_default_context(cafile=str(pki.public.certificate))

    def connection(session=None):
        return context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 5), server_hostname="api.example.com", session=session)

    with connection() as first:
        assert request(first) == 200
        session = first.session
    with connection(session) as second:
        assert second.session_reused and request(second) == 200


class TestClientCertificates:
    @pytest.fixture(scope="class")
    @classmethod
    def partner(cls, pki):
        return pki.mesh.issue("partner", uris=["spiffe://partner.example/app"], purposes=("client",))

    @pytest.fixture(scope="class")
    @classmethod
    def stranger(cls, pki):
        return pki.public.issue("stranger", purposes=("client",), dns=["stranger.example"])

    def gateway(self, make_gateway, backend, pki, mode):
        gateway = make_gateway(backend.port, start=False)
        gateway.configuration["listeners"][0]["tls"].update(client_ca=str(pki.mesh.certificate), client_auth=mode)
        return gateway.start()

    def works(self, gateway, pki, certificate, target="/public/1"):
        try:
            with connect(gateway, pki.public.certificate, certificate=certificate) as connection:
                return request(connection, target) == 200
        except (OSError, IndexError):
            return False

    def test_required(self, make_gateway, backend, pki, partner, stranger):
        gateway = self.gateway(make_gateway, backend, pki, "required")
        assert self.works(gateway, pki, partner, "/public/with-certificate")
        assert gateway.logged(path="/public/with-certificate")["client_identity"] == "spiffe://partner.example/app"
        assert not self.works(gateway, pki, None)
        assert not self.works(gateway, pki, stranger)

    def test_optional(self, make_gateway, backend, pki, partner, stranger):
        gateway = self.gateway(make_gateway, backend, pki, "optional")
        assert self.works(gateway, pki, partner)
        assert self.works(gateway, pki, None)
        assert not self.works(gateway, pki, stranger)


def test_close_notify_is_answered(gateway, pki):
    with RawClient(gateway.port, pki.public.certificate) as client:
        assert client.exchange("GET", "/public/1").status == 200
        client.socket.settimeout(3)
        client.socket.unwrap()
