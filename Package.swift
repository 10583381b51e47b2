// swift-tools-version: 6.2
import PackageDescription

/// Spans that functions return and types hold say whose memory they borrow (`@_lifetime`).
let spans: SwiftSetting = .enableExperimentalFeature("Lifetimes")
/// What could break memory safety is refused unless it says `unsafe` (SE-0458); the pure rooms say it nowhere.
let strict: [SwiftSetting] = [.strictMemorySafety(), spans]

/// The house, bottom up. An arrow never runs back up this list; `ArchitectureTests` holds it to that.
let package = Package(
  name: "gatehouse",
  products: [
    .executable(name: "gatehouse", targets: ["GatehouseCommand"]),
    .library(name: "GatehouseBackend", targets: ["GatehouseBackend"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C libraries: module maps and shim headers, no code of their own.
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CJWT", pkgConfig: "libjwt", providers: [.apt(["libjwt-dev"])]),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
    // No pkg-config: it gives a -D that SwiftPM refuses with a warning.
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),

    // Pure rooms: no sockets, no threads.
    .target(name: "Bytes", dependencies: ["CLinux"], swiftSettings: strict),
    .target(name: "JSON", dependencies: ["Bytes"], swiftSettings: strict),
    .target(name: "HTTP", dependencies: ["Bytes"], swiftSettings: strict),
    .target(name: "HTTP1", dependencies: ["HTTP", "Bytes"], swiftSettings: strict),
    .target(name: "HTTP2", dependencies: ["HTTP", "Bytes", "CNghttp2", "CLinux"]),
    .target(name: "Cryptography", dependencies: ["Bytes", "COpenSSL", "CJWT", "CJansson"], swiftSettings: strict),
    .target(name: "WebSocket", dependencies: ["Bytes", "Cryptography"], swiftSettings: strict),
    .target(name: "Limits", swiftSettings: strict),
    .target(name: "Tokens", dependencies: ["Limits", "JSON", "Cryptography", "Bytes"], swiftSettings: strict),
    .target(name: "Routing", dependencies: ["HTTP", "JSON", "Bytes"], swiftSettings: strict),
    .target(name: "Telemetry", dependencies: ["HTTP", "Bytes"], swiftSettings: strict),

    // Sockets and connections.
    .target(name: "Reactor", dependencies: ["Bytes", "CLinux"]),
    .target(name: "Resolver", dependencies: ["Reactor", "Bytes", "CCares", "CLinux"], swiftSettings: strict),
    .target(name: "Redis", dependencies: ["Reactor", "Limits", "CHiredis", "CLinux"]),
    .target(name: "TLS", dependencies: ["Bytes", "COpenSSL", "CLinux"]),
    .target(name: "Transport", dependencies: ["TLS", "HTTP2", "Reactor", "Bytes", "CLinux"]),
    .target(name: "Upstream", dependencies: ["Transport", "Limits", "HTTP1", "HTTP2", "HTTP", "TLS", "Reactor", "Bytes", "CLinux"]),
    .target(
      name: "Proxy",
      dependencies: [
        "Upstream", "Transport", "Limits", "Tokens", "Routing", "Telemetry", "WebSocket", "Cryptography", "HTTP1", "HTTP2", "HTTP",
        "TLS", "Reactor", "Bytes",
        "JSON", "CLinux",
      ]),

    // The process.
    .target(
      name: "Configuration",
      dependencies: ["Routing", "JSON", "Cryptography", "Bytes", "HTTP", .product(name: "Yams", package: "Yams")], swiftSettings: strict),
    .target(
      name: "Gateway",
      dependencies: ["Proxy", "Configuration", "Limits", "Redis", "Resolver", "Bytes", "CLinux", .product(name: "Logging", package: "swift-log")]),
    .target(name: "Development", dependencies: ["Tokens", "JSON", "Bytes", "HTTP1", "HTTP", "TLS", "COpenSSL", "CLinux"]),
    .executableTarget(
      name: "GatehouseCommand",
      dependencies: [
        "Gateway", "Development", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // For the other side: a Swift backend verifies internal tokens with it. It shares no code with the gateway.
    .target(name: "GatehouseBackend", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),

    .testTarget(name: "ArchitectureTests", dependencies: ["Configuration"]),
    .testTarget(name: "BytesTests", dependencies: ["Bytes"]),
    .testTarget(name: "JSONTests", dependencies: ["JSON", "Bytes"]),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP", "Bytes"]),
    .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "HTTP"]),
    .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "HTTP", "Bytes", "CNghttp2", "CLinux"]),
    .testTarget(name: "CryptographyTests", dependencies: ["Cryptography", "Bytes"]),
    .testTarget(name: "WebSocketTests", dependencies: ["WebSocket"]),
    .testTarget(name: "TokensTests", dependencies: ["Tokens", "Limits", "Cryptography", "JSON"]),
    .testTarget(name: "LimitsTests", dependencies: ["Limits"]),
    .testTarget(name: "RoutingTests", dependencies: ["Routing", "HTTP", "JSON"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "HTTP", "Bytes"]),
    .testTarget(name: "ReactorTests", dependencies: ["Reactor", "Bytes", "CLinux"]),
    .testTarget(name: "ResolverTests", dependencies: ["Resolver", "Reactor", "CLinux"]),
    .testTarget(name: "RedisTests", dependencies: ["Redis", "Reactor", "CHiredis", "CLinux"]),
    .testTarget(name: "TLSTests", dependencies: ["TLS", "COpenSSL", "CLinux"]),
    .testTarget(name: "TransportTests", dependencies: ["Transport", "TLS", "Development", "Reactor", "Bytes", "CLinux"]),
    .testTarget(
      name: "UpstreamTests", dependencies: ["Upstream", "Development", "Transport", "HTTP", "TLS", "Reactor", "Bytes", "CLinux"]),
    .testTarget(
      name: "ProxyTests",
      dependencies: [
        "Proxy", "Upstream", "Development", "Routing", "Tokens", "Limits", "TLS", "Telemetry", "HTTP1", "HTTP", "Reactor", "Bytes", "CLinux",
      ]),
    .testTarget(
      name: "GatehouseBackendTests",
      dependencies: ["GatehouseBackend", "JSON", .product(name: "Crypto", package: "swift-crypto")]),
    .testTarget(name: "SupervisionTests", dependencies: ["Gateway", "Telemetry"]),
    .testTarget(name: "DevelopmentTests", dependencies: ["Development", "Tokens", "TLS", "JSON"]),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "Routing", "Cryptography", "JSON"]),
  ],
  swiftLanguageModes: [.v6]
)
