import Telemetry
import Upstream

/// What is counted, and logged, of a request that waits for a connection to its backend.
extension Exchange {
  /// It stands in the backend's line.
  func noteQueued() {
    guard let snapshot, backend >= 0 else { return }
    queuedSince = loop.monotonicNanoseconds
    queuedBackend = snapshot.proxy.backends[backend].metricID
    metrics.requestQueued(backend: queuedBackend)
  }

  /// It stands there no more.
  func noteDequeued(_ end: WaitEnd) {
    guard queuedBackend >= 0 else { return }
    metrics.requestDequeued(backend: queuedBackend, pendingResult(end), nanoseconds: loop.monotonicNanoseconds &- queuedSince)
    queuedBackend = MetricNames.none
  }

  /// It has its connection, or is over.
  func noteWaited() {
    waitedFor &+= loop.monotonicNanoseconds &- waitingSince
    waitingSince = 0
  }

  private func pendingResult(_ end: WaitEnd) -> WorkerCounts.PendingResult {
    switch end {
    case .served: .served
    case .displaced: .overloaded
    case .withdrawn: .reload
    case .left: error == .upstreamTimeout ? .timeout : .cancelled
    }
  }
}
