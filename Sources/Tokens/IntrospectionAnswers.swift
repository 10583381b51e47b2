/// Answers about tokens, by the tokens' SHA-256, each for the same time: the oldest goes first when it is over or room is needed.
/// Times are milliseconds of a monotonic clock.
package struct IntrospectionAnswers {
  /// For how long an answer is kept.
  package var lifetime: UInt64
  private let maximumCount: Int
  private let maximumBytes: Int
  private var answers: [[UInt8]: (answer: IntrospectionAnswer, askedAt: UInt64)] = [:]
  /// In the order of their ends. Entries before `first` are gone.
  private var order: [(digest: [UInt8], askedAt: UInt64)] = []
  private var first = 0
  /// Memory in use, about.
  package private(set) var bytes = 0
  package var count: Int { answers.count }
  /// A digest, twice, and what a dictionary and an array need besides.
  private static let overhead = 192

  package init(lifetime: UInt64, maximumCount: Int = 8192, maximumBytes: Int = 8 << 20) {
    self.lifetime = lifetime
    self.maximumCount = maximumCount
    self.maximumBytes = maximumBytes
  }

  package func answer(_ digest: [UInt8], now: UInt64) -> IntrospectionAnswer? {
    guard let known = answers[digest], now < known.askedAt + lifetime else { return nil }
    return known.answer
  }

  /// - Parameter askedAt: from here the answer's time counts.
  package mutating func keep(_ answer: IntrospectionAnswer, for digest: [UInt8], askedAt: UInt64, now: UInt64) {
    while first < order.count, order[first].askedAt + lifetime <= now { dropFirst() }
    guard askedAt + lifetime > now, answer.footprint + Self.overhead <= maximumBytes / 4 else { return }
    remove(digest)
    while answers.count >= maximumCount || bytes + answer.footprint + Self.overhead > maximumBytes, first < order.count {
      dropFirst()
    }
    answers[digest] = (answer, askedAt)
    bytes += answer.footprint + Self.overhead
    order.append((digest, askedAt))
  }

  private mutating func remove(_ digest: [UInt8]) {
    guard let known = answers.removeValue(forKey: digest) else { return }
    bytes -= known.answer.footprint + Self.overhead
  }

  private mutating func dropFirst() {
    let (digest, askedAt) = order[first]
    first += 1
    // The digest may have been asked about again since: that answer has a later end.
    if answers[digest]?.askedAt == askedAt { remove(digest) }
    if first > 1024, first > order.count / 2 {
      order.removeFirst(first)
      first = 0
    }
  }
}
