/// Counts what a peer does against `AbuseLimits`. Past a bound the connection closes with ENHANCE_YOUR_CALM.
///
/// What nghttp2 bounds itself is not counted here: CONTINUATION frames of one field section (8), entries of one SETTINGS frame
/// (32), acknowledgements that wait to be sent.
package struct AbuseBounds: Sendable {
  package enum Event: Sendable {
    case resetReceived, resetProvoked, settings, ping, emptyData, priority, `extension`, windowUpdate, goAway, stray
  }

  private static let bytesForTwoUpdates = 1024

  private let limits: AbuseLimits
  private var resets: TokenBucket
  private var provokedResets: TokenBucket
  private var settings: TokenBucket
  private var pings: TokenBucket
  private var emptyData: TokenBucket
  private var priorities: TokenBucket
  private var windowUpdates: TokenBucket
  private var strays: TokenBucket
  /// Bytes of DATA sent for which no WINDOW_UPDATE has been granted yet.
  private var bytesSent = 0

  package init(_ limits: AbuseLimits) {
    self.limits = limits
    resets = TokenBucket(limits.resets)
    provokedResets = TokenBucket(limits.provokedResets)
    settings = TokenBucket(limits.settings)
    pings = TokenBucket(limits.pings)
    emptyData = TokenBucket(limits.emptyData)
    priorities = TokenBucket(limits.priorities)
    windowUpdates = TokenBucket(limits.windowUpdates)
    strays = TokenBucket(limits.strays)
  }

  /// - Parameter now: milliseconds of a monotonic clock.
  /// - Returns: false when that was one too many.
  package mutating func allow(_ event: Event, now: UInt64) -> Bool {
    switch event {
    case .resetReceived: return resets.take(limits.resets, now: now)
    case .resetProvoked: return provokedResets.take(limits.provokedResets, now: now)
    // Said once or twice in a connection's life, as settings are.
    case .settings, .goAway: return settings.take(limits.settings, now: now)
    case .ping: return pings.take(limits.pings, now: now)
    case .emptyData: return emptyData.take(limits.emptyData, now: now)
    case .priority, .extension: return priorities.take(limits.priorities, now: now)
    case .windowUpdate: return windowUpdates.take(limits.windowUpdates, now: now)
    case .stray: return strays.take(limits.strays, now: now)
    }
  }

  package mutating func streamOpened() {
    priorities.give(4, limits.priorities)
    windowUpdates.give(2, limits.windowUpdates)
  }

  /// A DATA frame with so many bytes was sent. One byte at a time earns next to nothing: that is the tiny-window attack.
  ///
  /// - Parameter isAll: nothing waits on the stream behind it: the frame is as small as its message, not as its window. gRPC
  ///   clients answer each of those with an update for the stream and one for the connection.
  package mutating func dataSent(_ count: Int, isAll: Bool) {
    pings.give(1, limits.pings)
    if isAll { windowUpdates.give(2, limits.windowUpdates) }
    bytesSent &+= count
    guard bytesSent >= AbuseBounds.bytesForTwoUpdates else { return }
    windowUpdates.give(UInt32(truncatingIfNeeded: bytesSent / AbuseBounds.bytesForTwoUpdates * 2), limits.windowUpdates)
    bytesSent %= AbuseBounds.bytesForTwoUpdates
  }
}
