"""Certificate authorities and leaf certificates, sound or with one chosen defect."""
import base64
import datetime
import hashlib
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def write_private(path, data):
    """Writes a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key, as files and as bytes."""

    certificate: Path
    key: Path
    der: bytes

    @property
    def thumbprint(self):
        """`x5t#S256` (RFC 8705 section 3.1)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.der).digest()).rstrip(b"=").decode()

    @property
    def files(self):
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Authority:
    """A certificate authority that writes what it issues into `directory`."""

    def __init__(self, directory, name):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate_object = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
            .sign(self.key, hashes.SHA256()))
        self.certificate = self.directory / f"{name}.crt"
        self.certificate.write_bytes(self.certificate_object.public_bytes(serialization.Encoding.PEM))

    def issue(self, name, *, dns=(), uris=(), addresses=(), valid_from=-1, valid_for=30, purposes=("server", "client")):
        """A leaf under this authority, in `name.crt` and `name.key`.

        `valid_from` and `valid_for` are days from now and days of life, so that `valid_from=-3, valid_for=1` is expired.
        Without `dns`, `uris` and `addresses` the certificate has no subject alternative name: its name is in the CN only.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        start = datetime.datetime.now(datetime.timezone.utc) + valid_from * DAY
        usage = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
        builder = (
            x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.certificate_object.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + valid_for * DAY)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
            .add_extension(x509.ExtendedKeyUsage([usage[purpose] for purpose in purposes]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        names = ([x509.DNSName(value) for value in dns] + [x509.UniformResourceIdentifier(value) for value in uris]
                 + [x509.IPAddress(ipaddress.ip_address(value)) for value in addresses])
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        certificate = builder.sign(self.key, hashes.SHA256())
        leaf = Leaf(self.directory / f"{name}.crt", self.directory / f"{name}.key",
                    certificate.public_bytes(serialization.Encoding.DER))
        leaf.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(leaf.key, private_pem(key))
        return leaf


class PKI:
    """What a sound deployment has: a public CA with the edge's certificate, a mesh CA with the gateway's and a backend's."""

    BACKEND_ID = "spiffe://example.internal/orders"
    GATEWAY_ID = "spiffe://example.internal/gateway"

    def __init__(self, directory):
        self.directory = Path(directory)
        self.public = Authority(directory, "public-ca")
        self.mesh = Authority(directory, "mesh-ca")
        self.edge = self.public.issue(
            "edge", dns=["localhost", "api.example.com", "*.example.com"], addresses=["127.0.0.1"])
        self.gateway = self.mesh.issue("gateway", dns=["gateway.internal"], uris=[self.GATEWAY_ID])
        self.backend = self.mesh.issue("orders", dns=["orders.internal"], uris=[self.BACKEND_ID])
        self.internal_token_key = self.directory / "internal-token.key"
        write_private(self.internal_token_key, private_pem(ec.generate_private_key(ec.SECP256R1())))
