/// A client that waits to be told that its content is wanted (RFC 9110 section 10.1.1): what happens comes in, when the gateway speaks for
/// the backend comes out, and time is passed in.
///
/// `Expect` travels: the backend says 100, or answers, and only one that says nothing for `patience` is spoken for, so that clients of
/// backends that know nothing of it go on.
package struct ContentExpectation {
  package enum Phase: Equatable, Sendable {
    /// Nobody waits: nothing was expected, or the client has been told, or it sends without being told.
    case none
    /// The client waits, and no backend has been asked.
    case waiting
    /// The backend has the head.
    case asked(until: UInt64)
    /// The answer came first: the content is not wanted, and whether it comes nobody knows.
    case refused
  }

  /// Milliseconds that a backend has to say what it wants.
  package static let patience: UInt64 = 1_000

  package private(set) var phase = Phase.none

  package init() {}

  package mutating func begin(expects: Bool) { phase = expects ? .waiting : .none }

  /// The head is on its way to a backend, perhaps for the second time.
  package mutating func asked(now: UInt64) {
    if phase == .waiting { phase = .asked(until: now &+ Self.patience) }
  }

  /// Somebody has said 100, or says it now.
  ///
  /// - Returns: whether the client is to hear it; true once.
  package mutating func granted() -> Bool {
    guard isWaiting else { return false }
    phase = .none
    return true
  }

  /// Content came. - Returns: whether that is news.
  package mutating func contentCame() -> Bool {
    guard phase != .none else { return false }
    phase = .none
    return true
  }

  /// A final answer begins.
  package mutating func answered() { if isWaiting { phase = .refused } }

  /// The client waits to be told.
  package var isWaiting: Bool {
    switch phase {
    case .waiting, .asked: true
    case .none, .refused: false
    }
  }

  /// Content that does not come is nobody's delay.
  package var isOpen: Bool { phase != .none }

  /// When the gateway tells the client to go on, in ms; 0 for never.
  package var deadline: UInt64 { if case .asked(let until) = phase { until } else { 0 } }

  package func isDue(now: UInt64) -> Bool { deadline > 0 && now >= deadline }
}
