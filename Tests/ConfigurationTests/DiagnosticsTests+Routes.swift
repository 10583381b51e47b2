import Testing

extension DiagnosticsTests {
  @Test(
    "what is wrong with `routes` is told with file, line, column and what to write",
    arguments: [
      Broken(
        "authenticate: [main], ", with: "",
        [
          "r.yaml:13:5: `authenticate` is missing: write `authenticate: none` for a public route, or a list of identity "
            + "providers together with `authorize`"
        ]),
      Broken(
        "authenticate: [main], authorize: authenticated, ", with: "",
        [
          "r.yaml:13:5: `authenticate` is missing: write `authenticate: none` for a public route, or a list of identity "
            + "providers together with `authorize`"
        ]),
      Broken(
        ", authorize: authenticated", with: "",
        [
          "r.yaml:13:5: `authorize` is missing: write rules, or `authorize: authenticated` for anyone the provider vouches for"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: none",
        [
          "r.yaml:13:81: a public route has nobody to authorize: leave `authorize` out, or name providers under `authenticate`"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: [none]",
        [
          "r.yaml:13:65: a public route has no list: write `authenticate: none`"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: [main, none]",
        [
          "r.yaml:13:71: `none` stands alone, for a public route: write `authenticate: none`, or leave it out of the list"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: main",
        [
          "r.yaml:13:64: write `authenticate: [main]` for a provider, or `authenticate: none` for a public route"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: [mian]",
        [
          "r.yaml:13:65: there is no identity provider `mian`: did you mean `main`?"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: []",
        [
          "r.yaml:13:64: the list is empty: write at least one, such as `[main]`"
        ]),
      Broken(
        "authenticate: [main]", with: "authenticate: [main, main]",
        [
          "r.yaml:13:71: the provider `main` is named twice"
        ]),
      Broken(
        "authorize: authenticated", with: "authorize: anyone",
        [
          "r.yaml:13:83: unknown value `anyone`: write `authenticated`"
        ]),
      Broken(
        "authorize: authenticated", with: "authorize: {}",
        [
          "r.yaml:13:83: no rule is written: write `scopes`, `roles`, `claims`, `any`, `all` or `not`, or `authorize: "
            + "authenticated`"
        ]),
      Broken(
        "authorize: authenticated", with: "authorize: { scope: [a] }",
        [
          "r.yaml:13:85: unknown key `scope`: did you mean `scopes`?"
        ]),
      Broken(
        "authorize: authenticated", with: "authorize: { scopes: [], roles: admin, claims: {}, any: [{}], not: [a] }",
        [
          "r.yaml:13:93: the list is empty: write at least one, such as `[orders:read]`",
          "r.yaml:13:104: expected a list, such as `[admin]`",
          "r.yaml:13:119: no claim is named: write `{ CLAIM: VALUE }`, or `{ CLAIM: \"*\" }` for any value",
          "r.yaml:13:129: no rule is written: write `scopes`, `roles`, `claims`, `any`, `all` or `not`, or `authorize: "
            + "authenticated`",
          "r.yaml:13:139: expected a mapping, such as `{ scopes: …, roles: …, claims: … }`",
        ]),
      Broken(
        "authorize: authenticated", with: "authorize: { scopes: [\"a b\"] }",
        [
          "r.yaml:13:94: a scope has no spaces: write a list, such as `[a, b]`"
        ]),
      Broken(
        ", backend: orders", with: "",
        [
          "r.yaml:13:5: `backend` is missing: write `backend: orders`"
        ]),
      Broken(
        "backend: orders", with: "backend: order",
        [
          "r.yaml:13:107: there is no backend `order`: did you mean `orders`?"
        ]),
      Broken(
        "backend: orders", with: "backend: orders, backends: [{ name: orders, weight: 1 }]",
        [
          "r.yaml:13:125: `backend` and `backends` exclude each other: write one of them"
        ]),
      Broken(
        "backend: orders", with: "backends: [{ name: orders, weight: 0 }, { name: zzz, weight: 1 }, { name: orders }]",
        [
          "r.yaml:13:133: `0` is out of range: write a number from 1 to 1000000",
          "r.yaml:13:146: there is no backend `zzz`: known: `orders`",
          "r.yaml:13:164: `weight` is missing: write a number from 1 to 1000000",
        ]),
      Broken(
        "backend: orders", with: "backends: [{ name: orders, weight: 1 }, { name: orders, weight: 1 }]",
        [
          "r.yaml:13:108: the backend `orders` is named twice: add the weights up"
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: \"orders\" }",
        [
          "r.yaml:13:36: a path pattern begins with `/`: write `/orders`"
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: \"orders/*\" }",
        [
          "r.yaml:13:36: a path pattern begins with `/`; and `*` is no part of a path pattern: write `{name}` for one segment, or end with "
            + "`/**`"
        ]),
      Broken(
        "backend: orders }", with: "backend: orders, forward: [x-internal_token, X-Original-URL, X-Custom, Via] }",
        [
          "r.yaml:13:125: `x-internal_token` is set by the gateway, which removes what clients send there: leave it out",
          "r.yaml:13:159: `X-Custom` is forwarded without being named: leave it out",
          "r.yaml:13:169: `Via` is for the gateway to set or to remove: leave it out",
        ]),
      Broken(
        Sample.all.replacing("{ name: main,", with: "{ name: main, token_from: [{ header: X-Key }],")
          .replacing("backend: orders }", with: "backend: orders, forward: [x-key, Ledger-Token] }")
          .replacing("{ name: orders, endpoints", with: "{ name: orders, internal_token: { header: Ledger-Token }, endpoints"),
        [
          "r.yaml:13:125: `x-key` holds a client's token or API key, which is not forwarded by its name: leave it out",
          "r.yaml:13:132: `Ledger-Token` is set by the gateway, which removes what clients send there: leave it out",
        ]),
      Broken(
        "match: { path: /orders/** }",
        with: "match: { path: /orders/**, hosts: [\"https://a\", \"*\", b], methods: [get, GET] }",
        [
          "r.yaml:13:56: a host is written without scheme and path, as in `api.example.com`",
          "r.yaml:13:69: `*` alone is no host pattern: leave `hosts` out for any host",
          "r.yaml:13:88: methods are case-sensitive: write `GET`",
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: /a, methods: [Propfind, frob, FROB] }",
        [
          "r.yaml:13:50: methods are case-sensitive: write `PROPFIND`"
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: /a;v=1/** }, rewrite: { strip_prefix: /b%3bc }",
        [
          "r.yaml:13:5: no request path is `/a;v=1/**`, for its `;`: write `path_parameters: allow`, or another path",
          "r.yaml:13:5: no request path is `/b%3bc`, for its `;`: write `path_parameters: allow`, or another path",
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: /a, headers: { X-Version: 1, X_Version: 2 } }",
        [
          "r.yaml:13:76: the header `X_Version` is matched twice: names are compared without regard to case"
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { path: /a, methods: [frob, FROB] }",
        [
          "r.yaml:13:49: the method `FROB` is named twice"
        ]),
      Broken(
        "match: { path: /orders/** }",
        with: "match: { path: /a, methods: [GET, GET], headers: { \"a b\": c, X: 1, x: 2 } }",
        [
          "r.yaml:13:49: the method `GET` is named twice",
          "r.yaml:13:79: `a b` is no field name: write a token such as `X-Version`",
          "r.yaml:13:91: the header `x` is matched twice: names are compared without regard to case",
        ]),
      Broken(
        "match: { path: /orders/** }", with: "match: { hosts: [] }",
        [
          "r.yaml:13:28: `path` is missing: write a pattern such as `/orders/**`; `/**` is every path",
          "r.yaml:13:37: the list is empty: write at least one, such as `[api.example.com]`",
        ]),
      Broken(
        "match: { path: /orders/** }, ", with: "",
        [
          "r.yaml:13:5: `match` is missing: write `{ path: \"/orders/**\" }`"
        ]),
      Broken(
        "backend: orders",
        with: "backend: orders, timeout: 0s, body: { maximum: lots }, forward_access_token: 1, rate_limit: { per: sub }",
        [
          "r.yaml:13:124: `0s` is out of range: write 1ms to 24h",
          "r.yaml:13:145: `lots` is no size: write a number of bytes, or a number and `KiB`, `MiB` or `GiB`, such as `1MiB`",
          "r.yaml:13:175: `1` is neither `true` nor `false`",
          "r.yaml:13:178: `rate_limit` is not supported by this version yet: leave it out",
        ]),
      Broken(
        "backend: orders", with: "backend: orders, body: {}",
        [
          "r.yaml:13:121: nothing is written: write `maximum`, `gather`, `rate` or `total`, such as `{ maximum: 1MiB }`"
        ]),
      Broken(
        "backend: orders", with: "backend: orders, body: { gather: 17MiB, maximal: 1, rate: 1KiB, total: 2d }",
        [
          "r.yaml:13:131: `17MiB` is out of range: write 0 to 16MiB",
          "r.yaml:13:138: unknown key `maximal`: did you mean `maximum`?",
          "r.yaml:13:156: `1KiB` is no rate: write a size and `/s`, such as `1KiB/s`, or `0` for none",
          "r.yaml:13:169: `2d` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
        ]),
      Broken(
        "backend: orders", with: "backend: orders, rewrite: { strip_prefix: /orders/ }",
        [
          "r.yaml:13:140: a prefix to strip is plain segments without a last slash, such as `/v1`"
        ]),
      Broken(
        "backend: orders", with: "backend: orders, rewrite: { strip_prefix: orders }",
        [
          "r.yaml:13:140: a path pattern begins with `/`: write `/orders`"
        ]),
      Broken(
        adding: "  - { name: again, match: { path: \"/orders/**\" }, authenticate: none, backend: orders }\n",
        [
          "r.yaml:14:5: the route `again` ties with `orders` at r.yaml:13:5: both take `/orders/**` on any host and "
            + "neither is more specific"
        ]),
      Broken(
        adding: "  - { name: orders, match: { path: \"/x\" }, authenticate: none, backend: orders }\n",
        [
          "r.yaml:14:13: the route `orders` is already defined at r.yaml:13:13: write another name"
        ]),
      Broken(
        "routes:\n  - { name: orders, match: { path: /orders/** }, authenticate: [main], authorize: authenticated, "
          + "backend: orders }\n",
        with: "",
        [
          "r.yaml:1:1: there are no `routes`: write one at least"
        ]),
    ])
  func routes(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }
}
