import Bytes
import HTTP

/// All metrics of the process: the workers' counters summed up, and what the control thread knows. Written out on demand.
package final class MetricsRegistry: Sendable {
  /// The media type of what `render` returns.
  package static let contentType: StaticString = "text/plain; version=0.0.4; charset=utf-8"

  package enum ReloadResult: Int, CaseIterable, Sendable { case success, failure }
  package enum IntrospectionResult: Int, CaseIterable, Sendable { case active, inactive, failure, refused }
  package enum RefreshResult: Int, CaseIterable, Sendable { case success, failure }

  private struct State {
    var workers: [WorkerCounts] = []
    var generation: UInt64 = 0
    var reloads: [UInt64] = [0, 0]
    var refreshes: [[Int]: UInt64] = [:]
    var introspections: [[Int]: UInt64] = [:]
    var certificates: [String: Int64] = [:]
    var revocationFeeds: [RevocationFeedSample] = []
  }

  package let names: MetricNames
  private let vocabulary: MetricVocabulary
  private let process: @Sendable () -> ProcessStatistics
  private let state = Locked(State())

  /// - Parameter process: asks the kernel about this process.
  package init(
    names: MetricNames = MetricNames(), vocabulary: MetricVocabulary, process: @escaping @Sendable () -> ProcessStatistics
  ) {
    self.names = names
    self.vocabulary = vocabulary
    self.process = process
  }

  // MARK: Written by the control thread

  /// What a new worker counts with. It stays in the sums for as long as the process lives.
  package func addWorker() -> WorkerCounts {
    let worker = WorkerCounts()
    state.withLock { $0.workers.append(worker) }
    return worker
  }

  package func setGeneration(_ generation: UInt64) { state.withLock { $0.generation = generation } }

  package func countReload(_ result: ReloadResult) { state.withLock { $0.reloads[result.rawValue] += 1 } }

  /// - Parameter provider: a number of `names`.
  package func countKeySetRefresh(provider: Int, _ result: RefreshResult) {
    state.withLock { $0.refreshes[[provider, result.rawValue], default: 0] += 1 }
  }

  /// - Parameter provider: a number of `names`.
  package func countIntrospection(provider: Int, _ result: IntrospectionResult) {
    state.withLock { $0.introspections[[provider, result.rawValue], default: 0] += 1 }
  }

  /// Replaces the certificates whose end is told: name and notAfter in Unix seconds.
  package func setCertificates(_ certificates: [(name: String, notAfter: Int64)]) {
    // A certificate named twice is as good as its earlier end.
    let ends = Dictionary(certificates.map { ($0.name, $0.notAfter) }, uniquingKeysWith: min)
    state.withLock { $0.certificates = ends }
  }

  /// Replaces what is told of the deny-lists.
  package func setRevocationFeeds(_ feeds: [RevocationFeedSample]) { state.withLock { $0.revocationFeeds = feeds } }

  // MARK: Read by the admin server

  /// Everything in Prometheus's text format, `contentType`.
  package func render() -> [UInt8] {
    let state = self.state.withLock { $0 }
    var text = PrometheusText()
    renderSeries(state.workers, &text)
    renderDurations(state.workers, &text)
    renderWorkerGauges(state.workers, &text)
    renderControl(state, &text)
    RevocationFeedSample.render(state.revocationFeeds, &text)
    renderProcess(&text)
    return text.bytes
  }

  private func renderSeries(_ workers: [WorkerCounts], _ text: inout PrometheusText) {
    var totals: [SeriesKey: UInt64] = [:]
    for worker in workers { worker.forEachSeries { totals[$0, default: 0] &+= $1 } }
    let ordered = totals.sorted { $0.key.rawValue < $1.key.rawValue }

    func family(_ family: SeriesKey.Family, _ name: String, _ help: String, labels: (SeriesKey) -> [(String, String)]) {
      text.family(name, .counter, help)
      for (key, value) in ordered where key.family == family { text.sample(name, labels(key), value) }
    }
    family(.requests, "gatehouse_requests_total", "Requests answered.") { key in
      [("route", route(key.a)), ("method", Self.methodLabel(key.b)), ("status", String(key.c))]
    }
    family(.denied, "gatehouse_denied_total", "Requests that the gateway refused, by denial code.") { key in
      [("route", route(key.a)), ("code", MetricVocabulary.word(key.b, vocabulary.denialCodes))]
    }
    family(.handshakes, "gatehouse_tls_handshakes_total", "TLS handshakes that ended.") { key in
      [
        ("side", WorkerCounts.Side(rawValue: key.a).map { "\($0)" } ?? ""),
        ("result", MetricVocabulary.word(key.b, vocabulary.handshakeResults)),
      ]
    }
    family(.minted, "gatehouse_internal_tokens_minted_total", "Internal tokens signed.") { key in
      [("backend", names.name(of: key.a, in: .backend))]
    }
    family(.upstream, "gatehouse_upstream_requests_total", "Requests to backends that ended.") { key in
      [
        ("backend", names.name(of: key.a, in: .backend)), ("endpoint", names.name(of: key.b - 1, in: .endpoint)),
        ("result", MetricVocabulary.word(key.c, vocabulary.upstreamResults)),
      ]
    }
    family(.refusedConnections, "gatehouse_connections_refused_total", "Client connections refused before a request.") { key in
      [
        ("listener", names.name(of: key.a, in: .listener)),
        ("reason", WorkerCounts.ConnectionRefusal(rawValue: key.b)?.word ?? ""),
      ]
    }
    renderPending(workers, ordered, &text)
    text.family("gatehouse_access_log_dropped_total", .counter, "Lines that the access log's reader was too slow for, or that could not be written.")
    text.sample("gatehouse_access_log_dropped_total", [], workers.reduce(0) { $0 &+ $1.droppedLines.read() })
    text.family("gatehouse_series_dropped_total", .counter, "Increments lost because a worker has too many series.")
    text.sample("gatehouse_series_dropped_total", [], workers.reduce(0) { $0 &+ $1.droppedSeries })
  }

  private func renderDurations(_ workers: [WorkerCounts], _ text: inout PrometheusText) {
    let name = "gatehouse_request_duration_seconds"
    text.family(name, .histogram, "Time from a request's whole head to its answer's last byte.")
    var totals: [Int: DurationHistogram.Snapshot] = [:]
    for worker in workers { worker.addHistograms(to: &totals) }
    for (id, total) in totals.sorted(by: { $0.key < $1.key }) { text.histogram(name, ("route", route(id)), total) }
  }

  private func renderWorkerGauges(_ workers: [WorkerCounts], _ text: inout PrometheusText) {
    text.family("gatehouse_connections", .gauge, "Connections open now.")
    for side in WorkerCounts.Side.allCases {
      for name in WorkerCounts.ConnectionProtocol.allCases {
        let open = workers.reduce(UInt64(0)) { $0 &+ $1.openConnections(side: side, protocol: name) }
        text.sample("gatehouse_connections", [("side", "\(side)"), ("protocol", "\(name)")], open)
      }
    }
    text.family("gatehouse_token_cache_lookups_total", .counter, "Access tokens looked for in the cache of verified ones.")
    for result in WorkerCounts.TokenLookup.allCases {
      let count = workers.reduce(UInt64(0)) { $0 &+ $1.tokenLookups(result) }
      text.sample("gatehouse_token_cache_lookups_total", [("result", "\(result)")], count)
    }
    text.family("gatehouse_token_cache_bytes", .gauge, "Memory of the caches of verified access tokens.")
    text.sample("gatehouse_token_cache_bytes", [], workers.reduce(UInt64(0)) { $0 &+ $1.tokenCacheBytes })
  }

  private func renderControl(_ state: State, _ text: inout PrometheusText) {
    text.family("gatehouse_config_reloads_total", .counter, "Configurations read after the first.")
    for result in ReloadResult.allCases {
      text.sample("gatehouse_config_reloads_total", [("result", "\(result)")], state.reloads[result.rawValue])
    }
    text.family("gatehouse_config_generation", .gauge, "The number of the configuration in force.")
    text.sample("gatehouse_config_generation", [], state.generation)
    text.family("gatehouse_jwks_refreshes_total", .counter, "Fetches of identity providers' key sets.")
    for (key, count) in state.refreshes.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let result = RefreshResult(rawValue: key[1]).map { "\($0)" } ?? ""
      let labels = [("provider", names.name(of: key[0], in: .provider)), ("result", result)]
      text.sample("gatehouse_jwks_refreshes_total", labels, count)
    }
    text.family("gatehouse_introspections_total", .counter, "Tokens that their issuers were to be asked about.")
    for (key, count) in state.introspections.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let result = IntrospectionResult(rawValue: key[1]).map { "\($0)" } ?? ""
      text.sample(
        "gatehouse_introspections_total", [("provider", names.name(of: key[0], in: .provider)), ("result", result)], count)
    }
    let expiry = "gatehouse_certificate_expiry_timestamp_seconds"
    text.family(expiry, .gauge, "When a certificate stops being valid, in Unix seconds.")
    for (name, end) in state.certificates.sorted(by: { $0.key < $1.key }) {
      text.sample(expiry, [("name", name)], Double(end))
    }
  }

  private func renderProcess(_ text: inout PrometheusText) {
    let process = process()
    text.family("process_cpu_seconds_total", .counter, "User and system CPU time spent, in seconds.")
    text.sample("process_cpu_seconds_total", [], process.cpuSeconds)
    text.family("process_resident_memory_bytes", .gauge, "Resident memory.")
    text.sample("process_resident_memory_bytes", [], process.residentBytes)
    text.family("process_virtual_memory_bytes", .gauge, "Virtual memory.")
    text.sample("process_virtual_memory_bytes", [], process.virtualBytes)
    text.family("process_open_fds", .gauge, "Open file descriptors.")
    text.sample("process_open_fds", [], process.openFileDescriptors)
    text.family("process_max_fds", .gauge, "File descriptors the process may open.")
    text.sample("process_max_fds", [], process.maximumFileDescriptors)
    text.family("process_start_time_seconds", .gauge, "When the process started, in Unix seconds.")
    text.sample("process_start_time_seconds", [], process.startTime)
  }

  private func route(_ id: Int) -> String { names.name(of: id, in: .route) }

  private static func methodLabel(_ number: Int) -> String {
    guard let method = HTTPMethod(rawValue: UInt8(truncatingIfNeeded: number)), method != .other else { return "other" }
    return method.token.description
  }
}
