#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a fetch of the gateway's key set brought.
public struct FetchedKeySet: Sendable {
  /// The JWKS as it was sent.
  public var content: [UInt8]
  /// How long it may be used, if the answer said so.
  public var freshness: Duration?

  public init(content: [UInt8], freshness: Duration? = nil) {
    self.content = content
    self.freshness = freshness
  }

  /// - Parameter cacheControl: the answer's `Cache-Control` field (RFC 9111 section 5.2.2), several joined with commas.
  public init(content: [UInt8], cacheControl: String?) {
    self.init(content: content)
    for directive in (cacheControl ?? "").lowercased().split(separator: ",") {
      let parts = directive.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" } }
      if parts.first == "no-store" || parts.first == "no-cache" { freshness = .zero }
      if parts.count == 2, parts[0] == "max-age", let seconds = UInt32(parts[1]) {
        freshness = min(freshness ?? .seconds(seconds), .seconds(seconds))
      }
    }
  }
}

/// What happened to the key set, for logs and metrics.
public enum KeySetEvent: Sendable {
  /// A set is in force from now on.
  case installed(KeySet)
  /// A fetch failed or brought no set that can be used; the last good one, if any, stays in force.
  case failed(any Error)
}

/// The gateway's public keys, fetched when they are needed and kept.
///
/// One fetch is under way at a time, however many tokens wait for it. The set is fetched again before it ends, while it still
/// serves, and out of turn when a token names a key that is not in it (a rotation), at most once a cooldown. What goes wrong with
/// a fetch leaves the last good set in force. Nothing runs while no token comes: a backend needs no life cycle for this.
public actor KeySetCache {
  public typealias Fetch = @Sendable () async throws -> FetchedKeySet

  private let fetch: Fetch
  private let timeout: Duration
  private let now: @Sendable () -> Duration
  private let sleep: @Sendable (Duration) async throws -> Void
  private let report: (@Sendable (KeySetEvent) -> Void)?
  private var schedule: KeySetSchedule
  private var installed: KeySet?
  private var lastFailure: (any Error)?
  private var waiters: [CheckedContinuation<Void, Never>] = []
  /// Counts fetches, so that what a fetch brings after its time is dropped.
  private var number = 0
  private var tasks: [Task<Void, Never>] = []

  /// - Parameters:
  ///   - refresh: the longest time for which a key that the gateway has withdrawn is still believed while fetches succeed.
  ///   - cooldown: the shortest time between two fetches.
  ///   - maximumAge: how long a set serves that cannot be fetched anew.
  ///   - timeout: how long a fetch may take. A token waits so long at most.
  ///   - clock: one that never jumps.
  ///   - report: called after each fetch, on no particular thread.
  ///   - fetch: gets `/.well-known/jwks.json` from the gateway (a listener with `serve: jwks`), with any HTTP client, over TLS with
  ///     the authority that vouches for the gateway. Its task is cancelled when the time is over. Answers other than 200
  ///     must throw.
  public init(
    refresh: Duration = .seconds(300), cooldown: Duration = .seconds(30), maximumAge: Duration = .seconds(86_400),
    timeout: Duration = .seconds(10), clock: some Clock<Duration> = ContinuousClock(),
    report: (@Sendable (KeySetEvent) -> Void)? = nil, fetch: @escaping Fetch
  ) {
    let start = clock.now
    now = { start.duration(to: clock.now) }
    sleep = { try await clock.sleep(until: clock.now.advanced(by: $0), tolerance: nil) }
    schedule = KeySetSchedule(
      KeySetSchedule.Bounds(
        refresh: max(refresh, cooldown), cooldown: cooldown, maximumAge: max(maximumAge, refresh, cooldown)))
    self.timeout = timeout
    self.report = report
    self.fetch = fetch
  }

  /// Keys from a file, such as one that `gatehouse keys jwks` wrote: read again every 30 seconds and, at most once a second, when a
  /// token names a key that is not in it.
  public init(file path: String, report: (@Sendable (KeySetEvent) -> Void)? = nil) {
    self.init(refresh: .seconds(30), cooldown: .seconds(1), report: report) {
      FetchedKeySet(content: Array(try Data(contentsOf: URL(filePath: path))))
    }
  }

  /// Fetches the set now, unless there is one: for a start that is to fail when the keys cannot be had.
  ///
  /// - Throws: what the fetch threw, or `KeySetError`.
  public func load() async throws {
    guard await current() == nil else { return }
    throw lastFailure ?? KeySetError("no key set could be fetched so far")
  }

  /// The `kid` of each key in force.
  public var kids: [String] { installed?.kids ?? [] }

  /// The key that a token's header selects.
  ///
  /// - Throws: `.keysUnavailable`, `.unknownKey` or `.algorithm`.
  func key(kid: String?, algorithm: SignatureAlgorithm) async throws(InternalTokenError) -> VerificationKey {
    guard let set = await current() else { throw .keysUnavailable }
    do throws(InternalTokenError) {
      return try set.select(kid: kid, algorithm: algorithm)
    } catch .unknownKey {
      switch schedule.unknownKey(now: now()) {
      case .fetch:
        begin()
        await landing()
      case .wait: await landing()
      case .serve, .serveAndFetch, .refuse: throw .unknownKey
      }
    }
    guard let set = installed else { throw .keysUnavailable }
    return try set.select(kid: kid, algorithm: algorithm)
  }

  private func current() async -> KeySet? {
    switch schedule.lookup(now: now()) {
    case .serve: break
    case .serveAndFetch: begin()
    case .fetch:
      begin()
      await landing()
    case .wait: await landing()
    case .refuse: break
    }
    if !schedule.hasSet(now: now()) { installed = nil }
    return installed
  }

  // MARK: A fetch

  private func landing() async {
    guard schedule.isFetching else { return }
    await withCheckedContinuation { waiters.append($0) }
  }

  private func begin() {
    number += 1
    let number = number
    tasks = [
      Task { [fetch] in
        do {
          self.end(number, .success(try await fetch()))
        } catch {
          self.end(number, .failure(error))
        }
      },
      Task { [sleep, timeout] in
        guard (try? await sleep(timeout)) != nil else { return }
        self.end(number, .failure(KeySetError("the fetch took longer than \(timeout)")))
      },
    ]
  }

  private func end(_ number: Int, _ result: Result<FetchedKeySet, any Error>) {
    guard number == self.number, schedule.isFetching else { return }
    for task in tasks { task.cancel() }
    tasks = []
    let event: KeySetEvent
    do {
      let fetched = try result.get()
      let set = try KeySet(jwks: fetched.content)
      schedule.succeeded(now: now(), freshness: fetched.freshness, spread: .random(in: 0...1))
      installed = set
      lastFailure = nil
      event = .installed(set)
    } catch {
      schedule.failed(now: now())
      lastFailure = error
      event = .failed(error)
    }
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter.resume() }
    report?(event)
  }
}
