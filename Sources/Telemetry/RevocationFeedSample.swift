/// What there is to tell of a deny-list.
package struct RevocationFeedSample: Sendable {
  package let feed: String
  package let entries: Int
  /// Seconds since the list was last known to be complete; infinite before it was read.
  package let age: Double
  package let isStale: Bool
  package let updates: RevocationUpdates

  package init(feed: String, entries: Int, age: Double, isStale: Bool, updates: RevocationUpdates) {
    self.feed = feed
    self.entries = entries
    self.age = age
    self.isStale = isStale
    self.updates = updates
  }

  static func render(_ feeds: [RevocationFeedSample], _ text: inout PrometheusText) {
    let name = "gatehouse_revocation"
    text.family("\(name)_feed_age_seconds", .gauge, "Time since a deny-list was last known to be complete.")
    for feed in feeds { text.sample("\(name)_feed_age_seconds", [("feed", feed.feed)], feed.age) }
    text.family("\(name)_feed_stale", .gauge, "Whether a deny-list is older than it may be.")
    for feed in feeds { text.sample("\(name)_feed_stale", [("feed", feed.feed)], feed.isStale ? 1 : 0 as UInt64) }
    text.family("\(name)_entries", .gauge, "Entries of a deny-list.")
    for feed in feeds { text.sample("\(name)_entries", [("feed", feed.feed)], UInt64(feed.entries)) }
    text.family("\(name)_updates_total", .counter, "Lists and entries that were read, and attempts that failed.")
    for feed in feeds {
      text.sample("\(name)_updates_total", [("feed", feed.feed), ("result", "success")], feed.updates.successes)
      text.sample("\(name)_updates_total", [("feed", feed.feed), ("result", "failure")], feed.updates.failures)
    }
  }
}

/// Counts up for as long as the process lives.
package struct RevocationUpdates: Sendable {
  package var successes: UInt64 = 0
  package var failures: UInt64 = 0
  package init() {}
}
