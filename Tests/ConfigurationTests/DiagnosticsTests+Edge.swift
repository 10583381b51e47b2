import Testing

extension DiagnosticsTests {
  @Test(
    "what is wrong with `listeners` is told with file, line, column and what to write",
    arguments: [
      Broken("0.0.0.0:8443", with: "0.0.0.0:65536", [
        "r.yaml:3:14: `65536` is no port: write a number from 0 to 65535",
      ]),
      Broken("0.0.0.0:8443", with: ":8443", [
        "r.yaml:3:14: the host is missing: write `0.0.0.0:PORT` for all addresses",
      ]),
      Broken("0.0.0.0:8443", with: "\"::1:8443\"", [
        "r.yaml:3:14: an IPv6 address stands in brackets: write `[::1]:PORT`",
      ]),
      Broken("0.0.0.0:8443", with: "\"2001:db8::1\"", [
        "r.yaml:3:14: an IPv6 address stands in brackets: write `[2001:db8::1]:PORT`",
      ]),
      Broken("0.0.0.0:8443", with: "\"[::1\"", [
        "r.yaml:3:14: `[::1` has no closing bracket: write `[ADDRESS]:PORT`, as in `[::1]:8443`",
      ]),
      Broken("0.0.0.0:8443", with: "\"[::1]\"", [
        "r.yaml:3:14: `[::1]` has no port: write `[::1]:PORT`",
      ]),
      Broken("0.0.0.0:8443", with: "https://api.example.com/v1", [
        "r.yaml:3:14: `https://api.example.com/v1` is a URL: an address has no scheme and no path, write `api.example.com:PORT`",
      ]),
      Broken("0.0.0.0:8443", with: "300.0.0.1:1", [
        "r.yaml:3:14: `300.0.0.1` is neither a host name nor an IP address",
      ]),
      Broken("0.0.0.0:8443", with: "\"unix:\"", [
        "r.yaml:3:14: a Unix socket's path has 1 to 107 bytes: write `unix:PATH`",
      ]),
      Broken("    address: 0", with: "    plaintext: serve\n    address: 0", [
        "r.yaml:3:16: `tls` and `plaintext` exclude each other: write one of them",
      ]),
      Broken("tls: { certificates: [{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }] }",
        with: "plaintext: yes", [
        "r.yaml:4:16: unknown value `yes`: write `redirect` or `serve`",
      ]),
      Broken("tls: { certificates: [{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }] }",
        with: "plaintext: redirect\n    redirect_port: 0\n    serve: jwks", [
        "r.yaml:5:20: `0` is out of range: write a number from 1 to 65535", "r.yaml:6:12: a listener that redirects serves nothing: leave `serve` out",
      ]),
      Broken("    address: 0", with: "    redirect_port: 1\n    address: 0", [
        "r.yaml:3:20: `redirect_port` belongs to `plaintext: redirect`: leave it out",
      ]),
      Broken("tls: { certificates: [{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }] }",
        with: "limits: { streams: 0 }", [
        "r.yaml:2:5: `tls` is missing: write `{ certificates: [{ certificate: …, key: … }] }`",
        "r.yaml:4:24: 0 does not mean unlimited here: write a number from 1 to 10000",
      ]),
      Broken("[{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }]", with: "[]", [
        "r.yaml:4:26: the list is empty: write at least one, such as `[{ certificate: edge.crt, key: edge.key }]`",
      ]),
      Broken("[{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }]",
        with: "[{ certificate: a }], client_auth: required, minimum_version: TLSv1.1", [
        "r.yaml:4:27: `key` is missing: write a PEM file",
        "r.yaml:4:61: `client_auth` needs `client_ca`: write the file that client certificates are checked with",
        "r.yaml:4:88: unknown value `TLSv1.1`: write `TLSv1.2` or `TLSv1.3`",
      ]),
      Broken("    address: 0",
        with: "    trusted_proxies: [10.0.0.1/8, 10.0.0.0/33, example.com, 10.0.0.0/8/8]\n    address: 0", [
        "r.yaml:3:23: `10.0.0.1/8` has bits set beyond its prefix length: write the network's own address, or `/32`",
        "r.yaml:3:35: `10.0.0.0/33` has no valid prefix length: write a number from 0 to 32 after the `/`",
        "r.yaml:3:48: `example.com` is no network: write it as in `10.0.0.0/8` or `2001:db8::/32`",
        "r.yaml:3:61: `10.0.0.0/8/8` has no valid prefix length: write a number from 0 to 32 after the `/`",
      ]),
      Broken("    address: 0", with: "    proxy_protocol: true\n    serve: keys\n    address: 0", [
        "r.yaml:3:21: `proxy_protocol` needs `trusted_proxies`: write whose word is to be believed, such as `[10.0.0.0/8]`",
        "r.yaml:4:12: unknown value `keys`: write `jwks` or `logout`",
      ]),
      Broken("    address: 0", with: "    limits: { connections: 0, header_bytes: 1KiB, header_count: 1001 }\n    address: 0", [
        "r.yaml:3:13: `uri_bytes` is more than `header_bytes`, which it is part of: write less",
        "r.yaml:3:28: 0 does not mean unlimited here: write a number from 1 to 1000000",
        "r.yaml:3:65: `1001` is out of range: write a number from 1 to 256",
      ]),
      Broken("    address: 0", with: "    timeouts: { body_rate: 2048GiB/s, body_total: 25h }\n    address: 0", [
        "r.yaml:3:28: `2048GiB/s` is out of range: write 0/s to 1024GiB/s",
        "r.yaml:3:51: `25h` is out of range: write 1ms to 24h",
      ]),
      Broken("    address: 0", with: "    timeouts: { handshake: 0s, header: 5, idle: 2d, body: ten }\n    address: 0", [
        "r.yaml:3:28: `0s` is out of range: write 1ms to 1h",
        "r.yaml:3:40: `5` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
        "r.yaml:3:49: `2d` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
        "r.yaml:3:59: `ten` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
      ]),
    ])
  func listeners(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test(
    "what is wrong with `identity_providers` is told with file, line, column and what to write",
    arguments: [
      Broken("[ES256], jwks", with: "[none, ES257, HS256, ES256, ES256, XYZ], jwks", [
        "r.yaml:6:84: `none` would accept tokens that nobody signed, and is never accepted: name the provider's algorithm",
        "r.yaml:6:90: unknown algorithm `ES257`: did you mean `ES256`?",
        "r.yaml:6:97: `HS256` needs `secret`: write it, best as `${NAME}`, or leave `HS256` out",
        "r.yaml:6:111: `ES256` is named twice",
        "r.yaml:6:118: unknown algorithm `XYZ`: known: `ES256`, `ES384`, `ES512`, `RS256`, `RS384`, `RS512`, `PS256`, "
          + "`PS384`, `PS512`, `EdDSA`, `HS256`, `HS384`, `HS512`",
      ]),
      Broken("[ES256], jwks", with: "[], jwks", [
        "r.yaml:6:83: the list is empty: write at least one, such as `[ES256, RS256]`",
      ]),
      Broken("algorithms: [ES256], ", with: "", [
        "r.yaml:6:5: `algorithms` is missing: write a list such as `[ES256, RS256]`",
      ]),
      Broken("algorithms: [ES256]", with: "algorithms: [ES256], secret: short", [
        "r.yaml:6:100: `secret` is used by HS256, HS384 and HS512 only, and `algorithms` names none of them: leave it out",
      ]),
      Broken("algorithms: [ES256]", with: "algorithms: [HS256], secret: short", [
        "r.yaml:6:100: the secret has 5 bytes: `HS256` needs 32 at least",
      ]),
      Broken("algorithms: [ES256]", with: "algorithms: [HS256], secret: \"${SECRET}\"", [
        "r.yaml:6:100: the environment variable `SECRET` is not set: set it, or write `${SECRET:-default}`",
      ]),
      Broken("audiences: [api], ", with: "", [
        "r.yaml:6:5: `audiences` is missing: write a list of `aud` values, one of which a token must have",
      ]),
      Broken("jwks: { file: idp.jwks.json }", with: "jwks: { url: \"http://x\", refresh: 1s, cooldown: 2s }", [
        "r.yaml:6:105: `http://x` is no https URL: what is fetched decides who may pass, so it is fetched over TLS that is checked",
      ]),
      Broken("jwks: { file: idp.jwks.json }", with: "jwks: { url: \"https://x\", refresh: 1s, cooldown: 2s, maximum_age: 1m }", [
        "r.yaml:6:141: `cooldown` is longer than `refresh`, so the set could never be fetched in time: write a shorter one",
      ]),
      Broken("jwks: { file: idp.jwks.json }", with: "jwks: { discovery: true, fil: x }", [
        "r.yaml:6:117: unknown key `fil`: did you mean `file`?",
      ]),
      Broken("jwks: { file: idp.jwks.json }", with: "jwks: { file: a, url: \"https://b\" }", [
        "r.yaml:6:98: a key set comes from one place: write `{ file: FILE }`, `{ url: https://… }` or `{ discovery: true }`",
      ]),
      Broken("jwks: { file: idp.jwks.json }", with: "jwks: { file: a, ca: b }", [
        "r.yaml:6:113: `ca` is for key sets that are fetched: leave it out, a file is read again with each reload",
      ]),
      Broken(", jwks: { file: idp.jwks.json }", with: "", [
        "r.yaml:6:5: `jwks` is missing: write `{ file: FILE }`, `{ url: https://… }` or `{ discovery: true }`",
      ]),
      Broken("issuer: https://idp", with: "leeway: 6m, maximum_token_bytes: 10, issuer: https://idp", [
        "r.yaml:6:27: `6m` is out of range: write 0s to 5m",
        "r.yaml:6:52: `10` is out of range: write 256 to 64KiB",
      ]),
      Broken("issuer: https://idp",
        with: "token_from: [{ query: t=u }, { header: Cookie }, { header: \"a b\" }, { cookie: \"a=b\" }, { header: A, cookie: b "
          + "}], issuer: https://idp", [
        "r.yaml:6:41: `t=u` is no name of a query's parameter: write letters, digits, `-`, `.` and `_`",
        "r.yaml:6:58: `Cookie` has a meaning of its own in HTTP or for the gateway: write another name",
        "r.yaml:6:78: `a b` is no header name: write letters, digits and `-`",
        "r.yaml:6:97: `a=b` is no cookie name: write letters, digits, `-` and `_`",
        "r.yaml:6:106: a place to look for tokens is one of `{ header: NAME, scheme: SCHEME }`, `{ cookie: NAME }`, `{ query: NAME }` and `{ websocket_protocol: MARKER }`",
      ]),
      Broken("issuer: https://idp",
        with: "token_from: [{ cookie: a, scheme: b, origins: [\"http://a\", \"https://a/b\", \"https://a\"] }, { query: q, origins: [c] }], "
          + "issuer: https://idp", [
        "r.yaml:6:53: only a header has a `scheme`: leave it out",
        "r.yaml:6:66: `http://a` is no origin: write `https://HOST` or `https://HOST:PORT`, without a path",
        "r.yaml:6:78: `https://a/b` is no origin: write `https://HOST` or `https://HOST:PORT`, without a path",
        "r.yaml:6:130: only a cookie has `origins`: leave them out",
      ]),
      Broken("issuer: https://idp", with: "token_from: [{ header: x_internal_token }], issuer: https://idp", [
        "r.yaml:6:13: `main` reads access tokens from `x_internal_token`, the internal token's header: write another name",
      ]),
      Broken("issuer: https://idp", with: "required_claims: { a: [], b: [\"*\", c], d: { e: f } }, issuer: https://idp", [
        "r.yaml:6:41: the list is empty: write at least one, such as `[web, mobile]`",
        "r.yaml:6:48: `*` is any value: write it alone",
        "r.yaml:6:61: expected a list, such as `[web, mobile]`",
      ]),
    ])
  func providers(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }
}
