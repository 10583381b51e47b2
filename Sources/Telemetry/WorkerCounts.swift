import Bytes

/// What one worker has counted, as any thread may read it. Only the worker's own `WorkerMetrics` changes it, without locks.
package final class WorkerCounts: Sendable {
  package enum Side: Int, CaseIterable, Sendable { case edge, upstream }
  package enum ConnectionProtocol: Int, CaseIterable, Sendable { case http1, http2 }
  package enum TokenLookup: Int, CaseIterable, Sendable {
    /// Verified before, and still good.
    case hit
    /// Had to be verified.
    case miss
  }

  /// How a request's wait for a connection to a backend ended.
  package enum PendingResult: Int, CaseIterable, Sendable {
    /// It got one.
    case served
    case timeout
    /// It gave way to a client who had fewer requests in the queue.
    case overloaded
    case cancelled
    /// A reload has changed the backend: the request is routed again.
    case reload
  }

  /// Why a client's connection was not taken, or ended before it could carry a request.
  package enum ConnectionRefusal: Int, CaseIterable, Sendable {
    case connections, connectionsPerClient, proxyProtocol, handshakeFailure, handshakeTimeout, draining, descriptors

    var word: String {
      switch self {
      case .connections: "connections"
      case .connectionsPerClient: "connections_per_client"
      case .proxyProtocol: "proxy_protocol"
      case .handshakeFailure: "handshake_failure"
      case .handshakeTimeout: "handshake_timeout"
      case .draining: "draining"
      case .descriptors: "descriptors"
      }
    }
  }

  /// Routes that have a histogram of their own; the numbers above share the first, the one without a name.
  static let histogramCapacity = 65_536
  private static let histogramsPerChunk = 32
  /// Backends that have a histogram of their own; those above share the first.
  static let backendCapacity = 4_096

  let series = SeriesTable()
  /// By side, then by protocol.
  let connections = InlineArray<4, Counter> { _ in Counter() }
  let lookups = InlineArray<2, Counter> { _ in Counter() }
  let tokenCache = Counter()
  /// Lines that the access log had no room for.
  let droppedLines = Counter()
  /// Made when a route is first met.
  let histograms = LazyTable<DurationHistogram>(capacity: histogramCapacity, chunkCapacity: histogramsPerChunk) {
    DurationHistogram()
  }

  /// How long requests waited for a connection to a backend. Made when a request first waits for it.
  let waits = LazyTable<DurationHistogram>(capacity: backendCapacity, chunkCapacity: histogramsPerChunk) { DurationHistogram() }

  package init() {}

  func forEachSeries(_ body: (SeriesKey, UInt64) -> Void) { series.forEach(body) }

  var droppedSeries: UInt64 { series.dropped.read() }

  /// Open now, never below zero.
  package func openConnections(side: Side, protocol name: ConnectionProtocol) -> UInt64 {
    let value = connections[Self.place(side, name)].read()
    return UInt64(clamping: Int64(bitPattern: value))
  }

  func tokenLookups(_ result: TokenLookup) -> UInt64 { lookups[result.rawValue].read() }

  var tokenCacheBytes: UInt64 { tokenCache.read() }

  /// Adds each route's histogram to its entry of `totals`.
  func addHistograms(to totals: inout [Int: DurationHistogram.Snapshot]) { Self.add(histograms, Self.histogramCapacity, to: &totals) }

  /// Adds each backend's histogram of waits to its entry of `totals`.
  func addWaits(to totals: inout [Int: DurationHistogram.Snapshot]) { Self.add(waits, Self.backendCapacity, to: &totals) }

  private static func add(
    _ histograms: borrowing LazyTable<DurationHistogram>, _ capacity: Int, to totals: inout [Int: DurationHistogram.Snapshot]
  ) {
    for chunk in stride(from: 0, to: capacity, by: histogramsPerChunk) {
      // Most names are far below the bound: a chunk that is not there is passed over at once.
      guard histograms.withMade(chunk, { _ in true }) == true else { continue }
      for index in chunk..<(chunk + histogramsPerChunk) {
        var one = DurationHistogram.Snapshot()
        histograms.withMade(index) { $0.add(to: &one) }
        if one.count > 0 { totals[index - 1, default: .init()].add(one) }
      }
    }
  }

  @inline(__always)
  static func place(_ side: Side, _ name: ConnectionProtocol) -> Int { side.rawValue &* 2 &+ name.rawValue }
}
