/// How often a peer may do each of the things that cost it nothing and us something.
package struct AbuseLimits: Sendable {
  /// RST_STREAM received (CVE-2023-44487).
  package var resets: TokenBucket.Rate
  /// RST_STREAM that the peer provoked us to send (CVE-2025-8671).
  package var provokedResets: TokenBucket.Rate
  package var settings: TokenBucket.Rate
  /// PING without ACK. Each DATA frame sent earns one: clients measure the path while they download.
  package var pings: TokenBucket.Rate
  /// DATA without content that does not end its stream.
  package var emptyData: TokenBucket.Rate
  /// PRIORITY, and frames of types that we do not know, PRIORITY_UPDATE among them. Each stream opened earns four.
  package var priorities: TokenBucket.Rate
  /// WINDOW_UPDATE. Each KiB of DATA sent, each DATA frame that sends all there is, and each stream opened
  /// earns two.
  package var windowUpdates: TokenBucket.Rate
  /// HEADERS and DATA for streams that were reset: a window's worth of small frames may be on its way for each.
  package var strays: TokenBucket.Rate

  package init(
    resets: TokenBucket.Rate, provokedResets: TokenBucket.Rate, settings: TokenBucket.Rate, pings: TokenBucket.Rate,
    emptyData: TokenBucket.Rate, priorities: TokenBucket.Rate, windowUpdates: TokenBucket.Rate,
    strays: TokenBucket.Rate = .unlimited
  ) {
    self.resets = resets
    self.provokedResets = provokedResets
    self.settings = settings
    self.pings = pings
    self.emptyData = emptyData
    self.priorities = priorities
    self.windowUpdates = windowUpdates
    self.strays = strays
  }

  /// Towards clients, who are not trusted.
  package static let client = AbuseLimits(
    resets: TokenBucket.Rate(burst: 1000, perSecond: 33),
    provokedResets: TokenBucket.Rate(burst: 1000, perSecond: 33),
    settings: TokenBucket.Rate(burst: 50, perSecond: 1),
    pings: TokenBucket.Rate(burst: 200, perSecond: 10),
    emptyData: TokenBucket.Rate(burst: 200, perSecond: 10),
    priorities: TokenBucket.Rate(burst: 500, perSecond: 20),
    windowUpdates: TokenBucket.Rate(burst: 2000, perSecond: 200),
    strays: TokenBucket.Rate(burst: 2000, perSecond: 200))

  /// Towards backends, whose connection many clients share: streams that go wrong do not end it, floods of the
  /// connection itself do.
  package static let backend = AbuseLimits(
    resets: .unlimited,
    provokedResets: .unlimited,
    settings: TokenBucket.Rate(burst: 1000, perSecond: 10),
    pings: TokenBucket.Rate(burst: 2000, perSecond: 100),
    emptyData: TokenBucket.Rate(burst: 10_000, perSecond: 1000),
    priorities: TokenBucket.Rate(burst: 10_000, perSecond: 1000),
    windowUpdates: TokenBucket.Rate(burst: 100_000, perSecond: 20_000))
}
