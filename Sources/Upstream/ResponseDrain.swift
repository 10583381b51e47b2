/// How much is still read of a response that nobody wants any more, so that its HTTP/1.1 connection can carry another request. To close it
/// is cheap for whoever asks and cancels, again and again, and costs the gateway a handshake with two certificates each time.
struct ResponseDrain {
  static let bytes: UInt64 = 64 << 10
  static let milliseconds = 1_000

  /// How far the response is when it is given up, or when its head has come.
  enum Missing: Equatable {
    /// Its head, and whatever follows.
    case head
    case known(UInt64)
    case unknown
    /// It ends with the connection, or is no response any more.
    case endless
  }

  private var taken: UInt64 = 0

  /// Whether it is worth it.
  static func allows(_ missing: Missing) -> Bool {
    switch missing {
    case .head, .unknown: true
    case .known(let count): count <= bytes
    case .endless: false
    }
  }

  /// Bytes of it came. - Returns: false when that was too much.
  mutating func take(_ count: Int) -> Bool {
    taken &+= UInt64(count)
    return taken <= Self.bytes
  }
}

/// Stands in the place of a client who has gone, until the response is whole or too long.
private final class Nobody: UpstreamClient {
  /// Lets go of this when it is over.
  private let connection: UpstreamConnection

  init(_ connection: UpstreamConnection) {
    self.connection = connection
    connection.pool.draining &+= 1
  }

  override func upstreamPaused() {
    if !connection.isWorthDraining { connection.shutDown() }
  }

  override func upstreamEnded() { connection.pool.draining &-= 1 }
  override func upstreamFailed(_ failure: UpstreamFailure) { connection.pool.draining &-= 1 }
}

extension UpstreamConnection {
  /// The client has no more interest. What is missing of the response is read without him, if it is little and the request is whole: the
  /// connection is in order then. Else it is of no use to anybody.
  package func cancel() {
    let opensTunnel = client?.opensTunnel ?? true
    client = nil
    guard !opensTunnel, requestIsSent, isWorthDraining, pool.mayDrain else { return shutDown() }
    beginDraining(for: Nobody(self))
  }

  private var requestIsSent: Bool {
    (state == .awaitingHead || state == .readingBody) && requestWritten && requestComplete && output.isEmpty && !isUnwritable
  }

  fileprivate var isWorthDraining: Bool { (state == .awaitingHead || keepsOpen) && ResponseDrain.allows(missing) }

  private var missing: ResponseDrain.Missing {
    guard state == .readingBody else { return .head }
    return switch body {
    case .none: .known(0)
    case .length(let rest): .known(rest)
    case .chunked: .unknown
    case .untilClose, .tunnel: .endless
    }
  }
}
