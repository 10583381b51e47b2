import HTTP1
import Limits
import TLS

/// A named service as one snapshot knows it: its endpoints, how to speak TLS with it, how long to wait for it.
/// Immutable, shared by all workers.
package final class Backend: Sendable {
  /// What ALPN offers.
  package enum Protocols: Sendable { case automatic, http1, http2 }

  package enum Balance: Sendable { case roundRobin, leastRequests }

  package let name: String
  /// The name as the internal token's `aud`.
  package let audience: [UInt8]
  /// The backend's place in its snapshot's list.
  package let index: Int
  /// The backend's id in the metrics, stable across reloads.
  package let metricID: Int
  package let endpoints: [Endpoint]
  package let tls: ClientTLSContext
  package let balance: Balance
  package let protocols: Protocols
  /// Milliseconds for TCP and TLS together; until the response's head; for a pooled connection and between parts of a body.
  package let connectTimeout: Int
  package let responseTimeout: Int
  package let idleTimeout: Int
  /// Milliseconds that a WebSocket may be silent in both directions.
  package let tunnelTimeout: Int
  /// All workers together.
  package let connectionLimit: DividedLimit
  package let pendingLimit: DividedLimit
  /// Hundredths of what is there that one client may have; 100 is no bound.
  package let clientShare: Int
  /// Of a response: its bytes, and its fields.
  package let headLimits: HeadLimits
  /// Equal for two backends exactly if connections made for the one may carry requests for the other: same name, same
  /// endpoints, same CA, certificate, identities and bounds of a head.
  package let poolKey: [UInt8]

  package static let standardHeadLimits = HeadLimits(headerBytes: 64 << 10, headerCount: 128, uriBytes: 0)

  /// - Parameter workers: who share the limits.
  package init(
    name: String, index: Int, metricID: Int, endpoints: [Endpoint], tls: ClientTLSContext, balance: Balance, protocols: Protocols,
    connectTimeout: Int, responseTimeout: Int, idleTimeout: Int, tunnelTimeout: Int, connectionLimit: Int, pendingLimit: Int,
    workers: Int = 1, clientShare: Int = 50, poolKey: [UInt8], headLimits: HeadLimits = Backend.standardHeadLimits
  ) {
    self.name = name
    audience = Array(name.utf8)
    self.index = index
    self.metricID = metricID
    self.endpoints = endpoints
    self.tls = tls
    self.balance = balance
    self.protocols = protocols
    self.connectTimeout = connectTimeout
    self.responseTimeout = responseTimeout
    self.idleTimeout = idleTimeout
    self.tunnelTimeout = tunnelTimeout
    self.connectionLimit = DividedLimit(connectionLimit, parts: workers)
    self.pendingLimit = DividedLimit(pendingLimit, parts: workers)
    self.clientShare = clientShare
    self.headLimits = headLimits
    self.poolKey = poolKey
  }
}
