import Configuration
import Foundation
import Limits
import Logging
import Reactor
import Redis
import Telemetry
import Tokens

/// The deny-lists that are followed, all feeds together. On the control thread.
///
/// A feed whose row is the same goes on over a reload; another of the same name begins with what the one before it knew.
package final class RevocationFeeds {
  private struct Followed {
    let number: Int
    let feed: RevocationFeed
  }

  private struct Done: Sendable {
    let number: Int
    let work: RevocationFeed.Work
  }

  private var followed: [Followed] = []
  /// What identity providers have ended. In memory, for as long as the process lives.
  private(set) var logouts = RevocationLayers()
  /// How many of these each issuer has: one that ends very many keeps no other from it.
  private var logoutShares = ExpiringPlaces<[UInt8]>(of: RevocationTable.maximumEntries)
  private var store: (feed: RevocationFeed, writer: RedisWriter)?
  private var loop: EventLoop?
  private var log: (Logger.Level, String) -> Void = { _, _ in }
  private var publishList: (RevocationList) -> Void = { _ in }
  private var finished: Mailbox<Done>?
  private var lastNumber = 0
  /// By name: counters go on when a feed is replaced.
  private var updates: [String: RevocationUpdates] = [:]
  /// Files that were read for a configuration that is not in force yet.
  private var images: [String: RevocationImage] = [:]

  private var ticker: LoopTimer?
  private var pruneAt: UInt64 = 0
  private var publisher: LoopTimer?
  private var publishedAt: UInt64 = 0
  private var isPublishDue = false

  /// Feeds that are gone whose counters are kept.
  private static let maximumNames = 1024
  /// Milliseconds between two looks at files and clocks.
  private static let period = 200
  /// Milliseconds between two lists: what comes faster goes together, so that a thousand entries are not a thousand lists.
  private static let pause: UInt64 = 20
  private static let prunePeriod: UInt64 = 60_000

  package init() {}

  /// What `row` goes on with: the feed of its name, or one of the same list whose name is gone.
  func predecessor(of row: RevocationFeedSettings, among rows: [RevocationFeedSettings]) -> RevocationFeed? {
    let own = followed.first { $0.feed.name == row.name.value }
    return (own ?? followed.first { Self.isRenamed($0.feed, row, rows.map(\.name.value)) })?.feed
  }

  private static func isRenamed(_ feed: RevocationFeed, _ row: RevocationFeedSettings, _ names: [String]) -> Bool {
    !names.contains(feed.name) && RevocationFeed.identity(feed.settings) == RevocationFeed.identity(row)
  }

  /// For a configuration that is being built: `path` as it is now, read only if it has changed since it was last asked for.
  func image(of path: String) throws(RevocationImage.Failure) -> RevocationImage {
    if let known = images[path], !known.isFresh {
      let found = try RevocationImage.Signature.look(path)
      if found == known.signature { return known }
    }
    let image = try RevocationImage.read(path)
    images[path] = image
    return image
  }

  // MARK: Life

  func start(
    _ plan: RevocationPlan, loop: EventLoop, log: @escaping (Logger.Level, String) -> Void,
    publish: @escaping (RevocationList) -> Void
  ) throws(Errno) {
    self.loop = loop
    self.log = log
    publishList = publish
    let mailbox = try Mailbox<Done>()
    try mailbox.attach(to: loop) { [weak self] done in
      self?.followed.first { $0.number == done.number }?.feed.finished(done.work)
    }
    finished = mailbox
    ticker = LoopTimer(loop: loop) { [weak self] in self?.tick() }
    publisher = LoopTimer(loop: loop) { [weak self] in self?.publishIfDue() }
    apply(plan)
  }

  /// The plan's configuration comes into force: its list is on its way to the workers with it.
  func apply(_ plan: RevocationPlan) {
    guard let loop else { return }
    images = [:]
    var before = followed
    followed = []
    for row in plan.feeds {
      let own = before.firstIndex {
        RevocationFeed.identity($0.feed.settings) == RevocationFeed.identity(row.settings)
          && $0.feed.name == row.settings.name.value
      }
      if let index = own ?? before.firstIndex(where: { Self.isRenamed($0.feed, row.settings, plan.feeds.map(\.settings.name.value)) }) {
        let kept = before.remove(at: index)
        kept.feed.adopt(row)
        followed.append(kept)
      } else {
        let name = row.settings.name.value
        followed.append(follow(row, loop, before.first { $0.feed.name == name }?.feed.updates ?? updates[name]))
      }
    }
    if updates.count > Self.maximumNames { updates = [:] }
    for old in before {
      updates[old.feed.name] = old.feed.updates
      old.feed.stop()
    }
    for new in followed where new.number > lastStarted { new.feed.start() }
    lastStarted = lastNumber
    keepLogouts(plan)
    if !followed.isEmpty || !logouts.isEmpty { tick() }
  }

  private var lastStarted = 0

  /// Where logouts are kept from here on; what could not be written to another place yet is written there.
  private func keepLogouts(_ plan: RevocationPlan) {
    let next = plan.logoutStore.map { followed[$0].feed }
    guard next !== store?.feed else { return }
    let rest = store?.writer.stop() ?? []
    store = next.flatMap { feed in feed.makeWriter().map { (feed, $0) } }
    for entry in rest { store?.writer.write(entry.text, endsAt: entry.endsAt, of: entry.owner) { _ in } }
  }

  // MARK: Logouts

  /// An identity provider has ended what `entries` name. `completion`, called once, hears whether that is kept where it is to be.
  func logOut(_ entries: [Revocation], _ completion: @escaping (Bool) -> Void) {
    guard let first = entries.first else { return completion(true) }
    let issuer = first.issuer ?? []
    let now = Int64(Clock.realNanoseconds() / 1_000_000_000)
    let end = entries.reduce(first.until) { max($0, $1.until) }
    guard logoutShares.take(entries.count, for: issuer, until: end, now: now) else {
      log(.error, "too many logouts of \(String(decoding: issuer, as: UTF8.self)) are in force: one was refused")
      return completion(false)
    }
    logouts.add(entries, now: now)
    changed()
    if ticker?.isOpen == true { ticker?.setDeadline(Self.period) }
    guard let store else { return completion(true) }
    var (missing, allKept) = (entries.count, true)
    for entry in entries {
      store.writer.write(String(decoding: entry.text, as: UTF8.self), endsAt: entry.until, of: issuer) { isKept in
        missing -= 1
        allKept = allKept && isKept
        if missing == 0 { completion(allKept) }
      }
    }
  }

  private func follow(_ row: RevocationPlan.Feed, _ loop: EventLoop, _ known: RevocationUpdates?) -> Followed {
    lastNumber += 1
    let number = lastNumber
    let feed = RevocationFeed(
      row, updates: known ?? RevocationUpdates(), loop: loop, log: log, changed: { [weak self] in self?.changed() },
      work: { [weak self] body in
        guard let finished = self?.finished else { return }
        Thread.detachNewThread { finished.post(Done(number: number, work: body())) }
      })
    return Followed(number: number, feed: feed)
  }

  func close() {
    _ = store?.writer.stop()
    store = nil
    for one in followed { one.feed.stop() }
    followed = []
    ticker?.close()
    publisher?.close()
  }

  private func tick() {
    let now = Clock.milliseconds
    for one in followed { one.feed.tick(now: now) }
    if now >= pruneAt {
      pruneAt = now + Self.prunePeriod
      for one in followed { one.feed.prune() }
      let seconds = Int64(Clock.realNanoseconds() / 1_000_000_000)
      if logouts.firstEnd <= seconds { logouts = RevocationLayers(logouts.merged(now: seconds)) }
    }
    // Nothing is looked at where there is nothing.
    ticker?.setDeadline(followed.isEmpty && logouts.isEmpty ? 0 : Self.period)
  }

  // MARK: The list

  /// - Parameter now: ms of the monotonic clock.
  static func list(
    _ feeds: [(settings: RevocationFeedSettings, state: RevocationState)], logouts: RevocationLayers, now: UInt64
  ) -> RevocationList {
    RevocationList(
      feeds.flatMap(\.state.tables) + logouts.tables,
      refusesEverything: feeds.contains { $0.settings.failsClosed && $0.state.isStale($0.settings, now: now) })
  }

  private func changed() {
    guard !isPublishDue else { return }
    isPublishDue = true
    let now = Clock.milliseconds
    // The first goes at once, in the turn that brought it; those behind it wait for each other.
    if now >= publishedAt + Self.pause { publishIfDue() } else { publisher?.setDeadline(Int(publishedAt + Self.pause - now)) }
  }

  private func publishIfDue() {
    guard isPublishDue else { return }
    isPublishDue = false
    publishedAt = Clock.milliseconds
    publishList(Self.list(followed.map { ($0.feed.settings, $0.feed.state) }, logouts: logouts, now: publishedAt))
  }

  // MARK: What is told of them

  /// Why requests with tokens are refused at present, if they are.
  var unreadiness: String? {
    let now = Clock.milliseconds
    let stale = followed.first { $0.feed.settings.failsClosed && $0.feed.state.isStale($0.feed.settings, now: now) }
    return stale.map { "the revocation feed \($0.feed.name) is out of date" }
  }

  var samples: [RevocationFeedSample] {
    let now = Clock.milliseconds
    return followed.map { one in
      let state = one.feed.state
      return RevocationFeedSample(
        feed: one.feed.name, entries: state.entries, age: state.goodAt.map { Double(now - min(now, $0)) / 1000 } ?? .infinity,
        isStale: state.isStale(one.feed.settings, now: now), updates: one.feed.updates)
    }
  }
}
