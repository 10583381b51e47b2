"""Configurations as dictionaries, and the one that most tests start from."""
import copy

import yaml


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """Writes every value where it stands: no anchors, no aliases. By libyaml where it is there: some tests write 100,000 routes."""

    def ignore_aliases(self, data):
        return True


def as_yaml(configuration):
    return yaml.dump(configuration, Dumper=_Dumper, sort_keys=False, width=10_000)


def merged(base, changes):
    """A copy of `base` with `changes` laid over it: dictionaries are merged, everything else is replaced; None removes."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def listener(pki, port, *, name="public", limits=None, timeouts=None, **more):
    return {"name": name, "address": f"127.0.0.1:{port}", "tls": {"certificates": [pki.edge.files]},
            **({"limits": limits} if limits else {}), **({"timeouts": timeouts} if timeouts else {}), **more}


def backend(pki, *ports, name="orders", tls=None, **more):
    """A backend on loopback; `tls` replaces members of its `tls` section (None removes one)."""
    section = {"ca": str(pki.mesh.certificate), **pki.gateway.files,
               "server_name": "orders.internal", "identities": [pki.BACKEND_ID]}
    return {"name": name, "endpoints": [f"127.0.0.1:{port}" for port in ports],
            "tls": merged(section, tls or {}), **more}


def route(name, path, *, authorize="authenticated", to="orders", methods=None, hosts=None, public=False, **more):
    """A route row; `public=True` is `authenticate: none`."""
    match = {**({"hosts": hosts} if hosts else {}), "path": path, **({"methods": methods} if methods else {})}
    entry = {"authenticate": "none"} if public else {"authenticate": ["main"], "authorize": authorize}
    return {"name": name, "match": match, **entry, "backend": to, **more}


def provider(idp, jwks, *, name="main", **more):
    return {"name": name, "issuer": idp.issuer, "audiences": [idp.audience],
            "algorithms": ["ES256", "RS256", "PS256", "EdDSA"], "jwks": {"file": str(jwks)}, **more}


def standard(pki, idp, jwks, port, admin_port, backend_port, *, routes=None, workers=1, timeouts=None, limits=None,
             backends=None):
    """One listener, one provider, one backend, and everything under `/orders` for whoever may read orders."""
    return {
        "process": {"workers": workers, "drain": "5s", "log_level": "info"},
        "access_log": {"path": "-"},
        "listeners": [listener(pki, port, timeouts=timeouts, limits=limits)],
        "admin": {"address": f"127.0.0.1:{admin_port}"},
        "identity_providers": [provider(idp, jwks)],
        "internal_token": {
            "issuer": "https://gateway.internal", "ttl": "60s", "claims": ["sub", "scope", "roles", "tenant"],
            "signing_keys": [{"kid": "test-1", "algorithm": "ES256", "key": str(pki.internal_token_key), "state": "active"}]},
        "backends": backends or [backend(pki, backend_port)],
        "routes": routes or [
            route("orders", "/orders/**", authorize={"scopes": ["orders:read"]}),
            route("public", "/public/**", public=True),
            # What comes is passed on at once, not gathered.
            route("streamed", "/streamed/**", public=True, body={"gather": 0}),
        ],
    }
