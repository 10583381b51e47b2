import Bytes
import Reactor

/// One address of a backend, as written by the operator and as resolved by the control thread.
package final class Endpoint: Sendable {
  /// `host:port` as written: its label in metrics and logs.
  package let name: String
  package let host: String
  package let port: UInt16
  /// The endpoint's id in the metrics, stable across reloads.
  package let metricID: Int
  private let resolved: Locked<[SocketAddress]>

  /// - Parameter addresses: what the name resolved to; a unix-domain endpoint has its one address for good.
  package init(name: String, host: String, port: UInt16, metricID: Int, addresses: [SocketAddress]) {
    self.name = name
    self.host = host
    self.port = port
    self.metricID = metricID
    resolved = Locked(addresses)
  }

  /// The address for attempt number `attempt`; nil when the name does not resolve. Locks: for connecting, never for
  /// a request on a pooled connection.
  package func address(attempt: Int) -> SocketAddress? {
    resolved.withLock { $0.isEmpty ? nil : $0[attempt % $0.count] }
  }

  /// Replaces the addresses, after the name was resolved again. An answer with none keeps the old ones.
  package func update(_ addresses: [SocketAddress]) {
    guard !addresses.isEmpty else { return }
    resolved.withLock { $0 = addresses }
  }
}
