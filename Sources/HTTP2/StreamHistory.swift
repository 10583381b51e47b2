/// The streams that a client has opened, as far as frames for those that are gone have to be told apart (RFC 9113 section 5.1).
///
/// nghttp2 forgets a stream when it ends, and passes over whatever still comes for it, however long that goes on.
package struct StreamHistory: Sendable {
  /// What a frame is that comes for a stream which is neither open nor new.
  package enum Stray: Equatable, Sendable {
    /// It was on its way when we reset the stream, or may have been: nothing is wrong with it.
    case crossing
    /// The client has reset the stream itself.
    case behindReset
    /// Both sides had ended the stream.
    case closed
    /// The stream was passed over: it can never be opened.
    case skipped
  }

  /// Streams that were reset and are remembered.
  package static let remembered = 128

  /// The highest that was opened; those of clients are odd.
  package private(set) var last: Int32 = 0
  private var opened: Int32 = 0
  /// A ring of the latest that were reset; those that the client reset are negative.
  private var resets: [Int32] = []
  private var next = 0
  private var hasForgotten = false

  package init() {}

  /// A field section begins on a stream above `last`.
  package mutating func open(_ id: Int32) {
    last = id
    opened &+= 1
  }

  /// RST_STREAM was sent.
  package mutating func reset(_ id: Int32) { remember(id) }

  /// RST_STREAM was received.
  package mutating func resetByPeer(_ id: Int32) {
    if id > 0, id <= last { remember(0 &- id) }
  }

  private mutating func remember(_ id: Int32) {
    if resets.count < Self.remembered { return resets.append(id) }
    hasForgotten = true
    resets[next] = id
    next = (next &+ 1) % Self.remembered
  }

  /// - Parameter id: at most `last`, and of a stream that is not open.
  package func stray(on id: Int32) -> Stray {
    if resets.contains(id) { return .crossing }
    if resets.contains(0 &- id) { return .behindReset }
    // Of so many that some are forgotten, it may have been one.
    if hasForgotten { return .crossing }
    return opened == last / 2 &+ 1 ? .closed : .skipped
  }
}
