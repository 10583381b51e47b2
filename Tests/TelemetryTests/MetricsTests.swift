import HTTP
import Testing

@testable import Telemetry

struct MetricsTests {
  let registry = MetricsRegistry(
    vocabulary: MetricVocabulary(
      denialCodes: ["", "token_missing", "token_expired"], handshakeResults: ["ok", "identity"],
      upstreamResults: ["ok", "connect_failed"]), process: { ProcessStatistics() })

  private func read() throws -> PrometheusReader {
    try PrometheusReader(String(decoding: registry.render(), as: UTF8.self))
  }

  @Test func `Every family of the contract is there before the first request`() throws {
    let families = try read().families
    let kinds = [
      "gatehouse_requests_total": "counter", "gatehouse_denied_total": "counter",
      "gatehouse_request_duration_seconds": "histogram", "gatehouse_tls_handshakes_total": "counter",
      "gatehouse_connections": "gauge", "gatehouse_token_cache_lookups_total": "counter",
      "gatehouse_internal_tokens_minted_total": "counter", "gatehouse_upstream_requests_total": "counter",
      "gatehouse_config_reloads_total": "counter", "gatehouse_config_generation": "gauge",
      "gatehouse_jwks_refreshes_total": "counter", "gatehouse_certificate_expiry_timestamp_seconds": "gauge",
      "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge",
      "process_virtual_memory_bytes": "gauge", "process_open_fds": "gauge", "process_max_fds": "gauge",
      "process_start_time_seconds": "gauge",
    ]
    for (name, kind) in kinds { #expect(families[name]?.kind == kind, "\(name)") }
  }

  @Test func `Requests are counted by route, method and status, all workers together`() throws {
    let orders = registry.names.id(of: "orders", in: .route)
    let one = WorkerMetrics(registry.addWorker())
    let two = WorkerMetrics(registry.addWorker())
    for _ in 0..<3 { one.countRequest(route: orders, method: .get, status: 200, nanoseconds: 1_000_000) }
    two.countRequest(route: orders, method: .get, status: 200, nanoseconds: 700_000)
    two.countRequest(route: orders, method: .other, status: 405, nanoseconds: 11_000_000_000)
    two.countRequest(route: MetricNames.none, method: .post, status: 404, nanoseconds: 1)
    let metrics = try read()
    let name = "gatehouse_requests_total"
    #expect(metrics.value(name, ["route": "orders", "method": "GET", "status": "200"]) == 4)
    #expect(metrics.value(name, ["route": "orders", "method": "other", "status": "405"]) == 1)
    #expect(metrics.value(name, ["route": "", "method": "POST", "status": "404"]) == 1)
    #expect(metrics.families[name]?.samples.count == 3)

    let duration = "gatehouse_request_duration_seconds"
    #expect(metrics.value(duration + "_count", ["route": "orders"]) == 5)
    #expect(metrics.value(duration + "_sum", ["route": "orders"]) == 11.0037)
    #expect(metrics.value(duration + "_bucket", ["route": "orders", "le": "0.0005"]) == 0)
    #expect(metrics.value(duration + "_bucket", ["route": "orders", "le": "0.001"]) == 4)
    #expect(metrics.value(duration + "_bucket", ["route": "orders", "le": "10"]) == 4)
    #expect(metrics.value(duration + "_bucket", ["route": "orders", "le": "+Inf"]) == 5)
    #expect(metrics.value(duration + "_bucket", ["route": "", "le": "0.0005"]) == 1)
  }

  @Test func `Everything else that workers count comes out under its labels`() throws {
    let worker = WorkerMetrics(registry.addWorker())
    let route = registry.names.id(of: "r", in: .route)
    let backend = registry.names.id(of: "orders", in: .backend)
    let endpoint = registry.names.id(of: "orders-1:9443", in: .endpoint)
    worker.countDenied(route: route, code: 2)
    worker.countDenied(route: MetricNames.none, code: 77)
    worker.countHandshake(side: .edge, result: 0)
    worker.countHandshake(side: .upstream, result: 1)
    worker.connectionOpened(side: .edge, protocol: .http1)
    worker.connectionOpened(side: .edge, protocol: .http1)
    worker.connectionClosed(side: .edge, protocol: .http1)
    worker.countTokenLookup(.hit)
    worker.countTokenLookup(.miss)
    worker.countTokenLookup(.miss)
    worker.countMinted(backend: backend)
    worker.countUpstream(backend: backend, endpoint: endpoint, result: 1)
    worker.countUpstream(backend: backend, endpoint: MetricNames.none, result: 0)
    worker.setTokenCacheBytes(4096)
    worker.countDroppedLine()
    let metrics = try read()
    #expect(metrics.value("gatehouse_denied_total", ["route": "r", "code": "token_expired"]) == 1)
    #expect(metrics.value("gatehouse_denied_total", ["route": "", "code": "77"]) == 1)
    #expect(metrics.value("gatehouse_tls_handshakes_total", ["side": "edge", "result": "ok"]) == 1)
    #expect(metrics.value("gatehouse_tls_handshakes_total", ["side": "upstream", "result": "identity"]) == 1)
    #expect(metrics.value("gatehouse_connections", ["side": "edge", "protocol": "http1"]) == 1)
    #expect(metrics.value("gatehouse_connections", ["side": "upstream", "protocol": "http2"]) == 0)
    #expect(metrics.value("gatehouse_token_cache_lookups_total", ["result": "hit"]) == 1)
    #expect(metrics.value("gatehouse_token_cache_lookups_total", ["result": "miss"]) == 2)
    #expect(metrics.value("gatehouse_token_cache_bytes") == 4096)
    #expect(metrics.value("gatehouse_access_log_dropped_total") == 1)
    #expect(metrics.value("gatehouse_internal_tokens_minted_total", ["backend": "orders"]) == 1)
    let upstream = "gatehouse_upstream_requests_total"
    let labels = ["backend": "orders", "endpoint": "orders-1:9443", "result": "connect_failed"]
    #expect(metrics.value(upstream, labels) == 1)
    #expect(metrics.value(upstream, ["backend": "orders", "endpoint": "", "result": "ok"]) == 1)
  }

  @Test func `What the control thread knows comes out too`() throws {
    registry.setGeneration(7)
    registry.countReload(.success)
    registry.countReload(.success)
    registry.countReload(.failure)
    registry.countKeySetRefresh(provider: registry.names.id(of: "main", in: .provider), .failure)
    registry.setCertificates([("edge", 1_800_000_000), ("mesh", 1_900_000_000), ("edge", 1_700_000_000)])
    let metrics = try read()
    #expect(metrics.value("gatehouse_config_generation") == 7)
    #expect(metrics.value("gatehouse_config_reloads_total", ["result": "success"]) == 2)
    #expect(metrics.value("gatehouse_config_reloads_total", ["result": "failure"]) == 1)
    #expect(metrics.value("gatehouse_jwks_refreshes_total", ["provider": "main", "result": "failure"]) == 1)
    let expiry = "gatehouse_certificate_expiry_timestamp_seconds"
    #expect(metrics.value(expiry, ["name": "edge"]) == 1_700_000_000)
    registry.setCertificates([("mesh", 1_900_000_000)])
    #expect(try read().families[expiry]?.samples.count == 1)
  }

  @Test func `Names are escaped in labels`() throws {
    let name = "a\"b\\c\nd\u{e9}"
    let worker = WorkerMetrics(registry.addWorker())
    worker.countMinted(backend: registry.names.id(of: name, in: .backend))
    #expect(try read().value("gatehouse_internal_tokens_minted_total", ["backend": name]) == 1)
  }

  @Test func `A name keeps its number, and spaces are apart`() {
    let names = MetricNames()
    #expect(names.id(of: "a", in: .route) == 0)
    #expect(names.id(of: "b", in: .route) == 1)
    #expect(names.id(of: "a", in: .backend) == 0)
    #expect(names.id(of: "a", in: .route) == 0)
    #expect(names.name(of: 1, in: .route) == "b")
    #expect(names.name(of: 9, in: .route) == "")
    #expect(names.name(of: MetricNames.none, in: .route) == "")
  }

  @Test func `Ten thousand routes and strange numbers are counted apart`() throws {
    let counts = registry.addWorker()
    let worker = WorkerMetrics(counts)
    for route in 0..<10_000 {
      _ = registry.names.id(of: "r\(route)", in: .route)
      worker.countRequest(route: route, method: .get, status: 200, nanoseconds: UInt64(route))
      worker.countRequest(route: route, method: .get, status: 200, nanoseconds: UInt64(route))
    }
    worker.countRequest(route: .max - 1, method: .get, status: .max, nanoseconds: .max)
    worker.countRequest(route: .min, method: .get, status: -1, nanoseconds: 0)
    var count = 0
    var total: UInt64 = 0
    counts.forEachSeries { _, value in
      count += 1
      total += value
    }
    #expect(count == 10_002)
    #expect(total == 20_002)
    var histograms: [Int: DurationHistogram.Snapshot] = [:]
    counts.addHistograms(to: &histograms)
    #expect(histograms.count == 10_001)
    #expect(histograms[9999]?.nanoseconds == 19_998)
    #expect(histograms[MetricNames.none]?.count == 2)
  }

  @Test func `A table that is full loses only what is new`() {
    let table = SeriesTable()
    var index = SeriesIndex(table)
    for number in 0..<(SeriesTable.capacity + 10) { index.add(SeriesKey(.minted, number)) }
    index.add(SeriesKey(.minted, 0))
    index.add(SeriesKey(.minted, SeriesTable.capacity + 3))
    #expect(table.dropped.read() == 11)
    // One that is to take away counts as one, too.
    index.add(SeriesKey(.pending, SeriesTable.capacity + 3), .max)
    #expect(table.dropped.read() == 12)
    var first: UInt64 = 0
    table.forEach { if $0.a == 0 { first = $1 } }
    #expect(first == 2)
  }

  @Test func `A key gives its labels back`() {
    for (a, b, c) in [(-1, 0, 0), (0, 1, 2), (4_194_302, 1_048_575, 65_535)] {
      let key = SeriesKey(.upstream, a, b, c)
      #expect(key.family == .upstream)
      #expect((key.a, key.b, key.c) == (a, b, c))
    }
    #expect(SeriesKey(.requests, .min, .max, -5).a == -1)
  }

  @Test func `A bucket takes in its bound`() {
    for (index, bound) in DurationHistogram.bounds.enumerated() {
      #expect(DurationHistogram.bucket(of: bound) == index)
      #expect(DurationHistogram.bucket(of: bound + 1) == index + 1)
      #expect(Double(DurationHistogram.labels[index]) == Double(bound) / 1e9)
    }
    #expect(DurationHistogram.bounds.count + 1 == DurationHistogram.bucketCount)
    #expect(DurationHistogram.labels.count == DurationHistogram.bucketCount)
    #expect(DurationHistogram.bucket(of: 0) == 0)
    #expect(DurationHistogram.bucket(of: .max) == 14)
  }

  @Test func `Reading while workers count sees whole and growing numbers`() async throws {
    let counts = [registry.addWorker(), registry.addWorker()]
    for route in 0..<20 { _ = registry.names.id(of: "r\(route)", in: .route) }
    let rounds = 2000
    await withTaskGroup(of: Void.self) { group in
      for counts in counts {
        group.addTask {
          let worker = WorkerMetrics(counts)
          for round in 0..<rounds {
            for route in 0..<20 {
              worker.countRequest(route: route, method: .get, status: 200 + round / 200, nanoseconds: 2_000_000)
              worker.connectionOpened(side: .edge, protocol: .http1)
              worker.connectionClosed(side: .edge, protocol: .http1)
            }
          }
        }
      }
      group.addTask {
        var last = 0.0
        for _ in 0..<5 {
          guard let metrics = try? read(), let family = metrics.families["gatehouse_requests_total"] else {
            Issue.record("does not parse")
            return
          }
          let total = family.samples.reduce(0) { $0 + $1.value }
          #expect(total >= last)
          last = total
          let open = metrics.value("gatehouse_connections", ["side": "edge", "protocol": "http1"]) ?? -1
          #expect(open >= 0 && open <= 2)
        }
      }
    }
    let total = try read().families["gatehouse_requests_total"]?.samples.reduce(0) { $0 + $1.value }
    #expect(total == Double(2 * rounds * 20))
  }
}
