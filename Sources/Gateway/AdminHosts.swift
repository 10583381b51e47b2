import Configuration
import HTTP
import Routing

/// The names under which the admin listener answers.
///
/// A page that a browser has loaded from anywhere may ask any address, and read the answer if its own name comes to be that address
/// (DNS rebinding); but the request then says that name. Whoever writes an address, `localhost`, or a name of ours is no such page.
struct AdminHosts {
  private let names: [HostPattern]
  /// No page reaches a Unix socket.
  private let admitsAll: Bool

  init(_ settings: AdminSettings?) {
    var names = settings?.hosts ?? []
    var isLocal = false
    switch settings?.address.value {
    case .tcp(let host, _)?: names.append(host)
    case .unix?: isLocal = true
    case nil: break
    }
    // What is no pattern is an address, or was refused.
    self.names = (names + ["localhost"]).compactMap { try? HostPattern($0) }
    admitsAll = isLocal
  }

  /// - Parameter authority: as the request has it; empty when it has none.
  func admit(_ authority: Span<UInt8>) -> Bool {
    if admitsAll { return true }
    guard let parsed = Authority(authority) else { return false }
    if parsed.isAddress(in: authority) { return true }
    let host = authority.extracting(parsed.host.bounds)
    for name in names where name.matches(host) { return true }
    return false
  }
}
