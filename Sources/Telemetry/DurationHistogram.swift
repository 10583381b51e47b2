/// How long requests took: a count for each bucket and the sum. One thread observes; any thread reads.
struct DurationHistogram: ~Copyable, Sendable {
  /// Upper bounds in nanoseconds; what is longer than the last falls into one more bucket.
  static let bounds: [UInt64] = [
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
    1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
  ]
  /// The same in seconds, as Prometheus writes `le`.
  static let labels = [
    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf",
  ]
  static let bucketCount = 15

  private let buckets = InlineArray<15, Counter> { _ in Counter() }
  /// Nanoseconds.
  private let sum = Counter()

  init() {}

  /// By the one writer only.
  borrowing func observe(nanoseconds: UInt64) {
    buckets[Self.bucket(of: nanoseconds)].add(1)
    sum.add(nanoseconds)
  }

  /// The bucket whose bound is the first that is not below. Compared in halves of what is usual: most answers take under 10 ms.
  static func bucket(of nanoseconds: UInt64) -> Int {
    switch nanoseconds {
    case ...500_000: return 0
    case ...1_000_000: return 1
    case ...2_500_000: return 2
    case ...5_000_000: return 3
    case ...10_000_000: return 4
    case ...25_000_000: return 5
    case ...50_000_000: return 6
    case ...100_000_000: return 7
    case ...250_000_000: return 8
    case ...500_000_000: return 9
    case ...1_000_000_000: return 10
    case ...2_500_000_000: return 11
    case ...5_000_000_000: return 12
    case ...10_000_000_000: return 13
    default: return 14
    }
  }

  /// Adds what was observed so far to `total`.
  borrowing func add(to total: inout Snapshot) {
    for index in 0..<Self.bucketCount { total.buckets[index] &+= buckets[index].read() }
    total.nanoseconds &+= sum.read()
  }

  /// Several histograms' sum at about one moment.
  struct Snapshot {
    /// Not cumulative.
    var buckets = [UInt64](repeating: 0, count: DurationHistogram.bucketCount)
    var nanoseconds: UInt64 = 0
    /// Taken from the buckets and not counted apart, so that `+Inf` and the count agree in every reading.
    var count: UInt64 { buckets.reduce(0, &+) }

    mutating func add(_ other: Snapshot) {
      for index in buckets.indices { buckets[index] &+= other.buckets[index] }
      nanoseconds &+= other.nanoseconds
    }
  }
}
