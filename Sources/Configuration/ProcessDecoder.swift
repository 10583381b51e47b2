import Routing

/// `process`, `access_log`, `admin`, `merge_slashes` and `path_parameters`: what there is once.
enum ProcessDecoder {
  static func process(_ cursor: Cursor) -> ProcessSettings {
    var settings = ProcessSettings()
    guard let values = cursor.mapping(["workers", "drain", "log_level", "gathered", "proofs", "resolvers"]) else { return settings }
    if let workers = values["workers"]?.integer(0...1024) { settings.workers = workers }
    if let drain = values["drain"]?.duration(0...3_600_000) { settings.drain = drain }
    if let gathered = values["gathered"]?.size(1 << 20...1 << 40) { settings.gathered = gathered }
    if let proofs = values["proofs"]?.integer(1024...1 << 24) { settings.proofs = proofs }
    let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
    if let level = values["log_level"]?.word(levels.map { ($0, $0) }) { settings.logLevel = level }
    settings.resolvers = values["resolvers"]?.list("127.0.0.1:53", maximum: maximumResolvers)?.compactMap(resolver) ?? []
    return settings
  }

  /// More would not be heard of: c-ares asks one after the other.
  private static let maximumResolvers = 8

  private static func resolver(_ cursor: Cursor) -> String? {
    // Said at once: a name with a port would be refused next.
    if let text = cursor.text(), !text.contains(":"), !AddressDecoder.isLiteral(text) {
      cursor.report("a name server is named by its address: write `127.0.0.1:53`")
      return nil
    }
    guard let address = AddressDecoder.decode(cursor, ports: 1...65535) else { return nil }
    guard case .tcp(let host, let port) = address.value, AddressDecoder.isLiteral(host) else {
      cursor.report("a name server is named by its address: write `127.0.0.1:53`")
      return nil
    }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  static func accessLog(_ cursor: Cursor, _ configuration: inout GatewayConfiguration) {
    guard let values = cursor.mapping(["path"]),
      let path = values.required("path", "`-` for standard output, a file, or `off`"), let text = path.text()
    else { return }
    configuration.accessLogLocation = path.location
    switch text {
    case "-": configuration.accessLog = .standardOutput
    case "off": configuration.accessLog = .off
    default: if let file = path.path() { configuration.accessLog = .file(file.value) }
    }
  }

  static func admin(_ cursor: Cursor) -> AdminSettings? {
    guard let values = cursor.mapping(["address", "hosts"]) else { return nil }
    let address = values.required("address", "`127.0.0.1:9901`").flatMap {
      AddressDecoder.decode($0, ports: 0...65535, allowsUnix: true)
    }
    let hosts = values["hosts"]?.list("gatehouse.internal", mayBeEmpty: true)?.compactMap(host)
    guard let address else { return nil }
    var settings = AdminSettings(address: address)
    settings.hosts = hosts ?? []
    return settings
  }

  private static func host(_ cursor: Cursor) -> String? {
    guard let text = cursor.text() else { return nil }
    do throws(PatternError) {
      _ = try HostPattern(text)
      return text
    } catch {
      cursor.report(error.message)
      return nil
    }
  }
}
