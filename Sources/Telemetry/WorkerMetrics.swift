import HTTP
import Synchronization

/// What one worker counts. The worker alone writes, without locks; the admin thread reads at any time.
///
/// Routes, backends and endpoints are numbers of `MetricNames`. Denial codes and results are numbers of the
/// `MetricVocabulary` that the registry has.
package final class WorkerMetrics: @unchecked Sendable {
  package enum Side: Int, CaseIterable, Sendable { case edge, upstream }
  package enum ConnectionProtocol: Int, CaseIterable, Sendable { case http1, http2 }
  package enum TokenLookup: Int, CaseIterable, Sendable {
    /// Verified before, and still good.
    case hit
    /// Had to be verified.
    case miss
  }

  /// Routes that have a histogram of their own; the numbers above share the first, the one without a name.
  static let histogramCapacity = 65_536
  private static let histogramsPerChunk = 32

  private let series = SeriesTable()
  private let connections: UnsafeMutablePointer<Counter>
  private let lookups: UnsafeMutablePointer<Counter>
  private let tokenCache = Counter()
  /// Chunks of histograms, each made when a route of it is first met and published with release.
  private let histograms: UnsafeMutablePointer<Atomic<UInt>>

  private static let connectionCount = Side.allCases.count * ConnectionProtocol.allCases.count
  private static let histogramChunks = histogramCapacity / histogramsPerChunk

  package init() {
    connections = .allocate(capacity: Self.connectionCount)
    for index in 0..<Self.connectionCount { (connections + index).initialize(to: Counter()) }
    lookups = .allocate(capacity: TokenLookup.allCases.count)
    for index in 0..<TokenLookup.allCases.count { (lookups + index).initialize(to: Counter()) }
    histograms = .allocate(capacity: Self.histogramChunks)
    for index in 0..<Self.histogramChunks { (histograms + index).initialize(to: Atomic(0)) }
  }

  deinit {
    connections.deinitialize(count: Self.connectionCount)
    connections.deallocate()
    lookups.deinitialize(count: TokenLookup.allCases.count)
    lookups.deallocate()
    for index in 0..<Self.histogramChunks {
      if let chunk = histogramChunk(index) {
        chunk.deinitialize(count: Self.histogramsPerChunk)
        chunk.deallocate()
      }
    }
    histograms.deinitialize(count: Self.histogramChunks)
    histograms.deallocate()
  }

  // MARK: Written by the worker

  /// A request that was answered. `route` is `MetricNames.none` when it met none.
  package func countRequest(route: Int, method: HTTPMethod, status: Int, nanoseconds: UInt64) {
    series.add(SeriesKey(.requests, route, Int(method.rawValue), status))
    let number = route < 0 || route >= Self.histogramCapacity - 1 ? 0 : route &+ 1
    let chunk = histogramChunk(number / Self.histogramsPerChunk) ?? makeHistogramChunk(number / Self.histogramsPerChunk)
    chunk[number % Self.histogramsPerChunk].observe(nanoseconds: nanoseconds)
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
    connections[side.rawValue &* ConnectionProtocol.allCases.count &+ name.rawValue].add(1)
  }

  /// Once for each `connectionOpened`.
  package func connectionClosed(side: Side, protocol name: ConnectionProtocol) {
    connections[side.rawValue &* ConnectionProtocol.allCases.count &+ name.rawValue].add(UInt64.max)
  }

  package func countTokenLookup(_ result: TokenLookup) { lookups[result.rawValue].add(1) }

  /// An internal token that was signed.
  package func countMinted(backend: Int) { series.add(SeriesKey(.minted, backend)) }

  /// A request to a backend that ended, one way or another.
  package func countUpstream(backend: Int, endpoint: Int, result: UInt8) {
    series.add(SeriesKey(.upstream, backend, endpoint &+ 1, Int(result)))
  }

  /// Bytes that the worker's cache of verified tokens holds.
  package func setTokenCacheBytes(_ bytes: Int) { tokenCache.set(UInt64(clamping: bytes)) }

  // MARK: Read by the registry

  func forEachSeries(_ body: (SeriesKey, UInt64) -> Void) { series.forEach(body) }

  var droppedSeries: UInt64 { series.dropped.read() }

  /// Open now, never below zero.
  func openConnections(side: Side, protocol name: ConnectionProtocol) -> UInt64 {
    let value = connections[side.rawValue * ConnectionProtocol.allCases.count + name.rawValue].read()
    return UInt64(clamping: Int64(bitPattern: value))
  }

  func tokenLookups(_ result: TokenLookup) -> UInt64 { lookups[result.rawValue].read() }

  var tokenCacheBytes: UInt64 { tokenCache.read() }

  /// Adds each route's histogram to its entry of `totals`.
  func addHistograms(to totals: inout [Int: DurationHistogram.Snapshot]) {
    for index in 0..<Self.histogramChunks {
      guard let chunk = histogramChunk(index) else { continue }
      for offset in 0..<Self.histogramsPerChunk {
        var one = DurationHistogram.Snapshot()
        chunk[offset].add(to: &one)
        if one.count > 0 { chunk[offset].add(to: &totals[index * Self.histogramsPerChunk + offset - 1, default: .init()]) }
      }
    }
  }

  @inline(__always)
  private func histogramChunk(_ index: Int) -> UnsafeMutablePointer<DurationHistogram>? {
    UnsafeMutablePointer(bitPattern: histograms[index].load(ordering: .acquiring))
  }

  @inline(never)
  private func makeHistogramChunk(_ index: Int) -> UnsafeMutablePointer<DurationHistogram> {
    let chunk = UnsafeMutablePointer<DurationHistogram>.allocate(capacity: Self.histogramsPerChunk)
    for offset in 0..<Self.histogramsPerChunk { (chunk + offset).initialize(to: DurationHistogram()) }
    histograms[index].store(UInt(bitPattern: chunk), ordering: .releasing)
    return chunk
  }
}
