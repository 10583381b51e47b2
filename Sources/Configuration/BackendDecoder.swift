/// A row of `backends`.
enum BackendDecoder {
  static func decode(_ cursor: Cursor) -> BackendSettings? {
    let known = ["name", "endpoints", "protocol", "tls", "balance", "timeouts", "limits", "internal_token"]
    guard let values = cursor.mapping(known, later: ["health", "retries"]) else { return nil }
    let name = values.required("name", "a name of your choice")?.name()
    let endpoints = values.required("endpoints", "`[HOST:PORT]`").map(endpoints)
    let protocols = values["protocol"]?.word([("auto", ProtocolSettings.automatic), ("http/1.1", .http1), ("h2", .http2)])
    let tls = values.required("tls", "`{ ca: …, certificate: …, key: …, server_name: … }`").flatMap(tls)
    let balances: [(String, BalanceSettings)] = [("round_robin", .roundRobin), ("least_requests", .leastRequests)]
    let balance = values["balance"]?.word(balances, later: ["consistent_hash"])
    let timeouts = values["timeouts"].map(timeouts)
    let limits = values["limits"].map(limits)
    let internalToken = values["internal_token"].flatMap(InternalTokenDecoder.decodeBackend)
    guard let name, let tls else { return nil }
    var settings = BackendSettings(name: name, tls: tls)
    settings.endpoints = endpoints ?? []
    settings.protocols = protocols ?? settings.protocols
    settings.balance = balance ?? settings.balance
    settings.timeouts = timeouts ?? settings.timeouts
    settings.limits = limits ?? settings.limits
    settings.internalToken = internalToken
    return settings
  }

  private static func endpoints(_ cursor: Cursor) -> [Located<SocketAddressSettings>] {
    var seen: Set<SocketAddressSettings> = []
    return (cursor.list("orders-1.internal:9443") ?? []).compactMap { element in
      guard let address = AddressDecoder.decode(element, ports: 1...65535) else { return nil }
      if !seen.insert(address.value).inserted { element.report("the endpoint is written twice: keep one") }
      return address
    }
  }

  private static func tls(_ cursor: Cursor) -> BackendTLSSettings? {
    guard let values = cursor.mapping(["ca", "certificate", "key", "server_name", "identities"]) else { return nil }
    let ca = values.required("ca", "the file that the backend's certificate is checked with")?.path()
    let certificate = values.required("certificate", "the gateway's own certificate, a PEM file")?.path()
    let key = values.required("key", "the certificate's key, a PEM file")?.path()
    let serverName = values["server_name"].flatMap(serverName)
    let identities = values["identities"]?.list("\"spiffe://example.internal/orders\"")?.compactMap(identity)
    if values["server_name"] == nil, values["identities"] == nil {
      cursor.report("whom to expect is missing: write `server_name: orders.internal` or `identities: [\"spiffe://…\"]`")
    }
    guard let ca, let certificate, let key else { return nil }
    var settings = BackendTLSSettings(ca: ca, certificate: CertificateSettings(certificate: certificate, key: key))
    settings.serverName = serverName
    settings.identities = identities ?? []
    return settings
  }

  private static func serverName(_ cursor: Cursor) -> Located<String>? {
    guard let name = cursor.locatedText() else { return nil }
    let labels = name.value.split(separator: ".", omittingEmptySubsequences: false)
    let isPlain = name.value.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f].contains($0) }
    guard isPlain, name.value.utf8.count <= 253, labels.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 63 }) else {
      cursor.report("`\(name.value)` is no DNS name: write the one in the backend's certificate, such as `orders.internal`")
      return nil
    }
    return name
  }

  /// A SPIFFE ID (SPIFFE-ID section 2): scheme, trust domain in lower case, path without empty and dot segments.
  private static func identity(_ cursor: Cursor) -> Located<String>? {
    guard let text = cursor.locatedText() else { return nil }
    let parts = text.value.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
    let isValid =
      text.value.hasPrefix("spiffe://") && text.value.utf8.count <= 2048 && parts.count > 0
      && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.allSatisfy(isIdentityByte) }
      && parts[0] == parts[0].lowercased()
    if isValid { return text }
    cursor.report("`\(text.value)` is no SPIFFE ID: write it as in `spiffe://example.internal/orders`")
    return nil
  }

  private static func isIdentityByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2d || byte == 0x2e || byte == 0x5f
  }

  private static func timeouts(_ cursor: Cursor) -> BackendTimeouts {
    var timeouts = BackendTimeouts()
    guard let values = cursor.mapping(["connect", "response", "idle", "tunnel"]) else { return timeouts }
    if let value = values["connect"]?.duration(1...3_600_000) { timeouts.connect = value }
    if let value = values["response"]?.duration(1...3_600_000) { timeouts.response = value }
    if let value = values["idle"]?.duration(1...3_600_000) { timeouts.idle = value }
    if let value = values["tunnel"]?.duration(1...86_400_000) { timeouts.tunnel = value }
    return timeouts
  }

  private static func limits(_ cursor: Cursor) -> BackendLimits {
    var limits = BackendLimits()
    guard
      let values = cursor.mapping(["connections", "pending", "client_share", "header_bytes", "header_count"], later: ["requests"])
    else { return limits }
    if let value = values["connections"]?.limit(1...100_000) { limits.connections = value }
    if let value = values["pending"]?.integer(0...1_000_000) { limits.pending = value }
    if let value = values["client_share"]?.percent(1...100) { limits.clientShare = value }
    // More does not get through everywhere: many HTTP/2 clients take eight CONTINUATION frames for a head, as this gateway does.
    if let value = values["header_bytes"]?.size(1 << 10...128 << 10) { limits.headerBytes = value }
    if let value = values["header_count"]?.limit(1...512) { limits.headerCount = value }
    return limits
  }
}
