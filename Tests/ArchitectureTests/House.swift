/// The house, bottom up: each room, and what it may import. A new room or a new arrow is a decision, and is written down here.
enum House {
  struct Room {
    let name: String
    let imports: Set<String>
    /// Whether requests pass through it: no Foundation, no YAML, no logging library.
    let isDataPlane: Bool
    /// Whether it only names a C library: `CLinux` and the like.
    var isForeign: Bool { name.hasPrefix("C") && name.dropFirst().first?.isUppercase == true }
  }

  /// Every arrow of a room points to a room above it in this list.
  static let rooms: [Room] = [
    room("CLinux"), room("COpenSSL"), room("CNghttp2"), room("CJWT"), room("CJansson"), room("CHiredis"), room("CCares"),
    // Pure rooms: no sockets, no threads.
    room("Bytes", "CLinux"),
    room("JSON", "Bytes"),
    room("HTTP", "Bytes"),
    room("HTTP1", "HTTP", "Bytes"),
    room("HTTP2", "HTTP", "Bytes", "CNghttp2", "CLinux"),
    // Keys, signatures and digests: what calls OpenSSL and libjwt, behind types that cannot be used wrongly.
    room("Cryptography", "Bytes", "COpenSSL", "CJWT", "CJansson"),
    room("WebSocket", "Cryptography", "Bytes"),
    room("Limits"),
    room("Tokens", "Limits", "JSON", "Cryptography", "Bytes"),
    room("Routing", "HTTP", "JSON", "Bytes"),
    room("Telemetry", "HTTP", "Bytes"),
    // Sockets and connections.
    room("Reactor", "Bytes", "CLinux"),
    room("Resolver", "Reactor", "Bytes", "CCares", "CLinux"),
    room("Redis", "Reactor", "Limits", "CHiredis", "CLinux"),
    room("TLS", "Bytes", "COpenSSL", "CLinux"),
    room("Transport", "TLS", "HTTP2", "Reactor", "Bytes", "CLinux"),
    room("Upstream", "Transport", "Limits", "HTTP2", "HTTP1", "HTTP", "TLS", "Reactor", "Bytes", "CLinux"),
    room(
      "Proxy", "Upstream", "Transport", "Limits", "Tokens", "Routing", "Telemetry", "WebSocket", "Cryptography", "HTTP2", "HTTP1",
      "HTTP", "TLS",
      "Reactor", "JSON", "Bytes", "CLinux"),
    // The process.
    room("Configuration", "Routing", "JSON", "Cryptography", "Bytes", "HTTP", "Yams", dataPlane: false),
    room(
      "Gateway", "Proxy", "Configuration", "Redis", "Resolver", "Upstream", "Transport", "Limits", "Tokens", "Routing", "Telemetry",
      "HTTP1", "HTTP", "TLS", "Reactor",
      "JSON", "Bytes", "COpenSSL", "CLinux", "Logging", dataPlane: false),
    room("Development", "Tokens", "JSON", "Bytes", "HTTP1", "HTTP", "TLS", "COpenSSL", "CLinux", dataPlane: false),
    room(
      "GatehouseCommand", "Gateway", "Development", "Configuration", "Tokens", "JSON", "ArgumentParser", dataPlane: false),
    // For backends, in other processes: it knows no room of the gateway's.
    room("GatehouseBackend", "Crypto", dataPlane: false),
  ]

  /// What comes with Swift itself. Foundation only where no request passes.
  static let standard: Set<String> = ["Swift", "Glibc", "Synchronization"]
  /// Libraries from elsewhere that stand in `imports` above.
  static let packages: Set<String> = ["Yams", "Logging", "ArgumentParser", "Crypto"]
  /// Rooms that must stay pure, so that they are tested, fuzzed and explained without sockets.
  static let pure = ["JSON", "HTTP", "HTTP1", "Tokens", "Routing", "Limits", "Telemetry"]
  /// Rooms without one expression that the compiler calls unsafe: they read what comes from outside.
  static let safe = ["JSON", "HTTP", "HTTP1", "WebSocket", "Tokens", "Routing", "Limits", "Telemetry", "Configuration"]

  private static func room(_ name: String, _ imports: String..., dataPlane: Bool = true) -> Room {
    Room(name: name, imports: Set(imports), isDataPlane: dataPlane)
  }
}
