/// Requests that wait for a connection to a backend: how many do now, how it ended, how long it took.
extension MetricsRegistry {
  func renderPending(_ workers: [WorkerCounts], _ series: [(key: SeriesKey, value: UInt64)], _ text: inout PrometheusText) {
    let gauge = "gatehouse_upstream_pending_requests"
    text.family(gauge, .gauge, "Requests that wait for a connection to a backend now.")
    for (key, value) in series where key.family == .pending {
      // A worker may have been read between its two counts.
      text.sample(gauge, [("backend", backend(key.a))], UInt64(clamping: Int64(bitPattern: value)))
    }
    let counter = "gatehouse_upstream_pending_total"
    text.family(counter, .counter, "Requests that have waited for a connection to a backend, by how that ended.")
    for (key, value) in series where key.family == .pendingEnded {
      let result = WorkerCounts.PendingResult(rawValue: key.b).map { "\($0)" } ?? ""
      text.sample(counter, [("backend", backend(key.a)), ("result", result)], value)
    }
    let histogram = "gatehouse_upstream_pending_duration_seconds"
    text.family(histogram, .histogram, "How long requests waited for a connection to a backend.")
    var totals: [Int: DurationHistogram.Snapshot] = [:]
    for worker in workers { worker.addWaits(to: &totals) }
    for (id, total) in totals.sorted(by: { $0.key < $1.key }) { text.histogram(histogram, ("backend", backend(id)), total) }
  }

  private func backend(_ id: Int) -> String { names.name(of: id, in: .backend) }
}

extension PrometheusText {
  mutating func histogram(_ name: String, _ label: (String, String), _ total: DurationHistogram.Snapshot) {
    var cumulative: UInt64 = 0
    for (bound, count) in zip(DurationHistogram.labels, total.buckets) {
      cumulative &+= count
      sample(name + "_bucket", [label, ("le", bound)], cumulative)
    }
    sample(name + "_sum", [label], Double(total.nanoseconds) / 1e9)
    sample(name + "_count", [label], total.count)
  }
}
