/// Which of a listener's certificates answers to which server name (RFC 6066 section 3).
///
/// Exact names come before wildcards, and earlier certificates before later ones. `*.example.com` stands for one label.
/// What matches nothing gets the first certificate: a client without SNI has to get something, and checks the name itself.
struct ServerNameTable: Sendable {
  private var exact: [String: Int] = [:]
  /// Keyed by what follows `*`: `.example.com`.
  private var wildcard: [String: Int] = [:]

  /// - Parameter names: the DNS names of each certificate, in lower case.
  init(names: [[String]]) {
    for (index, list) in names.enumerated() {
      for name in list {
        if name.hasPrefix("*.") {
          let suffix = String(name.dropFirst())
          if wildcard[suffix] == nil { wildcard[suffix] = index }
        } else if exact[name] == nil {
          exact[name] = index
        }
      }
    }
  }

  /// The certificate for `serverName`, in any case and with or without the dot at the end; nil when none is for it.
  func index(for serverName: String) -> Int? {
    var name = serverName.lowercased()
    if name.hasSuffix(".") { name.removeLast() }
    if let index = exact[name] { return index }
    guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
    return wildcard[String(name[dot...])]
  }
}
