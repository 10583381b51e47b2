import HTTP

/// What one worker counts with: one for each `WorkerCounts`, and on the worker's own thread.
///
/// Routes, backends and endpoints are numbers of `MetricNames`. Denial codes and results are numbers of the
/// `MetricVocabulary` that the registry has.
package final class WorkerMetrics {
  package typealias Side = WorkerCounts.Side
  package typealias ConnectionProtocol = WorkerCounts.ConnectionProtocol
  package typealias TokenLookup = WorkerCounts.TokenLookup

  private let counts: WorkerCounts
  private var series: SeriesIndex

  package init(_ counts: WorkerCounts) {
    self.counts = counts
    series = SeriesIndex(counts.series)
  }

  /// A request that was answered. `route` is `MetricNames.none` when it met none.
  package func countRequest(route: Int, method: HTTPMethod, status: Int, nanoseconds: UInt64) {
    series.add(SeriesKey(.requests, route, Int(method.rawValue), status))
    let number = route < 0 || route >= WorkerCounts.histogramCapacity - 1 ? 0 : route &+ 1
    counts.histograms.with(number) { $0.observe(nanoseconds: nanoseconds) }
  }

  /// A request that the gateway refused.
  package func countDenied(route: Int, code: UInt8) {
    series.add(SeriesKey(.denied, route, Int(code)))
  }

  /// A TLS handshake that ended.
  package func countHandshake(side: Side, result: UInt8) {
    series.add(SeriesKey(.handshakes, side.rawValue, Int(result)))
  }

  package func connectionOpened(side: Side, protocol name: ConnectionProtocol) {
    counts.connections[WorkerCounts.place(side, name)].add(1)
  }

  /// Once for each `connectionOpened`.
  package func connectionClosed(side: Side, protocol name: ConnectionProtocol) {
    counts.connections[WorkerCounts.place(side, name)].add(UInt64.max)
  }

  package func countRefusedConnection(listener: Int, _ reason: WorkerCounts.ConnectionRefusal) {
    series.add(SeriesKey(.refusedConnections, listener, reason.rawValue))
  }

  package func countTokenLookup(_ result: TokenLookup) { counts.lookups[result.rawValue].add(1) }

  /// An internal token that was signed.
  package func countMinted(backend: Int) { series.add(SeriesKey(.minted, backend)) }

  /// A request to a backend that ended, one way or another.
  package func countUpstream(backend: Int, endpoint: Int, result: UInt8) {
    series.add(SeriesKey(.upstream, backend, endpoint &+ 1, Int(result)))
  }

  /// A request waits for a connection to a backend.
  package func requestQueued(backend: Int) { series.add(SeriesKey(.pending, backend)) }

  /// It waits no more. Once for each `requestQueued`.
  package func requestDequeued(backend: Int, _ result: WorkerCounts.PendingResult, nanoseconds: UInt64) {
    series.add(SeriesKey(.pending, backend), UInt64.max)
    series.add(SeriesKey(.pendingEnded, backend, result.rawValue))
    let number = backend < 0 || backend >= WorkerCounts.backendCapacity - 1 ? 0 : backend &+ 1
    counts.waits.with(number) { $0.observe(nanoseconds: nanoseconds) }
  }

  /// A line that the access log had no room for.
  package func countDroppedLine() { countDroppedLines(1) }

  /// Lines that could not be written.
  package func countDroppedLines(_ count: Int) { counts.droppedLines.add(UInt64(clamping: count)) }

  /// Bytes that the worker's cache of verified tokens holds.
  package func setTokenCacheBytes(_ bytes: Int) { counts.tokenCache.set(UInt64(clamping: bytes)) }
}
