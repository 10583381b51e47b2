// swift-tools-version: 6.0
import PackageDescription

// A package of its own, named as the one above so that `package` members are in reach; `Sources` is a link to its sources.
// To add a target: its folder in Targets, seeds beside those of the others, one line in `fuzzed`.

let fuzzer: [SwiftSetting] = [.unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library"])]
/// The rooms under test, with coverage for the fuzzer; optimised, with their checks left in.
let room: [SwiftSetting] = [.unsafeFlags(["-sanitize=fuzzer,address"]), .enableExperimentalFeature("Lifetimes")]

/// libFuzzer without its `main`, which the linker would meet twice; `run` looks for it in the toolchain.
let fuzzerRuntime = Context.environment["FUZZER_RUNTIME"] ?? ""

let fuzzed: [(name: String, rooms: [Target.Dependency])] = [
  ("FuzzRequest", ["HTTP1", "HTTP", "Bytes"]),
  ("FuzzResponse", ["HTTP1", "HTTP", "Bytes"]),
  ("FuzzChunked", ["HTTP1", "HTTP", "Bytes"]),
  ("FuzzHTTP2", ["HTTP2", "HTTP", "Bytes"]),
  ("FuzzValueExpansion", ["HTTP2", "Bytes", "CNghttp2"]),
  ("FuzzWebSocket", ["WebSocket"]),
  ("FuzzProxyProtocol", ["Transport", "Reactor"]),
  ("FuzzPath", ["HTTP", "Bytes"]),
  ("FuzzJWT", ["Tokens", "JSON"]),
  ("FuzzRevocation", ["Tokens", "HTTP"]),
  ("FuzzBackendToken", ["GatehouseBackend", "Tokens", "JSON"]),
  ("FuzzConfiguration", ["Configuration", "Routing"]),
  ("FuzzAPIKeys", ["Configuration"]),
  ("FuzzIntrospection", ["Tokens", "JSON"]),
  (
    "FuzzSequences",
    [
      "Proxy", "Upstream", "Transport", "Tokens", "Routing", "Limits", "Telemetry", "WebSocket", "TLS", "Reactor", "JSON", "HTTP",
      "Bytes", "Development",
      "COpenSSL", "CNghttp2", "CLinux",
    ]
  ),
]

let package = Package(
  name: "gatehouse",
  dependencies: [.package(url: "https://github.com/jpsim/Yams", from: "6.0.0")],
  targets: [
    .systemLibrary(name: "CLinux"),
    .target(name: "Bytes", dependencies: ["CLinux"], swiftSettings: room),
    .target(name: "HTTP", dependencies: ["Bytes"], swiftSettings: room),
    .target(name: "HTTP1", dependencies: ["HTTP", "Bytes"], swiftSettings: room),
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2"),
    .target(name: "HTTP2", dependencies: ["HTTP", "Bytes", "CNghttp2"], swiftSettings: room),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
    .systemLibrary(name: "CJWT", pkgConfig: "libjwt"),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson"),
    .target(name: "Cryptography", dependencies: ["Bytes", "COpenSSL", "CJWT", "CJansson"], swiftSettings: room),
    .target(name: "WebSocket", dependencies: ["Bytes", "Cryptography"], swiftSettings: room),
    .target(name: "Reactor", dependencies: ["Bytes", "CLinux"], swiftSettings: room),
    .target(name: "TLS", dependencies: ["Bytes", "COpenSSL", "CLinux"], swiftSettings: room),
    .target(name: "Transport", dependencies: ["TLS", "HTTP2", "Reactor", "Bytes", "CLinux"], swiftSettings: room),
    .target(name: "JSON", dependencies: ["Bytes"], swiftSettings: room),
    .target(name: "Tokens", dependencies: ["Limits", "JSON", "Cryptography", "Bytes"], swiftSettings: room),
    .target(name: "Routing", dependencies: ["HTTP", "JSON", "Bytes"], swiftSettings: room),
    .target(name: "Telemetry", dependencies: ["HTTP", "Bytes"], swiftSettings: room),
    .target(name: "Limits", swiftSettings: room),
    .target(
      name: "Upstream", dependencies: ["Transport", "Limits", "HTTP1", "HTTP2", "HTTP", "TLS", "Reactor", "Bytes", "CLinux"],
      swiftSettings: room),
    .target(
      name: "Proxy",
      dependencies: [
        "Upstream", "Transport", "Limits", "Tokens", "Routing", "Telemetry", "WebSocket", "HTTP1", "HTTP2", "HTTP", "TLS", "Reactor", "Bytes", "JSON",
        "CLinux",
      ], swiftSettings: room),
    .target(name: "Development", dependencies: ["Tokens", "JSON", "Bytes", "HTTP1", "HTTP", "TLS", "COpenSSL", "CLinux"]),
    .target(
      name: "Configuration",
      dependencies: ["Routing", "JSON", "Cryptography", "Bytes", "HTTP", .product(name: "Yams", package: "Yams")], swiftSettings: room
    ),
    // What reads; what verifies would bring another crypto library.
    .target(
      name: "GatehouseBackend",
      sources: ["Base64URL.swift", "CompactToken.swift", "InternalTokenError.swift", "JSONReader.swift", "JSONValue.swift"],
      swiftSettings: room),
    .target(name: "FuzzDriver", path: "FuzzDriver"),
  ]
    + fuzzed.map {
      .executableTarget(
        name: $0.name, dependencies: $0.rooms + ["FuzzDriver"], path: "Targets/\($0.name)", swiftSettings: fuzzer,
        linkerSettings: [.unsafeFlags(["-sanitize=address", fuzzerRuntime]), .linkedLibrary("stdc++")])
    },
  swiftLanguageModes: [.v6]
)
