/// A row of `listeners`.
enum ListenerDecoder {
  static func decode(_ cursor: Cursor) -> ListenerSettings? {
    let known = [
      "name", "address", "tls", "plaintext", "redirect_port", "limits", "timeouts", "trusted_proxies", "serve", "proxy_protocol",
    ]
    guard let values = cursor.mapping(known) else { return nil }
    let name = values.required("name", "a name of your choice")?.name()
    // Port 0 lets the kernel choose; the process says which when it is ready.
    let address = values.required("address", "`0.0.0.0:8443`").flatMap {
      AddressDecoder.decode($0, ports: 0...65535, allowsUnix: true)
    }
    let security = security(values)
    let limits = values["limits"].map(limits)
    let timeouts = values["timeouts"].map(timeouts)
    let written = values["trusted_proxies"]?.list("10.0.0.0/8", mayBeEmpty: true) ?? []
    let networks = written.map(AddressDecoder.network)
    let proxies = networks.compactMap(\.self)
    for (place, network) in zip(written, networks) where network?.isEverybody == true {
      place.file.collector.warn(
        place.location,
        "every client is trusted: whoever connects may say in X-Forwarded-For who he is. Write the networks of your proxies alone")
    }
    let serves = values["serve"]?.word([("jwks", false), ("logout", true)])
    let expectsHeader = values["proxy_protocol"]?.boolean() ?? false
    if expectsHeader, values["trusted_proxies"] == nil || proxies.isEmpty {
      values["proxy_protocol"]?.report(
        "`proxy_protocol` needs `trusted_proxies`: write whose word is to be believed, such as `[10.0.0.0/8]`")
    }
    guard let name, let address, let security else { return nil }
    var settings = ListenerSettings(name: name, address: address, security: security)
    settings.limits = limits ?? settings.limits
    settings.timeouts = timeouts ?? settings.timeouts
    settings.trustedProxies = proxies
    settings.servesJWKS = serves == false
    settings.servesLogout = serves == true
    settings.proxyProtocol = expectsHeader
    return settings
  }

  /// `tls`, or `plaintext` in so many words.
  private static func security(_ values: Mapping) -> ListenerSecurity? {
    guard let cursor = values["plaintext"] else {
      values["redirect_port"]?.report("`redirect_port` belongs to `plaintext: redirect`: leave it out")
      return values.required("tls", "`{ certificates: [{ certificate: …, key: … }] }`").flatMap(tls).map(ListenerSecurity.tls)
    }
    if values["tls"] != nil {
      cursor.report("`tls` and `plaintext` exclude each other: write one of them")
      return nil
    }
    guard let redirects = cursor.word([("redirect", true), ("serve", false)]) else { return nil }
    if !redirects {
      values["redirect_port"]?.report("`redirect_port` belongs to `plaintext: redirect`: leave it out")
      return .plaintext(.serve)
    }
    if let serve = values["serve"] { serve.report("a listener that redirects serves nothing: leave `serve` out") }
    let port = values["redirect_port"].map { $0.integer(1...65535) } ?? 443
    return port.map { .plaintext(.redirect(port: UInt16($0))) }
  }

  private static func tls(_ cursor: Cursor) -> ListenerTLSSettings? {
    guard let values = cursor.mapping(["certificates", "minimum_version", "client_ca", "client_auth", "plaintext"]) else { return nil }
    var settings = ListenerTLSSettings()
    let example = "{ certificate: edge.crt, key: edge.key }"
    let certificates = values.required("certificates", "`[\(example)]`")?.list(example, maximum: ListBounds.certificates)
    settings.certificates = certificates?.compactMap(certificate) ?? []
    if let version = values["minimum_version"]?.word([("TLSv1.2", TLSVersionSettings.tls12), ("TLSv1.3", .tls13)]) {
      settings.minimumVersion = version
    }
    settings.clientCA = values["client_ca"]?.path()
    let modes: [(String, ClientAuthSettings)] = [("none", .none), ("optional", .optional), ("required", .required)]
    if let mode = values["client_auth"]?.word(modes) { settings.clientAuth = mode }
    if let redirects = values["plaintext"]?.word([("refuse", false), ("redirect", true)]) { settings.redirectsPlaintext = redirects }
    if settings.clientAuth != .none, values["client_ca"] == nil {
      values["client_auth"]?.report("`client_auth` needs `client_ca`: write the file that client certificates are checked with")
    }
    return settings
  }

  /// `{ certificate: FILE, key: FILE }`.
  static func certificate(_ cursor: Cursor) -> CertificateSettings? {
    guard let values = cursor.mapping(["certificate", "key"]) else { return nil }
    let certificate = values.required("certificate", "a PEM file")?.path()
    let key = values.required("key", "a PEM file")?.path()
    guard let certificate, let key else { return nil }
    return CertificateSettings(certificate: certificate, key: key)
  }

  private static func limits(_ cursor: Cursor) -> ListenerLimits {
    var limits = ListenerLimits()
    let known = ["connections", "connections_per_client", "header_bytes", "header_count", "uri_bytes", "streams"]
    guard let values = cursor.mapping(known) else { return limits }
    if let value = values["connections"]?.limit(1...1_000_000) { limits.connections = value }
    if let value = values["connections_per_client"]?.integer(0...1_000_000) { limits.connectionsPerClient = value }
    if let value = values["header_bytes"]?.size(1 << 10...1 << 20) { limits.headerBytes = value }
    if let value = values["header_count"]?.limit(1...256) { limits.headerCount = value }
    if let value = values["uri_bytes"]?.size(256...64 << 10) { limits.uriBytes = value }
    if let value = values["streams"]?.limit(1...10_000) { limits.streams = value }
    if limits.uriBytes > limits.headerBytes {
      (values["uri_bytes"] ?? cursor).report("`uri_bytes` is more than `header_bytes`, which it is part of: write less")
    }
    return limits
  }

  private static func timeouts(_ cursor: Cursor) -> ListenerTimeouts {
    var timeouts = ListenerTimeouts()
    guard let values = cursor.mapping(["handshake", "header", "idle", "body", "body_rate", "body_total"]) else { return timeouts }
    if let value = values["handshake"]?.duration(1...3_600_000) { timeouts.handshake = value }
    if let value = values["header"]?.duration(1...3_600_000) { timeouts.header = value }
    if let value = values["idle"]?.duration(1...3_600_000) { timeouts.idle = value }
    if let value = values["body"]?.duration(1...3_600_000) { timeouts.body = value }
    if let value = values["body_rate"]?.byteRate(0...1 << 40) { timeouts.bodyRate = value }
    if let value = values["body_total"]?.bound(1...86_400_000) { timeouts.bodyTotal = value }
    return timeouts
  }
}
