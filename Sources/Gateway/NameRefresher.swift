import Bytes
import Foundation
import Reactor
import Upstream

/// Resolves the names of endpoints again and again, on a thread of its own, since resolving blocks.
///
/// A name that does not resolve keeps its last addresses; one that never did is tried more often.
package final class NameRefresher: Sendable {
  private let endpoints = Locked<[Endpoint]>([])
  /// Seconds between two looks at a name, with and without addresses.
  private static let period = 30
  private static let retry = 2

  package init() {}

  package func watch(_ endpoints: [Endpoint]) { self.endpoints.withLock { $0 = endpoints } }

  package func start() {
    let thread = Thread { [self] in
      var second = 0
      while true {
        Thread.sleep(forTimeInterval: 1)
        second += 1
        for endpoint in endpoints.withLock({ $0 }) {
          let period = endpoint.address(attempt: 0) == nil ? Self.retry : Self.period
          if second % period == 0 { endpoint.update(SocketAddress.resolve(host: endpoint.host, port: endpoint.port)) }
        }
      }
    }
    thread.name = "names"
    thread.start()
  }
}
