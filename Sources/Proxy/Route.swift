import Bytes
import HTTP
import JSON

/// A row of the route table as requests use it: who may pass, where to, with which bounds. Immutable, shared by workers.
package final class Route: Sendable {
  package let name: String
  /// The route's place in its snapshot's list.
  package let index: Int
  /// The route's id in the metrics, stable across reloads.
  package let metricID: Int
  /// Who may pass.
  package let access: RouteAccess
  /// Backends by index in the snapshot, with running totals of their weights.
  package let backends: [(index: Int, upTo: Int)]
  /// Taken off the front of the path before forwarding; empty takes nothing.
  package let stripPrefix: [UInt8]
  /// Milliseconds from the request's end to the response's end; 0 leaves it to the backend's time-outs.
  package let timeout: Int
  /// Bytes of content a request may have.
  package let bodyMaximum: UInt64
  /// Bytes of content that are gathered before a backend's connection is taken; 0 gathers none.
  package let bodyGather: Int
  /// Bytes a second and milliseconds in place of the listener's; 0 is no bound.
  package let bodyRate: UInt64?
  package let bodyTotal: UInt64?
  package let forwardsAccessToken: Bool
  /// Names, in lower case, of fields that frameworks believe and that travel all the same.
  private let forwardedFields: [[UInt8]]
  /// A response or WebSocket ends when its access token does.
  package let endsAtExpiry: Bool
  /// What a Txn-Token's `tctx` says of the route: its name and its path as it is written, as JSON members.
  package let transactionContext: [UInt8]

  /// - Parameter backends: see `sharing`.
  package init(
    name: String, index: Int, metricID: Int, access: RouteAccess, backends: [(index: Int, upTo: Int)], stripPrefix: [UInt8],
    timeout: Int, bodyMaximum: UInt64, bodyGather: Int = 0, bodyRate: UInt64? = nil, bodyTotal: UInt64? = nil,
    forwardsAccessToken: Bool,
    forwardedFields: [[UInt8]] = [], endsAtExpiry: Bool = false, path: String = "/**"
  ) {
    self.name = name
    self.index = index
    self.metricID = metricID
    self.access = access
    self.backends = backends
    self.stripPrefix = stripPrefix
    self.timeout = timeout
    self.bodyMaximum = bodyMaximum
    self.bodyGather = bodyGather
    self.bodyRate = bodyRate
    self.bodyTotal = bodyTotal
    self.forwardsAccessToken = forwardsAccessToken
    self.forwardedFields = forwardedFields
    self.endsAtExpiry = endsAtExpiry
    transactionContext =
      Array(#","route":"#.utf8) + JSONWriter.bytes(JSONValue(text: name)) + Array(#","path":"#.utf8)
      + JSONWriter.bytes(JSONValue(text: path))
  }

  /// Backends with their weights as running totals.
  package static func sharing(_ weights: [(index: Int, weight: Int)]) -> [(index: Int, upTo: Int)] {
    var total = 0
    return weights.map { backend in
      total += backend.weight
      return (backend.index, total)
    }
  }

  /// Whether the route lets through a field that else stays here. Case does not matter, everything else does.
  func forwards(_ name: Span<UInt8>) -> Bool {
    for field in forwardedFields where name.equalsIgnoringCase(field.span) { return true }
    return false
  }

  /// The backend for a request that drew `random`, by weight.
  package func backend(drawing random: @autoclosure () -> UInt64) -> Int {
    guard backends.count > 1, let total = backends.last?.upTo else { return backends[0].index }
    let point = Int(random() % UInt64(total))
    for backend in backends where point < backend.upTo { return backend.index }
    return backends[0].index
  }
}
