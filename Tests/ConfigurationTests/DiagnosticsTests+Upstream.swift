import Testing

extension DiagnosticsTests {
  @Test(
    "what is wrong with `internal_token` is told with file, line, column and what to write",
    arguments: [
      Broken(
        "  issuer: https://gateway.internal",
        with: "  issuer: g\n  header: Connection\n  ttl: 11m\n  profile: tiny\n  maximum_bytes: 1",
        [
          "r.yaml:9:11: `Connection` has a meaning of its own in HTTP or for the gateway: write another name",
          "r.yaml:10:8: `11m` is out of range: write 5s to 10m",
          "r.yaml:11:12: unknown value `tiny`: write `compact` or `transaction`",
          "r.yaml:12:18: `1` is out of range: write 512 to 32KiB",
        ]),
      Broken(
        "  issuer: https://gateway.internal", with: "  issuer: g\n  header: \"X Y\"\n  claims: [iss, sub, sub]",
        [
          "r.yaml:9:11: `X Y` is no header name: write letters, digits and `-`",
          "r.yaml:10:12: `iss` is set by the gateway: write the claim under another name",
          "r.yaml:10:22: the claim `sub` is named twice",
        ]),
      Broken(
        "  issuer: https://gateway.internal", with: "  claims: { sub: email, cnf: x, iat: y }",
        [
          "r.yaml:8:3: `issuer` is missing: write the `iss` of internal tokens, such as `https://gateway.internal`",
          "r.yaml:8:13: `sub` is always the access token's `sub`: write `email` under another name",
          "r.yaml:8:25: `cnf` is set by the gateway: write the claim under another name",
          "r.yaml:8:33: `iat` is set by the gateway: write the claim under another name",
        ]),
      Broken(
        "  issuer: https://gateway.internal",
        with:
          "  issuer: g\n  claims: { act: act, txn: { value: 1 }, a: { valeu: 1 }, sub: { value: s }, b: { value: [[[[[[[[1]]]]]]]] } }",
        [
          "r.yaml:9:13: `act` always comes from the access token: leave it out",
          "r.yaml:9:23: `txn` is set by the gateway: write the claim under another name",
          "r.yaml:9:47: unknown key `valeu`: did you mean `value`?",
          "r.yaml:9:59: `sub` is always the access token's `sub`: write it under another name",
          "r.yaml:9:98: the value is nested more than 8 deep",
        ]),
      Broken(
        "  issuer: https://gateway.internal", with: "  issuer: g\n  trust_domain: example.internal\n  algorithm: EdDSA",
        [
          "r.yaml:9:17: `trust_domain` is for `profile: transaction`: write that, or leave it out",
          "r.yaml:10:14: no signing key for `EdDSA` is `active`: write one under `signing_keys`",
        ]),
      Broken(
        "{ name: orders, endpoints",
        with: "{ name: orders, internal_token: { issuer: x, header: Host, ttl: 1s, "
          + "trust_domain: d }, endpoints",
        [
          "r.yaml:11:39: unknown key `issuer`: known: `header`, `profile`, `ttl`, `claims`, `maximum_bytes`, `trust_domain`, "
            + "`algorithm`",
          "r.yaml:11:58: `Host` has a meaning of its own in HTTP or for the gateway: write another name",
          "r.yaml:11:69: `1s` is out of range: write 5s to 10m",
          "r.yaml:11:87: `trust_domain` is for `profile: transaction`: write that, or leave it out",
        ]),
      Broken(
        "algorithm: ES256, key: internal.key", with: "algorithm: RS256, key: internal.key",
        [
          "r.yaml:9:40: unknown value `RS256`: write `ES256` or `EdDSA`"
        ]),
      Broken(
        "key: internal.key }]",
        with:
          "key: a, activate_at: \"2026-11-25T03:00:00Z\" }, { kid: k2, algorithm: ES256, key: b, state: next, activate_at: tomorrow, "
          + "published_since: \"2026-02-30T03:00:00Z\" }]",
        [
          "r.yaml:9:68: `activate_at` is when a key that is `next` begins to sign: write `state: next`, or leave it out",
          "r.yaml:9:157: `tomorrow` is no time: write it in UTC, as in `2026-11-25T03:00:00Z`",
          "r.yaml:9:184: `2026-02-30T03:00:00Z` is no time: write it in UTC, as in `2026-11-25T03:00:00Z`",
        ]),
      Broken(
        "[{ kid: k1, algorithm: ES256, key: internal.key }]", with: "{ dir: x }\n  publish_ahead: soon\n  leeway: 11m",
        [
          "r.yaml:9:17: `directory` is missing: write where `gatehouse keys rotate` keeps the keys",
          "r.yaml:9:19: unknown key `dir`: known: `directory`",
          "r.yaml:10:18: `soon` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
          "r.yaml:11:11: `11m` is out of range: write 0s to 10m",
        ]),
      Broken(
        "key: internal.key }]", with: "key: internal.key, state: next }]",
        [
          "r.yaml:9:17: no signing key is `active`, so nothing can be signed: write `state: active` for one"
        ]),
      Broken(
        "key: internal.key }]",
        with: "key: a }, { kid: k1, algorithm: EdDSA, key: b, state: gone }, { kid: k1, algorithm: EdDSA, key: b }]",
        [
          "r.yaml:9:101: unknown value `gone`: write `active`, `next` or `retired`",
          "r.yaml:9:116: the kid `k1` is already used at r.yaml:9:25: write another",
        ]),
      Broken(
        "internal_token:\n  issuer: https://gateway.internal\n  signing_keys: [{ kid: k1, algorithm: ES256, key: "
          + "internal.key }]\n",
        with: "",
        [
          "r.yaml:10:5: `internal_token` is missing, and this route authenticates: write it, so that the backend learns "
            + "who calls"
        ]),
    ])
  func internalToken(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test(
    "what is wrong with `backends` is told with file, line, column and what to write",
    arguments: [
      Broken(
        "[orders:9443]", with: "[orders, \"orders:0\", \"a..b:1\", \"x:1\", \"x:1\"]",
        [
          "r.yaml:11:33: `orders` has no port: write `HOST:PORT`",
          "r.yaml:11:41: `0` is no port: write a number from 1 to 65535",
          "r.yaml:11:53: `a..b` is neither a host name nor an IP address",
          "r.yaml:11:70: the endpoint is written twice: keep one",
        ]),
      Broken(
        ", server_name: orders", with: "",
        [
          "r.yaml:11:52: whom to expect is missing: write `server_name: orders.internal` or `identities: [\"spiffe://…\"]`"
        ]),
      Broken(
        "server_name: orders",
        with: "identities: [\"https://x/y\", \"spiffe://A/b\", \"spiffe://a//b\", \"spiffe://a/../b\"]",
        [
          "r.yaml:11:113: `https://x/y` is no SPIFFE ID: write it as in `spiffe://example.internal/orders`",
          "r.yaml:11:128: `spiffe://A/b` is no SPIFFE ID: write it as in `spiffe://example.internal/orders`",
          "r.yaml:11:144: `spiffe://a//b` is no SPIFFE ID: write it as in `spiffe://example.internal/orders`",
          "r.yaml:11:161: `spiffe://a/../b` is no SPIFFE ID: write it as in `spiffe://example.internal/orders`",
        ]),
      Broken(
        "server_name: orders", with: "server_name: \"*.orders\"",
        [
          "r.yaml:11:113: `*.orders` is no DNS name: write the one in the backend's certificate, such as `orders.internal`"
        ]),
      Broken(
        "ca: ca.crt, certificate: gw.crt, ", with: "",
        [
          "r.yaml:11:52: `ca` is missing: write the file that the backend's certificate is checked with",
          "r.yaml:11:52: `certificate` is missing: write the gateway's own certificate, a PEM file",
        ]),
      Broken(
        "endpoints:",
        with: "protocol: h2, balance: consistent_hash, health: {}, retries: {}, limits: { requests: 1, pending: -1 }, "
          + "endpoints:",
        [
          "r.yaml:11:44: `consistent_hash` is not supported by this version yet: write `round_robin` or `least_requests`",
          "r.yaml:11:61: `health` is not supported by this version yet: leave it out",
          "r.yaml:11:73: `retries` is not supported by this version yet: leave it out",
          "r.yaml:11:96: `requests` is not supported by this version yet: leave it out",
          "r.yaml:11:118: `-1` is out of range: write a number from 0 to 1000000",
        ]),
      Broken(
        "endpoints:", with: "limits: { client_share: 0% }, endpoints:", ["r.yaml:11:45: `0%` is out of range: write 1% to 100%"]),
      Broken(
        "endpoints:", with: "limits: { client_share: half }, endpoints:",
        ["r.yaml:11:45: `half` is no percentage: write one such as `50%`"]),
      Broken(
        "endpoints:", with: "limits: { client_share: 50 }, endpoints:",
        ["r.yaml:11:45: `50` has no percent sign: write `50%`"]),
      Broken(
        "[orders:9443]", with: "[\"https://orders:9443\", \"https://[::1]:1/x\"]",
        [
          "r.yaml:11:33: `https://orders:9443` is a URL: an address has no scheme and no path, write `orders:9443`",
          "r.yaml:11:56: `https://[::1]:1/x` is a URL: an address has no scheme and no path, write `[::1]:1`",
        ]),
      Broken(
        "endpoints:", with: "limits: { connections: 0 }, endpoints:",
        ["r.yaml:11:44: 0 does not mean unlimited here: write a number from 1 to 100000"]),
      Broken(
        "endpoints:", with: "limits: { header_bytes: 129KiB, header_count: 513 }, endpoints:",
        [
          "r.yaml:11:45: `129KiB` is out of range: write 1KiB to 128KiB",
          "r.yaml:11:67: `513` is out of range: write a number from 1 to 512",
        ]),
      Broken(
        "endpoints:", with: "protocol: http/2, balance: random, timeouts: { connect: 0ms }, endpoints:",
        [
          "r.yaml:11:31: unknown value `http/2`: write `auto`, `http/1.1` or `h2`",
          "r.yaml:11:48: unknown value `random`: write `round_robin` or `least_requests`",
          "r.yaml:11:77: `0ms` is out of range: write 1ms to 1h",
        ]),
      Broken(
        "name: orders, endpoints", with: "name: \"or ders\", endpoints",
        [
          "r.yaml:11:13: a name has up to 64 letters, digits, `-`, `_` and `.`",
          "r.yaml:13:107: there is no backend `orders`: did you mean `or ders`?",
        ]),
    ])
  func backends(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }
}
