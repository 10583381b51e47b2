"""An identity provider: keys, a JWKS, and access tokens with any algorithm and any defect."""
import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://idp.example.com/"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length):
    return base64url(value.to_bytes(length, "big"))


def decoded(token):
    """Header and claims of a token, unverified."""
    parts = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])


def public_jwk(key, kid, algorithm):
    public = key.public_key()
    common = {"kid": kid, "alg": algorithm, "use": "sig"}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = public.public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32), **common}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": number(numbers.n, public.key_size // 8), "e": number(numbers.e, 3), **common}
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw), **common}


def signature(key, algorithm, message):
    if algorithm == "ES256":
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if algorithm == "RS256":
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if algorithm == "PS256":
        return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    if algorithm == "EdDSA":
        return key.sign(message)
    if algorithm == "HS256":
        return hmac.new(key, message, hashlib.sha256).digest()
    return b""


class IdentityProvider:
    """Signs access tokens; `jwks()` is what it publishes."""

    def __init__(self, issuer=ISSUER, audience="api", prefix=""):
        self.issuer = issuer
        self.audience = audience
        self.keys = {
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "RS256": rsa.generate_private_key(65537, 2048),
            "PS256": rsa.generate_private_key(65537, 2048),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }
        self.kids = {algorithm: f"{prefix}{algorithm.lower()}-1" for algorithm in self.keys}

    def jwks(self, without=()):
        return {"keys": [public_jwk(key, self.kids[algorithm], algorithm)
                         for algorithm, key in self.keys.items() if algorithm not in without]}

    def write_jwks(self, path, without=()):
        path.write_text(json.dumps(self.jwks(without)))
        return path

    def public_pem(self, algorithm):
        return self.keys[algorithm].public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def claims(self, **changes):
        """Sound claims with `changes` applied; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "alice", "aud": self.audience, "iat": now, "nbf": now - 5, "exp": now + 3600,
                  "scope": "openid orders:read orders:write", "roles": ["customer"], "tenant": "t1"}
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, algorithm="ES256", *, header=None, key=None, signing=None, payload=None, **claims):
        """An access token.

        `header` changes header members (None leaves one out); `key` signs instead of the provider's own; `signing` is the
        algorithm really used when the header is to lie; `payload` is raw bytes in place of the claims.
        """
        head = {"alg": algorithm, "typ": "JWT", "kid": self.kids.get(algorithm)}
        head.update(header or {})
        head = {name: value for name, value in head.items() if value is not None}
        body = payload if payload is not None else json.dumps(self.claims(**claims), separators=(",", ":")).encode()
        message = f"{base64url(json.dumps(head, separators=(',', ':')).encode())}.{base64url(body)}"
        signing = signing or algorithm
        key = key if key is not None else self.keys.get(signing)
        return f"{message}.{base64url(signature(key, signing, message.encode()))}"

    def bearer(self, *arguments, **claims):
        return {"Authorization": f"Bearer {self.token(*arguments, **claims)}"}
