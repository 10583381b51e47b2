import Configuration
import Tokens
import Upstream

/// What a feed has said so far. A value: a configuration that is being built looks at what would be without changing what is.
struct RevocationState: Sendable {
  /// The list as it was last read whole.
  var base = RevocationTable.empty
  /// Entries that were published since, by whether the list was read again meanwhile: who publishes one writes it into the list
  /// first, so that what was heard before a read began is in what was read, or has been taken out.
  var older = RevocationLayers()
  var young = RevocationLayers()
  /// When the list was last known to be complete, in ms of the monotonic clock; nil for never.
  var goodAt: UInt64?

  var entries: Int { base.count + older.count + young.count }
  var tables: [RevocationTable] { [base] + older.tables + young.tables }
  /// Seconds since 1970: when the first of the entries ends.
  var firstEnd: Int64 { min(base.firstEnd, older.firstEnd, young.firstEnd) }

  /// Entries that may be heard between two reads: 12 MB of them.
  static let maximumHeard = 1 << 18

  func isStale(_ settings: RevocationFeedSettings, now: UInt64) -> Bool {
    guard let goodAt else { return true }
    return now > goodAt + UInt64(settings.staleAfter)
  }

  /// A list was read whole. What was heard before the read before it is in it, or was taken out of it.
  mutating func replace(_ table: RevocationTable) { base = table }

  /// Drops what has ended, but for the base, which may be large.
  mutating func pruneHeard(now: Int64) {
    if older.firstEnd <= now { older = RevocationLayers(older.merged(now: now)) }
    if young.firstEnd <= now { young = RevocationLayers(young.merged(now: now)) }
  }
}

/// The feeds of a configuration, as they would be if it came into force now.
struct RevocationPlan: Sendable {
  struct Feed: Sendable {
    let settings: RevocationFeedSettings
    /// Of a file.
    var image: RevocationImage?
    /// Of a Redis server on the network.
    var endpoint: Endpoint?
    var state = RevocationState()
  }

  var feeds: [Feed] = []
  var logoutStore: Int?
  var list = RevocationList.none

  /// Names that change their addresses.
  var endpoints: [Endpoint] { feeds.compactMap(\.endpoint) }
}
