import CLinux
import Configuration
import Foundation
import Logging
import Reactor
import Redis
import Telemetry
import Tokens
import Upstream

/// One deny-list that is followed, in a file or in Redis. On the control thread; what takes long is done on a thread of its own and
/// comes back as a `Work`.
final class RevocationFeed {
  /// What a thread of its own has done.
  enum Work: Sendable {
    case read(Result<RevocationImage, RevocationImage.Failure>)
    /// A set from Redis as a table. `mayForget`: what had been heard before the read before it may go.
    case built(RevocationTable, flaws: Int, firstFlaw: String?, mayForget: Bool)
    /// `of` without what has ended.
    case pruned(RevocationTable, of: RevocationTable)
  }

  private(set) var settings: RevocationFeedSettings
  private(set) var state: RevocationState
  private let loop: EventLoop
  private let log: (Logger.Level, String) -> Void
  private let changed: () -> Void
  /// Runs on a thread of its own; its result comes back to `finished`.
  private let work: (@escaping @Sendable () -> Work) -> Void

  private(set) var updates = RevocationUpdates()
  /// As the workers know it.
  private var isStale: Bool
  /// As the log has it.
  private var hasToldStale = false
  private let tellsAt: UInt64
  /// Milliseconds in which a server that is asked for the first time may answer.
  private static let grace: UInt64 = 2_000

  // A file.
  private var signature: RevocationImage.Signature?
  private var needsSecondLook = false
  private var isReading = false
  /// What the last look found wrong, so that it is told once.
  private var complaint: String?

  // A server.
  private var endpoint: Endpoint?
  private var redis: RedisFeed?
  private var attempts = 0
  private var isBuilding = false
  private var waiting: [RedisEntry]?
  private var hasSet = false
  /// What could not be read since the set was last read, the set included: the list may lack the entry that counts.
  private var flaws = 0
  private var aliveAt: UInt64?

  init(
    _ plan: RevocationPlan.Feed, updates: RevocationUpdates, loop: EventLoop, log: @escaping (Logger.Level, String) -> Void,
    changed: @escaping () -> Void, work: @escaping (@escaping @Sendable () -> Work) -> Void
  ) {
    settings = plan.settings
    state = plan.state
    endpoint = plan.endpoint
    self.updates = updates
    self.loop = loop
    self.log = log
    self.changed = changed
    self.work = work
    let now = Clock.milliseconds
    isStale = state.isStale(settings, now: now)
    tellsAt = now + Self.grace
    if let image = plan.image { took(image) }
  }

  var name: String { settings.name.value }

  /// Whether the file is still the one that was read, and what was read is good.
  var isUnchanged: Bool {
    guard case .file(let file) = settings.place, complaint == nil, !needsSecondLook, let signature else { return false }
    return (try? RevocationImage.Signature.look(file.value)) == signature
  }

  /// Equal for two rows that follow the same list in the same way.
  static func identity(_ settings: RevocationFeedSettings) -> String {
    switch settings.place {
    case .file(let file): "file \(file.value)"
    case .redis(let redis):
      "redis \(redis.address.value.text)\n\(redis.username ?? "")\n\(redis.password ?? "")\n\(redis.database)\n\(redis.channel)\n"
        + "\(redis.key)\n\(redis.readInterval)"
    }
  }

  func start() {
    guard case .redis(let redis) = settings.place else { return }
    self.redis = RedisFeed(loop: loop, settings: redis.feed, locate: { [weak self] in self?.located($0) }) { [weak self] in
      self?.heard($0)
    }
    self.redis?.start()
  }

  func stop() {
    redis?.stop()
    redis = nil
  }

  /// What writes into the list, for a feed of Redis.
  func makeWriter() -> RedisWriter? {
    guard case .redis(let redis) = settings.place else { return nil }
    return RedisWriter(loop: loop, settings: redis.feed, locate: { [weak self] in self?.located($0) }) { [weak self] in
      if let self { log(.error, "revocation feed \(name): \($0)") }
    }
  }

  /// A reload has changed at most how old the list may be, and what happens then.
  func adopt(_ plan: RevocationPlan.Feed) {
    settings = plan.settings
    // Of the two, this one hears where the name moves.
    if let endpoint = plan.endpoint { self.endpoint = endpoint }
    if let image = plan.image, image.signature != signature {
      state.base = image.table
      state.goodAt = Clock.milliseconds
      updates.successes += 1
      took(image)
    }
  }

  // MARK: Time

  /// Ten times a second or less: whether the file has changed, whether the list is too old.
  func tick(now: UInt64) {
    if case .file(let file) = settings.place { look(file.value, now: now) }
    let stale = state.isStale(settings, now: now)
    if stale != isStale {
      isStale = stale
      if settings.failsClosed { changed() }
    }
    // Not of a server that is just being asked for the first time.
    if stale != hasToldStale, !stale || now >= tellsAt { tellStale(stale, now) }
  }

  private func tellStale(_ stale: Bool, _ now: UInt64) {
    hasToldStale = stale
    if stale {
      let age = state.goodAt.map { "last read whole \((now - min(now, $0)) / 1000) s ago" } ?? "never read"
      log(
        settings.failsClosed ? .error : .warning,
        "revocation feed \(name) was \(age): "
          + (settings.failsClosed ? "requests with tokens are refused" : "the last list stays in force"))
    } else {
      log(.notice, "revocation feed \(name) is up to date: \(state.entries) entries")
    }
  }

  /// Drops what has ended, once in a while.
  func prune() {
    let now = Int64(Clock.realNanoseconds() / 1_000_000_000)
    state.pruneHeard(now: now)
    let base = state.base
    guard base.firstEnd <= now else { return }
    work { .pruned(RevocationLayers(base).merged(now: now), of: base) }
  }

  func finished(_ work: Work) {
    switch work {
    case .read(let result): finishedReading(result)
    case .built(let table, let flaws, let first, let mayForget):
      isBuilding = false
      if mayForget {
        state.older = state.young
        state.young = RevocationLayers()
      }
      state.base = table
      self.flaws += flaws
      hasSet = true
      if let first { complain("\(flaws) entries cannot be read; one \(first)") } else { complaint = nil }
      if flaws > 0 { updates.failures += 1 } else { updates.successes += 1 }
      if self.flaws == 0, let aliveAt { state.goodAt = aliveAt }
      changed()
      if let entries = waiting {
        waiting = nil
        build(entries, mayForget: false)
      }
    case .pruned(let table, let base):
      if state.base === base { state.base = table }
      changed()
    }
  }

  private func complain(_ text: String) {
    if complaint != text { log(.error, "revocation feed \(name): \(text)") }
    complaint = text
  }

  // MARK: A file

  private func took(_ image: RevocationImage) {
    signature = image.signature
    needsSecondLook = image.isFresh
    complaint = nil
  }

  private func look(_ path: String, now: UInt64) {
    guard !isReading else { return }
    do throws(RevocationImage.Failure) {
      let found = try RevocationImage.Signature.look(path)
      if found == signature, !needsSecondLook {
        if complaint == nil { state.goodAt = now }
        return
      }
      needsSecondLook = false
      isReading = true
      work { .read(Result { () throws(RevocationImage.Failure) in try RevocationImage.read(path) }) }
    } catch {
      if complaint == nil { updates.failures += 1 }
      signature = nil
      complain(error.text(path))
    }
  }

  private func finishedReading(_ result: Result<RevocationImage, RevocationImage.Failure>) {
    guard case .file(let file) = settings.place else { return }
    isReading = false
    switch result {
    case .success(let image):
      let isNew = image.signature != signature || complaint != nil
      took(image)
      state.base = image.table
      state.goodAt = Clock.milliseconds
      if isNew {
        updates.successes += 1
        log(.info, "revocation feed \(name): \(image.table.count) entries")
      }
      changed()
    case .failure(let failure):
      updates.failures += 1
      complain(failure.text(file.value) + ": the last good list stays")
      signature = failure.signature
      needsSecondLook = failure.isFresh
    }
  }

  // MARK: A server

  /// Where the name is at present. Its addresses are tried in turn.
  private func located(_ redis: RedisEndpoint) -> RedisEndpoint? {
    guard let endpoint else { return redis }
    guard let address = endpoint.address(attempt: attempts) else { return nil }
    var located = redis
    let peer = address.peer
    located.address = .tcp(host: peer.hostText, port: endpoint.port)
    return located
  }

  private func heard(_ event: RedisFeedEvent) {
    switch event {
    case .entry(let text): heardEntry(text)
    case .snapshot(let entries):
      flaws = 0
      if isBuilding { waiting = entries } else { build(entries, mayForget: true) }
    case .alive(let at):
      if aliveAt == nil { log(.notice, "revocation feed \(name): connected") }
      attempts = 0
      aliveAt = at
      if hasSet, !isBuilding, flaws == 0 { state.goodAt = at }
    case .down(let reason):
      attempts += 1
      if aliveAt != nil || attempts == 1 { log(.warning, "revocation feed \(name): \(reason); trying again") }
      aliveAt = nil
      updates.failures += 1
    case .ignored(let reason):
      flaws += 1
      updates.failures += 1
      complain(reason)
    }
  }

  private func heardEntry(_ text: String) {
    let now = Int64(Clock.realNanoseconds() / 1_000_000_000)
    do throws(RevocationError) {
      let entry = try Revocation(Array(text.utf8))
      guard state.older.count + state.young.count < RevocationState.maximumHeard else {
        flaws += 1
        return complain("more than \(RevocationState.maximumHeard) entries were published between two reads of the set")
      }
      updates.successes += 1
      guard entry.until > now else { return }
      state.young.add([entry], now: now)
      changed()
    } catch {
      flaws += 1
      updates.failures += 1
      complain("an entry that was published \(error.description)")
    }
  }

  private func build(_ entries: [RedisEntry], mayForget: Bool) {
    isBuilding = true
    work {
      var builder = RevocationTable.Builder()
      var flaws = 0
      var first: String?
      for entry in entries {
        do throws(RevocationError) {
          var read = try Revocation(Array(entry.text.utf8))
          // Both say when it ends: the set forgets it then.
          read.until = min(read.until, entry.endsAt)
          builder.add(read)
        } catch {
          flaws += 1
          first = first ?? error.description
        }
      }
      return .built(RevocationTable(builder), flaws: flaws, firstFlaw: first, mayForget: mayForget)
    }
  }
}

extension RedisSettings {
  var feed: RedisFeed.Settings {
    var feed = RedisFeed.Settings(endpoint: endpoint, channel: channel, key: key)
    feed.readInterval = UInt64(readInterval)
    feed.limits.textBytes = Revocation.maximumCount
    feed.limits.snapshotEntries = RevocationTable.maximumEntries
    feed.limits.snapshotBytes = RevocationFile.maximumBytes
    return feed
  }

  private var endpoint: RedisEndpoint {
    let place: RedisEndpoint.Address =
      switch address.value {
      case .tcp(let host, let port): .tcp(host: host, port: port)
      case .unix(let path): .unix(path: path)
      }
    return RedisEndpoint(place, username: username, password: password, database: database)
  }
}
